//! The pending actions in order, with the effects that are not yet in the base.
//!
//! Cheap to copy. Holds effects and computes what they make of an entity; knows neither the base
//! nor when an effect may leave.

mod digest;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{ActionId, Effect, EntityId, EntityKey, EntityType};

pub(crate) use self::digest::Digest;
use crate::base::{At, Image, Moment};
use crate::rename;
use crate::sorted_map::SortedMap;

/// Where an action stands among the pending ones.
pub(crate) type Place = u64;

/// How many places in a row share digests: an entity that all of them touch is replayed in one step.
const BLOCK: Place = 64;
/// So few effects on an entity within a block are as quick without a digest.
const FEW: usize = 4;

/// The pending actions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    actions: SortedMap<Place, Arc<Pending>>,
    places: SortedMap<ActionId, Place>,
    /// The effects on each entity: the place of their action, and which of its effects it is.
    by_entity: SortedMap<(EntityKey, Place, usize), ()>,
    /// What more than a few effects on an entity within one block make of it.
    digests: SortedMap<(EntityKey, Place), Arc<Digest>>,
    /// Which actions mention a temporary id inside a value.
    mentions: SortedMap<(EntityId, Place), ()>,
    answered: SortedMap<Place, ()>,
}

/// One pending action.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) action: ActionId,
    pub(crate) effects: Vec<Effect>,
    pub(crate) answer: Option<Answered>,
}

/// An action was accepted; its effects wait until the base has them.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    /// Up to where each stream must be applied; nothing where no epoch was known to place it in.
    pub(crate) as_of: BTreeMap<EntityType, Option<At>>,
    /// A request begun from this moment on brings what the action did.
    pub(crate) moment: Moment,
}

impl Overlay {
    pub(crate) fn len(&self) -> usize {
        self.actions.len()
    }

    /// What was asked of the allocator for them.
    pub(crate) fn held_bytes(&self) -> usize {
        self.actions.held_bytes()
            + self.places.held_bytes()
            + self.by_entity.held_bytes()
            + self.digests.held_bytes()
            + self.mentions.held_bytes()
            + self.answered.held_bytes()
    }

    /// What the budget counts for them.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.actions.counted_bytes()
            + self.places.counted_bytes()
            + self.by_entity.counted_bytes()
            + self.digests.counted_bytes()
            + self.mentions.counted_bytes()
    }

    /// Whether effects of this action are pending.
    pub(crate) fn holds(&self, action: ActionId) -> bool {
        self.places.get(&action).is_some()
    }

    /// The pending actions that touch an entity, in order.
    pub(crate) fn actions_on(&self, key: &EntityKey) -> Vec<ActionId> {
        let mut actions: Vec<ActionId> = self
            .by_entity
            .iter_from(&(key.clone(), 0, 0))
            .take_while(|((other, ..), ())| other == key)
            .filter_map(|((_, place, _), ())| Some(self.actions.get(place)?.action))
            .collect();
        actions.dedup();
        actions
    }

    /// Whether any pending action touches this entity.
    pub(crate) fn touches(&self, key: &EntityKey) -> bool {
        self.first_place(key).is_some()
    }

    /// What the pending actions, in order, make of an entity.
    pub(crate) fn replay(&self, key: &EntityKey, base: &Image) -> Image {
        let steps = self.steps(key);
        steps.fold(base.clone(), |image, step| match step {
            Step::Digest(digest) => digest.apply(image),
            Step::Effect(effect) => digest::apply(&effect.body, image),
        })
    }

    /// The pending effects on an entity in order, those of a block in one where it has a digest.
    fn steps(&self, key: &EntityKey) -> impl Iterator<Item = Step<'_>> {
        let mut next = (0, 0);
        std::iter::from_fn(move || {
            let (place, index) = self.effect_from(key, next)?;
            let block = place / BLOCK;
            if next.0 <= block * BLOCK
                && let Some(digest) = self.digests.get(&(key.clone(), block))
            {
                next = ((block + 1) * BLOCK, 0);
                return Some(Step::Digest(digest));
            }
            next = (place, index + 1);
            let effect = self.actions.get(&place)?.effects.get(index)?;
            Some(Step::Effect(effect))
        })
    }

    /// Adds an action at the end, or replaces the effects of one that is pending, at its place.
    /// Returns the entities whose view may have changed.
    pub(crate) fn add(
        &mut self,
        place: Place,
        action: ActionId,
        effects: Vec<Effect>,
    ) -> BTreeSet<EntityKey> {
        let (place, answer, mut touched) = match self.places.get(&action).copied() {
            Some(old) => {
                let pending = self.actions.get(&old).cloned();
                let touched = self.remove(action);
                (
                    old,
                    pending.and_then(|pending| pending.answer.clone()),
                    touched,
                )
            }
            None => (place, None, BTreeSet::new()),
        };
        touched.extend(effects.iter().map(|effect| effect.key.clone()));
        if !effects.is_empty() {
            self.store(
                place,
                Pending {
                    action,
                    effects,
                    answer,
                },
            );
        }
        self.digest(&touched, place / BLOCK);
        touched
    }

    /// Takes an action out. Returns the entities whose view may have changed.
    pub(crate) fn remove(&mut self, action: ActionId) -> BTreeSet<EntityKey> {
        let Some(place) = self.places.get(&action).copied() else {
            return BTreeSet::new();
        };
        let Some(pending) = self.take(place) else {
            return BTreeSet::new();
        };
        let keys = keys_of(&pending.effects);
        self.digest(&keys, place / BLOCK);
        keys
    }

    /// Takes those effects of an action out that meet a condition.
    pub(crate) fn remove_effects(
        &mut self,
        action: ActionId,
        leaves: impl Fn(&Effect) -> bool,
    ) -> BTreeSet<EntityKey> {
        let Some(place) = self.places.get(&action).copied() else {
            return BTreeSet::new();
        };
        let leaving = self
            .actions
            .get(&place)
            .is_some_and(|pending| pending.effects.iter().any(&leaves));
        if !leaving {
            return BTreeSet::new();
        }
        let Some(mut pending) = self.take(place) else {
            return BTreeSet::new();
        };
        let (gone, kept): (Vec<Effect>, Vec<Effect>) = pending
            .effects
            .into_iter()
            .partition(|effect| leaves(effect));
        pending.effects = kept;
        if !pending.effects.is_empty() {
            self.store(place, pending);
        }
        let gone = keys_of(&gone);
        self.digest(&gone, place / BLOCK);
        gone
    }

    /// Records that an action was accepted.
    pub(crate) fn answer(&mut self, action: ActionId, answer: Answered) {
        let Some(place) = self.places.get(&action).copied() else {
            return;
        };
        if let Some(pending) = self.actions.get(&place) {
            let mut pending = Pending::clone(pending);
            pending.answer = Some(answer);
            self.actions.insert(place, Arc::new(pending));
            self.answered.insert(place, ());
        }
    }

    /// The accepted actions whose effects are still here, in order.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Pending> {
        self.answered
            .iter()
            .filter_map(|(place, ())| self.actions.get(place))
            .map(|pending| &**pending)
    }

    /// Whether an action is the first of the pending ones that touch an entity.
    pub(crate) fn is_first(&self, action: ActionId, key: &EntityKey) -> bool {
        let first = self.first_place(key);
        first.is_some() && first == self.places.get(&action).copied()
    }

    /// Names an entity anew in every effect. Returns the entities whose view may have changed.
    pub(crate) fn rename(&mut self, temporary: &EntityId, real: &EntityId) -> BTreeSet<EntityKey> {
        let mut places: BTreeSet<Place> = self
            .mentions
            .iter_from(&(temporary.clone(), 0))
            .take_while(|((id, _), ())| id == temporary)
            .map(|((_, place), ())| *place)
            .collect();
        if !temporary.is_temporary() {
            // Only ids of the usual form are indexed.
            places.extend(self.actions.iter().map(|(place, _)| *place));
        }
        let mut touched: BTreeMap<Place, BTreeSet<EntityKey>> = BTreeMap::new();
        for place in places {
            let Some(mut pending) = self.take(place) else {
                continue;
            };
            let touched = touched.entry(place / BLOCK).or_default();
            touched.extend(keys_of(&pending.effects));
            for effect in &mut pending.effects {
                *effect = rename::effect(effect, temporary, real);
            }
            touched.extend(keys_of(&pending.effects));
            self.store(place, pending);
        }
        for (block, keys) in &touched {
            self.digest(keys, *block);
        }
        touched.into_values().flatten().collect()
    }

    fn first_place(&self, key: &EntityKey) -> Option<Place> {
        self.effect_from(key, (0, 0)).map(|(place, _)| place)
    }

    /// The first effect on an entity from a place on.
    fn effect_from(
        &self,
        key: &EntityKey,
        (place, index): (Place, usize),
    ) -> Option<(Place, usize)> {
        let from = (key.clone(), place, index);
        let ((other, place, index), ()) = self.by_entity.iter_from(&from).next()?;
        (other == key).then_some((*place, *index))
    }

    fn store(&mut self, place: Place, pending: Pending) {
        for (index, effect) in pending.effects.iter().enumerate() {
            self.by_entity
                .insert((effect.key.clone(), place, index), ());
            rename::temporary_ids(effect, &mut |id| {
                self.mentions.insert((id, place), ());
            });
        }
        if pending.answer.is_some() {
            self.answered.insert(place, ());
        }
        self.places.insert(pending.action, place);
        self.actions.insert(place, Arc::new(pending));
    }

    fn take(&mut self, place: Place) -> Option<Pending> {
        let pending = Arc::unwrap_or_clone(self.actions.remove(&place)?);
        for (index, effect) in pending.effects.iter().enumerate() {
            self.by_entity.remove(&(effect.key.clone(), place, index));
            rename::temporary_ids(effect, &mut |id| {
                self.mentions.remove(&(id, place));
            });
        }
        self.answered.remove(&place);
        self.places.remove(&pending.action);
        Some(pending)
    }

    /// Brings the digests of one block in step with its effects on some entities.
    fn digest(&mut self, keys: &BTreeSet<EntityKey>, block: Place) {
        for key in keys {
            let effects = self.effects_in(key, block);
            if effects.len() > FEW {
                let mut digest = Digest::default();
                effects.iter().for_each(|effect| digest.push(&effect.body));
                self.digests.insert((key.clone(), block), Arc::new(digest));
            } else {
                self.digests.remove(&(key.clone(), block));
            }
        }
    }

    fn effects_in(&self, key: &EntityKey, block: Place) -> Vec<&Effect> {
        self.by_entity
            .iter_from(&(key.clone(), block * BLOCK, 0))
            .take_while(|((other, place, _), ())| other == key && place / BLOCK == block)
            .filter_map(|((_, place, index), ())| self.actions.get(place)?.effects.get(*index))
            .collect()
    }
}

/// What a replay does at once.
enum Step<'a> {
    Effect(&'a Effect),
    Digest(&'a Digest),
}

fn keys_of(effects: &[Effect]) -> BTreeSet<EntityKey> {
    effects.iter().map(|effect| effect.key.clone()).collect()
}
