//! The actions of a queue by submission number, with the ways to find them.
//!
//! Keeps numbers, counts, bytes, dependants and mentions in step with the actions. Never decides what happens to one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_model::{ActionId, EntityId, EntityKey, TEMPORARY_PREFIX};

use crate::action::{Action, ActionState};
use crate::mention;
use crate::outcome::Counts;

/// One action and what is known of it beside its content.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) action: Arc<Action>,
    /// As stored, key included.
    pub(crate) bytes: usize,
    /// How many transactions with content of it are not known to be stored.
    pub(crate) unstored: u32,
    /// What became of the latest offer.
    pub(crate) flight: Flight,
    /// How many copies of it went out on the present connection.
    pub(crate) copies: u32,
    temporaries: BTreeSet<EntityId>,
}

impl Entry {
    pub(crate) fn new(
        action: Action,
        bytes: usize,
        unstored: u32,
        temporaries: BTreeSet<EntityId>,
    ) -> Self {
        Self {
            action: Arc::new(action),
            bytes,
            unstored,
            flight: Flight::None,
            copies: 0,
            temporaries,
        }
    }

    /// Offered and unanswered: not to be offered again.
    pub(crate) fn is_in_flight(&self) -> bool {
        matches!(self.flight, Flight::Sent | Flight::Executing)
    }
}

/// What became of the latest offer of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flight {
    /// There was none, or it is known that it did nothing.
    None,
    /// On its way over the present connection.
    Sent,
    /// An executor is at it. It goes on whatever becomes of a connection.
    Executing,
    /// Its answer will never come.
    Lost,
}

/// All actions of a queue.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    entries: BTreeMap<u64, Entry>,
    numbers: BTreeMap<ActionId, u64>,
    /// Who waits for an action to be accepted.
    dependants: BTreeMap<ActionId, BTreeSet<u64>>,
    /// Who brings a temporary id into being.
    creators: BTreeMap<EntityId, ActionId>,
    /// Who brings an entity into being under an id that is no temporary one.
    makers: BTreeMap<EntityKey, BTreeSet<u64>>,
    /// Who mentions a temporary id.
    mentions: BTreeMap<EntityId, BTreeSet<u64>>,
    counts: Counts,
    bytes: usize,
}

impl Shelf {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn number(&self, id: ActionId) -> Option<u64> {
        self.numbers.get(&id).copied()
    }

    pub(crate) fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(&number)
    }

    pub(crate) fn entry_mut(&mut self, number: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&number)
    }

    pub(crate) fn action(&self, id: ActionId) -> Option<&Action> {
        Some(&*self.entries.get(self.numbers.get(&id)?)?.action)
    }

    /// All actions in order of submission.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Action> {
        self.entries.values().map(|entry| &*entry.action)
    }

    /// The possibly sent actions whose answer will never come.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &Action> {
        let entries = self.entries.values();
        let lost = entries.filter(|entry| {
            entry.flight == Flight::Lost && entry.action.state == ActionState::PossiblySent
        });
        lost.map(|entry| &*entry.action)
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        let number = entry.action.number;
        self.numbers.insert(entry.action.id, number);
        *self.count(&entry.action.state) += 1;
        self.bytes += entry.bytes;
        self.link(&entry);
        self.entries.insert(number, entry);
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.numbers.remove(&entry.action.id);
        *self.count(&entry.action.state) -= 1;
        self.bytes -= entry.bytes;
        self.unlink(&entry);
        Some(entry)
    }

    /// Moves an action to another state.
    pub(crate) fn set_state(&mut self, number: u64, state: ActionState) {
        let Some(entry) = self.entries.get_mut(&number) else {
            return;
        };
        let action = Arc::make_mut(&mut entry.action);
        let before = std::mem::replace(&mut action.state, state);
        let after = action.state.clone();
        *self.count(&before) -= 1;
        *self.count(&after) += 1;
    }

    /// An action need not wait for another any more. Whether the store must hear of it: where it only stands behind a
    /// creation it need not, so that of many writes on one entity none is written again; but of what is parked or
    /// uncertain it must, since nothing tells later whether a creation that is gone was accepted or given up.
    pub(crate) fn release(&mut self, number: u64, parent: ActionId) -> bool {
        take_out(&mut self.dependants, &parent, number);
        let Some(entry) = self.entries.get_mut(&number) else {
            return false;
        };
        let action = Arc::make_mut(&mut entry.action);
        action.behind.retain(|other| *other != parent);
        let is_named = action.after.contains(&parent);
        action.after.retain(|other| *other != parent);
        is_named || action.state != ActionState::Waiting
    }

    /// Changes an action without its state, its id or its number; what it mentions and waits for may change.
    pub(crate) fn rewrite(&mut self, number: u64, change: impl FnOnce(&mut Action)) {
        let Some(mut entry) = self.entries.remove(&number) else {
            return;
        };
        self.unlink(&entry);
        let action = Arc::make_mut(&mut entry.action);
        change(action);
        // Replacing an id neither nests deeper nor makes a number, so the content is as readable as before.
        entry.temporaries = mention::temporaries(action).unwrap_or_default();
        self.link(&entry);
        self.entries.insert(number, entry);
    }

    pub(crate) fn set_bytes(&mut self, number: u64, bytes: usize) {
        if let Some(entry) = self.entries.get_mut(&number) {
            self.bytes = self.bytes - entry.bytes + bytes;
            entry.bytes = bytes;
        }
    }

    /// Who waits for this action, in order of submission.
    pub(crate) fn dependants(&self, id: ActionId) -> Vec<u64> {
        self.dependants
            .get(&id)
            .map(|numbers| numbers.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Who mentions one of these temporary ids, in order of submission.
    pub(crate) fn mentioning<'a>(&self, ids: impl Iterator<Item = &'a EntityId>) -> BTreeSet<u64> {
        ids.filter_map(|id| self.mentions.get(id))
            .flatten()
            .copied()
            .collect()
    }

    /// The action in the queue that brings a temporary id into being.
    pub(crate) fn creator(&self, temporary: &EntityId) -> Option<ActionId> {
        self.creators.get(temporary).copied().or_else(|| {
            let maker = named_by(temporary)?;
            self.numbers.contains_key(&maker).then_some(maker)
        })
    }

    /// Whether an action mentions a temporary id that nothing in the queue brings into being.
    pub(crate) fn mentions_unmade(&self, number: u64) -> bool {
        let entry = self.entries.get(&number);
        entry.is_some_and(|entry| {
            let mut temporaries = entry.temporaries.iter();
            temporaries.any(|temporary| self.creator(temporary).is_none())
        })
    }

    /// The latest action in the queue, other than `but`, that brings an entity into being under an id that is no
    /// temporary one.
    pub(crate) fn maker(&self, key: &EntityKey, but: ActionId) -> Option<&Action> {
        let numbers = self.makers.get(key)?.iter().rev();
        let mut makers = numbers.filter_map(|number| self.entries.get(number));
        let maker = makers.find(|entry| entry.action.id != but)?;
        Some(&maker.action)
    }

    fn count(&mut self, state: &ActionState) -> &mut usize {
        match state {
            ActionState::Waiting => &mut self.counts.waiting,
            ActionState::PossiblySent => &mut self.counts.sent,
            ActionState::Uncertain => &mut self.counts.uncertain,
            ActionState::Parked(_) => &mut self.counts.parked,
        }
    }

    fn link(&mut self, entry: &Entry) {
        let action = &*entry.action;
        for parent in action.parents() {
            self.dependants
                .entry(parent)
                .or_default()
                .insert(action.number);
        }
        for temporary in mention::created(action) {
            self.creators.entry(temporary.clone()).or_insert(action.id);
        }
        for key in mention::created_keys(action) {
            self.makers.entry(key).or_default().insert(action.number);
        }
        for temporary in &entry.temporaries {
            self.mentions
                .entry(temporary.clone())
                .or_default()
                .insert(action.number);
        }
    }

    fn unlink(&mut self, entry: &Entry) {
        let action = &*entry.action;
        for parent in action.parents() {
            take_out(&mut self.dependants, &parent, action.number);
        }
        for temporary in mention::created(action) {
            if self.creators.get(temporary) == Some(&action.id) {
                self.creators.remove(temporary);
            }
        }
        for key in mention::created_keys(action) {
            take_out(&mut self.makers, &key, action.number);
        }
        for temporary in &entry.temporaries {
            take_out(&mut self.mentions, temporary, action.number);
        }
    }
}

fn take_out<K: Ord>(map: &mut BTreeMap<K, BTreeSet<u64>>, key: &K, number: u64) {
    if let Some(numbers) = map.get_mut(key) {
        numbers.remove(&number);
        if numbers.is_empty() {
            map.remove(key);
        }
    }
}

/// The action whose id a temporary id was made from.
fn named_by(temporary: &EntityId) -> Option<ActionId> {
    let digits = temporary.as_str().strip_prefix(TEMPORARY_PREFIX)?;
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(digits, 16)
        .ok()
        .map(|bits| ActionId::from_bytes(bits.to_be_bytes()))
}
