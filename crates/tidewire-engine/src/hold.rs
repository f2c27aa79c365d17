//! Pushes held back while an entity of their type is being created whose name is not known yet, so
//! that its echo and its answer are one entity.
//!
//! Each push waits a bounded time, and no more than a bounded number wait. It keeps their order and
//! knows nothing of what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidewire_model::{ActionId, Change, EntityType, Tick};

use crate::assembly::Weight;

/// What one push said.
#[derive(Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) changes: Vec<Change>,
    pub(crate) stale_all: bool,
    /// The length of the frame that brought it.
    pub(crate) bytes: usize,
}

/// What is to be shown now, in order.
pub(crate) type Released = Vec<(EntityType, Held)>;

/// One type of which something is being created.
#[derive(Debug, Default)]
struct Entry {
    creating: BTreeSet<ActionId>,
    waiting: Vec<Held>,
    weight: Weight,
    /// When the first of those that wait came.
    since: Option<Tick>,
}

impl Entry {
    fn take(&mut self, entity_type: &EntityType) -> Released {
        self.weight = Weight::default();
        self.since = None;
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|held| (entity_type.clone(), held)).collect()
    }
}

/// The pushes held back.
#[derive(Debug)]
pub(crate) struct Hold {
    entries: BTreeMap<EntityType, Entry>,
    max_wait: Duration,
    max: Weight,
}

impl Hold {
    /// `max` bounds what waits of one type.
    pub(crate) fn new(max_wait: Duration, max: Weight) -> Self {
        Self {
            entries: BTreeMap::new(),
            max_wait,
            max,
        }
    }

    /// An action is under way that creates entities of these types.
    pub(crate) fn begin(&mut self, action: ActionId, types: BTreeSet<EntityType>) {
        for entity_type in types {
            let entry = self.entries.entry(entity_type).or_default();
            entry.creating.insert(action);
        }
    }

    /// An action is under way no more; gives what waited for nothing else.
    pub(crate) fn end(&mut self, action: ActionId) -> Released {
        let mut released = Vec::new();
        self.entries.retain(|entity_type, entry| {
            entry.creating.remove(&action);
            if entry.creating.is_empty() {
                released.extend(entry.take(entity_type));
            }
            !entry.creating.is_empty()
        });
        released
    }

    /// Takes a push; gives what is to be shown now. That is the push itself where nothing of its
    /// type is being created, and everything that waits with it where that is too much.
    pub(crate) fn push(&mut self, now: Tick, entity_type: EntityType, held: Held) -> Released {
        let Some(entry) = self.entries.get_mut(&entity_type) else {
            return vec![(entity_type, held)];
        };
        // A push without changes is a mark, and counts as one.
        entry.weight += Weight {
            rows: held.changes.len().max(1),
            bytes: held.bytes,
        };
        entry.waiting.push(held);
        entry.since.get_or_insert(now);
        if entry.weight.exceeds(self.max) {
            return entry.take(&entity_type);
        }
        Vec::new()
    }

    /// What waits of a type is to be shown whatever is under way.
    pub(crate) fn release(&mut self, entity_type: &EntityType) -> Released {
        let entry = self.entries.get_mut(entity_type);
        entry.map_or_else(Vec::new, |entry| entry.take(entity_type))
    }

    /// What has waited long enough, with what came behind it.
    pub(crate) fn on_due(&mut self, now: Tick) -> Released {
        let mut released = Vec::new();
        for (entity_type, entry) in &mut self.entries {
            if entry
                .since
                .is_some_and(|since| since + self.max_wait <= now)
            {
                released.extend(entry.take(entity_type));
            }
        }
        released
    }

    /// When the next has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let since = self.entries.values().filter_map(|entry| entry.since).min();
        since.map(|since| since + self.max_wait)
    }

    /// Whether pushes of a type wait.
    pub(crate) fn holds_back(&self, entity_type: &EntityType) -> bool {
        let entry = self.entries.get(entity_type);
        entry.is_some_and(|entry| entry.since.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_millis(10);

    fn action(n: u8) -> ActionId {
        ActionId::from_bytes([n; 16])
    }

    fn named(name: &str) -> EntityType {
        EntityType::new(name).expect("a good name")
    }

    fn mark() -> Held {
        Held {
            changes: Vec::new(),
            stale_all: true,
            bytes: 10,
        }
    }

    fn at(ms: u64) -> Tick {
        Tick::from_micros(ms * 1_000)
    }

    fn holding() -> Hold {
        let mut hold = Hold::new(
            WAIT,
            Weight {
                rows: 3,
                bytes: 1_000,
            },
        );
        hold.begin(action(1), BTreeSet::from([named("a")]));
        hold
    }

    #[test]
    fn only_types_of_which_something_is_being_created_are_held_back() {
        let mut hold = holding();
        assert_eq!(hold.push(at(0), named("b"), mark()).len(), 1);
        assert_eq!(hold.push(at(0), named("a"), mark()).len(), 0);
        assert!(hold.holds_back(&named("a")) && !hold.holds_back(&named("b")));
    }

    #[test]
    fn the_last_action_that_ends_lets_everything_out() {
        let mut hold = holding();
        hold.begin(action(2), BTreeSet::from([named("a")]));
        hold.push(at(0), named("a"), mark());
        assert_eq!(hold.end(action(1)).len(), 0);
        assert_eq!(hold.end(action(2)).len(), 1);
        assert_eq!((hold.deadline(), hold.entries.len()), (None, 0));
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        let mut hold = holding();
        hold.push(at(5), named("a"), mark());
        hold.push(at(9), named("a"), mark());
        assert_eq!(hold.deadline(), Some(at(15)));
        assert_eq!(hold.on_due(at(14)).len(), 0);
        assert_eq!(hold.on_due(at(15)).len(), 2);
        hold.push(at(20), named("a"), mark());
        assert_eq!(hold.deadline(), Some(at(30)));
    }

    #[test]
    fn law_17_no_more_wait_than_may() {
        let mut hold = holding();
        for _ in 0..3 {
            assert_eq!(hold.push(at(0), named("a"), mark()).len(), 0);
        }
        assert_eq!(hold.push(at(0), named("a"), mark()).len(), 4);
        assert!(!hold.holds_back(&named("a")));
    }

    #[test]
    fn law_17_no_more_bytes_wait_than_may() {
        let mut hold = holding();
        let large = Held {
            bytes: 991,
            ..mark()
        };
        assert_eq!(hold.push(at(0), named("a"), mark()).len(), 0);
        assert_eq!(hold.push(at(0), named("a"), large).len(), 2);
        assert!(!hold.holds_back(&named("a")));
    }
}
