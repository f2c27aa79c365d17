//! The echo and the answer of a creation in the basic dialect: one entity, in whatever order they come.

use std::time::Duration;

use tidewire_cache::{Interest, Target};
use tidewire_engine::{Command, Settings};
use tidewire_model::{ActionId, EntityId, EntityType, Lane, Query, RecordBuilder};
use tidewire_protocol::Class;

use crate::basic_bench::{OWN, basic_settings, basic_with, by_client, named, person_row, refusal};
use crate::bench::{Bench, customers, key};

/// The pushes a hold keeps in these tests.
const MAX: usize = 4;
/// And so many bytes.
const MAX_BYTES: usize = 10_000;
const HOLD: Duration = Duration::from_millis(1_000);

/// Connected, with the whole list watched and known to be empty.
fn watching() -> (Bench, Query) {
    let settings = Settings {
        create_hold: HOLD,
        create_hold_max_changes: MAX,
        create_hold_max_bytes: MAX_BYTES,
        ..basic_settings(OWN)
    };
    let mut bench = basic_with(settings, by_client(Interest::Windowed), Vec::new());
    let all = bench.watch_list("sort name asc");
    bench.basic_up();
    bench.fetched(Vec::new());
    bench.run_for(Duration::from_secs(3));
    bench.fetched(Vec::new());
    bench.asked.clear();
    (bench, all)
}

fn creating() -> (Bench, Query, ActionId, EntityId) {
    let (mut bench, all) = watching();
    let (action, temporary) = bench.create(&customers(), "Ada");
    assert_eq!(bench.executed_ids(), [action]);
    (bench, all, action, temporary)
}

#[test]
fn coverage_b13_an_echo_before_the_answer_shows_no_second_entity() {
    let (mut bench, all, action, temporary) = creating();
    assert_eq!(bench.ids(&all), [temporary.as_str()]);
    bench.push_created("c9", "Ada", 1);
    bench.run_for(Duration::from_millis(900));
    assert_eq!(bench.ids(&all), [temporary.as_str()], "held back");
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.ids(&all), ["c9"]);
    assert_eq!(
        bench.get(temporary.as_str()).presence,
        bench.get("c9").presence
    );
    bench.push_updated("c9", "Bea", Some(2));
    assert_eq!(bench.name("c9").as_deref(), Some("Bea"));
    bench.run_for(Duration::from_secs(60));
    assert_eq!(bench.ids(&all), ["c9"]);
}

#[test]
fn coverage_b13_an_echo_after_the_answer_shows_no_second_entity() {
    let (mut bench, all, action, temporary) = creating();
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.ids(&all), ["c9"]);
    bench.push_created("c9", "Ada", 1);
    assert_eq!(bench.ids(&all), ["c9"], "not held: nothing is under way");
}

#[test]
fn what_others_did_meanwhile_comes_behind_the_answer_in_its_order() {
    let (mut bench, all, action, temporary) = creating();
    bench.push_created("c9", "Ada", 1);
    bench.push_updated("c9", "Bea", None);
    bench.push_updated("c9", "Cleo", None);
    let published = bench.published;
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.name("c9").as_deref(), Some("Cleo"));
    assert_eq!(bench.ids(&all), ["c9"]);
    assert_eq!(bench.published, published + 1, "in one step");
}

#[test]
fn a_push_is_held_back_no_longer_than_the_hold() {
    let (mut bench, all, action, temporary) = creating();
    bench.run_for(Duration::from_secs(5));
    bench.push_created("c9", "Ada", 1);
    bench.run_for(Duration::from_millis(600));
    bench.push_created("c8", "Bea", 1);
    bench.run_for(Duration::from_millis(399));
    assert_eq!(bench.ids(&all).len(), 1);
    bench.run_for(Duration::from_millis(2));
    assert_eq!(
        bench.ids(&all).len(),
        3,
        "and what came behind it goes with it"
    );
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.ids(&all), ["c9", "c8"], "one entity in the end");
}

#[test]
fn pushes_of_another_type_are_not_held_back() {
    let (mut bench, _, _, _) = creating();
    let orders = EntityType::new("orders").expect("a good name");
    bench.define_kept(&orders, by_client(Interest::Windowed));
    let query = Query::parse(orders.clone(), "").expect("a good query");
    bench.watch(Target::List(query));
    bench.push_created_of("orders", "o1", "first", 1);
    let reading = bench.engine.reader().get(
        bench.now.tick,
        &tidewire_model::EntityKey::new(orders, EntityId::text("o1").expect("a good id")),
    );
    assert!(reading.presence.record().is_some());
}

#[test]
fn other_writes_hold_nothing_back() {
    let (mut bench, all) = watching();
    bench.submit(tidewire_engine::Write::Create {
        entity_type: customers(),
        record: RecordBuilder::new()
            .field("id", "mine")
            .field("name", "A")
            .build(),
    });
    assert_eq!(bench.executes.len(), 1);
    bench.push_created("c9", "Z", 1);
    assert_eq!(bench.ids(&all), ["mine", "c9"], "it has its name already");
}

#[test]
fn a_loss_lets_out_what_was_held_back_and_the_answer_still_makes_one_of_two() {
    let (mut bench, all, action, temporary) = creating();
    bench.push_created("c9", "Ada", 1);
    bench.push_created("c8", "Bea", 1);
    bench.cut();
    assert_eq!(bench.name("c8").as_deref(), Some("Bea"), "what came counts");
    assert_eq!(bench.ids(&all).len(), 3);
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.ids(&all), ["c9", "c8"]);
}

#[test]
fn a_creation_still_under_way_after_a_loss_holds_back_again() {
    let (mut bench, all, action, temporary) = creating();
    bench.cut();
    bench.basic_up();
    bench.fetched(Vec::new());
    bench.push_created("c9", "Ada", 1);
    assert_eq!(bench.ids(&all), [temporary.as_str()]);
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.ids(&all), ["c9"]);
}

#[test]
fn law_9_a_page_asked_for_while_a_creation_is_under_way_does_not_hide_it() {
    let (mut bench, all, action, temporary) = creating();
    // Something else of the type is shown, and the page asked for behind it.
    bench.push_created("c8", "Bea", 1);
    bench.run_for(HOLD);
    bench.command(Command::Invalidate {
        entity_type: customers(),
        ids: None,
    });
    bench.settle();
    bench.fetched(vec![person_row("c8", "Bea", 1)]);
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    bench.push_created("c9", "Ada", 1);
    assert_eq!(bench.ids(&all), ["c9", "c8"]);
}

#[test]
fn law_17_what_is_held_back_is_bounded_and_let_out_in_order_at_the_bound() {
    let (mut bench, all, _, _) = creating();
    for n in 1..=MAX {
        bench.push_updated("c9", "nobody", Some(n as u64));
    }
    bench.push_created("c9", "Ada", 1);
    assert_eq!(bench.ids(&all).len(), 2, "all of it, this push included");
    bench.push_created("c8", "Bea", 1);
    assert_eq!(bench.ids(&all).len(), 2, "the next one is held back again");
}

#[test]
fn law_17_what_is_held_back_is_bounded_in_bytes_too() {
    let (mut bench, all, _, _) = creating();
    bench.push_created("c8", &"x".repeat(MAX_BYTES), 1);
    assert_eq!(bench.ids(&all).len(), 2, "it is let out");
}

#[test]
fn a_refusal_lets_out_what_was_held_back() {
    let (mut bench, all, action, _) = creating();
    bench.push_created("c8", "Bea", 1);
    bench.answer(action, Err(refusal(Class::Permanent)));
    assert_eq!(bench.ids(&all), ["c8"]);
}

#[test]
fn law_6_nothing_is_asked_for_while_pushes_are_held_back_that_came_before() {
    let (mut bench, _, action, temporary) = creating();
    bench.push_created("c8", "old", 1);
    bench.watch(Target::Entity(key("c7")));
    assert!(
        bench.asked.is_empty(),
        "its point would lie before the push"
    );
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    let ids = vec![key("c7").id];
    assert_eq!(bench.asked[0].1, tidewire_protocol::FetchWhat::Ids(ids));
}

#[test]
fn law_4_no_other_write_begins_while_pushes_are_held_back_that_came_before() {
    let (mut bench, _, action, temporary) = creating();
    bench.push_created("c8", "old", 1);
    let lane = Lane::new("other").expect("a good name");
    let write = tidewire_engine::Write::Delete { key: key("c8") };
    let other = bench.submit_in(lane, write);
    assert_eq!(bench.executed_ids(), [action]);
    bench.answer(
        action,
        Ok(named(&temporary, "c9", person_row("c9", "Ada", 1))),
    );
    assert_eq!(bench.executed_ids(), [action, other]);
}
