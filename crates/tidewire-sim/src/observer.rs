//! What one client's readers saw, and whether they may have: the laws that hold at every moment.
//!
//! Reads the view as an application does. Remembers the newest that was seen, across crashes, and
//! changes nothing.

use std::collections::BTreeMap;

use tidewire_cache::{Presence, Reading, Snapshot, Target, Trust};
use tidewire_model::{EntityId, EntityKey, EntityType, Offset, Record, Revision, Tick, ValueRef};

use crate::broken::Broken;
use crate::history::History;
use crate::hits::{Hit, Hits};
use crate::twin::{Certain, Sight, Twin};

mod lists;

/// The newest that was seen.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    applied: BTreeMap<EntityType, Offset>,
    entities: BTreeMap<EntityKey, Known>,
    revision: Revision,
}

/// What was seen of one entity.
#[derive(Debug, Default)]
struct Known {
    /// The newest version.
    version: Offset,
    /// Where it is known to have been gone.
    gone_at: Offset,
}

/// Everything a look needs beside the view.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) now: Tick,
    pub(crate) history: &'a History,
    pub(crate) twin: &'a Twin,
    pub(crate) targets: Vec<&'a Target>,
    /// The collections whose streams are never begun in the middle.
    pub(crate) complete: Vec<&'a EntityType>,
    pub(crate) types: &'a [EntityType],
    /// Why nothing may be live now, if so.
    pub(crate) not_live: Option<String>,
}

impl Observer {
    /// A program that begins again counts its revisions anew.
    pub(crate) fn restart(&mut self) {
        self.revision = Revision::ZERO;
    }

    /// Looks at everything the client shows.
    pub(crate) fn look(
        &mut self,
        look: &Look<'_>,
        snapshot: &Snapshot<'_>,
        hits: &mut Hits,
    ) -> Result<(), Broken> {
        if snapshot.revision() < self.revision {
            let what = format!(
                "the revision went from {} back to {}",
                self.revision,
                snapshot.revision()
            );
            return Err(Broken::law(1, what));
        }
        self.revision = snapshot.revision();
        let mut live = BTreeMap::new();
        for entity_type in look.types {
            let sight = self.sight(look, snapshot, entity_type)?;
            if let (true, Some(applied)) = (sight.live, sight.applied) {
                live.insert(entity_type, applied);
            }
            let mut ids: Vec<EntityId> = look.history.ids(entity_type).cloned().collect();
            ids.extend(
                look.twin
                    .ids(entity_type)
                    .into_iter()
                    .filter(EntityId::is_temporary),
            );
            for id in ids {
                let key = EntityKey::new(entity_type.clone(), id);
                let reading = snapshot.get(look.now, &key);
                self.look_at(&sight, look, snapshot, &key, &reading, hits)
                    .map_err(|broken| broken.of(format!("{key:?} {reading:?} {sight}")))?;
            }
            for target in &look.targets {
                if let Target::List(query) = target
                    && query.entity_type() == entity_type
                {
                    lists::look(&sight, look, snapshot, query, hits)?;
                }
            }
        }
        whole_commits(look.history, &live)
    }

    /// How far a stream has come (law 3), and whether it may be live (law 16).
    fn sight<'a>(
        &mut self,
        look: &Look<'a>,
        snapshot: &Snapshot<'_>,
        entity_type: &'a EntityType,
    ) -> Result<Sight<'a>, Broken> {
        let applied = snapshot.applied(entity_type).map(|point| point.offset);
        let live = snapshot.is_live(entity_type);
        if let Some(applied) = applied {
            let before = self.applied.entry(entity_type.clone()).or_default();
            if applied < *before {
                let what =
                    format!("{entity_type} was applied up to {before} and is now up to {applied}");
                return Err(Broken::law(3, what));
            }
            if applied > look.history.head(entity_type) {
                return Err(Broken::law(
                    3,
                    format!("{entity_type} is applied beyond the truth, up to {applied}"),
                ));
            }
            *before = applied;
        }
        if let (true, Some(why)) = (live, &look.not_live) {
            return Err(Broken::law(16, format!("{entity_type} is live, but {why}")));
        }
        let unbroken = live && look.complete.contains(&entity_type);
        let history = look.history;
        let mut names = BTreeMap::new();
        for id in look.twin.ids(entity_type) {
            let current = snapshot.current_id(&id);
            let named = history.named(&id);
            if current != id && named != Some(&current) {
                return Err(Broken::law(
                    13,
                    format!("{id} is followed to {current}, and was named {named:?}"),
                ));
            }
            names.insert(id, current);
        }
        Ok(Sight {
            history,
            entity_type,
            applied,
            live,
            unbroken,
            names,
        })
    }

    fn look_at(
        &mut self,
        sight: &Sight<'_>,
        look: &Look<'_>,
        snapshot: &Snapshot<'_>,
        key: &EntityKey,
        reading: &Reading,
        hits: &mut Hits,
    ) -> Result<(), Broken> {
        if reading.trust == Trust::Live && !sight.live {
            return Err(Broken::law(
                16,
                "the entity is live and its stream is not".to_owned(),
            ));
        }
        if key.id.is_temporary() {
            return follow(sight, look, snapshot, key, reading, hits);
        }
        self.look_back(sight, key, reading)?;
        if reading.trust == Trust::Live {
            let Some(ways) = look.twin.seen(sight, &key.id) else {
                return Ok(());
            };
            hits.note(Hit::EntityCompared);
            let record = reading.presence.record();
            let fits = ways.iter().any(|way| {
                way.pending == reading.pending && same(look.history, way.record.as_ref(), record)
            });
            if !fits || reading.presence == Presence::Unknown {
                return Err(Broken::law(
                    8,
                    format!("the entity is live and should be one of {ways:?}"),
                ));
            }
            return Ok(());
        }
        own_writes(sight, look, &key.id, reading)
    }

    /// Laws 4 and 5, and that nothing is shown which never was.
    fn look_back(
        &mut self,
        sight: &Sight<'_>,
        key: &EntityKey,
        reading: &Reading,
    ) -> Result<(), Broken> {
        let known = self.entities.entry(key.clone()).or_default();
        let version = reading.version.map(Offset::from);
        if let Some(version) = version {
            if version < known.version {
                let what = format!("version {} was seen, and now an older one", known.version);
                return Err(Broken::law(4, what));
            }
            known.version = version;
        }
        if reading.pending {
            return Ok(());
        }
        match (&reading.presence, version) {
            (Presence::Unknown, _) => Ok(()),
            (Presence::Absent, _) => {
                let gone = sight
                    .history
                    .first_absence(sight.entity_type, &key.id, known.version);
                let Some(gone) = gone else {
                    let what = "it is shown as absent, and was there ever since the version seen"
                        .to_owned();
                    return Err(Broken::law(8, what));
                };
                known.gone_at = known.gone_at.max(gone);
                Ok(())
            }
            (Presence::Present(_), None) => Err(Broken::law(
                8,
                "no pending write shaped it, and it has no version".to_owned(),
            )),
            (Presence::Present(record), Some(version)) => {
                if version <= known.gone_at && known.gone_at > Offset::ZERO {
                    let what = format!(
                        "it was gone at {} and is back with version {version}",
                        known.gone_at
                    );
                    return Err(Broken::law(5, what));
                }
                let was = sight.history.at(sight.entity_type, version).get(&key.id);
                match was {
                    Some((was, at))
                        if *at == version && same(sight.history, Some(was), Some(record)) =>
                    {
                        Ok(())
                    }
                    other => Err(Broken::law(
                        8,
                        format!("the server never said this; it said {other:?}"),
                    )),
                }
            }
        }
    }
}

/// Own writes are visible until superseded or refused (law 11).
fn own_writes(
    sight: &Sight<'_>,
    look: &Look<'_>,
    id: &EntityId,
    reading: &Reading,
) -> Result<(), Broken> {
    let Some(certain) = look.twin.certain(sight, id) else {
        return Ok(());
    };
    let fits = match (&certain, &reading.presence) {
        (Certain::Absent, Presence::Absent) => reading.pending,
        (Certain::Present(fields) | Certain::Fields(fields), Presence::Present(record)) => {
            reading.pending && has_fields(look.history, record, fields)
        }
        (Certain::Fields(_), Presence::Absent | Presence::Unknown) => true,
        (Certain::Present(_) | Certain::Absent, _) => false,
    };
    if fits {
        return Ok(());
    }
    Err(Broken::law(
        11,
        format!("an own write should be seen: {certain:?}"),
    ))
}

/// A temporary id is followed to the entity that the server named.
fn follow(
    sight: &Sight<'_>,
    look: &Look<'_>,
    snapshot: &Snapshot<'_>,
    key: &EntityKey,
    reading: &Reading,
    hits: &mut Hits,
) -> Result<(), Broken> {
    let Some(real) = look.history.named(&key.id) else {
        return own_writes(sight, look, &key.id, reading);
    };
    let real = EntityKey::new(key.entity_type.clone(), real.clone());
    if snapshot.current_key(key) == real {
        hits.note(Hit::NameFollowed);
        let other = snapshot.get(look.now, &real);
        if other != *reading {
            return Err(Broken::law(
                2,
                format!("under its real id the same entity reads {other:?}"),
            ));
        }
    }
    Ok(())
}

/// A commit over several streams is seen whole or not at all (law 1).
fn whole_commits(history: &History, live: &BTreeMap<&EntityType, Offset>) -> Result<(), Broken> {
    for commit in history.shared().iter().rev().take(48) {
        let sides = commit
            .iter()
            .filter_map(|(name, to)| Some(*live.get(name)? >= *to));
        let sides: Vec<bool> = sides.collect();
        if sides.contains(&true) && sides.contains(&false) {
            let what =
                format!("of the commit {commit:?} one part is seen and another is not: {live:?}");
            return Err(Broken::law(1, what));
        }
    }
    Ok(())
}

/// The same content, whichever of its two names an entity is mentioned by.
fn same(history: &History, left: Option<&Record>, right: Option<&Record>) -> bool {
    match (left, right) {
        (Some(left), Some(right)) => {
            left == right || history.canonical(left) == history.canonical(right)
        }
        (None, None) => true,
        _ => false,
    }
}

fn has_fields(history: &History, record: &Record, fields: &Record) -> bool {
    let (record, fields) = (history.canonical(record), history.canonical(fields));
    fields
        .fields()
        .all(|(name, value)| record.get(name).is_some_and(|held| equal(held, value)))
}

fn equal(left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
    left.to_value() == right.to_value()
}

impl std::fmt::Display for Sight<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let applied = self
            .applied
            .map_or_else(|| "nothing".to_owned(), |applied| applied.to_string());
        let live = if self.live { "live" } else { "not live" };
        write!(
            f,
            "({} is {live}, applied up to {applied})",
            self.entity_type
        )
    }
}
