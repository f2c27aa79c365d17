//! A naive twin: it takes every event in turn and does all there is to do about it, in plain maps.
//!
//! One entity type, points of the server, no bounds. Says what a reader must see; never looks at
//! the cache.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_cache::{Attached, Commit, DetachReason, Intake, Taken};
use tidewire_model::{
    ActionId, Base, Change, ChangeBody, Effect, EffectBody, EntityId, Offset, Point, Query, Record,
    Version,
};

use crate::support::key;

/// Something that happened to the cache.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Take(Box<Intake>),
    /// A batch begins: what was taken in so far belongs to it.
    Begin,
    Publish,
    Add(ActionId, Vec<Effect>),
    Refuse(ActionId),
    Rename(EntityId, EntityId),
    /// A request, by its number.
    Ask(u64),
}

/// An epoch and an offset in it.
type At = (String, u64);

/// What is known of one entity.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Nothing, absent, or present.
    image: Option<Option<Record>>,
    version: Option<Version>,
    known: Option<At>,
    stale: Option<At>,
    /// The moments: of a mark, of whole knowledge, of the request answered last.
    mark: Option<usize>,
    confirmed: usize,
    fetched: Option<usize>,
}

#[derive(Debug, Clone)]
struct Pending {
    action: ActionId,
    effects: Vec<Effect>,
    /// The point and the moment of the answer. No point where it did nothing here, and none inside
    /// where no epoch was known.
    answered: Option<(Option<Option<At>>, usize)>,
}

/// Everything the twin knows after some events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Twin {
    /// How many events it has taken in.
    moments: usize,
    received: Option<At>,
    attached: bool,
    snapshot: Option<(
        Option<u64>,
        BTreeMap<String, (Record, Option<Version>)>,
        usize,
    )>,
    queue: Vec<(usize, Work)>,
    begun: Option<Begun>,
    asked: BTreeMap<u64, (Option<At>, Option<String>, usize)>,

    epoch_name: Option<String>,
    /// The epoch with a number: one that comes back is another one.
    epoch: Option<String>,
    epochs: usize,
    view: Option<String>,
    applied: Option<u64>,
    reached: Option<u64>,
    since: Option<u64>,
    head: Option<u64>,
    building: bool,
    complete: Option<(At, usize)>,
    /// The highest point noted of an entity in this epoch, and up to where what was noted was forgotten.
    highest: Option<u64>,
    forgotten: Option<u64>,
    hidden: bool,
    stale: Option<u64>,
    mark: Option<usize>,
    entities: BTreeMap<String, Known>,
    pending: Vec<Pending>,
    aliases: BTreeMap<String, String>,
    /// What the last take was answered with.
    pub(crate) taken: Option<Taken>,
}

/// A batch that is being worked: how much of the queue it has, what was known when it began, and the
/// own writes since.
#[derive(Debug, Clone)]
struct Begun {
    count: usize,
    before: Box<Twin>,
    own: Vec<Event>,
}

#[derive(Debug, Clone)]
enum Work {
    Intake(Intake),
    Snapshot {
        as_of: u64,
        rows: BTreeMap<String, (Record, Option<Version>)>,
        actions: Vec<ActionId>,
        begun: usize,
    },
}

impl Twin {
    /// Takes in those events that it has not taken in yet.
    pub(crate) fn follow(&mut self, events: &[Event]) {
        for (moment, event) in events.iter().enumerate().skip(self.moments) {
            self.on(moment, event);
        }
        self.moments = events.len();
    }

    fn on(&mut self, moment: usize, event: &Event) {
        match event {
            Event::Take(intake) => self.taken = Some(self.take(moment, intake)),
            Event::Begin => {
                self.begun = Some(Begun {
                    count: self.queue.len(),
                    before: Box::new(self.clone()),
                    own: Vec::new(),
                });
            }
            Event::Publish => self.publish(),
            Event::Ask(number) => {
                self.asked.insert(
                    *number,
                    (self.received.clone(), self.epoch_name.clone(), moment),
                );
            }
            Event::Add(..) | Event::Refuse(_) | Event::Rename(..) => {
                self.write(event);
                if let Some(begun) = &mut self.begun {
                    begun.own.push(event.clone());
                }
            }
        }
    }

    /// The batch is made of what was known when it began, and own writes since come on top.
    fn publish(&mut self) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let shown = std::mem::replace(self, *begun.before);
        (self.received, self.attached) = (shown.received, shown.attached);
        (self.snapshot, self.queue) = (shown.snapshot, shown.queue);
        (self.asked, self.taken) = (shown.asked, shown.taken);
        for (moment, work) in self.queue.drain(..begun.count).collect::<Vec<_>>() {
            self.apply(moment, work);
        }
        for event in begun.own {
            self.write(&event);
        }
    }

    /// An own write.
    fn write(&mut self, event: &Event) {
        match event {
            Event::Add(action, effects) => {
                self.pending.push(Pending {
                    action: *action,
                    effects: effects.clone(),
                    answered: None,
                });
                for (temporary, real) in self.aliases.clone() {
                    self.rename_effects(&temporary, &real);
                }
            }
            Event::Refuse(action) => {
                let before = self.pending.len();
                self.pending.retain(|pending| pending.action != *action);
                if self.pending.len() < before {
                    self.settle();
                }
            }
            Event::Rename(temporary, real) => self.rename(temporary, real),
            _ => {}
        }
    }

    fn take(&mut self, moment: usize, intake: &Intake) -> Taken {
        match intake {
            Intake::Subscribed {
                epoch,
                result,
                offset,
                ..
            } => {
                self.attached = true;
                self.received = Some((epoch.to_string(), offset.get()));
                self.snapshot =
                    (*result == Attached::Snapshot).then(|| (None, BTreeMap::new(), moment));
            }
            Intake::Commit(Commit { from, to, .. }) => {
                let Some(received) = self.received.as_mut().filter(|_| self.attached) else {
                    return Taken::NotHeld;
                };
                if to.get() <= received.1 {
                    return Taken::Repeat;
                }
                if from.get() != received.1 {
                    return self.gap(moment);
                }
                received.1 = to.get();
            }
            Intake::Head { offset, .. } => {
                let Some(received) = self.received.as_ref().filter(|_| self.attached) else {
                    return Taken::NotHeld;
                };
                return if offset.get() > received.1 {
                    self.gap(moment)
                } else {
                    Taken::Repeat
                };
            }
            Intake::SnapshotRows { as_of, rows, .. } => {
                let Some((known, held, _)) = self.snapshot.as_mut() else {
                    return Taken::NotHeld;
                };
                if known.is_some_and(|known| known != as_of.get()) {
                    return Taken::NotHeld;
                }
                *known = Some(as_of.get());
                held.extend(
                    rows.iter()
                        .map(|row| (row.id.to_string(), (row.record.clone(), row.version))),
                );
                return Taken::Staged;
            }
            Intake::SnapshotEnd { as_of, actions, .. } => {
                let Some((known, rows, begun)) = self.snapshot.take() else {
                    return Taken::NotHeld;
                };
                if known.is_some_and(|known| known != as_of.get()) {
                    return self.gap(moment);
                }
                if let Some(received) = &mut self.received {
                    received.1 = received.1.max(as_of.get());
                }
                let work = Work::Snapshot {
                    as_of: as_of.get(),
                    rows,
                    actions: actions.clone(),
                    begun,
                };
                self.queue.push((moment, work));
                return Taken::Staged;
            }
            Intake::Entities {
                as_of: Some(as_of), ..
            } => {
                let ahead = self.received.as_ref().is_some_and(|received| {
                    self.attached
                        && received.0 == as_of.epoch.as_str()
                        && as_of.offset.get() > received.1
                });
                if ahead {
                    // It speaks for what has not come in.
                    let taken = self.gap(moment);
                    self.queue.push((moment, Work::Intake(intake.clone())));
                    return taken;
                }
            }
            Intake::Detached { .. } => {
                self.attached = false;
                self.snapshot = None;
            }
            Intake::Clear { .. } if self.snapshot.is_some() => {
                let taken = self.gap(moment);
                self.queue.push((moment, Work::Intake(intake.clone())));
                return taken;
            }
            _ => {}
        }
        self.queue.push((moment, Work::Intake(intake.clone())));
        Taken::Staged
    }

    fn gap(&mut self, moment: usize) -> Taken {
        self.attached = false;
        self.snapshot = None;
        let why = DetachReason::Gap;
        self.queue.push((
            moment,
            Work::Intake(Intake::Detached {
                entity_type: crate::support::things(),
                why,
            }),
        ));
        let (epoch, offset) = self.received.clone().expect("it was compared with");
        let received = Point::new(crate::support::epoch(&epoch), Offset::new(offset).unwrap());
        Taken::Gap {
            received: [(crate::support::things(), received)].into(),
        }
    }

    fn apply(&mut self, moment: usize, work: Work) {
        match work {
            Work::Snapshot {
                as_of,
                rows,
                actions,
                begun,
            } => self.apply_snapshot(as_of, &rows, &actions, begun),
            Work::Intake(intake) => match intake {
                Intake::Subscribed {
                    result,
                    epoch,
                    view,
                    offset,
                    head,
                    ..
                } => {
                    self.apply_subscribed(
                        result,
                        epoch.as_str(),
                        &view,
                        (offset.get(), head.get()),
                    );
                }
                Intake::Commit(commit) => self.apply_commit(moment, &commit),
                Intake::Entities {
                    ticket,
                    as_of,
                    rows,
                    missing,
                } => {
                    let number = format!("{ticket:?}");
                    let number = number
                        .trim_matches(|c: char| !c.is_ascii_digit())
                        .parse()
                        .unwrap();
                    let Some((received, asked_in, begun)) = self.asked.remove(&number) else {
                        return;
                    };
                    let Some(at) = as_of
                        .as_ref()
                        .and_then(|point| self.comparable(point, asked_in.as_deref()))
                    else {
                        return;
                    };
                    if received.is_some_and(|received| {
                        Some(received.0) == self.epoch_name && at.1 < received.1
                    }) {
                        return;
                    }
                    for row in rows {
                        self.learn(&row.id, Some((row.record, row.version)), Some(&at), begun);
                    }
                    for id in missing {
                        self.learn(&id, None, Some(&at), begun);
                    }
                    self.settle();
                }
                Intake::Rows { as_of, rows, .. } => {
                    let Some(at) = self.comparable(&as_of, None) else {
                        return;
                    };
                    for row in rows {
                        self.learn(&row.id, Some((row.record, row.version)), Some(&at), moment);
                    }
                    self.settle();
                }
                intake @ Intake::Answer { .. } => self.apply_answer(moment, intake),
                Intake::Detached { why, .. } => {
                    self.head = None;
                    self.building = false;
                    self.reached = None;
                    self.hidden |= why == DetachReason::Rights;
                    self.settle();
                }
                Intake::Clear { .. } => {
                    self.forgotten = self.forgotten.max(self.highest);
                    self.entities.clear();
                    self.asked.clear();
                    self.complete = None;
                }
                Intake::Stale { ids: None, .. } => self.mark = Some(moment),
                Intake::Stale { ids: Some(ids), .. } => {
                    for id in ids {
                        let id = self
                            .aliases
                            .get(id.as_str())
                            .cloned()
                            .unwrap_or_else(|| id.to_string());
                        if let Some(known) = self.entities.get_mut(&id) {
                            known.mark = Some(moment);
                        }
                    }
                }
                _ => {}
            },
        }
    }

    /// The server accepted an own action.
    fn apply_answer(&mut self, moment: usize, intake: Intake) {
        let Intake::Answer {
            action,
            as_of,
            rows,
            replaced,
            ..
        } = intake
        else {
            return;
        };
        for (temporary, real) in &replaced {
            self.rename(temporary, real);
        }
        let point = as_of.values().next();
        if let (Some(point), None) = (point, &self.epoch_name) {
            self.enter(point.epoch.as_str());
        }
        let at = point.map(|point| {
            let held = self.epoch_name.as_deref() == Some(point.epoch.as_str());
            held.then(|| (self.epoch.clone().unwrap(), point.offset.get()))
        });
        if let Some(known) = at.clone().flatten() {
            for (_, row) in rows {
                let row = (row.id, Some((row.record, row.version)));
                self.learn(&row.0, row.1, Some(&known), moment);
            }
        }
        for pending in self
            .pending
            .iter_mut()
            .filter(|pending| pending.action == action)
        {
            pending.answered = Some((at.clone(), moment));
        }
        self.settle();
    }

    fn comparable(&mut self, point: &Point, asked_in: Option<&str>) -> Option<At> {
        if self.epoch_name.as_deref() != Some(point.epoch.as_str()) {
            if self.head.is_some()
                || (self.epoch.is_some() && self.epoch_name.as_deref() != asked_in)
            {
                return None;
            }
            self.enter(point.epoch.as_str());
        }
        Some((self.epoch.clone()?, point.offset.get()))
    }

    fn enter(&mut self, epoch: &str) {
        if self.epoch_name.as_deref() != Some(epoch) {
            self.epoch_name = Some(epoch.to_owned());
            self.epochs += 1;
            self.epoch = Some(format!("{epoch} ({})", self.epochs));
            (self.applied, self.reached, self.since, self.stale) = (None, None, None, None);
            (self.highest, self.forgotten) = (None, None);
        }
    }

    fn apply_subscribed(
        &mut self,
        result: Attached,
        epoch: &str,
        view: &str,
        (offset, head): (u64, u64),
    ) {
        let other_view = self.view.as_deref().is_some_and(|known| known != view);
        if other_view || (self.hidden && result == Attached::Now) {
            if result == Attached::Snapshot {
                self.hidden = true;
            } else {
                self.entities.clear();
                self.asked.clear();
                self.complete = None;
            }
        }
        self.enter(epoch);
        self.view = Some(view.to_owned());
        self.head = Some(head);
        self.building = result == Attached::Snapshot;
        self.reached = None;
        if result == Attached::Resumed && !other_view && self.applied >= Some(offset) {
            self.since = self.since.or(Some(offset));
            self.hidden = false;
        } else if result != Attached::Snapshot {
            self.since = Some(offset);
            self.applied = Some(offset);
            self.complete = None;
            self.hidden = false;
        }
        self.settle();
    }

    fn apply_commit(&mut self, moment: usize, commit: &Commit) {
        for echo in &commit.echoes {
            for (temporary, real) in &echo.replaced {
                self.rename(temporary, real);
            }
            self.pending.retain(|pending| pending.action != echo.action);
        }
        let at = (self.epoch.clone().expect("it is attached"), commit.to.get());
        let mut settled = BTreeSet::new();
        // After a resume, commits that are applied and not yet visible come again.
        let repeated = self.applied >= Some(at.1);
        for change in commit.changes.iter().filter(|_| !repeated) {
            let again = settled.contains(change.key.id.as_str());
            if self.tell(moment, change, &at, again) {
                settled.insert(change.key.id.to_string());
            }
        }
        if self.building {
            self.reached = self.reached.max(Some(at.1));
        } else {
            self.applied = self.applied.max(Some(at.1));
        }
        if commit.stale_all {
            self.stale = self.stale.max(Some(at.1));
        }
        self.settle();
    }

    /// One change; tells whether the entity is known up to it.
    fn tell(&mut self, moment: usize, change: &Change, at: &At, again: bool) -> bool {
        let known = self.entities.entry(change.key.id.to_string()).or_default();
        if known.known.as_ref().is_some_and(|known| known.0 != at.0) {
            known.version = None;
        }
        if known
            .known
            .as_ref()
            .is_some_and(|known| known.0 == at.0 && at.1 <= known.1)
            && !again
        {
            return false;
        }
        let is_held = known.image.is_some();
        let let_go = !is_held && self.forgotten > Some(at.1);
        self.highest = self.highest.max(Some(at.1));
        let whole = match (&change.body, &known.image) {
            _ if let_go => None,
            (
                ChangeBody::Put { record, .. }
                | ChangeBody::Merge {
                    after: Some(record),
                    ..
                },
                _,
            ) => Some((Some(record.clone()), true)),
            (ChangeBody::Remove { .. }, _) => Some((None, true)),
            (ChangeBody::Merge { patch, .. }, Some(Some(record))) => match change.base {
                Base::Exactly(base) if known.version == Some(base) || again => {
                    Some((Some(record.merge(patch)), false))
                }
                _ => None,
            },
            _ => None,
        };
        let Some((image, is_whole)) = whole else {
            let newer = known
                .stale
                .as_ref()
                .is_none_or(|stale| stale.0 != at.0 || stale.1 <= at.1);
            if newer {
                known.stale = Some(at.clone());
            }
            return false;
        };
        known.image = Some(image);
        known.version = change.version.or(known.version);
        known.known = Some(at.clone());
        if is_whole {
            known.mark = None;
            known.confirmed = moment;
        }
        true
    }

    fn learn(
        &mut self,
        id: &EntityId,
        row: Option<(Record, Option<Version>)>,
        at: Option<&At>,
        begun: usize,
    ) {
        let epoch = self.epoch.clone();
        let known = self.entities.entry(id.to_string()).or_default();
        if known
            .known
            .as_ref()
            .is_some_and(|known| Some(&known.0) != epoch.as_ref())
        {
            known.version = None;
        }
        let is_entry = known.image.is_some() || known.known.is_some() || known.stale.is_some();
        // What a complete stream does not hold is absent, up to its snapshot at least.
        let snapped = self
            .complete
            .as_ref()
            .map(|(at, _)| at)
            .filter(|_| known.image.is_none());
        let forgotten = self.forgotten.filter(|_| known.image.is_none());
        let floor = known
            .known
            .as_ref()
            .or(snapped)
            .filter(|known| Some(&known.0) == epoch.as_ref())
            .map(|known| known.1)
            .max(forgotten);
        let refused = match (floor, at) {
            (Some(floor), Some(at)) => at.1 < floor,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if refused {
            if !is_entry {
                self.entities.remove(id.as_str());
            }
            return;
        }
        self.highest = self.highest.max(at.map(|at| at.1));
        known.version = row.as_ref().map_or(known.version, |(_, version)| *version);
        known.image = Some(row.map(|(record, _)| record));
        known.known = at.cloned();
        known.confirmed = known.confirmed.max(begun);
        known.fetched = known.fetched.max(Some(begun));
        known.mark = known.mark.filter(|mark| *mark > begun);
    }

    fn apply_snapshot(
        &mut self,
        as_of: u64,
        rows: &BTreeMap<String, (Record, Option<Version>)>,
        actions: &[ActionId],
        begun: usize,
    ) {
        let at = (self.epoch.clone().expect("it is attached"), as_of);
        let ids: BTreeSet<String> = self.entities.keys().chain(rows.keys()).cloned().collect();
        for id in ids {
            let row = rows.get(&id).cloned();
            self.learn(&EntityId::text(&id).unwrap(), row, Some(&at), begun);
        }
        self.since = Some(as_of);
        self.applied = Some(as_of).max(self.reached.take());
        self.complete = Some((at, begun));
        self.hidden = false;
        self.building = false;
        self.pending
            .retain(|pending| !actions.contains(&pending.action));
        self.settle();
    }

    fn settle(&mut self) {
        // Each effect is judged by what was there before any of them left.
        let mut first = BTreeMap::new();
        for pending in &self.pending {
            for effect in &pending.effects {
                first.entry(effect.key.clone()).or_insert(pending.action);
            }
        }
        let mut pending = std::mem::take(&mut self.pending);
        for pending in &mut pending {
            let Some((at, moment)) = pending.answered.clone() else {
                continue;
            };
            let action = pending.action;
            pending.effects.retain(|effect| {
                let is_first = first.get(&effect.key) == Some(&action);
                !self.contains(at.as_ref(), moment, &effect.key.id, is_first)
            });
        }
        pending.retain(|pending| !pending.effects.is_empty());
        self.pending = pending;
    }

    fn contains(
        &self,
        at: Option<&Option<At>>,
        moment: usize,
        id: &EntityId,
        is_first: bool,
    ) -> bool {
        let known = self.entities.get(id.as_str());
        if known.is_some_and(|known| known.fetched.is_some_and(|fetched| fetched >= moment)) {
            return true;
        }
        let comparable = at
            .and_then(Option::as_ref)
            .filter(|at| Some(&at.0) == self.epoch.as_ref());
        let coming = comparable.is_some_and(|at| {
            self.head.is_some()
                && (self.building || self.applied.is_none_or(|applied| applied < at.1))
        });
        if id.is_temporary() && known.is_none() && !coming && is_first {
            return true;
        }
        match (at, comparable) {
            (None, _) => self.head.is_some(),
            (_, None) => false,
            (_, Some(at)) => {
                let seen = self.complete.is_some() || self.since.is_some_and(|since| since < at.1);
                let entity = known.and_then(|known| known.known.as_ref());
                (seen && self.applied.is_some_and(|applied| applied >= at.1))
                    || entity.is_some_and(|known| known.0 == at.0 && known.1 >= at.1)
            }
        }
    }

    fn rename(&mut self, temporary: &EntityId, real: &EntityId) {
        if self.aliases.contains_key(temporary.as_str()) {
            return;
        }
        self.aliases.insert(temporary.to_string(), real.to_string());
        self.rename_effects(temporary.as_str(), real.as_str());
    }

    fn rename_effects(&mut self, temporary: &str, real: &str) {
        for effect in self
            .pending
            .iter_mut()
            .flat_map(|pending| &mut pending.effects)
        {
            if effect.key.id.as_str() == temporary {
                effect.key = key(real);
            }
            if let EffectBody::Put(record) = &mut effect.body
                && record.get("id").and_then(|id| id.as_text()) == Some(temporary)
            {
                *record = record.with("id", real);
            }
        }
    }

    fn base(&self, id: &str) -> Option<Option<Record>> {
        match self.entities.get(id) {
            Some(known) if known.image.is_some() || known.stale.is_some() => known.image.clone(),
            _ => self.complete.as_ref().map(|_| None),
        }
    }

    /// What a reader sees of an entity, and whether pending actions shaped it.
    pub(crate) fn see(&self, id: &str) -> (Option<Option<Record>>, bool) {
        if self.hidden {
            return (None, false);
        }
        let id = self.aliases.get(id).map_or(id, String::as_str);
        let mut image = self.base(id);
        let mut pending = false;
        for effect in self.pending.iter().flat_map(|pending| &pending.effects) {
            if effect.key.id.as_str() != id {
                continue;
            }
            pending = true;
            image = match (&effect.body, image) {
                (EffectBody::Put(record), _) => Some(Some(record.clone())),
                (EffectBody::Remove, _) => Some(None),
                (_, None) => None,
                (body, Some(record)) => Some(body.apply(record.as_ref())),
            };
        }
        (image, pending)
    }

    pub(crate) fn version(&self, id: &str) -> Option<Version> {
        let id = self.aliases.get(id).map_or(id, String::as_str);
        let known = self.entities.get(id).filter(|_| !self.hidden)?;
        known.version.filter(|_| self.is_of_this_epoch(known))
    }

    /// Versions end with their epoch.
    fn is_of_this_epoch(&self, known: &Known) -> bool {
        known
            .known
            .as_ref()
            .is_none_or(|at| Some(&at.0) == self.epoch.as_ref())
    }

    pub(crate) fn applied(&self) -> Option<At> {
        self.epoch_name.clone().zip(self.applied)
    }

    fn stream_is_live(&self) -> bool {
        let Some(head) = self.head.filter(|_| !self.building) else {
            return false;
        };
        self.since.is_some() && self.applied.is_some_and(|applied| applied >= head)
    }

    fn is_sound(&self, at: Option<&At>, confirmed: usize) -> bool {
        let at = at
            .filter(|at| Some(&at.0) == self.epoch.as_ref())
            .map(|at| at.1);
        let since = self.since.max(self.stale);
        self.mark.is_none_or(|mark| mark <= confirmed)
            && matches!((at, since), (Some(at), Some(since)) if at >= since)
    }

    fn is_doubtful(&self, known: &Known) -> bool {
        let epoch = self.epoch.as_ref();
        let stale = known
            .stale
            .as_ref()
            .filter(|stale| Some(&stale.0) == epoch)
            .map(|stale| stale.1);
        let at = known
            .known
            .as_ref()
            .filter(|at| Some(&at.0) == epoch)
            .map(|at| at.1);
        known.mark.is_some() || stale.is_some_and(|stale| at.is_none_or(|at| at < stale))
    }

    /// Whether a reading of an entity is live.
    pub(crate) fn is_live(&self, id: &str) -> bool {
        let id = self.aliases.get(id).map_or(id, String::as_str);
        if self.hidden || !self.stream_is_live() {
            return false;
        }
        match self
            .entities
            .get(id)
            .filter(|known| known.image.is_some() || known.stale.is_some())
        {
            Some(known) => {
                known.image.is_some()
                    && !self.is_doubtful(known)
                    && self.is_sound(known.known.as_ref(), known.confirmed)
            }
            None => self
                .complete
                .as_ref()
                .is_some_and(|(at, confirmed)| self.is_sound(Some(at), *confirmed)),
        }
    }

    /// A list of a complete stream, evaluated afresh: the ids of its window and the total, and
    /// whether it is live. Nothing if nothing is known.
    pub(crate) fn list(&self, query: &Query, ids: &[String]) -> Option<(Vec<String>, u64, bool)> {
        let (at, confirmed) = self.complete.as_ref().filter(|_| !self.hidden)?;
        let mut rows = Vec::new();
        for id in ids.iter().filter(|id| !self.aliases.contains_key(*id)) {
            if let (Some(Some(record)), _) = self.see(id)
                && query.matches(&record) == Some(true)
            {
                let id = EntityId::text(id).unwrap();
                rows.push((query.position(&record, &id).unwrap(), id));
            }
        }
        rows.sort();
        let total = rows.len() as u64;
        let window: Vec<String> = rows
            .into_iter()
            .map(|(_, id)| id.to_string())
            .take(query.row_limit().unwrap() as usize)
            .collect();
        // A list vouches for its rows, but not for what a pending action builds on.
        let mut pending = window.iter().filter(|id| self.see(id).1);
        let live = self.stream_is_live()
            && self.is_sound(Some(at), *confirmed)
            && !self.entities.values().any(|known| self.is_doubtful(known))
            && pending.all(|id| self.is_live(id));
        Some((window, total, live))
    }
}
