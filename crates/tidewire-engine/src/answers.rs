//! What answers and echoes have said and the view does not show yet: which actions were accepted,
//! and which names the server gave.
//!
//! A piece of knowledge is taken in, worked with the next batch, and shown with it. Until then the
//! cache does not know it, and whoever must go by it asks here.

use std::collections::BTreeMap;

use tidewire_model::{ActionId, EntityId, Lane};

/// How far a piece of knowledge has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Taken,
    Worked,
    Shown,
}

/// An accepted action whose result is not known to be visible.
#[derive(Debug)]
struct Accepted {
    lane: Lane,
    seq: u64,
    phase: Phase,
}

/// What answers and echoes have said.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    accepted: BTreeMap<ActionId, Accepted>,
    names: BTreeMap<EntityId, (EntityId, Phase)>,
}

impl Answers {
    /// An action was accepted, under this number of its lane.
    pub(crate) fn on_accepted(&mut self, id: ActionId, lane: Lane, seq: u64) {
        let phase = Phase::Taken;
        self.accepted.insert(id, Accepted { lane, seq, phase });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.accepted.len()
    }

    /// The server named entities.
    pub(crate) fn on_named(&mut self, replaced: &BTreeMap<EntityId, EntityId>) {
        let named = replaced.iter();
        self.names
            .extend(named.map(|(old, new)| (old.clone(), (new.clone(), Phase::Taken))));
    }

    /// A batch begins: everything taken in so far is in it.
    pub(crate) fn on_work(&mut self) {
        self.advance(Phase::Taken, Phase::Worked);
    }

    /// The batch is shown.
    pub(crate) fn on_shown(&mut self) {
        self.advance(Phase::Worked, Phase::Shown);
        self.names.retain(|_, (_, phase)| *phase != Phase::Shown);
    }

    /// The names that the view does not follow yet.
    pub(crate) fn names(&self) -> BTreeMap<EntityId, EntityId> {
        let names = self.names.iter();
        names
            .map(|(old, (new, _))| (old.clone(), new.clone()))
            .collect()
    }

    /// The accepted actions with a number that a lane's last one covers.
    pub(crate) fn accepted_up_to(
        &self,
        last: &BTreeMap<Lane, u64>,
    ) -> impl Iterator<Item = ActionId> {
        let covered = self.accepted.iter().filter(|(_, accepted)| {
            last.get(&accepted.lane)
                .is_some_and(|last| accepted.seq <= *last)
        });
        covered.map(|(id, _)| *id)
    }

    /// Takes those out whose answer is shown and whose effects have left the overlay.
    pub(crate) fn take_visible(&mut self, in_overlay: impl Fn(ActionId) -> bool) -> Vec<ActionId> {
        let visible: Vec<ActionId> = self
            .accepted
            .iter()
            .filter(|(id, accepted)| accepted.phase == Phase::Shown && !in_overlay(**id))
            .map(|(id, _)| *id)
            .collect();
        for id in &visible {
            self.accepted.remove(id);
        }
        visible
    }

    fn advance(&mut self, from: Phase, to: Phase) {
        let accepted = self.accepted.values_mut();
        let phases = accepted.map(|accepted| &mut accepted.phase);
        for phase in phases.chain(self.names.values_mut().map(|(_, phase)| phase)) {
            if *phase == from {
                *phase = to;
            }
        }
    }
}
