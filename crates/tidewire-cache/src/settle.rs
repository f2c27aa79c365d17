//! When the effects of an accepted action leave the overlay: in the very step in which the base has
//! what the action did, so that nothing flickers, in either order of echo and answer.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{ActionId, Effect, EntityId, EntityKey, EntityType};

use crate::base::Moment;
use crate::overlay::{Answered, Pending};
use crate::stream::{Stream, Touches};
use crate::world::World;

impl World {
    /// Takes out the effects on a stream that its base has by now.
    pub(crate) fn settle(&mut self, entity_type: &EntityType, touches: &mut Touches) {
        let Some(stream) = self.stream(entity_type) else {
            return;
        };
        if stream.is_pushes_only() && !self.open {
            // What leaves here becomes what is held.
            return;
        }
        let mut leaving: BTreeMap<ActionId, BTreeSet<EntityId>> = BTreeMap::new();
        for pending in self.overlay.answered() {
            let Some(answer) = &pending.answer else {
                continue;
            };
            for effect in pending
                .effects
                .iter()
                .filter(|effect| effect.key.entity_type == *entity_type)
            {
                if self.base_has(stream, pending, answer, effect) || stream.is_pushes_only() {
                    leaving
                        .entry(pending.action)
                        .or_default()
                        .insert(effect.key.id.clone());
                }
            }
        }
        for (action, ids) in leaving {
            if self.stream(entity_type).is_some_and(Stream::is_pushes_only) {
                self.absorb(entity_type, &ids, touches);
            }
            let keys = self.overlay.remove_effects(action, |effect| {
                effect.key.entity_type == *entity_type && ids.contains(&effect.key.id)
            });
            self.refresh(&keys, touches);
        }
    }

    /// The entities that accepted actions wait for and that only a request can bring.
    pub(crate) fn awaited(&self) -> BTreeSet<EntityKey> {
        let mut awaited = BTreeSet::new();
        for pending in self.overlay.answered() {
            let Some(answer) = &pending.answer else {
                continue;
            };
            for effect in &pending.effects {
                let Some(stream) = self.stream(&effect.key.entity_type) else {
                    continue;
                };
                if !stream.will_contain(answer) && !self.base_has(stream, pending, answer, effect) {
                    awaited.insert(effect.key.clone());
                }
            }
        }
        awaited
    }

    /// Takes out the effects of actions accepted before a request was made for what they did, now
    /// that nothing will come by it. What they did to other entities stays.
    pub(crate) fn give_up(
        &mut self,
        entity_type: &EntityType,
        ids: &[EntityId],
        begun: Moment,
        touches: &mut Touches,
    ) {
        let ids: BTreeSet<EntityId> = ids.iter().map(|id| self.resolve(id).clone()).collect();
        let given_up = |effect: &Effect| {
            effect.key.entity_type == *entity_type && ids.contains(&effect.key.id)
        };
        let actions: Vec<ActionId> = self
            .overlay
            .answered()
            .filter(|pending| {
                let answer = pending.answer.as_ref();
                answer.is_some_and(|answer| answer.moment <= begun)
            })
            .map(|pending| pending.action)
            .collect();
        let mut keys = BTreeSet::new();
        for action in actions {
            keys.extend(self.overlay.remove_effects(action, given_up));
        }
        self.refresh(&keys, touches);
    }

    /// Whether the base of a stream has what an accepted action did to an entity.
    fn base_has(
        &self,
        stream: &Stream,
        pending: &Pending,
        answer: &Answered,
        effect: &Effect,
    ) -> bool {
        let id = &effect.key.id;
        // A creation was accepted, and the server gave the entity no name: nothing else will come.
        let unnamed = id.is_temporary()
            && !stream.base.contains(id)
            && !stream.will_contain(answer)
            && self.overlay.is_first(pending.action, &effect.key);
        unnamed || stream.contains(answer, id)
    }

    /// Where nothing can be asked for, an accepted prediction is the best there is: it becomes the
    /// base, as far as the pending actions made it, and is marked.
    fn absorb(
        &mut self,
        entity_type: &EntityType,
        ids: &BTreeSet<EntityId>,
        touches: &mut Touches,
    ) {
        for id in ids {
            if let Some((stream, overlay)) = self.edit(entity_type) {
                stream.absorb_prediction(id, overlay, touches);
            }
        }
    }
}

impl Stream {
    /// Whether the base has what an accepted action did to an entity.
    fn contains(&self, answer: &Answered, id: &EntityId) -> bool {
        let entry = self.base.get(id);
        if entry
            .as_ref()
            .is_some_and(|entry| entry.fetched >= answer.moment)
        {
            // Asked for after the answer, or sent with it.
            return true;
        }
        if self.has_client_points() {
            return false;
        }
        let era = self.standing.era;
        match answer.as_of.get(&self.name) {
            // The action did nothing to this stream.
            None => self.standing.is_attached(),
            Some(as_of) => as_of.and_then(|at| at.within(era)).is_some_and(|as_of| {
                let seen = self.standing.complete.is_some()
                    || self.standing.since.is_some_and(|since| since < as_of);
                let applied = self
                    .standing
                    .applied
                    .is_some_and(|applied| applied >= as_of);
                (seen && applied)
                    || entry
                        .and_then(|entry| entry.known(era))
                        .is_some_and(|known| known >= as_of)
            }),
        }
    }

    /// Whether the commit of an accepted action is still to come in.
    fn will_contain(&self, answer: &Answered) -> bool {
        let as_of = answer
            .as_of
            .get(&self.name)
            .and_then(|at| at.as_ref()?.within(self.standing.era));
        !self.has_client_points()
            && self.standing.is_attached()
            && as_of.is_some_and(|as_of| {
                self.standing.is_building()
                    || self.standing.applied.is_none_or(|applied| applied < as_of)
            })
    }
}
