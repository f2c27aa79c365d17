//! The batch: what is staged, applied in slices to a world that readers do not see yet.
//!
//! Each piece of work keeps its own place, so that it can stop after any row and go on later.
//! Nothing here makes anything visible.

mod attach;
mod commit;
mod evict;
mod index_keys;
mod lists;
mod opaque_page;
mod own;
mod own_knowledge;
mod page;
mod rows;
mod snapshot;

use std::collections::{BTreeSet, VecDeque};

use tidewire_model::{EntityId, EntityKey, EntityType, Tick};

use crate::base::Moment;
use crate::fetch::{Requests, RunKey};
use crate::gathered::Gathered;
use crate::publish::Retired;
use crate::settings::Settings;
use crate::stats::Pressure;
use crate::stream::Touches;
use crate::watch::{WatchId, Watches};
use crate::world::World;

pub(crate) use attach::{Attach, Clearing, Detach, MarkStale, Owed};
pub(crate) use commit::{TellCommits, Told};
pub(crate) use evict::Shrink;
pub(crate) use index_keys::IndexKeys;
pub(crate) use lists::{CloseRun, Demote, OpenRun};
pub(crate) use opaque_page::InstallOpaque;
pub(crate) use own::OwnStep;
pub(crate) use own_knowledge::{Clear, MarkRuns, OwnKnowledge, Said};
pub(crate) use page::{InstallPage, PageAnswer};
pub(crate) use rows::{AnswerRows, FetchedRows, LooseRows, Refused};
pub(crate) use snapshot::SwapSnapshot;

/// One piece of work.
#[derive(Debug)]
pub(crate) enum Item {
    Attach(Attach),
    Detach(Detach),
    Commits(TellCommits),
    Snapshot(SwapSnapshot),
    Fetched(FetchedRows),
    Loose(LooseRows),
    Answer(AnswerRows),
    Page(Box<InstallPage>),
    OpaquePage(Box<InstallOpaque>),
    Stale(MarkStale),
    Owed(Owed),
    Refused(Refused),
    Open(OpenRun),
    Close(CloseRun),
    Demote(Demote),
    Shrink(Shrink),
    Own(OwnStep),
    Knowledge(OwnKnowledge),
    MarkRuns(MarkRuns),
    Clear(Clear),
    IndexKeys(IndexKeys),
    /// Accepted actions may have nothing left to wait for.
    Settle(EntityType),
}

/// Whether a piece of work is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Done,
    /// The budget is used up.
    Paused,
}

/// What is being made visible next.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) world: World,
    items: VecDeque<Item>,
    /// The entities of own writes that wait for the rest of the batch.
    own: BTreeSet<EntityKey>,
    pub(crate) gathered: Gathered,
    pub(crate) woken: BTreeSet<WatchId>,
    pub(crate) disputed: BTreeSet<RunKey>,
    /// How many runs were looked at since somebody counted.
    pub(crate) asked: u64,
    pub(crate) ready: bool,
}

/// What a piece of work works with.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    pub(crate) now: Tick,
    /// How many rows may still be worked.
    pub(crate) budget: usize,
    pub(crate) world: &'a mut World,
    own: &'a BTreeSet<EntityKey>,
    pub(crate) touches: Touches,
    pub(crate) settings: &'a Settings,
    pub(crate) watches: &'a mut Watches,
    pub(crate) requests: &'a mut Requests,
    pub(crate) retired: &'a mut Retired,
    /// Work that came up on the way, for the next batch.
    pub(crate) later: &'a mut VecDeque<Item>,
    /// A moment newer than every request under way when the work was staged.
    pub(crate) moment: Moment,
    pub(crate) max_bytes: usize,
    pub(crate) pressure: &'a mut Pressure,
}

/// The parts of the writer that a batch needs.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) watches: &'a mut Watches,
    pub(crate) requests: &'a mut Requests,
    pub(crate) retired: &'a mut Retired,
    pub(crate) later: &'a mut VecDeque<Item>,
    pub(crate) moment: Moment,
    pub(crate) max_bytes: usize,
    pub(crate) pressure: &'a mut Pressure,
}

impl Batch {
    pub(crate) fn new(world: World, items: VecDeque<Item>) -> Self {
        Self {
            world,
            items,
            own: BTreeSet::new(),
            gathered: Gathered::default(),
            woken: BTreeSet::new(),
            disputed: BTreeSet::new(),
            asked: 0,
            ready: false,
        }
    }

    /// Takes an own write in, behind everything else.
    pub(crate) fn take_own(&mut self, step: OwnStep) {
        self.own.extend(step.keys().cloned());
        self.items.push_back(Item::Own(step));
    }

    /// How many rows it still brings, for back-pressure.
    pub(crate) fn rows(&self) -> usize {
        self.items.iter().map(Item::rows).sum()
    }

    /// Works up to `budget` rows. Returns how many it worked.
    pub(crate) fn work(&mut self, now: Tick, budget: usize, tools: Tools<'_>) -> usize {
        let Tools {
            settings,
            watches,
            requests,
            retired,
            later,
            moment,
            max_bytes,
            pressure,
        } = tools;
        let mut desk = Desk {
            now,
            budget,
            world: &mut self.world,
            own: &self.own,
            touches: Touches::default(),
            settings,
            watches,
            requests,
            retired,
            later,
            moment,
            max_bytes,
            pressure,
        };
        while let Some(item) = self.items.front_mut() {
            if desk.budget == 0 {
                break;
            }
            let step = item.step(&mut desk);
            self.asked += desk.touches.asked;
            self.disputed.extend(desk.touches.disputed.drain(..));
            desk.absorb(&mut self.gathered, &mut self.woken);
            if step == Step::Paused {
                break;
            }
            // A piece of work that had no rows costs one, so that a slice always ends.
            desk.spend();
            self.items.pop_front();
        }
        let left = desk.budget;
        self.ready = self.items.is_empty();
        budget - left
    }
}

impl Item {
    fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        match self {
            Self::Attach(work) => work.step(desk),
            Self::Detach(work) => work.step(desk),
            Self::Commits(work) => work.step(desk),
            Self::Snapshot(work) => work.step(desk),
            Self::Fetched(work) => work.step(desk),
            Self::Loose(work) => work.step(desk),
            Self::Answer(work) => work.step(desk),
            Self::Page(work) => work.step(desk),
            Self::OpaquePage(work) => work.step(desk),
            Self::Stale(work) => work.step(desk),
            Self::Owed(work) => work.step(desk),
            Self::Refused(work) => work.step(desk),
            Self::Open(work) => work.step(desk),
            Self::Close(work) => work.step(desk),
            Self::Demote(work) => work.step(desk),
            Self::Shrink(work) => work.step(desk),
            Self::Own(work) => work.step(desk),
            Self::Knowledge(work) => work.step(desk),
            Self::MarkRuns(work) => work.step(desk),
            Self::Clear(work) => work.step(desk),
            Self::IndexKeys(work) => work.step(desk),
            Self::Settle(entity_type) => {
                desk.world.settle(entity_type, &mut desk.touches);
                Step::Done
            }
        }
    }

    /// How many rows it brings, for back-pressure.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Commits(work) => work.rows(),
            Self::Snapshot(work) => work.rows(),
            Self::Fetched(work) => work.rows(),
            Self::Loose(work) => work.rows(),
            Self::Answer(work) => work.rows(),
            Self::Page(work) => work.rows(),
            Self::OpaquePage(work) => work.rows(),
            Self::Attach(_)
            | Self::Detach(_)
            | Self::Stale(_)
            | Self::Owed(_)
            | Self::Refused(_)
            | Self::Open(_)
            | Self::Close(_)
            | Self::Demote(_)
            | Self::Shrink(_)
            | Self::Own(_)
            | Self::MarkRuns(_)
            | Self::Clear(_)
            | Self::IndexKeys(_)
            | Self::Settle(_) => 0,
            Self::Knowledge(_) => 1,
        }
    }
}

impl Desk<'_> {
    /// Takes one row off the budget. False when there is none left.
    pub(crate) fn spend(&mut self) -> bool {
        let left = self.budget > 0;
        self.budget = self.budget.saturating_sub(1);
        left
    }

    /// Names an entity everywhere.
    pub(crate) fn rename(&mut self, temporary: &EntityId, real: &EntityId) {
        self.world.rename(temporary, real, &mut self.touches);
        self.watches.follow_entity(temporary, real);
        limit_aliases(self.world, self.watches, self.settings.max_aliases);
    }

    /// The type is live or not as it was; if that changed, everything of it reads otherwise.
    pub(crate) fn note_live(&mut self, entity_type: &EntityType, was_live: bool) {
        let now = self.now;
        if let Some((stream, _)) = self.world.edit(entity_type)
            && stream.is_live() != was_live
        {
            if was_live {
                stream.standing.live_until = Some(now);
            }
            stream.touch_all(&mut self.touches);
        }
    }

    pub(crate) fn is_live(&self, entity_type: &EntityType) -> bool {
        self.world
            .stream(entity_type)
            .is_some_and(crate::stream::Stream::is_live)
    }

    /// Remembers what changed for the pages on their way.
    fn log_changes(&mut self) {
        for logged in self.touches.logged.drain(..) {
            if self.requests.is_empty() {
                break;
            }
            if let Some(stream) = self.world.stream(&logged.entity_type) {
                self.requests
                    .log(stream, &logged, self.settings.max_logged_changes);
            }
        }
    }

    /// Tells what was touched to those whom it concerns.
    fn absorb(&mut self, gathered: &mut Gathered, woken: &mut BTreeSet<WatchId>) {
        self.log_changes();
        let touches = &mut self.touches;
        for (old, new) in touches.renamed.drain(..) {
            follow_rename(self.watches, self.requests, self.later, &old, &new);
        }
        self.watches.wake(touches, woken);
        touches.runs.clear();
        touches.streams.clear();
        touches.asked = 0;
        for key in touches.entities.drain(..) {
            gathered.add(key);
        }
    }
}

/// A run goes on under another name: its watchers follow, and it is opened again.
pub(crate) fn follow_rename(
    watches: &mut Watches,
    requests: &mut Requests,
    later: &mut VecDeque<Item>,
    old: &RunKey,
    new: &RunKey,
) {
    watches.follow_run(old, new);
    watches.set_unbuilt(new.clone());
    requests.drop_run(old);
    later.push_back(Item::Open(OpenRun::new(new.clone())));
}

/// Forgets the oldest names that nobody watches, beyond the bound.
pub(crate) fn limit_aliases(world: &mut World, watches: &Watches, max: usize) {
    let mut tries = 4;
    while world.aliases.len() > max && tries > 0 {
        tries -= 1;
        world.forget_oldest_alias(|id| watches.watches_id(id));
    }
}
