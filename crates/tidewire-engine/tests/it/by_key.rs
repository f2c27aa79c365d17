//! What the application says of what is held, and what the engine does about it outside.

use std::time::Duration;

use tidewire_cache::{Interest, Trust};
use tidewire_engine::{CacheCommand, Command, CommandError, Reply};
use tidewire_model::{EntityType, Value, ValueKey};
use tidewire_protocol::{ClientMessage, SubscribeResult};

use crate::basic_bench::{OWN, basic_settings, basic_with, by_client, person};
use crate::bench::{Bench, customer, customers, row};

fn subscribes(bench: &Bench) -> usize {
    bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)))
}

fn clear(bench: &mut Bench) {
    let clear = Command::Cache(CacheCommand::Clear(Some(customers())));
    assert!(matches!(bench.command(clear), Reply::Shows(_)));
}

#[test]
fn coverage_a10_a_complete_collection_that_was_cleared_is_subscribed_again() {
    let mut bench = Bench::complete();
    let all = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot(1, vec![row("c1", 1, 1)]);
    clear(&mut bench);
    bench.run_for(Duration::from_secs(2));
    assert_eq!((bench.ids(&all).len(), subscribes(&bench)), (0, 2));
    assert_eq!(bench.subscribe_sent().resume, None);
    bench.subscribed(SubscribeResult::Snapshot, 2, 2);
    bench.snapshot(2, vec![row("c2", 2, 2)]);
    assert_eq!(
        (bench.ids(&all), bench.trust(&all)),
        (vec!["c2".to_owned()], Trust::Live)
    );
}

#[test]
fn a_snapshot_on_its_way_at_a_clear_is_asked_for_anew() {
    let mut bench = Bench::complete();
    let all = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot_part(1, 0, vec![row("c1", 1, 1)]);
    clear(&mut bench);
    bench.run_for(Duration::from_secs(2));
    assert_eq!(subscribes(&bench), 2);
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.snapshot(1, vec![row("c1", 1, 1)]);
    assert_eq!(
        (bench.ids(&all), bench.trust(&all)),
        (vec!["c1".to_owned()], Trust::Live)
    );
}

#[test]
fn what_was_pushed_before_something_is_set_counts_before_it() {
    let mut bench = basic_with(
        basic_settings(OWN),
        by_client(Interest::Windowed),
        Vec::new(),
    );
    let all = bench.watch_list("sort name asc");
    bench.basic_up();
    bench.fetched(Vec::new());
    let (_, temporary) = bench.create(&customers(), "Ada");
    bench.push_created("c9", "Bea", 1);
    assert_eq!(bench.ids(&all), [temporary.as_str()], "held back");
    let set = CacheCommand::Set {
        entity_type: customers(),
        id: None,
        record: person("c9", "Cleo", 2),
    };
    assert!(matches!(
        bench.command(Command::Cache(set)),
        Reply::Shows(_)
    ));
    bench.run_for(Duration::from_secs(1));
    assert_eq!(bench.name("c9").as_deref(), Some("Cleo"));
}

#[test]
fn what_is_not_defined_or_not_the_applications_is_refused() {
    let mut bench = Bench::windowed();
    let mut refusal = |entity_type: EntityType| {
        let set = CacheCommand::Set {
            entity_type,
            id: None,
            record: customer("c1", 1),
        };
        match bench.command(Command::Cache(set)) {
            Reply::Refused(error) => error,
            other => panic!("{other:?}"),
        }
    };
    let orders = EntityType::new("orders").expect("a good name");
    assert_eq!(
        refusal(orders.clone()),
        CommandError::UnknownCollection(orders.clone())
    );
    assert!(matches!(
        refusal(customers()),
        CommandError::OwnedByServer(_)
    ));
    let clear = bench.command(Command::Cache(CacheCommand::Clear(Some(orders))));
    assert!(matches!(
        clear,
        Reply::Refused(CommandError::UnknownCollection(_))
    ));
}

#[test]
fn the_end_of_a_watched_value_is_told_when_it_comes() {
    let mut bench = Bench::windowed();
    let key = ValueKey::new("dashboard:total").expect("a good name");
    let watch = Command::Cache(CacheCommand::WatchValue(key.clone()));
    let Reply::Watching(id) = bench.command(watch) else {
        panic!("it is watched");
    };
    let set = CacheCommand::SetValue {
        key,
        value: Value::from(1),
        time_to_live: Some(Duration::from_secs(5)),
    };
    assert_eq!(bench.command(Command::Cache(set)), Reply::Done);
    assert_eq!(std::mem::take(&mut bench.woken), [id]);
    bench.run_for(Duration::from_secs(4));
    assert!(bench.woken.is_empty());
    bench.run_for(Duration::from_secs(2));
    assert_eq!(bench.woken, [id]);
}
