//! Opening and closing runs, and turning a complete collection into a windowed one.

use tidewire_model::{EntityId, EntityType, Query};

use super::{Desk, Item, Step, follow_rename};
use crate::fetch::RunKey;
use crate::run::{RunTouch, Scope};
use crate::slots::{LOOKS, SlotNumber};
use crate::stream::Narrowing;

/// A list is watched: its run is made, or learns how much is looked at.
#[derive(Debug)]
pub(crate) struct OpenRun {
    key: RunKey,
    phase: Opening,
}

#[derive(Debug)]
enum Opening {
    Begin,
    /// Placing what is held, behind this slot.
    Held(Option<SlotNumber>),
    /// Placing what pending actions made, behind this id.
    Pending(Option<EntityId>),
}

/// A list may have lost its last watcher.
#[derive(Debug)]
pub(crate) struct CloseRun {
    pub(crate) key: RunKey,
}

/// A complete collection became too large: it is windowed from now on.
#[derive(Debug)]
pub(crate) struct Demote {
    entity_type: EntityType,
    /// Once it has begun: the runs that are still about everything held.
    left: Option<(Narrowing, std::vec::IntoIter<RunKey>)>,
}

impl OpenRun {
    pub(crate) fn new(key: RunKey) -> Self {
        Self {
            key,
            phase: Opening::Begin,
        }
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        let Some(need) = desk.watches.need(&self.key) else {
            return Step::Done;
        };
        let current = desk.world.run_key(self.key.query());
        if current != self.key {
            // The server named an entity meanwhile, or the type is kept otherwise.
            let Desk {
                watches,
                requests,
                later,
                ..
            } = desk;
            follow_rename(watches, requests, later, &self.key, &current);
            return Step::Done;
        }
        let entity_type = self.key.query().entity_type().clone();
        if self.key.query().is_opaque() {
            if let Some((stream, _)) = desk.world.edit(&entity_type) {
                stream.opaque.open(&self.key);
            }
            self.leave_others(desk);
            return Step::Done;
        }
        while desk.spend() {
            let Some((stream, _)) = desk.world.edit(&entity_type) else {
                return Step::Done;
            };
            match &mut self.phase {
                Opening::Begin => {
                    let scope = stream.scope();
                    let run = stream.open_run(&self.key, need);
                    let is_built = run.is_some_and(|run| run.is_built());
                    self.phase = match (scope, is_built) {
                        (Scope::Whole, false) => Opening::Held(None),
                        _ => Opening::Pending(None),
                    };
                }
                Opening::Held(behind) => {
                    // One is paid for already.
                    let most = LOOKS.min(desk.budget + 1);
                    match stream.place_next(&self.key, *behind, most) {
                        (0, _) => self.phase = Opening::Pending(None),
                        (looked, last) => {
                            *behind = last;
                            desk.budget = desk.budget.saturating_sub(looked - 1);
                        }
                    }
                }
                Opening::Pending(behind) => match stream.next_pending(behind.as_ref()) {
                    Some(id) => {
                        stream.ensure_pending(
                            &self.key,
                            &id,
                            |_, grounded| grounded,
                            &mut desk.touches,
                        );
                        *behind = Some(id);
                    }
                    None => {
                        if let Some(mut run) = stream.runs.edit(&self.key) {
                            run.set_built();
                        }
                        desk.touches.runs.push((self.key.clone(), RunTouch::All));
                        self.leave_others(desk);
                        return Step::Done;
                    }
                },
            }
        }
        Step::Paused
    }

    /// Those who came from another run need that no more.
    fn leave_others(&self, desk: &mut Desk<'_>) {
        let world = &*desk.world;
        let run_of = |query: &Query| world.run_key(query);
        for key in desk.watches.leave_others(&self.key, run_of) {
            desk.later.push_back(Item::Close(CloseRun { key }));
        }
    }
}

impl CloseRun {
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        let need = desk.watches.need(&self.key);
        if need.is_none() && self.key.query().is_opaque() {
            return self.close_opaque(desk);
        }
        if let Some((stream, _)) = desk.world.edit(self.key.query().entity_type()) {
            match need {
                Some(need) => {
                    if let Some(mut run) = stream.runs.edit(&self.key) {
                        run.need = need;
                    }
                }
                None => {
                    if let Some(run) = stream.runs.remove(&self.key) {
                        desk.retired.push(run);
                    }
                    desk.requests.drop_run(&self.key);
                }
            }
        }
        Step::Done
    }

    fn close_opaque(&self, desk: &mut Desk<'_>) -> Step {
        desk.requests.drop_run(&self.key);
        while desk.spend() {
            let edited = desk.world.edit(self.key.query().entity_type());
            let goes_on = edited.is_some_and(|(stream, _)| stream.close_opaque(&self.key));
            if !goes_on {
                return Step::Done;
            }
        }
        Step::Paused
    }
}

impl Demote {
    pub(crate) fn new(entity_type: EntityType) -> Self {
        Self {
            entity_type,
            left: None,
        }
    }

    pub(crate) fn is_of(&self, entity_type: &EntityType) -> bool {
        self.entity_type == *entity_type
    }

    pub(crate) fn step(&mut self, desk: &mut Desk<'_>) -> Step {
        let Some((stream, _)) = desk.world.edit(&self.entity_type) else {
            return Step::Done;
        };
        if self.left.is_none() {
            if stream.scope() == Scope::Window {
                return Step::Done;
            }
            self.left = Some((stream.become_windowed(), stream.runs.keys().into_iter()));
        }
        if let Some((narrowing, runs)) = &mut self.left {
            while desk.budget > 0
                && let Some(key) = runs.next()
            {
                stream.narrow_run(&key, narrowing);
                desk.budget -= 1;
            }
            if runs.len() > 0 {
                return Step::Paused;
            }
        }
        stream.touch_all(&mut desk.touches);
        desk.requests.end_snapshot(&self.entity_type);
        // Windows after a row were part of the whole run and are runs of their own now.
        let lists: Vec<_> = desk
            .watches
            .lists(&self.entity_type)
            .map(|(watch_id, query)| (watch_id, query.clone()))
            .collect();
        for (watch_id, query) in lists {
            let key = desk.world.run_key(&query);
            desk.watches.follow_list(watch_id, key.clone());
            desk.watches.set_unbuilt(key.clone());
            desk.later.push_back(Item::Open(OpenRun::new(key)));
        }
        Step::Done
    }
}
