//! Writes: shown at once, stored before they are sent, answered once.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::Interest;
use tidewire_engine::{
    Command, CommandError, Input, Problem, Reply, Stage, Submission, Switch, Write,
};
use tidewire_model::{ActionId, EntityId, Lane, Patch, RecordBuilder, Value, Version};
use tidewire_protocol::{
    Ack, AckResult, ActionEcho, Class, ClientMessage, Events, Op, Ping, Reject, ServerMessage,
};
use tidewire_queue::SubmitError;

use crate::bench::{Bench, customer, customers, events, key, point, row, settings, welcome};

/// One customer of score 10 in a complete stream at offset 1, live.
fn live() -> (Bench, tidewire_model::Query) {
    let mut bench = Bench::complete();
    let all = bench.watch_list("sort score desc");
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 10, 1)]);
    (bench, all)
}

fn ack(bench: &Bench, id: ActionId, at: u64, rows: Vec<tidewire_protocol::WireRow>) -> Ack {
    let sent = bench
        .actions_sent()
        .into_iter()
        .rev()
        .find(|action| action.id == id)
        .expect("it was sent");
    Ack {
        id,
        seq: sent.seq,
        result: AckResult::Applied,
        as_of: [(customers(), point(at))].into(),
        rows: rows
            .into_iter()
            .map(|row| tidewire_protocol::AnswerRow {
                entity_type: None,
                row,
            })
            .collect(),
        replaced: BTreeMap::new(),
    }
}

fn echo(at: u64, op: Op, id: ActionId, replaced: BTreeMap<EntityId, EntityId>) -> Events {
    Events {
        actions: vec![ActionEcho { id, replaced }],
        ..events(at - 1, at, vec![op])
    }
}

fn updated(score: i64, at: u64) -> Op {
    Op::Updated {
        id: EntityId::text("c1").expect("a good id"),
        version: Version::new(at),
        base: Version::new(1),
        changes: Patch::new().set("score", score),
        entity: Some(customer("c1", score)),
        was: Some(RecordBuilder::new().field("score", 10).build()),
    }
}

#[test]
fn a_write_is_in_the_view_when_the_call_returns() {
    let (mut bench, _) = live();
    bench.update("c1", 7);
    assert_eq!(bench.score("c1"), Some(7));
    assert!(bench.get("c1").pending);
}

#[test]
fn law_12_an_action_is_sent_only_after_it_is_stored() {
    let (mut bench, _) = live();
    bench.store_works = false;
    bench.stored.clear();
    let id = bench.update("c1", 7);
    assert!(bench.actions_sent().is_empty());
    assert!(bench.stages.is_empty());
    for _ in 0..3 {
        if let Some((ticket, _)) = bench.stored.pop() {
            bench.handle(Input::Stored {
                ticket,
                result: Ok(()),
            });
        }
    }
    assert_eq!(bench.stages, [(id, Stage::Durable)]);
    assert_eq!(bench.actions_sent().len(), 1);
}

#[test]
fn law_11_nothing_flickers_when_the_echo_comes_first() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    bench.tell(ServerMessage::Events(echo(
        2,
        updated(7, 2),
        id,
        BTreeMap::new(),
    )));
    assert_eq!(bench.score("c1"), Some(7));
    assert!(!bench.get("c1").pending);
    let ack = ack(&bench, id, 2, Vec::new());
    bench.tell(ServerMessage::Ack(ack));
    assert_eq!(bench.score("c1"), Some(7));
    let stages: Vec<&Stage> = bench.stages.iter().map(|(_, stage)| stage).collect();
    assert_eq!(
        stages,
        [
            &Stage::Durable,
            &Stage::Accepted(Vec::new()),
            &Stage::Visible
        ]
    );
}

#[test]
fn law_11_nothing_flickers_when_the_answer_comes_first() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    let ack = ack(&bench, id, 2, Vec::new());
    bench.tell(ServerMessage::Ack(ack));
    assert_eq!(
        bench.score("c1"),
        Some(7),
        "the prediction stays until the stream has it"
    );
    bench.tell(ServerMessage::Events(echo(
        2,
        updated(7, 2),
        id,
        BTreeMap::new(),
    )));
    assert_eq!(bench.score("c1"), Some(7));
    assert!(!bench.get("c1").pending);
    assert_eq!(bench.stages.last(), Some(&(id, Stage::Visible)));
}

#[test]
fn coverage_b13_a_creation_named_by_the_server_is_one_entity_in_either_order() {
    for echo_first in [true, false] {
        let (mut bench, all) = live();
        let record = RecordBuilder::new().field("score", 50).build();
        let made = bench.submit(Write::Create {
            entity_type: customers(),
            record,
        });
        let temporary = made.keys[0].id.clone();
        assert!(temporary.is_temporary());
        assert_eq!(bench.ids(&all), [temporary.as_str(), "c1"]);
        let real = EntityId::text("c2").expect("a good id");
        let replaced = BTreeMap::from([(temporary.clone(), real)]);
        let created = Op::Created {
            entity: customer("c2", 50),
            version: Version::new(2),
        };
        let echo = ServerMessage::Events(echo(2, created, made.id, replaced.clone()));
        let mut ack = ack(&bench, made.id, 2, vec![row("c2", 50, 2)]);
        ack.replaced = replaced;
        let both = if echo_first {
            [echo, ServerMessage::Ack(ack)]
        } else {
            [ServerMessage::Ack(ack), echo]
        };
        for message in both {
            bench.tell(message);
            assert_eq!(bench.list(&all).rows.len(), 2, "never twice, never gone");
        }
        assert_eq!(bench.ids(&all), ["c2", "c1"]);
        assert!(bench.list(&all).rows.iter().all(|row| !row.pending));
        let follows = bench.engine.reader().current_key(&made.keys[0]);
        assert_eq!(follows, key("c2"));
    }
}

#[test]
fn coverage_b12_what_is_queued_behind_a_creation_follows_the_name() {
    let (mut bench, _) = live();
    let record = RecordBuilder::new().field("score", 50).build();
    let made = bench.submit(Write::Create {
        entity_type: customers(),
        record,
    });
    let temporary = made.keys[0].id.clone();
    bench.update(temporary.as_str(), 60);
    assert_eq!(bench.actions_sent().len(), 1, "it waits for the creation");
    let mut ack = ack(&bench, made.id, 2, vec![row("c2", 50, 2)]);
    ack.replaced = BTreeMap::from([(temporary.clone(), EntityId::text("c2").expect("a good id"))]);
    let created = Op::Created {
        entity: customer("c2", 50),
        version: Version::new(2),
    };
    bench.tell(ServerMessage::Events(echo(
        2,
        created,
        made.id,
        ack.replaced.clone(),
    )));
    assert_eq!(
        bench.score("c2"),
        Some(60),
        "the later write shows on the real entity"
    );
    bench.tell(ServerMessage::Ack(ack));
    let sent = bench.actions_sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].entity_id.as_ref().map(EntityId::as_str), Some("c2"));
}

#[test]
fn law_14_a_refused_action_is_parked_and_the_view_is_worked_out_without_it() {
    let (mut bench, _) = live();
    let first = bench.update("c1", 7);
    let second = bench.update("c1", 8);
    let seq = bench.actions_sent()[0].seq;
    bench.tell(ServerMessage::Reject(Reject {
        id: first,
        seq,
        class: Class::Permanent,
        code: "invalid".into(),
        message: "no sevens".into(),
        retry_after_ms: None,
        rows: Vec::new(),
    }));
    assert_eq!(bench.score("c1"), Some(8));
    assert_eq!(bench.engine.queue().parked().count(), 1);
    assert!(bench.stages.iter().any(|(id, stage)| *id == first
        && matches!(stage, Stage::Parked(refusal) if refusal.message == "no sevens")));
    assert_eq!(bench.command(Command::Discard(first)), Reply::Done);
    assert_eq!(bench.engine.queue().parked().count(), 0);
    assert_ne!(first, second);
}

fn reject(bench: &Bench, id: ActionId, code: &str, class: Class) -> ServerMessage {
    let mut sent = bench.actions_sent().into_iter().rev();
    let sent = sent.find(|sent| sent.id == id).expect("it was sent");
    ServerMessage::Reject(Reject {
        id,
        seq: sent.seq,
        class,
        code: code.into(),
        message: format!("{code}, in words"),
        retry_after_ms: Some(5_000),
        rows: Vec::new(),
    })
}

fn put_off(code: &str) -> Problem {
    Problem::WritePutOff {
        code: code.into(),
        message: format!("{code}, in words"),
    }
}

/// Puts an action off as often as it is sent: for these reasons, one after the other.
fn put_off_for(bench: &mut Bench, id: ActionId, codes: &[&str]) {
    for code in codes {
        let sent = bench.actions_sent().len();
        bench.tell(reject(bench, id, code, Class::Retry));
        // The server lives, and its retries are waited for.
        for n in 1..=12 {
            let heads = BTreeMap::new();
            bench.tell(ServerMessage::Ping(Ping { n, heads }));
            bench.run_for(Duration::from_secs(5));
        }
        assert!(bench.actions_sent().len() > sent, "it is sent again");
    }
}

#[test]
fn why_a_write_is_put_off_is_told_once_per_reason() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    put_off_for(&mut bench, id, &["storage", "storage", "closed", "storage"]);
    assert_eq!(bench.problems, [put_off("storage"), put_off("closed")]);
}

#[test]
fn that_a_write_is_to_wait_for_its_turn_is_no_news() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    put_off_for(&mut bench, id, &["rate", "busy"]);
    assert_eq!(bench.problems, []);
}

#[test]
fn why_a_write_is_put_off_is_told_again_once_one_was_accepted_in_between() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    put_off_for(&mut bench, id, &["storage"]);
    let ack = ack(&bench, id, 2, Vec::new());
    bench.tell(ServerMessage::Ack(ack));
    let id = bench.update("c1", 8);
    put_off_for(&mut bench, id, &["storage"]);
    assert_eq!(bench.problems, [put_off("storage"), put_off("storage")]);
}

#[test]
fn an_answer_that_puts_no_write_off_is_not_told_as_one() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    let twice = [
        reject(&bench, id, "storage", Class::Retry),
        reject(&bench, id, "closed", Class::Retry),
    ];
    twice.into_iter().for_each(|answer| bench.tell(answer));
    assert_eq!(
        bench.problems,
        [put_off("storage")],
        "an answer counts once"
    );
    let mut stranger = reject(&bench, id, "closed", Class::Retry);
    if let ServerMessage::Reject(reject) = &mut stranger {
        reject.id = ActionId::from_bytes([7; 16]);
    }
    bench.tell(stranger);
    bench.run_for(Duration::from_secs(20));
    bench.tell(reject(&bench, id, "forbidden", Class::Permanent));
    assert!(matches!(bench.stages.last(), Some((_, Stage::Parked(_)))));
    assert_eq!(bench.problems.len(), 1, "{:?}", bench.problems);
}

#[test]
fn law_17_writes_whose_results_never_come_count_as_long_as_they_are_pending() {
    let mut bounded = settings();
    bounded.queue.max_actions = 3;
    let mut bench = Bench::with(bounded, Interest::Complete { max_rows: 10 });
    bench.watch_list("");
    bench.go_up();
    bench.snapshot(1, vec![row("c1", 10, 1)]);
    let write = |score: i64| {
        Command::Submit(Submission {
            lane: Lane::main(),
            writes: vec![Write::Update {
                key: key("c1"),
                patch: Patch::new().set("score", score),
            }],
            after: Vec::new(),
        })
    };
    let mut at = 1;
    for score in 1..=3 {
        let Reply::Submitted(taken) = bench.command(write(score)) else {
            panic!("there is room")
        };
        at += 1;
        let ack = ack(&bench, taken.id, at, Vec::new());
        bench.tell(ServerMessage::Ack(ack));
    }
    let full = bench.command(write(4));
    let limit = SubmitError::Full { limit: 3 };
    assert_eq!(full, Reply::Refused(CommandError::Queue(limit)));
    bench.tell(ServerMessage::Events(events(1, 2, Vec::new())));
    assert!(matches!(bench.command(write(4)), Reply::Submitted(_)));
}

#[test]
fn what_leaves_the_view_with_a_refused_creation_leaves_it_in_one_step() {
    let (mut bench, _) = live();
    let made = bench.submit(Write::Create {
        entity_type: customers(),
        record: customer("c2", 1),
    });
    for score in 2..60 {
        bench.update("c2", score);
    }
    let revision = |bench: &Bench| bench.engine.reader().read(|snapshot| snapshot.revision());
    let before = revision(&bench);
    bench.tell(ServerMessage::Reject(Reject {
        id: made.id,
        seq: 1,
        class: Class::Conflict,
        code: "exists".into(),
        message: String::new(),
        retry_after_ms: None,
        rows: Vec::new(),
    }));
    assert_eq!(bench.engine.queue().parked().count(), 59);
    assert_eq!(bench.score("c2"), None);
    assert_eq!(revision(&bench), before.next());
}

#[test]
fn coverage_b14_a_refusal_does_not_wipe_out_what_others_changed_meanwhile() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    let name = Op::Updated {
        id: EntityId::text("c1").expect("a good id"),
        version: Version::new(2),
        base: Version::new(1),
        changes: Patch::new().set("name", "Ada"),
        entity: Some(customer("c1", 10).with("name", "Ada")),
        was: Some(tidewire_model::Record::new()),
    };
    bench.tell(ServerMessage::Events(events(1, 2, vec![name])));
    let seq = bench.actions_sent()[0].seq;
    bench.tell(ServerMessage::Reject(Reject {
        id,
        seq,
        class: Class::Permanent,
        code: "invalid".into(),
        message: String::new(),
        retry_after_ms: None,
        rows: Vec::new(),
    }));
    let reading = bench.get("c1");
    let record = reading.presence.record().expect("it is there");
    assert_eq!(
        record.get("name").and_then(|value| value.as_text()),
        Some("Ada")
    );
    assert_eq!(bench.score("c1"), Some(10));
}

#[test]
fn law_13_after_a_lost_answer_the_action_is_sent_again_under_the_same_number() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    bench.cut();
    assert_eq!(bench.score("c1"), Some(7));
    bench.go_up();
    let sent: Vec<_> = bench
        .actions_sent()
        .into_iter()
        .map(|action| (action.id, action.seq, action.hash))
        .collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0].0, id);
}

#[test]
fn writes_made_offline_are_sent_in_order_once_there_is_a_connection() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    let first = bench.update("c1", 1);
    let second = bench.update("c1", 2);
    bench.go_up();
    let sent = bench.actions_sent();
    assert_eq!(
        sent.iter().map(|action| action.id).collect::<Vec<_>>(),
        [first, second]
    );
    assert_eq!(sent[1].previous, sent[0].seq);
}

#[test]
fn law_12_what_was_stored_is_in_the_view_and_sent_after_a_restart() {
    let mut bench = Bench::complete();
    let id = bench
        .submit(Write::Create {
            entity_type: customers(),
            record: customer("c9", 9),
        })
        .id;
    let mut bench = Bench::new(settings(), bench.stored_rows());
    bench.define(Interest::Complete { max_rows: 9 });
    let all = bench.watch_list("");
    assert_eq!(bench.engine.queue().counts().waiting, 1);
    assert_eq!(bench.score("c9"), Some(9));
    assert_eq!(bench.ids(&all), ["c9"]);
    bench.go_up();
    assert_eq!(bench.actions_sent()[0].id, id);
}

#[test]
fn a_failing_store_stops_sending_and_says_so() {
    let (mut bench, _) = live();
    bench.store_works = false;
    bench.stored.clear();
    let id = bench.update("c1", 7);
    let (ticket, _) = bench.stored.pop().expect("it is being stored");
    bench.handle(Input::Stored {
        ticket,
        result: Err("disk full".into()),
    });
    assert!(
        bench
            .stages
            .contains(&(id, Stage::NotDurable("disk full".into())))
    );
    assert!(bench.problems.contains(&Problem::Store("disk full".into())));
    assert!(bench.actions_sent().is_empty());
    let refused = bench.command(Command::Submit(Submission {
        lane: Lane::main(),
        writes: vec![Write::Delete { key: key("c1") }],
        after: Vec::new(),
    }));
    assert!(matches!(refused, Reply::Refused(_)));
}

#[test]
fn a_write_can_be_taken_back_while_it_was_never_sent() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    let made = bench.submit(Write::Create {
        entity_type: customers(),
        record: customer("c9", 1),
    });
    assert_eq!(bench.score("c9"), Some(1));
    assert_eq!(bench.command(Command::Cancel(made.id)), Reply::Done);
    assert_eq!(bench.score("c9"), None);
    bench.go_up();
    assert!(bench.actions_sent().is_empty());
}

#[test]
fn switched_off_nothing_is_sent() {
    let (mut bench, _) = live();
    bench.command(Command::Switch(Switch::Off));
    bench.update("c1", 7);
    assert_eq!(
        bench.count_sent(|message| matches!(message, ClientMessage::Action(_))),
        0
    );
    assert_eq!(bench.score("c1"), Some(7));
}

#[test]
fn several_writes_are_one_action() {
    let (mut bench, _) = live();
    let reply = bench.command(Command::Submit(Submission {
        lane: Lane::main(),
        writes: vec![
            Write::Delete { key: key("c1") },
            Write::Create {
                entity_type: customers(),
                record: customer("c2", 2),
            },
        ],
        after: Vec::new(),
    }));
    assert!(matches!(reply, Reply::Submitted(_)));
    assert_eq!((bench.score("c1"), bench.score("c2")), (None, Some(2)));
    let sent = bench.actions_sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].name, "transaction");
}

#[test]
fn an_action_larger_than_the_server_takes_is_parked_and_never_sent() {
    let (mut bench, _) = live();
    let text = "x".repeat(70_000);
    let big = bench.submit(Write::Update {
        key: key("c1"),
        patch: Patch::new().set("notes", text),
    });
    let small = bench.update("c1", 7);
    let parked: Vec<ActionId> = bench
        .engine
        .queue()
        .parked()
        .map(|action| action.id)
        .collect();
    assert_eq!(parked, [big.id]);
    let sent: Vec<ActionId> = bench
        .actions_sent()
        .iter()
        .map(|action| action.id)
        .collect();
    assert_eq!(sent, [small]);
    let told = bench.stages.iter().any(|(id, stage)| {
        *id == big.id && matches!(stage, Stage::Parked(refusal) if refusal.code == "too_large")
    });
    assert!(told);
}

/// A value that nests so deep, itself counted as one.
fn nested(depth: usize) -> Value {
    (1..depth).fold(Value::List(Vec::new()), |value, _| Value::List(vec![value]))
}

#[test]
fn an_action_deeper_than_the_server_takes_is_parked_and_never_sent() {
    let (mut bench, _) = live();
    bench.cut();
    bench.wait_for_attempt(Duration::from_secs(31));
    bench.connected();
    let mut shallow = welcome(Some(BTreeMap::new()));
    // The message, its payload, the changes: a value of 3 levels is the deepest.
    shallow.limits.max_depth = 6;
    bench.tell(ServerMessage::Welcome(shallow));
    let update = |bench: &mut Bench, depth: usize| {
        bench
            .submit(Write::Update {
                key: key("c1"),
                patch: Patch::new().set("notes", nested(depth)),
            })
            .id
    };
    let deep = update(&mut bench, 4);
    let good = update(&mut bench, 3);
    let told = bench.stages.iter().any(|(id, stage)| {
        *id == deep && matches!(stage, Stage::Parked(refusal) if refusal.code == "too_deep")
    });
    assert!(told);
    let sent: Vec<ActionId> = bench
        .actions_sent()
        .iter()
        .map(|action| action.id)
        .collect();
    assert_eq!(sent, [good]);
}

#[test]
fn the_deepest_write_that_is_taken_makes_a_frame_that_a_server_takes() {
    use tidewire_protocol::{Dialect, Payload, V1Json};
    let (mut bench, _) = live();
    let deepest = tidewire_queue::Draft::MAX_PAYLOAD_DEPTH - 2;
    let id = bench
        .submit(Write::Update {
            key: key("c1"),
            patch: Patch::new().set("notes", nested(deepest)),
        })
        .id;
    let sent = bench.actions_sent().remove(0);
    assert_eq!(sent.id, id);
    let frame = V1Json::DEFAULT
        .encode_client(&ClientMessage::Action(sent))
        .expect("a frame");
    let tidewire_protocol::Encoded::Text(text) = frame else {
        panic!("v1 is text");
    };
    assert!(V1Json::DEFAULT.decode_client(Payload::Text(&text)).is_ok());
    let reply = bench.command(Command::Submit(Submission {
        lane: Lane::main(),
        writes: vec![Write::Update {
            key: key("c1"),
            patch: Patch::new().set("notes", nested(deepest + 1)),
        }],
        after: Vec::new(),
    }));
    assert!(matches!(reply, Reply::Refused(_)), "{reply:?}");
}

#[test]
fn an_action_possibly_sent_that_the_server_takes_no_more_is_left_to_a_person() {
    let (mut bench, _) = live();
    let id = bench
        .submit(Write::Update {
            key: key("c1"),
            patch: Patch::new().set("notes", nested(4)),
        })
        .id;
    assert_eq!(bench.actions_sent().len(), 1);
    bench.cut();
    bench.wait_for_attempt(Duration::from_secs(31));
    bench.connected();
    let mut shallow = welcome(Some(BTreeMap::new()));
    shallow.limits.max_depth = 6;
    bench.tell(ServerMessage::Welcome(shallow));
    assert!(bench.stages.contains(&(id, Stage::Uncertain)));
    let reply = bench.command(Command::Discard(id));
    assert!(matches!(reply, Reply::Done), "{reply:?}");
    let next = bench.update("c1", 7);
    let sent: Vec<ActionId> = bench
        .actions_sent()
        .iter()
        .map(|action| action.id)
        .collect();
    assert_eq!(sent, [id, next]);
}

#[test]
fn rule_13_a_copied_store_becomes_another_client_and_sends_nothing_twice() {
    let (mut bench, _) = live();
    let id = bench.update("c1", 7);
    let sent = bench.actions_sent().len();
    bench.tell(ServerMessage::Bye(tidewire_protocol::Bye {
        code: 4204,
        reason: "a newer run of this client was here".into(),
        class: Class::Session,
        retry_after_ms: None,
    }));
    assert!(bench.stages.contains(&(id, Stage::Uncertain)));
    bench.go_up();
    let names: Vec<String> = bench
        .sent
        .iter()
        .filter_map(|message| match message {
            ClientMessage::Hello(hello) => Some(hello.client.id.clone()),
            _ => None,
        })
        .collect();
    assert_ne!(names[0], names[1]);
    assert_eq!(
        bench.actions_sent().len(),
        sent,
        "it may have been done already"
    );
    assert_eq!(
        bench.score("c1"),
        Some(7),
        "it stays in the view until somebody decides"
    );
}

#[test]
fn law_11_writes_show_in_lists_before_anything_else_is_known() {
    for mut bench in [Bench::complete(), Bench::windowed()] {
        let all = bench.watch_list("where score > 5 sort score desc limit 2");
        bench.run_for(Duration::from_secs(1));
        bench.woken.clear();
        for (id, score) in [("a", 1), ("b", 10), ("c", 30), ("d", 20)] {
            bench.submit(Write::Create {
                entity_type: customers(),
                record: customer(id, score),
            });
        }
        assert_eq!(bench.ids(&all), ["c", "d"]);
        assert!(!bench.list(&all).known);
        assert!(bench.woken.len() >= 3);
    }
}

#[test]
fn coverage_b12_a_name_given_since_is_used_wherever_a_later_write_mentions_the_temporary_id() {
    let (mut bench, _) = live();
    let record = RecordBuilder::new().field("score", 50).build();
    let made = bench.submit(Write::Create {
        entity_type: customers(),
        record,
    });
    let temporary = made.keys[0].id.clone();
    let mut ack = ack(&bench, made.id, 2, vec![row("c2", 50, 2)]);
    ack.replaced = BTreeMap::from([(temporary.clone(), EntityId::text("c2").expect("a good id"))]);
    let created = Op::Created {
        entity: customer("c2", 50),
        version: Version::new(2),
    };
    bench.tell(ServerMessage::Events(echo(
        2,
        created,
        made.id,
        ack.replaced.clone(),
    )));
    bench.tell(ServerMessage::Ack(ack));
    bench.submit(Write::Update {
        key: key(temporary.as_str()),
        patch: Patch::new().set("friends", vec![temporary.as_str()]),
    });
    let sent = bench.actions_sent().pop().expect("it was sent");
    assert_eq!(sent.entity_id.as_ref().map(EntityId::as_str), Some("c2"));
    assert!(!format!("{:?}", sent.payload).contains("tmp_"));
    assert!(format!("{:?}", sent.payload).contains("c2"));
}

#[test]
fn coverage_b15_temporary_ids_of_one_millisecond_are_all_different() {
    let (mut bench, _) = live();
    let ids: std::collections::BTreeSet<_> = (0..500)
        .map(|n| {
            let made = bench.submit(Write::Create {
                entity_type: customers(),
                record: RecordBuilder::new().field("score", n).build(),
            });
            made.keys[0].id.clone()
        })
        .collect();
    assert_eq!(ids.len(), 500);
}
