//! Before anything is measured: all of them come to the same, and ours shows the lists as they are.

use std::collections::BTreeMap;

use super::*;
use crate::customer::Customer;
use crate::floor::{Floor, Way};
use crate::hand_rolled::HandRolled;
use crate::queries::{PAGE, lists};

const ENTITIES: u64 = 1_000;

#[test]
fn everybody_comes_to_the_same_entities_and_ours_to_the_right_pages() {
    let mut work = Work::new(ENTITIES, 3);
    let pages = lists(&work, 60);
    let mut ours = Ours::load(&work);
    assert_eq!(ours.watch_lists(&pages, Duration::MAX), InTime::Yes);
    ours.watch_entities(work.ids_by_heat().take(10));
    let mut floors = [Way::Replaced, Way::InPlace].map(|way| Floor::load(&work, way));
    let mut of_v1 = Floor::load(&work, Way::Replaced);
    let mut by_hand = HandRolled::load(&work, &pages);

    let events = work.events(5_000);
    for text in events.basic.iter() {
        for floor in &mut floors {
            floor.apply_basic(text);
        }
        by_hand.apply_basic(text);
    }
    events.v1.iter().for_each(|text| of_v1.apply_v1(text));
    let frames: Vec<&str> = events.v1.iter().collect();
    let mut woken = 0;
    for batch in [&frames[..100], &frames[100..4_000], &frames[4_000..]] {
        woken += ours.apply(batch.iter().copied(), &mut ());
    }
    assert!(woken > 60);

    let expected = sorted(&floors[0]);
    assert_eq!(sorted(&floors[1]), expected);
    assert_eq!(sorted(&of_v1), expected);
    let reader = ours.reader();
    for (id, customer) in &expected {
        let value = by_hand
            .get(id)
            .map(|value| Customer::clone(&serde_json::from_value((*value).clone()).unwrap()));
        assert_eq!(value.as_ref(), Some(customer));
        let reading = reader.get(NOW, &ours.key(id));
        assert_eq!(
            reading.version.map(|version| version.get()),
            Some(customer.version)
        );
        let record = reading.presence.record().unwrap();
        let held = record
            .with("version", customer.version)
            .to::<Customer>()
            .unwrap();
        assert_eq!(held, *customer);
    }
    for page in &pages {
        let shown = reader.list(NOW, &page.query(ours.entity_type()));
        let shown: Vec<&str> = shown.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(shown, naive(&expected, page), "{page:?}");
    }
}

fn sorted(floor: &Floor) -> BTreeMap<String, Customer> {
    let pairs = floor
        .customers()
        .map(|one| (one.id.clone(), Customer::clone(one)));
    pairs.collect()
}

fn naive<'a>(customers: &'a BTreeMap<String, Customer>, page: &List) -> Vec<&'a str> {
    let mut held: Vec<&Customer> = customers.values().filter(|one| page.holds(one)).collect();
    held.sort_by_key(|one| (std::cmp::Reverse(one.score), one.id.as_str()));
    let begin = usize::try_from(page.page * PAGE).unwrap();
    held.into_iter()
        .skip(begin)
        .take(50)
        .map(|one| one.id.as_str())
        .collect()
}
