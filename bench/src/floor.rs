//! The floor: events parsed into typed structs and kept in one hash map. No order, no lists, no notices, one thread.
//!
//! It is what a cache has to do at least. It borrows from the text while it parses and so reads no text with escapes,
//! which the work has none of.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::customer::Customer;
use crate::work::Work;

/// A message of the basic dialect.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Message<'a> {
    /// A customer is made.
    #[serde(rename = "ENTITY_CREATED")]
    Created {
        /// The customer.
        entity: Customer,
    },
    /// Fields of a customer change.
    #[serde(rename = "ENTITY_UPDATED", rename_all = "camelCase")]
    Updated {
        /// Which customer.
        entity_id: &'a str,
        /// The fields.
        #[serde(borrow)]
        changes: Changes<'a>,
        /// Its version from then on.
        version: u64,
    },
    /// A customer is gone.
    #[serde(rename = "ENTITY_DELETED", rename_all = "camelCase")]
    Deleted {
        /// Which customer.
        entity_id: &'a str,
    },
}

/// The fields that an update sets.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    status: Option<&'a str>,
    company_id: Option<&'a str>,
    score: Option<u64>,
    updated_at: Option<&'a str>,
    notes: Option<&'a str>,
}

impl Changes<'_> {
    /// Sets the fields.
    pub fn apply(&self, customer: &mut Customer, version: u64) {
        let texts = [
            (&mut customer.name, self.name),
            (&mut customer.email, self.email),
            (&mut customer.status, self.status),
            (&mut customer.company_id, self.company_id),
            (&mut customer.updated_at, self.updated_at),
            (&mut customer.notes, self.notes),
        ];
        for (field, text) in texts {
            if let Some(text) = text {
                field.clear();
                field.push_str(text);
            }
        }
        customer.score = self.score.unwrap_or(customer.score);
        customer.version = version;
    }
}

/// A v1 frame, for the floor that reads what ours reads.
#[derive(Debug, Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    ops: Vec<Op<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Op<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    entity_id: Option<&'a str>,
    version: u64,
    #[serde(borrow)]
    changes: Option<Changes<'a>>,
    entity: Option<Unversioned>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unversioned {
    id: String,
    name: String,
    email: String,
    status: String,
    company_id: String,
    score: u64,
    updated_at: String,
    notes: String,
}

impl Unversioned {
    fn at(self, version: u64) -> Customer {
        Customer {
            id: self.id,
            name: self.name,
            email: self.email,
            status: self.status,
            company_id: self.company_id,
            score: self.score,
            version,
            updated_at: self.updated_at,
            notes: self.notes,
        }
    }
}

/// What becomes of a customer that is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is copied and replaced, so that whoever holds the old one keeps it.
    Replaced,
    /// It is changed where it is, while nobody else holds it.
    InPlace,
}

/// A hash map of typed customers.
#[derive(Debug)]
pub struct Floor {
    map: HashMap<Arc<str>, Arc<Customer>, ahash::RandomState>,
    way: Way,
}

impl Floor {
    /// The map with what is there at first.
    #[must_use]
    pub fn load(work: &Work, way: Way) -> Self {
        let pair = |one: Customer| (Arc::from(&*one.id), Arc::new(one));
        Self {
            map: work.customers().map(pair).collect(),
            way,
        }
    }

    /// Applies one message of the basic dialect.
    pub fn apply_basic(&mut self, text: &str) {
        match message(text) {
            Message::Created { entity } => self.create(entity),
            Message::Updated {
                entity_id,
                changes,
                version,
            } => self.update(entity_id, &changes, version),
            Message::Deleted { entity_id } => {
                self.map.remove(entity_id);
            }
        }
    }

    /// Applies one v1 frame.
    pub fn apply_v1(&mut self, text: &str) {
        let frame: Frame<'_> = serde_json::from_str(text).expect("the work writes valid frames");
        for op in frame.ops {
            match (op.kind, op.entity_id, op.changes, op.entity) {
                ("ENTITY_CREATED", _, _, Some(made)) => self.create(made.at(op.version)),
                ("ENTITY_UPDATED", Some(id), Some(changes), _) => {
                    self.update(id, &changes, op.version);
                }
                ("ENTITY_DELETED", Some(id), _, _) => {
                    self.map.remove(id);
                }
                _ => {}
            }
        }
    }

    /// One customer.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Customer>> {
        self.map.get(id)
    }

    /// All of them, in no order.
    pub fn customers(&self) -> impl Iterator<Item = &Arc<Customer>> {
        self.map.values()
    }

    fn create(&mut self, customer: Customer) {
        self.map
            .insert(Arc::from(&*customer.id), Arc::new(customer));
    }

    fn update(&mut self, id: &str, changes: &Changes<'_>, version: u64) {
        let Some(held) = self.map.get_mut(id) else {
            return;
        };
        match self.way {
            Way::Replaced => {
                let mut changed = Customer::clone(held);
                changes.apply(&mut changed, version);
                *held = Arc::new(changed);
            }
            Way::InPlace => changes.apply(Arc::make_mut(held), version),
        }
    }
}

/// Reads a message of the basic dialect.
#[must_use]
pub fn message(text: &str) -> Message<'_> {
    serde_json::from_str(text).expect("the work writes valid messages")
}
