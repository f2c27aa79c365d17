//! A cache as it is written by hand today: moka, `serde_json::Value`, and lists by key that are all looked through.
//!
//! Items of lists are replaced and removed where they are found. Nothing is sorted anew, nothing moves between lists,
//! and what is created shows in none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use moka::sync::Cache;
use serde_json::Value;

use crate::customer::Customer;
use crate::queries::{List, PAGE};
use crate::work::Work;

/// Entities by id, and lists by key.
#[derive(Debug)]
pub struct HandRolled {
    entities: Cache<String, Arc<Value>>,
    lists: Mutex<HashMap<String, Vec<Arc<Value>>>>,
}

impl HandRolled {
    /// What is there at first, and the pages of the lists.
    #[must_use]
    pub fn load(work: &Work, lists: &[List]) -> Self {
        let mut customers: Vec<Customer> = work.customers().collect();
        customers.sort_by_key(|one| std::cmp::Reverse(one.score));
        let value = |one: &Customer| Arc::new(serde_json::to_value(one).unwrap_or_default());
        let entities = Cache::new(work.entities() * 2);
        for customer in &customers {
            entities.insert(customer.id.clone(), value(customer));
        }
        let page = |list: &List| {
            let begin = usize::try_from(list.page * PAGE).unwrap_or_default();
            let held = customers.iter().filter(|one| list.holds(one));
            let items: Vec<_> = held.skip(begin).take(50).map(value).collect();
            (format!("{list:?}"), items)
        };
        Self {
            entities,
            lists: Mutex::new(lists.iter().map(page).collect()),
        }
    }

    /// Applies one message of the basic dialect.
    pub fn apply_basic(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).expect("the work writes valid messages");
        let data = &message["data"];
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let id = data["entityId"].as_str().unwrap_or_default();
        match message["type"].as_str() {
            Some("ENTITY_CREATED") => {
                let id = data["entity"]["id"].as_str().unwrap_or_default();
                self.entities
                    .insert(id.to_owned(), Arc::new(data["entity"].clone()));
            }
            Some("ENTITY_UPDATED") => {
                let Some(held) = self.entities.get(id) else {
                    return;
                };
                let mut changed = Value::clone(&held);
                if let Some(changes) = data["changes"].as_object() {
                    for (name, value) in changes {
                        changed[name] = value.clone();
                    }
                }
                changed["version"] = data["version"].clone();
                let changed = Arc::new(changed);
                self.entities.insert(id.to_owned(), Arc::clone(&changed));
                for item in lists.values_mut().flatten() {
                    if item["id"] == id {
                        *item = Arc::clone(&changed);
                    }
                }
            }
            _ => {
                self.entities.invalidate(id);
                for items in lists.values_mut() {
                    items.retain(|item| item["id"] != id);
                }
            }
        }
    }

    /// One entity.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Value>> {
        self.entities.get(id)
    }
}
