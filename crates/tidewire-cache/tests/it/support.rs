//! A cache with its reader and a clock, and short ways to say what comes in.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tidewire_cache::{
    Attached, Cache, CollectionSettings, Commit, DetachReason, Echo, FetchTicket, Intake, Interest,
    ListReading, Points, Presence, Progress, Publication, Reader, Reading, Settings, Taken, Trust,
    Wanted, WatchId,
};
use tidewire_model::{
    ActionId, Base, Change, ChangeBody, ChangeSet, Effect, EffectBody, EntityId, EntityKey,
    EntityType, Epoch, Notice, Offset, Patch, Point, Query, Record, Revision, Row, Tick, Version,
};

pub(crate) fn kind(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

pub(crate) fn things() -> EntityType {
    kind("things")
}

pub(crate) fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

pub(crate) fn key(text: &str) -> EntityKey {
    EntityKey::new(things(), id(text))
}

pub(crate) fn at(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

pub(crate) fn epoch(name: &str) -> Epoch {
    Epoch::new(name).unwrap()
}

pub(crate) fn point(number: u64) -> Point {
    Point::new(epoch("e1"), at(number))
}

/// Commits are missing behind this offset.
pub(crate) fn gap(received: u64) -> Taken {
    Taken::Gap {
        received: [(things(), point(received))].into(),
    }
}

pub(crate) fn record(json: Value) -> Record {
    Record::deserialize(json).unwrap()
}

pub(crate) fn patch(json: Value) -> Patch {
    Patch::deserialize(json).unwrap()
}

/// A thing with an id and one number to sort and filter by.
pub(crate) fn thing(name: &str, n: i64) -> Record {
    record(json!({"id": name, "n": n}))
}

pub(crate) fn row(name: &str, n: i64, version: u64) -> Row {
    Row {
        id: id(name),
        record: thing(name, n),
        version: Version::new(version),
    }
}

/// A budget for so many things and no more.
pub(crate) fn room_for(things: usize) -> usize {
    let mut rig = Rig::with(Settings::default(), windowed());
    rig.subscribe(Attached::Now, 4, 4);
    rig.commit(5, vec![put("e10", 10, 5)]);
    rig.flush();
    let each = rig.cache.stats().counted_bytes;
    things * each + each / 2
}

pub(crate) fn action(number: u64) -> ActionId {
    ActionId::new(number, [0; 10])
}

/// A change without a point: what it is about comes from the commit.
fn change(name: &str, version: Option<u64>, base: Base, body: ChangeBody) -> Change {
    Change {
        key: key(name),
        point: at(0),
        version: version.and_then(Version::new),
        base,
        body,
    }
}

pub(crate) fn put(name: &str, n: i64, version: u64) -> Change {
    change(
        name,
        Some(version),
        Base::None,
        ChangeBody::Put {
            record: thing(name, n),
            was: None,
        },
    )
}

/// A partial change on a base.
pub(crate) fn merge(name: &str, fields: Value, version: u64, base: u64) -> Change {
    let body = ChangeBody::Merge {
        patch: patch(fields),
        after: None,
        was: None,
    };
    change(
        name,
        Some(version),
        Base::Exactly(Version::new(base).unwrap()),
        body,
    )
}

/// A partial change with the entity after it and the old values.
pub(crate) fn merge_told(
    name: &str,
    (before, after): (i64, i64),
    version: u64,
    base: u64,
) -> Change {
    let body = ChangeBody::Merge {
        patch: patch(json!({"n": after})),
        after: Some(thing(name, after)),
        was: Some(record(json!({"n": before}))),
    };
    change(
        name,
        Some(version),
        Base::Exactly(Version::new(base).unwrap()),
        body,
    )
}

pub(crate) fn remove(name: &str, version: u64) -> Change {
    change(
        name,
        Some(version),
        Base::None,
        ChangeBody::Remove { was: None },
    )
}

pub(crate) fn remove_told(name: &str, n: i64, version: u64) -> Change {
    change(
        name,
        Some(version),
        Base::None,
        ChangeBody::Remove {
            was: Some(thing(name, n)),
        },
    )
}

pub(crate) fn stale(name: &str) -> Change {
    change(name, None, Base::None, ChangeBody::Stale)
}

/// A partial change as a peer without points sends it.
pub(crate) fn push_merge(name: &str, fields: Value, version: Option<u64>) -> Change {
    change(
        name,
        version,
        Base::AnyLower,
        ChangeBody::Merge {
            patch: patch(fields),
            after: None,
            was: None,
        },
    )
}

pub(crate) fn push_put(name: &str, n: i64, version: Option<u64>) -> Change {
    change(
        name,
        version,
        Base::None,
        ChangeBody::Put {
            record: thing(name, n),
            was: None,
        },
    )
}

pub(crate) fn push_remove(name: &str, version: Option<u64>) -> Change {
    change(name, version, Base::None, ChangeBody::Remove { was: None })
}

pub(crate) fn effect(name: &str, body: EffectBody) -> Effect {
    Effect::new(key(name), body)
}

pub(crate) fn set(name: &str, fields: Value) -> Effect {
    effect(name, EffectBody::Merge(patch(fields)))
}

pub(crate) fn create(name: &str, n: i64) -> Effect {
    effect(name, EffectBody::Put(thing(name, n)))
}

pub(crate) fn by_n(limit: u64) -> Query {
    Query::new(things()).sort_asc("n").limit(limit)
}

pub(crate) fn windowed() -> CollectionSettings {
    CollectionSettings::default()
}

pub(crate) fn complete() -> CollectionSettings {
    CollectionSettings {
        interest: Interest::Complete {
            max_rows: 1_000_000,
        },
        ..CollectionSettings::default()
    }
}

pub(crate) fn by_client() -> CollectionSettings {
    CollectionSettings {
        points: Points::Client,
        ..CollectionSettings::default()
    }
}

/// What a publication told, without what is to be dropped.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) woken: Vec<WatchId>,
    pub(crate) entities: Vec<EntityKey>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) revision: Revision,
}

impl From<Publication> for Step {
    fn from(publication: Publication) -> Self {
        let Publication {
            change_set, woken, ..
        } = publication;
        let ChangeSet {
            revision,
            entities,
            notices,
        } = change_set;
        Self {
            woken,
            entities,
            notices,
            revision,
        }
    }
}

/// A cache with its reader and a clock.
pub(crate) struct Rig {
    pub(crate) cache: Cache,
    pub(crate) reader: Reader,
    pub(crate) now: Tick,
}

impl Rig {
    pub(crate) fn new(settings: CollectionSettings) -> Self {
        Self::with(Settings::default(), settings)
    }

    pub(crate) fn with(bounds: Settings, settings: CollectionSettings) -> Self {
        let mut cache = Cache::new(bounds);
        cache.define(things(), settings).unwrap();
        let reader = cache.reader();
        Self {
            cache,
            reader,
            now: Tick::from_micros(1_000),
        }
    }

    /// A windowed stream of the server, attached now at this offset.
    pub(crate) fn attached(offset: u64) -> Self {
        let mut rig = Self::new(windowed());
        rig.subscribe(Attached::Now, offset, offset);
        rig.flush();
        rig
    }

    /// A complete stream with a snapshot of these rows at this offset.
    pub(crate) fn snapped(rows: Vec<Row>, offset: u64) -> Self {
        let mut rig = Self::new(complete());
        rig.snapshot(rows, offset);
        rig.flush();
        rig
    }

    pub(crate) fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    pub(crate) fn take(&mut self, intake: Intake) -> Taken {
        self.cache.take(self.now, intake)
    }

    pub(crate) fn subscribe(&mut self, result: Attached, offset: u64, head: u64) -> Taken {
        self.subscribe_in("e1", "", result, offset, head)
    }

    pub(crate) fn subscribe_in(
        &mut self,
        in_epoch: &str,
        view: &str,
        result: Attached,
        offset: u64,
        head: u64,
    ) -> Taken {
        self.take(Intake::Subscribed {
            entity_type: things(),
            result,
            epoch: epoch(in_epoch),
            view: view.to_owned(),
            offset: at(offset),
            head: at(head),
        })
    }

    pub(crate) fn snapshot(&mut self, rows: Vec<Row>, offset: u64) -> Taken {
        self.subscribe(Attached::Snapshot, offset, offset);
        self.snapshot_rows(rows, offset);
        self.snapshot_end(offset, Vec::new())
    }

    pub(crate) fn snapshot_rows(&mut self, rows: Vec<Row>, offset: u64) -> Taken {
        self.take(Intake::SnapshotRows {
            entity_type: things(),
            as_of: at(offset),
            rows,
        })
    }

    pub(crate) fn snapshot_end(&mut self, offset: u64, actions: Vec<ActionId>) -> Taken {
        self.take(Intake::SnapshotEnd {
            entity_type: things(),
            as_of: at(offset),
            actions,
        })
    }

    /// The commit behind `to - 1`.
    pub(crate) fn commit(&mut self, to: u64, changes: Vec<Change>) -> Taken {
        self.take(Intake::Commit(commit(to, changes)))
    }

    pub(crate) fn commit_echoing(
        &mut self,
        to: u64,
        changes: Vec<Change>,
        echoes: Vec<Echo>,
    ) -> Taken {
        self.take(Intake::Commit(Commit {
            echoes,
            ..commit(to, changes)
        }))
    }

    pub(crate) fn push(&mut self, changes: Vec<Change>) -> Taken {
        self.take(Intake::Pushed {
            entity_type: things(),
            changes,
            stale_all: false,
        })
    }

    pub(crate) fn answer(&mut self, number: u64, as_of: Option<u64>, rows: Vec<Row>) -> Taken {
        self.answer_naming(number, as_of, rows, &[])
    }

    pub(crate) fn answer_naming(
        &mut self,
        number: u64,
        as_of: Option<u64>,
        rows: Vec<Row>,
        names: &[(&str, &str)],
    ) -> Taken {
        let received = self.cache.received(&things());
        let epoch = received.map_or_else(|| epoch("e1"), |point| point.epoch);
        self.take(Intake::Answer {
            action: action(number),
            as_of: as_of
                .map(|offset| (things(), Point::new(epoch, at(offset))))
                .into_iter()
                .collect(),
            rows: rows.into_iter().map(|row| (things(), row)).collect(),
            missing: Vec::new(),
            replaced: naming(names),
        })
    }

    pub(crate) fn detach(&mut self, why: DetachReason) {
        self.take(Intake::Detached {
            entity_type: things(),
            why,
        });
    }

    pub(crate) fn add(&mut self, number: u64, effects: Vec<Effect>) -> Step {
        self.cache
            .add_action(self.now, action(number), effects)
            .into()
    }

    /// Takes a pending action out.
    pub(crate) fn refuse(&mut self, number: u64) -> Option<Step> {
        self.cache
            .remove_actions(self.now, vec![action(number)])
            .map(Step::from)
    }

    pub(crate) fn rename(&mut self, temporary: &str, real: &str) -> Option<Step> {
        self.cache
            .rename(self.now, &id(temporary), &id(real), &things())
            .map(Step::from)
    }

    /// Works and publishes all that is staged. Returns who was woken.
    pub(crate) fn flush(&mut self) -> Vec<WatchId> {
        self.steps()
            .into_iter()
            .flat_map(|step| step.woken)
            .collect()
    }

    /// Works and publishes all that is staged, batch by batch.
    pub(crate) fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        while self.cache.has_staged() {
            while self.cache.work(self.now, 3) == Progress::More {}
            steps.extend(self.cache.publish().map(Step::from));
        }
        steps
    }

    pub(crate) fn get(&self, name: &str) -> Reading {
        self.reader.get(self.now, &key(name))
    }

    pub(crate) fn trust(&self, name: &str) -> Trust {
        self.get(name).trust
    }

    /// The number in an entity, if it is there.
    pub(crate) fn n(&self, name: &str) -> Option<i64> {
        self.get(name).presence.record()?.get("n")?.as_i64()
    }

    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.get(name).presence == Presence::Absent
    }

    pub(crate) fn is_unknown(&self, name: &str) -> bool {
        self.get(name).presence == Presence::Unknown
    }

    pub(crate) fn list(&self, query: &Query) -> ListReading {
        self.reader.list(self.now, query)
    }

    /// The ids of a list, joined.
    pub(crate) fn ids(&self, query: &Query) -> String {
        let names: Vec<String> = self
            .list(query)
            .rows
            .iter()
            .map(|row| row.id.to_string())
            .collect();
        names.join(" ")
    }

    pub(crate) fn wants(&self) -> Vec<Wanted> {
        self.cache.wants(self.now)
    }

    /// The only thing that is wanted.
    pub(crate) fn want(&self) -> Wanted {
        let mut wants = self.wants();
        assert_eq!(wants.len(), 1, "one thing is wanted: {wants:?}");
        wants.remove(0)
    }

    pub(crate) fn begin(&mut self, wanted: &Wanted) -> FetchTicket {
        self.cache.begin_fetch(self.now, wanted)
    }

    /// Asks for these entities, wanted or not.
    pub(crate) fn ask(&mut self, names: &[&str]) -> FetchTicket {
        let ids = names.iter().map(|name| id(name)).collect();
        self.begin(&Wanted::Entities {
            entity_type: things(),
            ids,
        })
    }

    pub(crate) fn entities(
        &mut self,
        ticket: FetchTicket,
        as_of: Option<Point>,
        rows: Vec<Row>,
        missing: &[&str],
    ) -> Taken {
        let missing = missing.iter().map(|name| id(name)).collect();
        self.take(Intake::Entities {
            ticket,
            as_of,
            rows,
            missing,
        })
    }

    pub(crate) fn page(
        &mut self,
        ticket: FetchTicket,
        as_of: Option<Point>,
        rows: Vec<Row>,
        total_count: Option<u64>,
        end: bool,
    ) -> Taken {
        self.take(Intake::Page {
            ticket,
            as_of,
            rows,
            total_count,
            end,
        })
    }

    /// Answers the only page that is wanted.
    pub(crate) fn serve_page(&mut self, as_of: u64, rows: Vec<Row>, total_count: u64, end: bool) {
        let ticket = self.begin(&self.want());
        self.page(ticket, Some(point(as_of)), rows, Some(total_count), end);
        self.flush();
    }
}

pub(crate) fn commit(to: u64, changes: Vec<Change>) -> Commit {
    Commit {
        entity_type: things(),
        from: at(to - 1),
        to: at(to),
        changes,
        stale_all: false,
        echoes: Vec::new(),
    }
}

pub(crate) fn naming(names: &[(&str, &str)]) -> BTreeMap<EntityId, EntityId> {
    names
        .iter()
        .map(|(temporary, real)| (id(temporary), id(real)))
        .collect()
}

pub(crate) fn echo(number: u64) -> Echo {
    echo_naming(number, &[])
}

pub(crate) fn echo_naming(number: u64, names: &[(&str, &str)]) -> Echo {
    Echo {
        action: action(number),
        replaced: naming(names),
    }
}
