//! The pending actions in order, with the effects that are not yet in the base.
//!
//! Cheap to copy. Holds effects and computes what they make of an entity; knows neither the base
//! nor when an effect may leave.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{ActionId, Effect, EffectBody, EntityId, EntityKey, EntityType};

use crate::base::{At, Image, Moment};
use crate::rename;
use crate::sorted_map::SortedMap;

/// Where an action stands among the pending ones.
pub(crate) type Place = u64;

/// The pending actions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overlay {
    actions: SortedMap<Place, Arc<Pending>>,
    places: SortedMap<ActionId, Place>,
    by_entity: SortedMap<(EntityKey, Place), ()>,
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

    /// Whether effects of this action are pending.
    pub(crate) fn holds(&self, action: ActionId) -> bool {
        self.places.get(&action).is_some()
    }

    /// Whether any pending action touches this entity.
    pub(crate) fn touches(&self, key: &EntityKey) -> bool {
        self.by_entity
            .iter_from(&(key.clone(), 0))
            .next()
            .is_some_and(|((other, _), ())| other == key)
    }

    /// What the pending actions, in order, make of an entity.
    pub(crate) fn replay(&self, key: &EntityKey, base: &Image) -> Image {
        let mut image = base.clone();
        for place in self.places_of(key) {
            let Some(pending) = self.actions.get(&place) else {
                continue;
            };
            for effect in pending.effects.iter().filter(|effect| effect.key == *key) {
                image = apply(&effect.body, image);
            }
        }
        image
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
        touched
    }

    /// Takes an action out. Returns the entities whose view may have changed.
    pub(crate) fn remove(&mut self, action: ActionId) -> BTreeSet<EntityKey> {
        let Some(place) = self.places.get(&action).copied() else {
            return BTreeSet::new();
        };
        self.take(place)
            .map_or_else(BTreeSet::new, |pending| keys_of(&pending.effects))
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
        keys_of(&gone)
    }

    /// Records that an action was accepted.
    pub(crate) fn answer(&mut self, action: ActionId, answer: Answered) {
        let Some(place) = self.places.get(&action).copied() else {
            return;
        };
        if let Some(mut pending) = self.take(place) {
            pending.answer = Some(answer);
            self.store(place, pending);
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
        let first = self.places_of(key).next();
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
        let mut touched = BTreeSet::new();
        for place in places {
            let Some(mut pending) = self.take(place) else {
                continue;
            };
            touched.extend(keys_of(&pending.effects));
            for effect in &mut pending.effects {
                *effect = rename::effect(effect, temporary, real);
            }
            touched.extend(keys_of(&pending.effects));
            self.store(place, pending);
        }
        touched
    }

    fn places_of(&self, key: &EntityKey) -> impl Iterator<Item = Place> {
        self.by_entity
            .iter_from(&(key.clone(), 0))
            .take_while(move |((other, _), ())| other == key)
            .map(|((_, place), ())| *place)
    }

    fn store(&mut self, place: Place, pending: Pending) {
        for effect in &pending.effects {
            self.by_entity.insert((effect.key.clone(), place), ());
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
        for effect in &pending.effects {
            self.by_entity.remove(&(effect.key.clone(), place));
            rename::temporary_ids(effect, &mut |id| {
                self.mentions.remove(&(id, place));
            });
        }
        self.answered.remove(&place);
        self.places.remove(&pending.action);
        Some(pending)
    }
}

fn keys_of(effects: &[Effect]) -> BTreeSet<EntityKey> {
    effects.iter().map(|effect| effect.key.clone()).collect()
}

/// What an effect makes of an image. What is unknown stays so, unless the effect says it all.
fn apply(effect: &EffectBody, image: Image) -> Image {
    match (effect, image) {
        (EffectBody::Put(_) | EffectBody::Remove, _) => effect.apply(None).into(),
        (_, Image::Unknown) => Image::Unknown,
        (_, Image::Absent) => effect.apply(None).into(),
        (_, Image::Present(record)) => effect.apply(Some(&record)).into(),
    }
}
