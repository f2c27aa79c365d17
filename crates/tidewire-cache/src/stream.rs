//! All that is known of one entity type: its standing, base, what readers see of entities with
//! pending actions, and its runs. Cheap to copy.
//!
//! Every change of an entity goes through one place here, which keeps the runs in step and tells
//! what was touched. Does not decide what is believed.

#[cfg(test)]
mod check;
mod evict;
mod tell;

use std::sync::Arc;

use tidewire_model::{
    EntityId, EntityKey, EntityType, Epoch, Offset, Point, Query, SortPosition, Version,
};

use crate::base::{At, Entry, Image};
use crate::criteria::Criteria;
use crate::fetch::RunKey;
use crate::kept::Kept;
use crate::key_index::KeyIndex;
use crate::opaque::OpaqueLists;
use crate::overlay::Overlay;
use crate::row_number::{OwnNumbers, RowNumber};
use crate::rows::Rows;
use crate::run::{Cause, Extent, Members, Run, RunTouch, Scope, Sides};
use crate::run_set::{RunEdit, RunSet};
use crate::settings::{CollectionSettings, Interest, Points, Settings};
use crate::slots::{Entries, Kind, Search, SlotNumber};
use crate::sorted_map::SortedMap;
use crate::standing::{Snapped, Standing};
use crate::trust::{StaleReason, Trust};

pub(crate) use evict::Pins;
pub(crate) use tell::Logged;

/// One entity type.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) name: EntityType,
    pub(crate) settings: CollectionSettings,
    pub(crate) standing: Standing,
    pub(crate) base: Entries,
    /// What readers see of the entities that pending actions touch.
    pub(crate) seen: SortedMap<EntityId, Image>,
    /// The numbers of those of them of which nothing is held.
    own: OwnNumbers,
    /// Those of them that rest on something the server confirmed, the oldest knowledge first. What
    /// is doubtful comes before all eras.
    rests: SortedMap<(u32, Option<Offset>, EntityId), ()>,
    pub(crate) runs: RunSet,
    pub(crate) opaque: OpaqueLists,
    /// The entities that something speaks against.
    pub(crate) doubtful: SortedMap<EntityId, ()>,
    /// The ids of what is there, in order, once somebody looked for keys.
    pub(crate) index: Option<KeyIndex>,
    /// Entities that are there were let go: lists about everything held may lack some.
    pub(crate) has_gaps: bool,
    bounds: Bounds,
}

/// The bounds that matter inside a stream.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    max_absent: usize,
    spare_rows: usize,
}

/// What a change touched, until it is told to whom it matters.
#[derive(Debug, Default)]
pub(crate) struct Touches {
    pub(crate) entities: Vec<EntityKey>,
    pub(crate) runs: Vec<(RunKey, RunTouch)>,
    /// Types whose readings all may be trusted otherwise than before.
    pub(crate) streams: Vec<EntityType>,
    pub(crate) logged: Vec<Logged>,
    /// How many runs were looked at.
    pub(crate) asked: u64,
    /// Types whose opaque lists all read otherwise than before.
    pub(crate) opaque: Vec<EntityType>,
    /// Runs that go on under another name.
    pub(crate) renamed: Vec<(RunKey, RunKey)>,
    /// Runs that the server turned out to filter or sort otherwise.
    pub(crate) disputed: Vec<RunKey>,
}

/// What windows can speak for that were a whole before.
#[derive(Debug)]
pub(crate) struct Narrowing {
    snapped: Option<Snapped>,
    /// The applied point, where nothing spoke against the whole.
    at: Option<At>,
}

/// What a reader sees of an entity beside its image, as far as it is not a matter of time.
#[derive(Debug, PartialEq, Eq)]
struct Look {
    version: Option<Version>,
    /// What speaks against the row in a list, and against the entity by itself.
    doubt: Trust,
    objection: Option<StaleReason>,
    /// Whether it is within the unbroken coverage; nothing where nothing is known.
    covered: Option<bool>,
}

/// What single entities do to the readings of every list of their type.
#[derive(Debug, PartialEq, Eq)]
enum Ground {
    /// Whether totals may be exact, and what speaks against the places of pending rows.
    Rests(bool, Option<StaleReason>),
    /// What a doubtful entity does to lists about everything held.
    Doubt(Trust),
}

impl Stream {
    pub(crate) fn new(name: EntityType, settings: CollectionSettings, bounds: &Settings) -> Self {
        let mut stream = Self {
            name,
            settings,
            standing: Standing::default(),
            base: Entries::new(bounds.hash_seed),
            seen: SortedMap::default(),
            own: OwnNumbers::default(),
            rests: SortedMap::default(),
            runs: RunSet::default(),
            opaque: OpaqueLists::default(),
            doubtful: SortedMap::default(),
            index: None,
            has_gaps: false,
            bounds: Bounds {
                max_absent: bounds.max_absent,
                spare_rows: usize::try_from(bounds.refill_rows)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(2),
            },
        };
        stream.standing = stream.first_standing();
        stream
    }

    /// Whether runs are about everything held or about what was asked for.
    pub(crate) fn scope(&self) -> Scope {
        match self.settings.interest {
            Interest::Windowed => Scope::Window,
            Interest::Complete { .. } | Interest::PushesOnly => Scope::Whole,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.standing.is_live(self.settings.points)
    }

    pub(crate) fn key(&self, id: &EntityId) -> EntityKey {
        EntityKey::new(self.name.clone(), id.clone())
    }

    /// What the server confirmed of an entity.
    pub(crate) fn base_image(&self, id: &EntityId) -> Image {
        self.base
            .read(id, |kept| kept.image().clone())
            .unwrap_or_default()
    }

    /// What readers see of an entity, as far as it is held.
    pub(crate) fn view_image(&self, id: &EntityId) -> Image {
        self.seen
            .get(id)
            .cloned()
            .unwrap_or_else(|| self.base_image(id))
    }

    /// What readers see of an entity. What a complete stream does not hold is absent.
    pub(crate) fn read_image(&self, id: &EntityId) -> Image {
        let seen = self.seen.get(id);
        let read = self
            .base
            .read(id, |kept| self.read_image_of(seen, Some(kept)));
        read.unwrap_or_else(|| self.read_image_of(seen, None))
    }

    /// The same from what pending actions make of it and what is held.
    pub(crate) fn read_image_of(&self, seen: Option<&Image>, held: Option<&Kept>) -> Image {
        let image = seen.or(held.map(Kept::image));
        match image.cloned().unwrap_or_default() {
            Image::Unknown if self.standing.complete.is_some() && held.is_none() => Image::Absent,
            image => image,
        }
    }

    /// The rows by their numbers.
    pub(crate) fn rows(&self) -> Rows<'_> {
        Rows {
            base: &self.base,
            seen: &self.seen,
            own: &self.own,
        }
    }

    /// The runs, to be changed, beside the rows.
    fn split(&mut self) -> (&mut RunSet, Rows<'_>) {
        let rows = Rows {
            base: &self.base,
            seen: &self.seen,
            own: &self.own,
        };
        (&mut self.runs, rows)
    }

    fn sides(&self, id: &EntityId) -> Sides {
        let held = self
            .base
            .look_up(id, |kept| kept.image().clone())
            .map_or((None, Image::Unknown), |(slot, image)| (Some(slot), image));
        self.sides_of(id, held)
    }

    fn sides_of(&self, id: &EntityId, (slot, base): (Option<SlotNumber>, Image)) -> Sides {
        let number = slot.map(RowNumber::from);
        match self.seen.get(id) {
            Some(view) => Sides {
                base,
                view: view.clone(),
                pending: true,
                number: number.or_else(|| self.own.number(id)),
            },
            None => Sides {
                view: base.clone(),
                base,
                pending: false,
                number,
            },
        }
    }

    fn look(&self, id: &EntityId, entry: Option<&Entry>) -> Look {
        let evidence = self.evidence_of(entry.map(Entry::evidence));
        Look {
            version: entry.and_then(|entry| entry.version_in(self.standing.era)),
            doubt: self.doubt(id),
            objection: evidence.and_then(|evidence| self.standing.objection(&evidence)),
            covered: evidence.map(|evidence| self.standing.covers(evidence.at)),
        }
    }

    /// Whether knowledge has aged, and is young again.
    fn is_renewed(&self, held: Option<&Entry>, entry: Option<&Entry>) -> bool {
        let limits = [self.settings.stale_after, self.settings.expire_after];
        match (limits.into_iter().flatten().min(), held, entry) {
            (Some(limit), Some(old), Some(new)) => new.learnt - old.learnt >= limit,
            _ => false,
        }
    }

    /// Writes what is known of an entity, or forgets it, and brings the view and the runs in step.
    pub(crate) fn put(
        &mut self,
        id: &EntityId,
        entry: Option<&Entry>,
        overlay: &Overlay,
        cause: Cause<'_>,
        touches: &mut Touches,
    ) {
        let held = self.base.look_up(id, |kept| Entry::from(kept));
        self.put_over(id, (held, entry), overlay, cause, touches);
    }

    /// The same over what is held of it, found already.
    pub(crate) fn put_over(
        &mut self,
        id: &EntityId,
        (held, entry): (Option<(SlotNumber, Entry)>, Option<&Entry>),
        overlay: &Overlay,
        cause: Cause<'_>,
        touches: &mut Touches,
    ) {
        let (slot, held) = held.unzip();
        let held = held.as_ref();
        let image_of =
            |entry: Option<&Entry>| entry.map(|entry| entry.image.clone()).unwrap_or_default();
        let before = self.sides_of(id, (slot, image_of(held)));
        let look = self.look(id, held);
        let base = image_of(entry);
        let mut slot = slot;
        self.move_rest(id, touches, |stream| {
            slot = stream.write((id, slot), entry);
            if before.pending {
                let view = overlay.replay(&stream.key(id), &base);
                stream.see(id, Some(view), slot.is_some());
            }
        });
        let after = self.sides_of(id, (slot, base));
        let visible = before.view != after.view
            || look != self.look(id, entry)
            || self.is_renewed(held, entry);
        if visible {
            touches.entities.push(self.key(id));
        }
        self.tell_opaque(id, (&before, &after), visible, touches);
        self.tell_runs(id, (&before, &after), cause, visible, touches);
    }

    /// Brings the view of an entity, and the runs, in step with the pending actions.
    pub(crate) fn refresh(&mut self, id: &EntityId, overlay: &Overlay, touches: &mut Touches) {
        let before = self.sides(id);
        let key = self.key(id);
        self.move_rest(id, touches, |stream| {
            let view = overlay
                .touches(&key)
                .then(|| overlay.replay(&key, &before.base));
            let is_held = before.number.is_some_and(|number| number.slot().is_some());
            stream.see(id, view, is_held);
        });
        let after = self.sides(id);
        let visible = before.view != after.view || before.pending != after.pending;
        if visible {
            touches.entities.push(key);
        }
        self.tell_opaque(id, (&before, &after), visible, touches);
        self.tell_runs(id, (&before, &after), Cause::Overlay, visible, touches);
    }

    /// Whether everything that pending actions build on is known well enough to count by.
    pub(crate) fn is_ground_sound(&self) -> bool {
        let oldest = self
            .rests
            .first()
            .map(|((era, offset, _), ())| (*era, *offset));
        oldest.is_none_or(|(era, offset)| {
            era == self.standing.era && (self.has_client_points() || offset >= self.standing.since)
        })
    }

    /// The entity of a pending action whose base is known least far.
    pub(crate) fn oldest_ground(&self) -> Option<&EntityId> {
        self.rests.first().map(|((_, _, id), ())| id)
    }

    fn objection_to_ground(&self) -> Option<StaleReason> {
        let oldest = self.oldest_ground().filter(|_| !self.is_ground_sound());
        let evidence = oldest.and_then(|id| self.evidence(id))?;
        self.standing.objection(&evidence)
    }

    /// What single entities do to the readings of every list.
    fn ground(&self) -> Ground {
        match self.scope() {
            Scope::Window => Ground::Rests(self.is_ground_sound(), self.objection_to_ground()),
            Scope::Whole => Ground::Doubt(self.first_doubt()),
        }
    }

    /// Changes what is held of an entity, and keeps its place among those pending actions rest on.
    fn move_rest(&mut self, id: &EntityId, touches: &mut Touches, change: impl FnOnce(&mut Self)) {
        let ground = self.ground();
        if let Some(old) = self.rest_of(id) {
            self.rests.remove(&old);
        }
        change(self);
        if let Some(new) = self.rest_of(id) {
            self.rests.insert(new, ());
        }
        if ground != self.ground() {
            self.touch_all(touches);
        }
    }

    fn rest_of(&self, id: &EntityId) -> Option<(u32, Option<Offset>, EntityId)> {
        if self.seen.is_empty() || !self.seen.contains_key(id) {
            return None;
        }
        if self.doubtful.contains_key(id) {
            return Some((0, None, id.clone()));
        }
        let known_at = self.base.read(id, |kept| {
            (*kept.image() != Image::Unknown).then(|| kept.known_at())
        })??;
        let (era, offset) = known_at.map_or((0, None), |at| (at.era, Some(at.offset)));
        Some((era, offset, id.clone()))
    }

    /// Remembers what readers see of an entity that pending actions touch, or that they do no more.
    fn see(&mut self, id: &EntityId, view: Option<Image>, is_held: bool) {
        let needs_number = view.is_some() && !is_held;
        match view {
            Some(view) => drop(self.seen.insert(id.clone(), view)),
            None => drop(self.seen.remove(id)),
        }
        if needs_number {
            self.own.give(id);
        } else {
            self.own.take(id);
        }
    }

    /// Brings a window that reaches further than before in step with one entity.
    pub(crate) fn ensure_placed(&mut self, run: &RunKey, id: &EntityId, touches: &mut Touches) {
        let image = self.view_image(id);
        let (runs, rows) = self.split();
        if let Some(number) = rows.number(id)
            && let Some(mut run) = runs.edit(run)
            && let Some(index) = run.ensure((id, number), &image, rows)
        {
            touches
                .runs
                .push((run.key().clone(), RunTouch::From(index)));
        }
    }

    /// Takes the row at a place out of a window.
    pub(crate) fn take_out(&mut self, run: &RunKey, place: &SortPosition) {
        let (runs, rows) = self.split();
        if let Some(mut run) = runs.edit(run) {
            run.take_out(place, rows);
        }
    }

    /// Looks at so many entities behind a slot at most for members of a list, by what the server
    /// confirmed, the window aside.
    pub(crate) fn search(
        &self,
        criteria: &Criteria,
        behind: Option<SlotNumber>,
        most: usize,
    ) -> Search {
        let is_member = |kept: &Kept| {
            let record = kept.image().record();
            record.is_some_and(|record| criteria.means(record))
        };
        self.base.search(behind, most, is_member)
    }

    /// Looks at so many entities behind a slot at most, and puts those that belong in a run that nobody
    /// reads yet at their places. Returns how many it looked at, and where it stopped. What pending
    /// actions make of them is not looked at.
    pub(crate) fn place_next(
        &mut self,
        run: &RunKey,
        behind: Option<SlotNumber>,
        most: usize,
    ) -> (usize, Option<SlotNumber>) {
        let Some(placed) = self.runs.get(run) else {
            return (0, behind);
        };
        let search = self.search(placed.criteria(), behind, most);
        let (runs, rows) = self.split();
        runs.change_shared(run, |run| {
            let Members::Whole(whole) = &run.members else {
                return;
            };
            for (slot, id, image) in &search.found {
                if let Some(place) = run.place(id, image) {
                    whole.hold(place, RowNumber::from(*slot), run.ruler(rows));
                }
            }
        });
        (search.looked, search.last)
    }

    /// Brings a run in step with an entity of a pending action, which may also move the total.
    /// `grounded` tells from a window, and what is remembered, whether it would stand there without.
    pub(crate) fn ensure_pending(
        &mut self,
        run: &RunKey,
        id: &EntityId,
        grounded: impl FnOnce(&Run, bool) -> bool,
        touches: &mut Touches,
    ) {
        let sides = self.sides(id);
        let (runs, rows) = self.split();
        let Some(mut edit) = runs.edit(run) else {
            return;
        };
        if edit.scope() == Scope::Whole {
            edit.place_pending(id, &sides, rows);
            return;
        }
        let grounded = grounded(&edit, edit.share(id).grounded);
        let share = edit.share_of(id, &sides, grounded);
        edit.set_share(id, share);
        drop(edit);
        self.ensure_placed(run, id, touches);
    }

    /// The next entity of a pending action behind an id.
    pub(crate) fn next_pending(&self, behind: Option<&EntityId>) -> Option<EntityId> {
        let next = match behind {
            Some(behind) => self.seen.iter_after(behind).next(),
            None => self.seen.first(),
        };
        next.map(|(id, _)| id.clone())
    }

    /// The run of a watched list, made where there is none.
    pub(crate) fn open_run(&mut self, key: &RunKey, need: Option<usize>) -> Option<RunEdit<'_>> {
        if !self.runs.contains(key) {
            let stamp = self.base.stamp();
            self.runs
                .insert(Run::new(key.clone(), self.scope(), need, stamp));
        }
        let mut run = self.runs.edit(key)?;
        run.need = need;
        Some(run)
    }

    /// A complete collection that became too large holds windows from now on. Its runs are to be made
    /// narrow one by one.
    pub(crate) fn become_windowed(&mut self) -> Narrowing {
        let snapped = self.standing.complete.take();
        let sound = self.is_live()
            && self.doubtful.is_empty()
            && snapped
                .is_some_and(|snapped| self.standing.objection(&snapped.evidence()).is_none());
        let at = self
            .standing
            .applied
            .filter(|_| sound)
            .map(|applied| self.standing.at(applied));
        self.settings.interest = Interest::Windowed;
        Narrowing { snapped, at }
    }

    /// A run about everything held becomes one about what was asked for.
    pub(crate) fn narrow_run(&mut self, key: &RunKey, narrowing: &Narrowing) {
        let spare = self.bounds.spare_rows;
        let (runs, rows) = self.split();
        let Some(mut run) = runs.edit(key) else {
            return;
        };
        if !run.become_window((narrowing.snapped.as_ref(), narrowing.at), spare, rows) {
            return;
        }
        drop(run);
        let mut pending = self.next_pending(None);
        while let Some(id) = pending {
            let sides = self.sides(&id);
            if let Some(mut run) = self.runs.edit(key) {
                let grounded = run.place(&id, &sides.base).is_some();
                let share = run.share_of(&id, &sides, grounded);
                run.set_share(&id, share);
            }
            pending = self.next_pending(Some(&id));
        }
    }

    /// The standing of a stream of which nothing is known. Points made here go on counting.
    pub(crate) fn first_standing(&self) -> Standing {
        let first = match self.settings.points {
            Points::Server => Standing::default(),
            Points::Client => Standing {
                epoch: Some(client_epoch()),
                applied: self.standing.applied.or(Some(Offset::ZERO)),
                ..Standing::default()
            },
        };
        Standing {
            era: self.standing.era + 1,
            ..first
        }
    }

    /// The point of an answer, in the era it can be compared in. While the stream is not attached,
    /// an answer of another epoch is the newer one, if `asked_in` tells that it was asked for in
    /// the epoch that is held.
    pub(crate) fn adopt(&mut self, point: &Point, asked_in: Option<&Epoch>) -> Option<At> {
        let held = self.standing.epoch.as_ref();
        if held != Some(&point.epoch) {
            if self.standing.is_attached() || (held.is_some() && held != asked_in) {
                return None;
            }
            self.enter_epoch(&point.epoch);
        }
        Some(self.standing.at(point.offset))
    }

    /// A point, if it can be compared.
    pub(crate) fn at_point(&self, point: &Point) -> Option<At> {
        (self.standing.epoch.as_ref() == Some(&point.epoch)).then(|| self.standing.at(point.offset))
    }

    /// How many entities are held that are not known to be absent.
    pub(crate) fn kept_len(&self) -> usize {
        self.base.len(Kind::Kept)
    }

    /// What was asked of the allocator for the entries, and for the maps beside them.
    pub(crate) fn side_bytes(&self) -> usize {
        self.seen.held_bytes()
            + self.own.held_bytes()
            + self.rests.held_bytes()
            + self.doubtful.held_bytes()
            + self.index.as_ref().map_or(0, KeyIndex::held_bytes)
    }

    /// Everything of the type may be trusted otherwise than before.
    pub(crate) fn touch_all(&self, touches: &mut Touches) {
        touches.streams.push(self.name.clone());
    }

    /// Begins an epoch. What was known before cannot be compared with what comes.
    pub(crate) fn enter_epoch(&mut self, epoch: &Epoch) {
        let standing = &mut self.standing;
        if standing.epoch.as_ref() == Some(epoch) {
            return;
        }
        if standing.epoch.replace(epoch.clone()).is_some() {
            standing.era += 1;
        }
        standing.applied = None;
        standing.reached = None;
        standing.since = None;
        standing.stale_at = None;
        standing.forgotten = None;
        standing.highest = None;
    }

    /// Forgets every entity and all that the runs say, at once. Pending actions stay, and their
    /// entities have to be refreshed one by one afterwards. Returns what is to be dropped.
    pub(crate) fn clear(&mut self) -> impl Send + Sync + use<> {
        let anew = self.base.anew();
        let old = (
            std::mem::replace(&mut self.base, anew),
            std::mem::take(&mut self.doubtful),
            self.index.as_mut().map(std::mem::take),
            self.runs.clone(),
            self.opaque.clear(),
        );
        for key in self.runs.keys() {
            if let Some(mut run) = self.runs.edit(&key) {
                run.reset(self.base.stamp());
            }
        }
        self.standing.complete = None;
        self.has_gaps = false;
        self.rests = SortedMap::default();
        old
    }

    /// Brings one pending entity in step after everything was cleared.
    pub(crate) fn restore_pending(
        &mut self,
        id: &EntityId,
        overlay: &Overlay,
        touches: &mut Touches,
    ) {
        self.move_rest(id, touches, |stream| stream.see(id, None, false));
        touches.entities.push(self.key(id));
        self.refresh(id, overlay, touches);
    }

    /// A run goes on under another query. What it holds stays; it is not whole any more.
    pub(crate) fn rename_run(&mut self, old: &RunKey, query: &Query, touches: &mut Touches) {
        let new = self.run_key(query);
        let Some(mut run) = self.runs.remove(old) else {
            return;
        };
        touches.runs.push((old.clone(), RunTouch::All));
        if self.runs.contains(&new) {
            return;
        }
        let renamed = Arc::make_mut(&mut run);
        renamed.rename(new.clone());
        renamed.lose_total();
        renamed.as_of = None;
        touches.runs.push((new.clone(), RunTouch::All));
        touches.renamed.push((old.clone(), new));
        self.runs.insert_renamed(run);
    }

    fn write(
        &mut self,
        (id, slot): (&EntityId, Option<SlotNumber>),
        entry: Option<&Entry>,
    ) -> Option<SlotNumber> {
        let era = self.standing.era;
        let doubtful = entry.is_some_and(|entry| entry.is_doubtful(era));
        let noted = entry.and_then(|entry| entry.newest(era));
        self.standing.highest = self.standing.highest.max(noted);
        if let Some(index) = &mut self.index {
            index.follow(id, entry.map(|entry| &entry.image));
        }
        let slot = self.base.set((id, slot), entry.map(Kept::from));
        if doubtful {
            self.doubtful.insert(id.clone(), ());
        } else if !self.doubtful.is_empty() {
            self.doubtful.remove(id);
        }
        slot
    }

    /// Whether nothing can be asked for.
    pub(crate) fn is_pushes_only(&self) -> bool {
        self.settings.interest == Interest::PushesOnly
    }

    pub(crate) fn has_client_points(&self) -> bool {
        self.settings.points == Points::Client
    }

    /// The run that the window of a query lies in. A run about everything held has no start.
    pub(crate) fn run_key(&self, query: &Query) -> RunKey {
        match self.scope() {
            Scope::Whole if !query.is_opaque() => RunKey::of(&query.run_key()),
            _ => RunKey::of(query),
        }
    }

    /// Whether a run can answer for its whole list.
    pub(crate) fn is_known(&self, run: &Run) -> bool {
        match (run.scope(), self.settings.interest) {
            (Scope::Whole, Interest::PushesOnly) => true,
            (Scope::Whole, _) => self.standing.complete.is_some(),
            (Scope::Window, _) => run.extent != Extent::Nothing,
        }
    }
}

/// The epoch of points made here.
pub(crate) fn client_epoch() -> Epoch {
    Epoch::new("client").expect("the text is within the bounds of a name")
}
