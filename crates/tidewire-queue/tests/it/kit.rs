//! Short ways to make ids, drafts and rows, and a disk that holds what was stored. No test of its own.

use std::collections::BTreeMap;

use tidewire_model::{
    ActionId, Effect, EffectBody, EntityId, EntityKey, EntityType, Lane, Patch, Record,
    RecordBuilder, WallTime,
};
use tidewire_queue::{
    Accepted, Action, ActionState, Draft, Queue, Refusal, RefusalClass, Settings,
};
use tidewire_store::{Op, Row, Table, Txn};

pub(crate) const RANDOM: [u8; 16] = [7; 16];
pub(crate) const NOW: WallTime = WallTime::from_unix_millis(1_700_000_000_000);
pub(crate) const LATER: WallTime = WallTime::from_unix_millis(1_700_000_060_000);

pub(crate) fn id(n: u8) -> ActionId {
    ActionId::new(1_700_000_000_000 + u64::from(n), [n; 10])
}

pub(crate) fn entity(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

pub(crate) fn customers() -> EntityType {
    EntityType::new("customers").unwrap()
}

pub(crate) fn key(text: &str) -> EntityKey {
    EntityKey::new(customers(), entity(text))
}

pub(crate) fn lane(name: &str) -> Lane {
    Lane::new(name).unwrap()
}

pub(crate) fn record(name: &str, value: &str) -> Record {
    RecordBuilder::new().field(name, value).build()
}

/// An update of one customer.
pub(crate) fn update(target: &str) -> Draft {
    Draft {
        entity_type: Some(customers()),
        entity_id: Some(entity(target)),
        payload: record("name", "B"),
        effects: vec![Effect::new(
            key(target),
            EffectBody::Merge(Patch::new().set("name", "B")),
        )],
        ..Draft::new("update")
    }
}

/// The creation of a customer whom the server will name.
pub(crate) fn create(temporary: &str) -> Draft {
    Draft {
        entity_type: Some(customers()),
        entity_id: Some(entity(temporary)),
        payload: record("id", temporary),
        effects: vec![Effect::new(
            key(temporary),
            EffectBody::Put(record("id", temporary)),
        )],
        ..Draft::new("create")
    }
}

pub(crate) fn after(draft: Draft, parents: &[ActionId]) -> Draft {
    Draft {
        after: parents.to_vec(),
        ..draft
    }
}

pub(crate) fn within(draft: Draft, name: &str) -> Draft {
    Draft {
        lane: lane(name),
        ..draft
    }
}

pub(crate) fn refusal(class: RefusalClass) -> Refusal {
    Refusal::new(class, "code", "message")
}

pub(crate) fn permanent() -> Refusal {
    refusal(RefusalClass::Permanent)
}

pub(crate) fn numbers(lanes: &[(&str, u64)]) -> BTreeMap<Lane, u64> {
    lanes
        .iter()
        .map(|(name, number)| (lane(name), *number))
        .collect()
}

pub(crate) fn replaced(temporary: &str, real: &str) -> BTreeMap<EntityId, EntityId> {
    BTreeMap::from([(entity(temporary), entity(real))])
}

pub(crate) fn yes() -> Accepted {
    Accepted::default()
}

/// A queue that is connected to a server that knows it.
pub(crate) fn connected() -> Queue {
    let mut queue = Queue::new(Settings::default(), RANDOM);
    let outcome = queue.on_connected(Some(&BTreeMap::new()));
    assert!(!outcome.renewed);
    queue
}

/// Submits and says that it is stored.
pub(crate) fn put(queue: &mut Queue, n: u8, draft: Draft) -> Txn {
    let txn = queue.submit(NOW, id(n), draft).unwrap();
    queue.on_durable(id(n));
    txn
}

/// Offers one action and gives its id, its number and the one before it.
pub(crate) fn send(queue: &mut Queue) -> Option<(ActionId, u64, u64)> {
    queue
        .poll_send()
        .map(|sending| (sending.action.id, sending.action.seq, sending.previous))
}

/// Offers everything that may go out.
pub(crate) fn send_all(queue: &mut Queue) -> Vec<ActionId> {
    std::iter::from_fn(|| send(queue))
        .map(|(id, ..)| id)
        .collect()
}

pub(crate) fn state(queue: &Queue, n: u8) -> ActionState {
    queue
        .get(id(n))
        .expect("the action is in the queue")
        .state
        .clone()
}

pub(crate) fn class(queue: &Queue, n: u8) -> Option<RefusalClass> {
    match state(queue, n) {
        ActionState::Parked(refusal) => Some(refusal.class),
        _ => None,
    }
}

pub(crate) fn ids<'a>(actions: impl Iterator<Item = &'a Action>) -> Vec<ActionId> {
    actions.map(|action| action.id).collect()
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Disk(pub(crate) BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl Disk {
    pub(crate) fn store(&mut self, txn: &Txn) {
        for op in &txn.ops {
            match op.clone() {
                Op::Put { table, key, value } => {
                    self.0.insert((table, key), value);
                }
                Op::Remove { table, key } => {
                    self.0.remove(&(table, key));
                }
                Op::RemovePrefix { table, prefix } => {
                    self.0
                        .retain(|(known, key), _| *known != table || !key.starts_with(&prefix));
                }
            }
        }
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let row = |((table, key), value): (&(Table, Vec<u8>), &Vec<u8>)| Row {
            table: table.clone(),
            key: key.clone(),
            value: value.clone(),
        };
        self.0.iter().map(row).collect()
    }

    /// The queue that this store describes, which must be without a problem.
    pub(crate) fn restore(&self) -> Queue {
        let (queue, problems) = Queue::restore(Settings::default(), [9; 16], self.rows());
        assert_eq!(
            problems,
            vec![],
            "a store written by the queue has no problems"
        );
        queue
    }
}

/// What a store can know of a queue's actions: everything but how often they were offered.
pub(crate) fn kept(queue: &Queue) -> Vec<Action> {
    let all = queue.pending().chain(queue.parked());
    let mut all: Vec<Action> = all
        .map(|action| Action {
            attempts: 0,
            ..action.clone()
        })
        .collect();
    all.sort_by_key(|action| action.number);
    all
}

/// What a connection made now would confirm.
pub(crate) fn confirmed(queue: &mut Queue) -> BTreeMap<Lane, u64> {
    let _ = queue.bump_run();
    queue.confirmed()
}
