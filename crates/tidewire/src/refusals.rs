//! What the server refused for good on the present connection, so that nobody waits for it.

use std::collections::BTreeMap;

use tidewire_cache::{RunKey, Target, Wanted};
use tidewire_model::EntityType;

/// So many refusals are remembered; beyond that some are forgotten, and waited for again.
const MAX: usize = 1_024;

/// The refusals, with the code of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(BTreeMap<(EntityType, Option<Wanted>), String>);

impl Refusals {
    pub(crate) fn add(&mut self, entity_type: EntityType, wanted: Option<Wanted>, code: String) {
        if self.0.len() >= MAX {
            self.0.pop_first();
        }
        self.0.insert((entity_type, wanted), code);
    }

    /// Whether something watched will not come: the code of the refusal.
    pub(crate) fn of(&self, target: &Target) -> Option<&str> {
        let of_type = self
            .0
            .iter()
            .filter(|((entity_type, _), _)| entity_type == target.entity_type());
        let (_, code) = of_type
            .into_iter()
            .find(|((_, wanted), _)| concerns(wanted.as_ref(), target))?;
        Some(code)
    }
}

fn concerns(wanted: Option<&Wanted>, target: &Target) -> bool {
    match (wanted, target) {
        (None, _) => true,
        (Some(Wanted::Entities { ids, .. }), Target::Entity(key)) => ids.contains(&key.id),
        (Some(Wanted::Page { run, .. }), Target::List(query)) => *run == RunKey::of(query),
        (Some(Wanted::Snapshot { .. }), _) => true,
        (Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use tidewire_model::{EntityId, EntityKey, Query};

    use super::*;

    fn orders() -> EntityType {
        EntityType::new("orders").unwrap()
    }

    fn entity(id: &str) -> Target {
        Target::Entity(EntityKey::new(orders(), EntityId::text(id).unwrap()))
    }

    #[test]
    fn a_refusal_concerns_what_was_asked_for_and_that_of_a_stream_all_of_it() {
        let mut refusals = Refusals::default();
        let wanted = Wanted::Entities {
            entity_type: orders(),
            ids: vec![EntityId::text("o1").unwrap()],
        };
        refusals.add(orders(), Some(wanted), "too_large".into());
        assert_eq!(refusals.of(&entity("o1")), Some("too_large"));
        assert_eq!(refusals.of(&entity("o2")), None);
        assert_eq!(refusals.of(&Target::List(Query::new(orders()))), None);
        refusals.add(orders(), None, "forbidden".into());
        assert_eq!(refusals.of(&entity("o2")), Some("forbidden"));
        let other = EntityType::new("others").unwrap();
        assert_eq!(refusals.of(&Target::List(Query::new(other))), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut refusals = Refusals::default();
        for n in 0..2 * MAX {
            let name = EntityType::new(&format!("t{n}")).unwrap();
            refusals.add(name, None, "forbidden".into());
        }
        assert_eq!(refusals.0.len(), MAX);
    }
}
