//! The one writer: takes knowledge in, works it in slices, and makes it visible in steps.
//!
//! Holds the world that readers see and, while a batch is being worked, the next one. Own writes go
//! into both at once. Does no I/O and reads no clock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tidewire_model::{
    ActionId, ChangeSet, Effect, EntityId, EntityKey, EntityType, Point, Revision, Tick,
};

use crate::base::Moment;
use crate::fetch::{FetchTicket, Request, Requests, Wanted};
use crate::held::tree_bytes;
use crate::inflow::Inflow;
use crate::past::Past;
use crate::publish::{Progress, Publication, Retired, Shows, notices};
use crate::reader::Reader;
use crate::settings::{CollectionSettings, DefinedOtherwise, Interest, Points, Settings};
use crate::stats::{Pressure, Stats, pinned_bytes};
use crate::stream::{Stream, Touches};
use crate::values::ValueWatches;
use crate::wants::Wants;
use crate::watch::{Target, WatchId, Watches};
use crate::work::{
    Batch, CloseRun, Demote, Item, OpenRun, OwnStep, Tools, follow_rename, limit_aliases,
};
use crate::world::World;

/// Everything a client knows, and the only way to change it.
#[derive(Debug)]
pub struct Cache {
    pub(crate) settings: Settings,
    collections: BTreeMap<EntityType, CollectionSettings>,
    /// Types that were used before they were defined; their first definition still counts.
    assumed: BTreeSet<EntityType>,
    shared: Arc<ArcSwap<World>>,
    shown: Arc<World>,
    past: Past,
    batch: Option<Batch>,
    pub(crate) staged: VecDeque<Item>,
    pub(crate) inflow: BTreeMap<EntityType, Inflow>,
    pub(crate) watches: Watches,
    pub(crate) requests: Requests,
    pub(crate) retired: Retired,
    pub(crate) moment: Moment,
    pub(crate) value_watches: ValueWatches,
    next_place: u64,
    rows_worked: u64,
    runs_asked: u64,
    pub(crate) pressure: Pressure,
    pub(crate) pins_before: [usize; 4],
    pub(crate) outside_bytes: usize,
}

impl Cache {
    /// A cache that knows nothing.
    pub fn new(settings: Settings) -> Self {
        let shown = Arc::new(World::default());
        Self {
            settings,
            collections: BTreeMap::new(),
            assumed: BTreeSet::new(),
            shared: Arc::new(ArcSwap::new(Arc::clone(&shown))),
            shown,
            past: Past::default(),
            batch: None,
            staged: VecDeque::new(),
            inflow: BTreeMap::new(),
            watches: Watches::default(),
            requests: Requests::default(),
            retired: Retired::default(),
            moment: Moment::default(),
            value_watches: ValueWatches::default(),
            next_place: 0,
            rows_worked: 0,
            runs_asked: 0,
            pressure: Pressure::default(),
            pins_before: [0; 4],
            outside_bytes: 0,
        }
    }

    /// A reader of what is visible.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.shared))
    }

    /// Says how a collection is kept. To say the same again changes nothing. A type that is used
    /// before it is defined is kept by [`CollectionSettings::default`]. There are no snapshots
    /// without points of the server: [`Interest::Complete`] with [`Points::Client`] is kept as
    /// windowed, as [`Cache::interest`] tells.
    ///
    /// # Errors
    /// [`DefinedOtherwise`] when the type is defined in another way already.
    pub fn define(
        &mut self,
        entity_type: EntityType,
        settings: CollectionSettings,
    ) -> Result<(), DefinedOtherwise> {
        let is_assumed = self.assumed.remove(&entity_type);
        if let Some(known) = self.collections.get(&entity_type)
            && !(is_assumed && *known != settings)
        {
            return if *known == settings {
                Ok(())
            } else {
                Err(DefinedOtherwise { entity_type })
            };
        }
        let mut kept = settings.clone();
        if let (Points::Client, Interest::Complete { .. }) = (kept.points, kept.interest) {
            kept.interest = Interest::Windowed;
        }
        self.collections.insert(entity_type.clone(), settings);
        let inflow = Inflow::new(entity_type.clone(), &kept);
        self.inflow.insert(entity_type.clone(), inflow);
        if is_assumed {
            self.keep_otherwise(&entity_type, &kept);
            return Ok(());
        }
        let stream = Stream::new(entity_type, kept, &self.settings);
        if let Some(batch) = &mut self.batch {
            batch.world.insert_stream(stream.clone());
        }
        let mut world = (*self.shown).clone();
        world.insert_stream(stream);
        self.show(world);
        Ok(())
    }

    /// What was learnt of the type before it was defined stays; how it is kept changes.
    fn keep_otherwise(&mut self, entity_type: &EntityType, kept: &CollectionSettings) {
        let change = |world: &mut World| {
            if let Some((stream, _)) = world.edit(entity_type) {
                stream.settings = kept.clone();
                stream.standing = stream.first_standing();
            }
        };
        if let Some(batch) = &mut self.batch {
            change(&mut batch.world);
        }
        let mut world = (*self.shown).clone();
        change(&mut world);
        self.show(world);
    }

    /// How a collection is kept by now: a complete one that grew too large is windowed.
    pub fn interest(&self, entity_type: &EntityType) -> Interest {
        self.inflow
            .get(entity_type)
            .map_or(Interest::Windowed, Inflow::interest)
    }

    /// Whether something waits to be worked or made visible.
    pub fn has_staged(&self) -> bool {
        self.batch.is_some() || !self.staged.is_empty()
    }

    /// The batch with which everything staged so far becomes visible. See
    /// [`Snapshot::shows`](crate::Snapshot::shows).
    pub fn shows(&self) -> Shows {
        let under_way = self.shown.stamp.next();
        match (&self.batch, self.staged.is_empty()) {
            (Some(_), false) => Shows(under_way.next()),
            (Some(_), true) | (None, false) => Shows(under_way),
            (None, true) => Shows(self.shown.stamp),
        }
    }

    /// How many rows wait, snapshots whose end is still to come included.
    pub fn staged_rows(&self) -> usize {
        let staged: usize = self.staged.iter().map(Item::rows).sum();
        let in_batch = self.batch.as_ref().map_or(0, Batch::rows);
        let waiting: usize = self.inflow.values().map(Inflow::waiting_rows).sum();
        staged + in_batch + waiting
    }

    /// Applies up to `budget` rows of what is staged to a world that nobody sees yet. What is taken
    /// in from now on belongs to the batch after this one.
    pub fn work(&mut self, now: Tick, budget: usize) -> Progress {
        if self.batch.is_none() {
            if self.staged.is_empty() {
                return Progress::Idle;
            }
            let mut world = (*self.shown).clone();
            world.stamp = world.stamp.next();
            world.limits = self.past.limits(self.shown.stamp);
            world.open = true;
            self.batch = Some(Batch::new(world, std::mem::take(&mut self.staged)));
        }
        let max_bytes = self.room();
        let Some(batch) = &mut self.batch else {
            return Progress::Idle;
        };
        if !batch.ready {
            let tools = Tools {
                settings: &self.settings,
                watches: &mut self.watches,
                requests: &mut self.requests,
                retired: &mut self.retired,
                later: &mut self.staged,
                moment: self.moment,
                max_bytes,
                pressure: &mut self.pressure,
            };
            let worked = batch.work(now, budget, tools);
            self.rows_worked += u64::try_from(worked).unwrap_or(u64::MAX);
            self.runs_asked += std::mem::take(&mut batch.asked);
            for (entity_type, inflow) in &mut self.inflow {
                if let Some(stream) = batch.world.stream(entity_type) {
                    inflow.follow(stream.settings.interest);
                }
            }
        }
        if batch.ready {
            Progress::Ready
        } else {
            Progress::More
        }
    }

    /// Makes the finished batch visible in one step. Nothing happens unless the batch is ready.
    pub fn publish(&mut self) -> Option<Publication> {
        if !self.batch.as_ref().is_some_and(|batch| batch.ready) {
            return None;
        }
        let Batch {
            mut world,
            gathered,
            mut woken,
            disputed,
            ..
        } = self.batch.take()?;
        let (entities, known) = gathered.into_entities();
        self.retired.push(known);
        world.revision = self.shown.revision.next();
        world.open = false;
        // No batch changes values; what was set meanwhile is shown already.
        world.values = self.shown.values.clone();
        let old = self.show(world);
        self.past.take_touched(&self.shown);
        self.watches.forget_built(&self.shown);
        self.look_at_budget();
        let (notices, listeners) = notices(
            &old,
            &self.shown,
            &entities,
            &self.watches,
            self.settings.max_notices,
        );
        woken.extend(listeners);
        drop(old);
        let mut retired = std::mem::take(&mut self.retired);
        self.past.let_go(self.shown.stamp, &mut retired);
        let change_set = ChangeSet {
            revision: self.shown.revision,
            entities,
            notices,
        };
        Some(Publication {
            change_set,
            woken: woken.into_iter().collect(),
            disputed: disputed.iter().map(|run| run.query().clone()).collect(),
            retired,
        })
    }

    /// Adds a pending action behind the others, or replaces the effects of one that is pending.
    /// Visible at once, whatever batch is being worked.
    pub fn add_action(&mut self, _now: Tick, id: ActionId, effects: Vec<Effect>) -> Publication {
        for effect in &effects {
            self.ensure(&effect.key.entity_type);
        }
        let place = self.next_place;
        self.next_place += 1;
        let step = OwnStep::Add {
            place,
            action: id,
            effects,
        };
        self.take_own(step)
            .unwrap_or_else(|| self.empty_publication())
    }

    /// Takes pending actions out: they were refused or cancelled. Visible at once, in one step: an entity is worked out
    /// anew once, however many of them were about it.
    pub fn remove_actions(&mut self, _now: Tick, ids: Vec<ActionId>) -> Option<Publication> {
        self.take_own(OwnStep::Remove(ids))
    }

    /// Puts the server's name for an entity in the place of a temporary id, everywhere. Visible at
    /// once. Nothing happens if the temporary id has a name already.
    pub fn rename(
        &mut self,
        _now: Tick,
        temporary: &EntityId,
        real: &EntityId,
        entity_type: &EntityType,
    ) -> Option<Publication> {
        self.ensure(entity_type);
        self.watches.follow_entity(temporary, real);
        self.take_own(OwnStep::Rename {
            temporary: temporary.clone(),
            real: EntityKey::new(entity_type.clone(), real.clone()),
        })
    }

    /// Watches something. What is watched is wanted, pinned, and told of in publications.
    pub fn watch(&mut self, target: Target) -> WatchId {
        self.ensure(&target.entity_type().clone());
        let run = match &target {
            Target::List(query) => {
                // A name given just now may not have reached the newest world.
                let named = self.shown.resolve_query(query);
                Some(self.newest().run_key(named.as_ref().unwrap_or(query)))
            }
            _ => None,
        };
        let entity = match &target {
            Target::Entity(key) => Some(key.id.clone()),
            _ => None,
        };
        let watch_id = self.watches.add(target, run.clone());
        if let Some(id) = entity {
            // A watch of a temporary id that has a name already is one of the entity it names.
            let names = [self.shown.alias(&id), self.newest().alias(&id)].map(Option::<&_>::cloned);
            for real in names.into_iter().flatten() {
                self.watches.follow_entity(&id, &real);
            }
        }
        if let Some(run) = run {
            self.watches.set_unbuilt(run.clone());
            self.staged.push_back(Item::Open(OpenRun::new(run)));
        }
        if let Some(batch) = &mut self.batch {
            // What the batch has touched so far, this watcher would otherwise miss.
            batch.woken.insert(watch_id);
        }
        watch_id
    }

    /// Ends a watch. The runs nobody watches any more go with the next batch.
    pub fn unwatch(&mut self, id: WatchId) {
        if self.value_watches.remove(id) {
            return;
        }
        for key in self.watches.remove(id) {
            self.staged.push_back(Item::Close(CloseRun { key }));
        }
        if let Some(batch) = &mut self.batch {
            batch.woken.remove(&id);
        }
        self.shrink_again();
    }

    /// The types of which anything is watched, in order.
    pub fn watched_types(&self) -> impl Iterator<Item = EntityType> {
        self.watches.types().cloned()
    }

    /// What should be asked for: what is watched, not known or out of date, and not on its way, in
    /// an order that depends on nothing but names. What belongs to a stream that is about to be
    /// attached is better asked for after that; the cache says what is missing, not when to ask.
    pub fn wants(&self, now: Tick) -> Vec<Wanted> {
        Wants {
            now,
            world: self.newest(),
            watches: &self.watches,
            under_way: self.requests.under_way(),
            settings: &self.settings,
        }
        .find()
    }

    /// A request is on its way. Until it ends the same is not wanted again; a mark that comes
    /// meanwhile makes it wanted once more.
    pub fn begin_fetch(&mut self, _now: Tick, wanted: &Wanted) -> FetchTicket {
        let begun = self.begin_moment();
        let stream = self.newest().stream(wanted.entity_type());
        let epoch = stream.and_then(|stream| stream.standing.epoch.clone());
        self.requests.begin(Request {
            wanted: wanted.clone(),
            begun_at: self.received(wanted.entity_type()),
            epoch,
            begun,
            log: Vec::new(),
            changed: BTreeSet::new(),
            overflowed: false,
            answered: false,
        })
    }

    /// A request failed. What it asked for is wanted again; when to ask is not decided here. A
    /// request whose answer was taken in cannot fail any more.
    pub fn fail_fetch(&mut self, _now: Tick, ticket: FetchTicket) {
        self.requests.fail(ticket);
        self.shrink_again();
    }

    /// Up to where a stream has come in.
    pub fn received(&self, entity_type: &EntityType) -> Option<Point> {
        self.inflow.get(entity_type)?.received().cloned()
    }

    /// Up to where a stream is visible. This is where it is resumed from.
    pub fn applied(&self, entity_type: &EntityType) -> Option<Point> {
        let standing = &self.shown.stream(entity_type)?.standing;
        standing.point(standing.applied?)
    }

    /// What the principal may see of a stream, as the server named it.
    pub fn view_of(&self, entity_type: &EntityType) -> Option<&str> {
        self.shown.stream(entity_type)?.standing.view.as_deref()
    }

    /// Whether the feed of a stream is attached, as far as what came in tells.
    pub fn holds(&self, entity_type: &EntityType) -> bool {
        self.inflow
            .get(entity_type)
            .is_some_and(Inflow::is_attached)
    }

    /// Takes what was let go outside a publication.
    pub fn take_retired(&mut self) -> Retired {
        std::mem::take(&mut self.retired)
    }

    /// How much is held, for tests and status displays.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            watchers: self.watches.len() + self.value_watches.len(),
            requests: self.requests.len(),
            staged_rows: self.staged_rows(),
            rows_worked: self.rows_worked,
            runs_asked: self.runs_asked,
            pinned_bytes: pinned_bytes(self.newest(), &self.watches, &self.requests),
            outside_bytes: self.outside_bytes,
            pressure: self.pressure,
            ..Stats::of(self.newest())
        };
        stats.held.bookkeeping += size_of::<Self>()
            + self.watches.held_bytes()
            + tree_bytes::<EntityType, Inflow>(self.inflow.len())
            + tree_bytes::<EntityType, CollectionSettings>(self.collections.len());
        stats
    }

    /// The type has a stream, by its definition or by default.
    pub(crate) fn ensure(&mut self, entity_type: &EntityType) {
        if !self.collections.contains_key(entity_type) {
            let defined = self.define(entity_type.clone(), CollectionSettings::default());
            debug_assert!(defined.is_ok(), "the type had no definition");
            self.assumed.insert(entity_type.clone());
        }
    }

    /// A complete collection turns out too large.
    pub(crate) fn demote(&mut self, entity_type: &EntityType) {
        if let Some(inflow) = self.inflow.get_mut(entity_type) {
            inflow.become_windowed();
        }
        self.staged
            .push_back(Item::Demote(Demote::new(entity_type.clone())));
    }

    /// The moment a request begins. What comes later is of a later moment.
    pub(crate) fn begin_moment(&mut self) -> Moment {
        let begun = self.moment;
        self.next_moment();
        begun
    }

    /// A moment later than everything so far.
    pub(crate) fn next_moment(&mut self) -> Moment {
        self.moment = Moment(self.moment.0 + 1);
        self.moment
    }

    /// The world that readers see.
    pub(crate) fn shown(&self) -> &World {
        &self.shown
    }

    /// The world that contains everything worked so far.
    pub(crate) fn newest(&self) -> &World {
        self.batch
            .as_ref()
            .map_or(&self.shown, |batch| &batch.world)
    }

    /// Makes a world visible. Returns the one it replaced.
    fn show(&mut self, world: World) -> Arc<World> {
        let world = Arc::new(world);
        self.shared.store(Arc::clone(&world));
        let old = std::mem::replace(&mut self.shown, world);
        self.past.push(Arc::clone(&old));
        old
    }

    /// An own write, in the world that is shown and in the next one.
    fn take_own(&mut self, step: OwnStep) -> Option<Publication> {
        let mut touches = Touches::default();
        let mut world = (*self.shown).clone();
        if !step.take(&mut world, &mut touches) {
            return None;
        }
        if self.batch.is_none() {
            self.settle_later(&step);
        }
        if let Some(batch) = &mut self.batch {
            if batch.ready {
                let mut unseen = Touches::default();
                step.take(&mut batch.world, &mut unseen);
                limit_aliases(&mut batch.world, &self.watches, self.settings.max_aliases);
                // A row that moves may bring into a window what the batch put behind it.
                self.watches.wake(&unseen, &mut batch.woken);
                self.runs_asked += unseen.asked;
                touches.renamed.extend(unseen.renamed);
            } else {
                batch.take_own(step);
            }
        }
        limit_aliases(&mut world, &self.watches, self.settings.max_aliases);
        world.revision = self.shown.revision.next();
        for (old, new) in std::mem::take(&mut touches.renamed) {
            follow_rename(
                &mut self.watches,
                &mut self.requests,
                &mut self.staged,
                &old,
                &new,
            );
        }
        let mut woken = BTreeSet::new();
        self.watches.wake(&touches, &mut woken);
        self.runs_asked += touches.asked;
        if let Some(batch) = &mut self.batch {
            // What the write does to what is shown may not be what it does to the next world.
            batch.woken.extend(&woken);
        }
        touches.entities.sort_unstable();
        touches.entities.dedup();
        let old = self.show(world);
        self.look_at_budget();
        let (notices, listeners) = notices(
            &old,
            &self.shown,
            &touches.entities,
            &self.watches,
            self.settings.max_notices,
        );
        woken.extend(listeners);
        drop(old);
        let mut retired = std::mem::take(&mut self.retired);
        self.past.let_go(self.shown.stamp, &mut retired);
        let change_set = ChangeSet {
            revision: self.shown.revision,
            entities: touches.entities,
            notices,
        };
        Some(Publication {
            change_set,
            woken: woken.into_iter().collect(),
            disputed: Vec::new(),
            retired,
        })
    }

    /// What built on actions that are gone may become what is held, where nothing can be asked for.
    /// That is written by a batch.
    fn settle_later(&mut self, step: &OwnStep) {
        let waits = self.shown.overlay.answered().next().is_some();
        if !waits || !matches!(step, OwnStep::Remove(_)) {
            return;
        }
        let pushes_only = self
            .shown
            .streams()
            .filter(|stream| stream.is_pushes_only());
        let settle = pushes_only.map(|stream| Item::Settle(stream.name.clone()));
        self.staged.extend(settle);
    }

    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    pub(crate) fn next_watch_id(&mut self) -> WatchId {
        self.watches.next_id()
    }

    /// Makes a world visible at the next revision, whatever batch is being worked. Gives the revision, and
    /// what readers no longer need.
    pub(crate) fn show_next(&mut self, mut world: World) -> (Revision, Retired) {
        world.revision = self.shown.revision.next();
        drop(self.show(world));
        let mut retired = std::mem::take(&mut self.retired);
        self.past.let_go(self.shown.stamp, &mut retired);
        (self.shown.revision, retired)
    }

    pub(crate) fn empty_publication(&mut self) -> Publication {
        let change_set = ChangeSet {
            revision: self.revision(),
            ..ChangeSet::default()
        };
        Publication {
            change_set,
            woken: Vec::new(),
            disputed: Vec::new(),
            retired: self.take_retired(),
        }
    }

    fn revision(&self) -> Revision {
        self.shown.revision
    }
}
