//! What the server refused on the present connection: for good, so that nobody waits for it, or for now.

use std::collections::BTreeMap;

use tidewire_cache::{RunKey, Target, Wanted};
use tidewire_engine::Term;
use tidewire_model::EntityType;

/// So many refusals are remembered; beyond that some are forgotten, and waited for again.
const MAX: usize = 1_024;

/// What a refusal is about: a request, or the stream of a type itself.
type About = (EntityType, Option<Wanted>);

/// The refusals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(BTreeMap<About, Refused>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Why, for programs.
    pub(crate) code: String,
    /// For how long.
    pub(crate) term: Term,
}

impl Refusals {
    /// Whether it is news.
    pub(crate) fn add(
        &mut self,
        entity_type: EntityType,
        wanted: Option<Wanted>,
        refused: Refused,
    ) -> bool {
        let about = (entity_type, wanted);
        if self.0.get(&about) == Some(&refused) {
            return false;
        }
        if self.0.len() >= MAX && !self.0.contains_key(&about) {
            self.0.pop_first();
        }
        self.0.insert(about, refused);
        true
    }

    /// Another connection has refused nothing yet. Whether that is news.
    pub(crate) fn clear(&mut self) -> bool {
        !std::mem::take(&mut self.0).is_empty()
    }

    /// What was asked for has come, so it is not refused for now any more. Whether that is news.
    pub(crate) fn forget(&mut self, entity_type: &EntityType, wanted: Option<&Wanted>) -> bool {
        let before = self.0.len();
        self.0.retain(|(other, about), refused| {
            other != entity_type
                || refused.term == Term::ForGood
                || !overlap(about.as_ref(), wanted)
        });
        self.0.len() < before
    }

    /// Whether something watched will not come: the code of the refusal.
    pub(crate) fn of(&self, target: &Target) -> Option<&str> {
        let mut all = self.all_of(target);
        let refused = all.find(|refused| refused.term == Term::ForGood)?;
        Some(&refused.code)
    }

    /// Why something watched has not come, or will not.
    pub(crate) fn why(&self, target: &Target) -> Option<String> {
        let refused = self.all_of(target).max_by_key(|refused| refused.term)?;
        let code = &refused.code;
        Some(match refused.term {
            Term::ForGood => format!("the server refused this: {code}"),
            Term::ForNow => format!("the server cannot answer for now: {code}"),
        })
    }

    fn all_of(&self, target: &Target) -> impl Iterator<Item = &Refused> {
        self.0
            .iter()
            .filter(|((entity_type, wanted), _)| {
                entity_type == target.entity_type() && concerns(wanted.as_ref(), target)
            })
            .map(|(_, refused)| refused)
    }
}

/// Whether two requests ask for the same, in part at least. A page is asked for by other bounds each time.
fn overlap(one: Option<&Wanted>, other: Option<&Wanted>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(Wanted::Entities { ids, .. }), Some(Wanted::Entities { ids: others, .. })) => {
            ids.iter().any(|id| others.contains(id))
        }
        (Some(Wanted::Page { run, .. }), Some(Wanted::Page { run: other, .. })) => run == other,
        _ => false,
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

    fn for_good(code: &str) -> Refused {
        Refused {
            code: code.into(),
            term: Term::ForGood,
        }
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
        refusals.add(orders(), Some(wanted), for_good("too_large"));
        assert_eq!(refusals.of(&entity("o1")), Some("too_large"));
        assert_eq!(refusals.of(&entity("o2")), None);
        assert_eq!(refusals.of(&Target::List(Query::new(orders()))), None);
        refusals.add(orders(), None, for_good("forbidden"));
        assert_eq!(refusals.of(&entity("o2")), Some("forbidden"));
        let other = EntityType::new("others").unwrap();
        assert_eq!(refusals.of(&Target::List(Query::new(other))), None);
    }

    #[test]
    fn what_is_refused_for_now_is_waited_for_and_says_why_it_does_not_come() {
        let mut refusals = Refusals::default();
        let for_now = Refused {
            code: "internal".into(),
            term: Term::ForNow,
        };
        assert!(refusals.add(orders(), None, for_now.clone()));
        assert!(!refusals.add(orders(), None, for_now), "no news");
        let list = Target::List(Query::new(orders()));
        assert_eq!(refusals.of(&list), None);
        let why = refusals.why(&list);
        assert_eq!(
            why.as_deref(),
            Some("the server cannot answer for now: internal")
        );
        let page = page_of("sort score");
        let list = Target::List(Query::parse(orders(), "sort score").unwrap());
        refusals.add(orders(), Some(page), for_good("forbidden"));
        let why = refusals.why(&list);
        assert_eq!(why.as_deref(), Some("the server refused this: forbidden"));
    }

    fn page_of(query: &str) -> Wanted {
        let query = Query::parse(orders(), query).unwrap();
        Wanted::Page {
            entity_type: orders(),
            run: RunKey::of(&query),
            query,
        }
    }

    fn entities(ids: &[&str]) -> Wanted {
        let ids = ids.iter().map(|id| EntityId::text(id).unwrap());
        Wanted::Entities {
            entity_type: orders(),
            ids: ids.collect(),
        }
    }

    #[test]
    fn what_has_come_is_not_refused_for_now_any_more_and_nothing_else_is_forgotten() {
        let for_now = || Refused {
            code: "internal".into(),
            term: Term::ForNow,
        };
        let mut refusals = Refusals::default();
        let page = page_of("sort score limit 5");
        for wanted in [None, Some(page), Some(entities(&["o1", "o2"]))] {
            refusals.add(orders(), wanted, for_now());
        }
        let other = EntityType::new("others").unwrap();
        assert!(!refusals.forget(&other, None), "of another type");
        let none = [page_of("sort name"), entities(&["o3"])];
        assert!(none.iter().all(|it| !refusals.forget(&orders(), Some(it))));
        for come in [
            None,
            Some(page_of("sort score limit 9")),
            Some(entities(&["o2"])),
        ] {
            assert!(refusals.forget(&orders(), come.as_ref()), "{come:?}");
        }
        assert!(refusals.0.is_empty());
        refusals.add(orders(), None, for_good("forbidden"));
        assert!(!refusals.forget(&orders(), None), "that is for good");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut refusals = Refusals::default();
        for n in 0..2 * MAX {
            let name = EntityType::new(&format!("t{n}")).unwrap();
            refusals.add(name, None, for_good("forbidden"));
        }
        assert_eq!(refusals.0.len(), MAX);
    }
}
