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
    EntityId, EntityKey, EntityType, Epoch, Filter, Offset, Point, Query, Version,
};

use crate::base::{At, Entry, Image};
use crate::fetch::RunKey;
use crate::kept::Kept;
use crate::overlay::Overlay;
use crate::run::{Cause, Extent, Run, RunTouch, Scope, Sides};
use crate::run_set::{RunEdit, RunSet};
use crate::settings::{CollectionSettings, Interest, Points, Settings};
use crate::slots::{Entries, Line, Search, SlotNumber};
use crate::sorted_map::SortedMap;
use crate::standing::Standing;
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
    /// Those of them that rest on something the server confirmed, the oldest knowledge first. What
    /// is doubtful comes before all eras.
    rests: SortedMap<(u32, Option<Offset>, EntityId), ()>,
    pub(crate) runs: RunSet,
    /// The entities that something speaks against.
    pub(crate) doubtful: SortedMap<EntityId, ()>,
    bounds: Bounds,
}

/// The bounds that matter inside a stream.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    max_absent: usize,
    max_unpinned: usize,
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
    /// Runs that go on under another name.
    pub(crate) renamed: Vec<(RunKey, RunKey)>,
    /// Runs that the server turned out to filter or sort otherwise.
    pub(crate) disputed: Vec<RunKey>,
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
            rests: SortedMap::default(),
            runs: RunSet::default(),
            doubtful: SortedMap::default(),
            bounds: Bounds {
                max_absent: bounds.max_absent,
                max_unpinned: bounds.max_unpinned,
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

    fn sides(&self, id: &EntityId) -> Sides {
        self.sides_of(id, self.base_image(id))
    }

    fn sides_of(&self, id: &EntityId, base: Image) -> Sides {
        match self.seen.get(id) {
            Some(view) => Sides {
                base,
                view: view.clone(),
                pending: true,
            },
            None => Sides {
                view: base.clone(),
                base,
                pending: false,
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
        match (self.settings.stale_after, held, entry) {
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
        let held = self.base.get(id);
        let held = held.as_ref();
        let image_of =
            |entry: Option<&Entry>| entry.map(|entry| entry.image.clone()).unwrap_or_default();
        let before = self.sides_of(id, image_of(held));
        let look = self.look(id, held);
        let base = image_of(entry);
        self.move_rest(id, touches, |stream| {
            stream.write(id, entry);
            if before.pending {
                let view = overlay.replay(&stream.key(id), &base);
                stream.seen.insert(id.clone(), view);
            }
        });
        let after = self.sides_of(id, base);
        let visible = before.view != after.view
            || look != self.look(id, entry)
            || self.is_renewed(held, entry);
        if visible {
            touches.entities.push(self.key(id));
        }
        self.tell_runs(id, (&before, &after), cause, visible, touches);
    }

    /// Brings the view of an entity, and the runs, in step with the pending actions.
    pub(crate) fn refresh(&mut self, id: &EntityId, overlay: &Overlay, touches: &mut Touches) {
        let before = self.sides(id);
        let key = self.key(id);
        self.move_rest(id, touches, |stream| {
            if overlay.touches(&key) {
                let view = overlay.replay(&key, &before.base);
                stream.seen.insert(id.clone(), view);
            } else {
                stream.seen.remove(id);
            }
        });
        let after = self.sides(id);
        let visible = before.view != after.view || before.pending != after.pending;
        if visible {
            touches.entities.push(key);
        }
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

    /// Brings a run that reaches further than before in step with one entity.
    pub(crate) fn ensure_placed(&mut self, run: &RunKey, id: &EntityId, touches: &mut Touches) {
        let image = self.view_image(id);
        if let Some(mut run) = self.runs.edit(run)
            && let Some(index) = run.ensure(id, &image)
        {
            touches
                .runs
                .push((run.key().clone(), RunTouch::From(index)));
        }
    }

    /// Looks at so many entities behind a slot at most for members of a list, the window aside. What
    /// pending actions touch is left out.
    pub(crate) fn search(&self, query: &Query, behind: Option<SlotNumber>, most: usize) -> Search {
        let matcher = query.as_filter().map(Filter::prepare);
        let is_member = |kept: &Kept| {
            let record = kept.image().record();
            record
                .zip(matcher.as_ref())
                .is_some_and(|(record, matcher)| matcher.means(record))
        };
        let mut search = self.base.search(behind, most, is_member);
        if !self.seen.is_empty() {
            search.found.retain(|(id, _)| !self.seen.contains_key(id));
        }
        search
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
        let search = self.search(run.query(), behind, most);
        if let Some(mut run) = self.runs.edit(run).filter(|_| !search.found.is_empty()) {
            for (id, image) in &search.found {
                run.ensure(id, image);
            }
        }
        (search.looked, search.last)
    }

    /// The same for an entity of a pending action, which may also move the total.
    /// `grounded` tells from the run, and what is remembered, whether it would stand there without.
    pub(crate) fn ensure_pending(
        &mut self,
        run: &RunKey,
        id: &EntityId,
        grounded: impl FnOnce(&Run, bool) -> bool,
        touches: &mut Touches,
    ) {
        let sides = self.sides(id);
        if let Some(mut run) = self.runs.edit(run) {
            let grounded = match run.scope {
                Scope::Whole => run.place(id, &sides.base).is_some(),
                Scope::Window => grounded(&run, run.share(id).grounded),
            };
            let share = run.share_of(id, &sides, grounded);
            run.set_share(id, share);
        }
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
            self.runs.insert(Run::new(key.clone(), self.scope(), need));
        }
        let mut run = self.runs.edit(key)?;
        run.need = need;
        Some(run)
    }

    /// A complete collection that became too large holds windows from now on. They speak for the
    /// applied point where nothing spoke against the whole.
    pub(crate) fn become_windowed(&mut self) {
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
        for key in self.runs.keys() {
            if let Some(mut run) = self.runs.edit(&key) {
                run.become_window(snapped.as_ref(), at);
            }
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
        self.base.len(Line::Kept)
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
    }

    /// Forgets every entity and all that the runs say, at once. Pending actions stay, and their
    /// entities have to be refreshed one by one afterwards. Returns what is to be dropped.
    pub(crate) fn clear(&mut self) -> impl Send + Sync + use<> {
        let anew = self.base.anew();
        let old = (
            std::mem::replace(&mut self.base, anew),
            std::mem::take(&mut self.doubtful),
            self.runs.clone(),
        );
        for key in self.runs.keys() {
            if let Some(mut run) = self.runs.edit(&key) {
                run.reset();
            }
        }
        self.standing.complete = None;
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
        self.move_rest(id, touches, |stream| {
            stream.seen.remove(id);
        });
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

    fn write(&mut self, id: &EntityId, entry: Option<&Entry>) {
        let era = self.standing.era;
        let doubtful = entry.is_some_and(|entry| entry.is_doubtful(era));
        self.base.set(id, entry.map(Kept::from));
        if doubtful {
            self.doubtful.insert(id.clone(), ());
        } else if !self.doubtful.is_empty() {
            self.doubtful.remove(id);
        }
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
            Scope::Whole => RunKey::of(&query.run_key()),
            Scope::Window => RunKey::of(query),
        }
    }

    /// Whether a run can answer for its whole list.
    pub(crate) fn is_known(&self, run: &Run) -> bool {
        match (run.scope, self.settings.interest) {
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
