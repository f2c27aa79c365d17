//! The work is what it is said to be, read from its texts alone.

use std::collections::HashMap;

use serde_json::Value;
use tidewire_protocol::{Dialect, Op, Payload, ServerMessage, V1Json};

use super::*;
use crate::customer::STATUSES;

const ENTITIES: u64 = 10_000;
const EVENTS: usize = 50_000;

fn made() -> Events {
    Work::new(ENTITIES, 7).events(EVENTS)
}

fn basic(events: &Events) -> Vec<(String, Value)> {
    let read = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        (
            value["type"].as_str().unwrap().to_owned(),
            value["data"].clone(),
        )
    };
    events.basic.iter().map(read).collect()
}

fn share(count: usize, all: usize) -> f64 {
    count as f64 / all as f64
}

fn near(share: f64, expected: f64) -> bool {
    (share - expected).abs() < 0.01
}

#[test]
fn the_same_seed_makes_the_same_bytes_and_another_does_not() {
    assert_eq!(made(), made());
    assert_ne!(made(), Work::new(ENTITIES, 8).events(EVENTS));
    let snapshot: Vec<String> = Work::new(1_200, 7).snapshot().collect();
    assert_eq!(snapshot, Work::new(1_200, 7).snapshot().collect::<Vec<_>>());
}

#[test]
fn four_in_five_events_are_updates_and_two_in_five_of_them_touch_the_score() {
    let events = basic(&made());
    let count = |kind: &str| events.iter().filter(|(of, _)| of == kind).count();
    assert!(near(share(count("ENTITY_UPDATED"), EVENTS), 0.8));
    assert!(near(share(count("ENTITY_CREATED"), EVENTS), 0.1));
    assert!(near(share(count("ENTITY_DELETED"), EVENTS), 0.1));
    let updates = events.iter().filter(|(kind, _)| kind == "ENTITY_UPDATED");
    let scored = updates
        .clone()
        .filter(|(_, data)| !data["changes"]["score"].is_null());
    assert!(near(share(scored.count(), count("ENTITY_UPDATED")), 0.4));
    for (_, data) in updates {
        let changes = data["changes"].as_object().unwrap();
        assert_eq!(changes.len(), 3, "two fields and the time: {changes:?}");
        assert!(changes.contains_key("updatedAt"));
    }
}

#[test]
fn updates_follow_zipf_and_deletions_do_not() {
    let work = Work::new(ENTITIES, 7);
    let hottest: Vec<String> = work.ids_by_heat().take(100).collect();
    let events = basic(&made());
    let share_of_hot = |kind: &str| {
        let of_kind = events.iter().filter(|(of, _)| of == kind);
        let ids: Vec<&str> = of_kind
            .filter_map(|(_, data)| data["entityId"].as_str())
            .collect();
        let hot = ids
            .iter()
            .filter(|id| hottest.iter().any(|hot| hot == **id))
            .count();
        share(hot, ids.len())
    };
    let weight = |rank| Zipf::weight(rank, EXPONENT);
    let all: f64 = (0..10_000).map(weight).sum();
    let expected = (0..100).map(weight).sum::<f64>() / all;
    // Some of the hottest are deleted on the way, and others take over.
    let updates = share_of_hot("ENTITY_UPDATED");
    assert!(
        updates > expected * 0.6 && updates < expected * 1.05,
        "{updates} {expected}"
    );
    assert!(share_of_hot("ENTITY_DELETED") < 0.02);
}

#[test]
fn versions_rise_one_by_one_and_every_update_and_deletion_is_of_something_that_is_there() {
    let events = made();
    let mut held: HashMap<String, u64> = Work::new(ENTITIES, 7)
        .customers()
        .map(|one| (one.id, one.version))
        .collect();
    let dialect = V1Json::DEFAULT;
    for (place, frame) in events.v1.iter().enumerate() {
        let Ok(ServerMessage::Events(events)) = dialect.decode_server(Payload::Text(frame)) else {
            panic!("{frame}");
        };
        let version = place as u64 + FIRST_VERSION + 1;
        assert_eq!((events.from.get(), events.to.get()), (version - 1, version));
        let [op] = &events.ops[..] else {
            panic!("{frame}")
        };
        match op {
            Op::Created {
                entity,
                version: of,
            } => {
                assert_eq!(of.unwrap().get(), version);
                let id = entity.entity_id("id").unwrap().as_str().to_owned();
                assert_eq!(held.insert(id, version), None, "a new id");
            }
            Op::Updated {
                id,
                version: of,
                base,
                ..
            } => {
                assert_eq!(of.unwrap().get(), version);
                let before = held.insert(id.as_str().to_owned(), version);
                assert_eq!(before, base.map(|base| base.get()));
            }
            Op::Deleted { id, .. } => assert!(held.remove(id.as_str()).is_some()),
            other => panic!("{other:?}"),
        }
    }
    let left = held.len() as u64;
    assert!((ENTITIES * 98 / 100..=ENTITIES).contains(&left), "{left}");
}

#[test]
fn both_forms_say_the_same() {
    let events = made();
    for ((kind, data), frame) in basic(&events).iter().zip(events.v1.iter()) {
        let frame: Value = serde_json::from_str(frame).unwrap();
        let op = &frame["ops"][0];
        assert_eq!(op["type"], **kind);
        assert_eq!(op["changes"], data["changes"]);
        assert_eq!(op["entityId"], data["entityId"]);
        assert_eq!(op["entity"]["notes"], data["entity"]["notes"]);
    }
}

#[test]
fn an_entity_has_about_three_hundred_bytes_and_the_fields_that_are_said() {
    let work = Work::new(ENTITIES, 7);
    let mut bytes = 0;
    for customer in work.customers() {
        bytes += events::json(&customer).len();
        assert!(STATUSES.contains(&&*customer.status));
        assert_eq!(customer.notes.len(), 100);
    }
    let mean = share(bytes, 10_000);
    assert!((280.0..320.0).contains(&mean), "{mean}");
    let events = made();
    let (basic, v1) = (events.basic.mean_bytes(), events.v1.mean_bytes());
    assert!(
        (230.0..320.0).contains(&basic) && (230.0..320.0).contains(&v1),
        "{basic} {v1}"
    );
    assert_eq!(work.companies_by_heat().len(), 100);
}
