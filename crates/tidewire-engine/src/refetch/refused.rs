//! What a server refused for good on this connection, so that it is not asked for again.
//!
//! A refusal is of a whole request. Of several entities one may be the reason, so they are asked for
//! one by one before they count as refused.

use std::collections::BTreeSet;

use tidewire_cache::Wanted;
use tidewire_model::EntityKey;

/// So many of each kind are remembered; beyond that some are asked for once more.
const MAX: usize = 4_096;

/// What was refused.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    pages: BTreeSet<Wanted>,
    entities: BTreeSet<EntityKey>,
    /// Refused together with others: to be asked for alone.
    alone: BTreeSet<EntityKey>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// What was asked for will not come.
    Final,
    /// Some of it may: it is asked for one by one.
    OneByOne,
}

impl Refused {
    /// What of this may be asked for.
    pub(crate) fn allowed(&self, wanted: Wanted) -> Option<Wanted> {
        let Wanted::Entities {
            entity_type,
            mut ids,
        } = wanted
        else {
            return (!self.pages.contains(&wanted)).then_some(wanted);
        };
        let key = |id| EntityKey::new(entity_type.clone(), id);
        if !self.entities.is_empty() {
            ids.retain(|id| !self.entities.contains(&key(id.clone())));
        }
        if !self.alone.is_empty()
            && let Some(id) = ids
                .iter()
                .find(|id| self.alone.contains(&key((*id).clone())))
        {
            ids = vec![id.clone()];
        }
        (!ids.is_empty()).then_some(Wanted::Entities { entity_type, ids })
    }

    /// A request for this was refused.
    pub(crate) fn add(&mut self, wanted: Wanted) -> Refusal {
        let Wanted::Entities { entity_type, ids } = wanted else {
            bounded(&mut self.pages, wanted);
            return Refusal::Final;
        };
        let several = ids.len() > 1;
        for id in ids {
            let key = EntityKey::new(entity_type.clone(), id);
            if several {
                bounded(&mut self.alone, key);
            } else {
                self.alone.remove(&key);
                bounded(&mut self.entities, key);
            }
        }
        if several {
            Refusal::OneByOne
        } else {
            Refusal::Final
        }
    }
}

fn bounded<T: Ord>(set: &mut BTreeSet<T>, value: T) {
    if set.len() >= MAX {
        set.pop_first();
    }
    set.insert(value);
}

#[cfg(test)]
mod tests {
    use tidewire_model::{EntityId, EntityType};

    use super::*;

    fn entities(ids: &[&str]) -> Wanted {
        let ids = ids.iter().map(|id| EntityId::text(id).unwrap());
        Wanted::Entities {
            entity_type: EntityType::new("orders").unwrap(),
            ids: ids.collect(),
        }
    }

    #[test]
    fn of_several_that_were_refused_together_each_is_asked_for_alone() {
        let mut refused = Refused::default();
        assert_eq!(refused.add(entities(&["a", "b"])), Refusal::OneByOne);
        assert_eq!(
            refused.allowed(entities(&["a", "b", "c"])),
            Some(entities(&["a"]))
        );
        assert_eq!(refused.add(entities(&["a"])), Refusal::Final);
        assert_eq!(
            refused.allowed(entities(&["a", "b"])),
            Some(entities(&["b"]))
        );
        assert_eq!(refused.allowed(entities(&["a"])), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut refused = Refused::default();
        for n in 0..2 * MAX {
            refused.add(entities(&[&n.to_string()]));
        }
        assert_eq!(refused.entities.len(), MAX);
    }
}
