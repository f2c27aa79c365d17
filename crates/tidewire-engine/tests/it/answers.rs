//! Answers that come while something else is half done, and the results of writes on types that
//! nobody watches.

use std::collections::BTreeMap;

use tidewire_cache::{Interest, Trust};
use tidewire_engine::{Settings, Stage, Submitted, Write};
use tidewire_model::{EntityId, EntityType, Lane, Point, RecordBuilder, Version};
use tidewire_protocol::{
    Ack, AckResult, AnswerRow, Class, CommitInfo, Events, FetchWhat, Op, Reject, RequestError,
    ServerMessage, SnapshotEnd, SubscribeResult, Subscribed,
};

use crate::bench::{
    Bench, created, customer, customers, epoch, events, key, offset, point, row, settings,
};

fn ack(seq: u64, made: &Submitted, at: u64) -> Ack {
    Ack {
        id: made.id,
        seq,
        result: AckResult::Applied,
        as_of: [(customers(), point(at))].into(),
        rows: Vec::new(),
        replaced: BTreeMap::new(),
    }
}

fn create_unnamed(bench: &mut Bench) -> Submitted {
    let record = RecordBuilder::new().field("score", 50).build();
    bench.submit(Write::Create {
        entity_type: customers(),
        record,
    })
}

/// A bench whose batches take many slices, with a batch that is half worked.
fn half_worked() -> (Bench, Submitted) {
    let slow = Settings {
        slice_rows: 1,
        ..settings()
    };
    let mut bench = Bench::with(slow, Interest::Complete { max_rows: 1_000 });
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 10, 1)]);
    bench.settle();
    let made = create_unnamed(&mut bench);
    let many = (10..20).map(|n| created(&format!("c{n}"), n, 2)).collect();
    bench.tell(ServerMessage::Events(events(1, 2, many)));
    (bench, made)
}

#[test]
fn coverage_b12_a_write_made_while_the_name_is_on_its_way_names_the_entity_as_the_server_does() {
    let (mut bench, made) = half_worked();
    let temporary = made.keys[0].id.clone();
    let real = EntityId::text("c2").expect("a good id");
    let mut ack = ack(1, &made, 3);
    ack.replaced = BTreeMap::from([(temporary.clone(), real)]);
    bench.tell(ServerMessage::Ack(ack));
    assert!(
        bench
            .stages
            .iter()
            .any(|(_, stage)| matches!(stage, Stage::Accepted(_)))
    );
    assert_eq!(
        bench.engine.reader().current_key(&made.keys[0]),
        made.keys[0],
        "not shown yet"
    );
    bench.update(temporary.as_str(), 60);
    assert_eq!(
        bench.score(temporary.as_str()),
        Some(60),
        "it shows at once"
    );
    bench.settle();
    assert_eq!(bench.score("c2"), Some(60));
    let sent = bench.actions_sent();
    assert_eq!(sent[1].entity_id.as_ref().map(EntityId::as_str), Some("c2"));
}

#[test]
fn an_action_is_called_visible_only_after_its_answer_shows() {
    let (mut bench, made) = half_worked();
    // The snapshot that contains the action comes before its answer, and names nobody.
    bench.settle();
    let temporary = made.keys[0].clone();
    bench.come_back(1);
    bench.subscribed(SubscribeResult::Snapshot, 3, 3);
    bench.snapshot_part(3, 0, vec![row("c2", 50, 3)]);
    bench.snapshot_end_with(3, 1, [(Lane::main(), 1)].into());
    bench.settle();
    let many = (10..20).map(|n| created(&format!("c{n}"), n, 4)).collect();
    bench.tell(ServerMessage::Events(events(3, 4, many)));
    let mut ack = ack(1, &made, 3);
    ack.replaced = BTreeMap::from([(
        temporary.id.clone(),
        EntityId::text("c2").expect("a good id"),
    )]);
    bench.tell(ServerMessage::Ack(ack));
    let visible = |bench: &Bench| bench.stages.contains(&(made.id, Stage::Visible));
    for _ in 0..1_000 {
        let follows = bench.engine.reader().current_key(&temporary) == key("c2");
        assert_eq!(visible(&bench), follows);
        if follows {
            return;
        }
        bench.handle(tidewire_engine::Input::Time);
    }
    panic!("the answer never shows");
}

/// A windowed collection that nobody watches, and a write that was accepted without its row.
fn accepted_unwatched() -> (Bench, Submitted) {
    let mut bench = Bench::windowed();
    bench.go_up();
    let made = bench.submit(Write::Create {
        entity_type: customers(),
        record: customer("c9", 9),
    });
    bench.tell(ServerMessage::Ack(ack(1, &made, 4)));
    (bench, made)
}

#[test]
fn law_15_the_result_of_a_write_that_nobody_watches_is_asked_for_and_becomes_visible() {
    let (mut bench, made) = accepted_unwatched();
    assert!(bench.get("c9").pending);
    let ids = vec![EntityId::text("c9").expect("a good id")];
    assert_eq!(bench.fetch_sent().what, FetchWhat::Ids(ids));
    bench.page(4, vec![row("c9", 9, 4)], None, true);
    assert_eq!(bench.score("c9"), Some(9));
    assert!(!bench.get("c9").pending);
    assert_eq!(bench.stages.last(), Some(&(made.id, Stage::Visible)));
}

#[test]
fn law_15_a_result_that_may_not_be_read_is_not_waited_for() {
    let (mut bench, made) = accepted_unwatched();
    let id = bench.fetch_sent().id;
    bench.tell(ServerMessage::FetchError(RequestError {
        id,
        code: "forbidden".into(),
        class: Class::Permanent,
        retry_after_ms: None,
    }));
    assert!(!bench.get("c9").pending);
    assert_eq!(bench.stages.last(), Some(&(made.id, Stage::Visible)));
    assert_eq!(bench.fetch_sent().id, id, "it is not asked for again");
}

#[test]
fn law_11_a_snapshot_takes_only_those_accepted_writes_out_that_it_contains() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 2, 2);
    for (seq, score) in [(1, 7), (2, 8)] {
        let id = bench.update("c1", score);
        let made = Submitted {
            id,
            keys: Vec::new(),
        };
        bench.tell(ServerMessage::Ack(ack(seq, &made, seq + 1)));
    }
    bench.snapshot_part(2, 0, vec![row("c1", 7, 2)]);
    bench.snapshot_end_with(2, 1, [(Lane::main(), 1)].into());
    bench.settle();
    assert_eq!(bench.get("c1").version, Version::new(2));
    assert_eq!(bench.score("c1"), Some(8), "the second write is not in it");
}

#[test]
fn law_4_rows_of_a_refusal_are_no_newer_than_their_versions() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(5, vec![row("c1", 10, 1), row("c2", 20, 5)]);
    let id = bench.update("c2", 7);
    bench.tell(ServerMessage::Reject(Reject {
        id,
        seq: 1,
        class: Class::Conflict,
        code: "conflict".into(),
        message: String::new(),
        retry_after_ms: None,
        rows: vec![AnswerRow {
            entity_type: None,
            row: row("c2", 19, 4),
        }],
    }));
    let reading = bench.get("c2");
    assert_eq!(reading.version, Version::new(5));
    assert_eq!(bench.score("c2"), Some(20));
}

fn orders() -> EntityType {
    EntityType::new("orders").expect("a good name")
}

/// Customers are live at 4; the snapshot of orders, as of 7, is on its way.
fn customers_live_orders_building() -> Bench {
    let mut bench = Bench::complete();
    bench.define_as(&orders(), Interest::Complete { max_rows: 1_000 });
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(4, vec![row("c1", 10, 1)]);
    bench.watch(tidewire_cache::Target::Stream(orders()));
    let subscribe = bench.subscribe_sent();
    assert_eq!(subscribe.entity_type, orders());
    bench.tell(ServerMessage::Subscribed(Subscribed {
        id: subscribe.id,
        entity_type: orders(),
        result: SubscribeResult::Snapshot,
        epoch: epoch(),
        view: "all".into(),
        offset: offset(7),
        head: offset(7),
    }));
    bench
}

fn over_both(entity_type: EntityType, to: u64, op: Op) -> ServerMessage {
    let offsets = [(customers(), offset(5)), (orders(), offset(8))].into();
    ServerMessage::Events(Events {
        entity_type,
        commit: Some(CommitInfo {
            id: "x".into(),
            offsets,
        }),
        ..events(to - 1, to, vec![op])
    })
}

#[test]
fn rule_5_a_commit_shows_on_live_streams_and_the_others_are_live_once_they_have_it() {
    let mut bench = customers_live_orders_building();
    bench.tell(over_both(customers(), 5, created("c2", 20, 5)));
    assert_eq!(bench.score("c2"), Some(20), "nothing is waited for");
    bench.tell(ServerMessage::SnapshotEnd(SnapshotEnd {
        entity_type: orders(),
        as_of: offset(7),
        count: 0,
        actions: BTreeMap::new(),
        head: None,
    }));
    let live = |bench: &Bench| bench.engine.reader().read(|view| view.is_live(&orders()));
    assert!(!live(&bench), "it lacks what customers show");
    bench.tell(over_both(orders(), 8, created("o1", 1, 8)));
    assert!(live(&bench));
    let o1 = tidewire_model::EntityKey::new(orders(), EntityId::text("o1").expect("a good id"));
    let reading = bench.engine.reader().get(bench.now.tick, &o1);
    assert_eq!(reading.trust, Trust::Live);
    let applied = bench.engine.reader().applied(&orders());
    assert_eq!(applied, Some(Point::new(epoch(), offset(8))));
}
