//! A server that lives and does not answer, or asks to be left alone: what is asked for says why it does not come, and is
//! asked for again at a bounded pace.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::{Interest, Target, Trust, Wanted};
use tidewire_engine::{Command, Reply, Settings, Term};
use tidewire_model::{ActionId, EntityType};
use tidewire_protocol::{
    Class, ClientMessage, Data, Ping, Reject, RequestError, RequestId, ServerMessage, SnapshotEnd,
    SubscribeResult, Unsubscribed,
};

use crate::basic_bench::{OWN, basic, person_row};
use crate::bench::{Bench, customers, key, offset, point, row, settings};

/// Time goes by, and the server gives signs of life and nothing else.
fn lives_on(bench: &mut Bench, seconds: u64) {
    for n in 0..seconds {
        let heads = BTreeMap::new();
        bench.tell(ServerMessage::Ping(Ping { n, heads }));
        bench.run_for(Duration::from_secs(1));
    }
    assert!(bench.disconnects.is_empty(), "{:?}", bench.disconnects);
}

fn attached(bench: &mut Bench) {
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 5);
}

fn data(id: RequestId, part: u64, more: bool, name: &str) -> ServerMessage {
    ServerMessage::Data(Data {
        id,
        as_of: point(5),
        part,
        more,
        rows: vec![row(name, 1, 1)],
        missing: Vec::new(),
        total_count: None,
        start_key: None,
        end: !more,
    })
}

fn no_answers(bench: &Bench) -> usize {
    let told = bench.refused.iter();
    told.filter(|(entity_type, _, code, term)| {
        (entity_type, &**code, *term) == (&customers(), "no_answer", Term::ForNow)
    })
    .count()
}

#[test]
fn law_15_a_request_that_is_never_answered_says_so_and_is_asked_again_less_and_less_often() {
    let mut bench = Bench::windowed();
    let list = bench.watch_list("limit 5");
    attached(&mut bench);
    lives_on(&mut bench, 29);
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (1, 0));
    lives_on(&mut bench, 3);
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (1, 1));
    assert!(matches!(bench.refused[0].1, Some(Wanted::Page { .. })));
    assert_eq!(bench.trust(&list), Trust::Unknown);
    lives_on(&mut bench, 57);
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (1, 1));
    lives_on(&mut bench, 3);
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (2, 1));
    lives_on(&mut bench, 3_600);
    let asked = bench.fetches_sent().len();
    assert!((5..9).contains(&asked), "{asked} requests in an hour");
    assert!(no_answers(&bench) >= asked - 1, "each is told of");
}

#[test]
fn an_answer_that_is_late_and_was_not_asked_for_again_counts() {
    let mut bench = Bench::windowed();
    let list = bench.watch_list("limit 5");
    attached(&mut bench);
    lives_on(&mut bench, 80);
    let id = bench.fetch_sent().id;
    bench.tell(data(id, 0, false, "c1"));
    assert_eq!(bench.trust(&list), Trust::Live);
    lives_on(&mut bench, 200);
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (1, 1));
}

#[test]
fn a_late_answer_to_the_first_asking_is_left_and_that_to_the_second_counts_once() {
    let mut bench = Bench::windowed();
    let list = bench.watch_list("limit 5");
    attached(&mut bench);
    let first = bench.fetch_sent().id;
    lives_on(&mut bench, 92);
    let second = bench.fetch_sent().id;
    assert_ne!(first, second);
    bench.tell(data(first, 0, false, "c1"));
    assert_eq!(bench.trust(&list), Trust::Unknown);
    bench.tell(data(second, 0, false, "c2"));
    assert_eq!(bench.trust(&list), Trust::Live);
    for late in [first, second] {
        bench.tell(data(late, 0, false, "c3"));
    }
    lives_on(&mut bench, 120);
    assert_eq!(bench.ids(&list), ["c2"]);
    assert_eq!(bench.fetches_sent().len(), 2, "nothing is asked for again");
    assert_eq!(no_answers(&bench), 1);
}

#[test]
fn an_answer_whose_parts_keep_coming_is_waited_for() {
    let mut bench = Bench::windowed();
    let list = bench.watch_list("limit 5");
    attached(&mut bench);
    let id = bench.fetch_sent().id;
    for part in 0..4 {
        lives_on(&mut bench, 20);
        bench.tell(data(id, part, part < 3, &format!("c{part}")));
    }
    assert_eq!((bench.fetches_sent().len(), no_answers(&bench)), (1, 0));
    assert_eq!(bench.ids(&list).len(), 4);
}

#[test]
fn requests_that_are_never_answered_make_room_for_others() {
    let bounded = Settings {
        max_fetches: 1,
        ..settings()
    };
    let mut bench = Bench::with(bounded, Interest::Windowed);
    bench.watch(Target::Entity(key("c1")));
    attached(&mut bench);
    bench.watch_list("limit 5");
    lives_on(&mut bench, 92);
    let [_, page, ..] = &bench.fetches_sent()[..] else {
        panic!("{:?}", bench.sent)
    };
    assert!(matches!(page.what, tidewire_protocol::FetchWhat::Query(_)));
}

#[test]
fn a_new_connection_asks_at_once_and_is_as_patient_as_the_first() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 5");
    attached(&mut bench);
    lives_on(&mut bench, 300);
    let before = bench.fetches_sent().len();
    bench.come_back(0);
    bench.subscribed(SubscribeResult::Now, 5, 5);
    bench.settle();
    assert_eq!(bench.fetches_sent().len(), before + 1);
    lives_on(&mut bench, 92);
    assert_eq!(bench.fetches_sent().len(), before + 2);
}

fn subscribes(bench: &Bench) -> usize {
    bench.count_sent(|message| matches!(message, ClientMessage::Subscribe(_)))
}

#[test]
fn a_stream_that_was_answered_is_waited_for_as_at_first_again() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    lives_on(&mut bench, 200);
    bench.snapshot(1, vec![row("c1", 1, 1)]);
    lives_on(&mut bench, 60);
    let ended = Unsubscribed {
        id: None,
        entity_type: customers(),
        code: "slow".into(),
        resubscribe: true,
    };
    bench.tell(ServerMessage::Unsubscribed(ended));
    let before = subscribes(&bench);
    lives_on(&mut bench, 35);
    assert_eq!(subscribes(&bench), before + 2);

    lives_on(&mut bench, 200);
    bench.come_back(0);
    let before = subscribes(&bench);
    lives_on(&mut bench, 35);
    assert_eq!(subscribes(&bench), before + 1, "and on a new connection");
}

/// More a frame cannot say.
const FOR_EVER: u64 = (1 << 53) - 1;
/// Longer than any client waits because a server said so, and not much.
const LEFT_ALONE: u64 = 15 * 60 + 20;

fn for_ever(id: RequestId) -> RequestError {
    RequestError {
        id,
        code: "busy".into(),
        class: Class::Retry,
        retry_after_ms: Some(FOR_EVER),
    }
}

#[test]
fn law_19_a_server_that_asks_to_be_left_alone_for_ever_is_asked_again() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 5");
    bench.go_up();
    let id = bench.subscribe_sent().id;
    bench.tell(ServerMessage::SubscribeError(for_ever(id)));
    lives_on(&mut bench, LEFT_ALONE);
    assert_eq!(subscribes(&bench), 2);

    bench.subscribed(SubscribeResult::Now, 5, 5);
    let id = bench.fetch_sent().id;
    bench.tell(ServerMessage::FetchError(for_ever(id)));
    lives_on(&mut bench, LEFT_ALONE);
    assert_ne!(bench.fetch_sent().id, id);

    let id = bench.update("c1", 7);
    let put_off = Reject {
        id,
        seq: bench.actions_sent()[0].seq,
        class: Class::Retry,
        code: "busy".into(),
        message: "later".into(),
        retry_after_ms: Some(FOR_EVER),
        rows: Vec::new(),
    };
    bench.tell(ServerMessage::Reject(put_off));
    lives_on(&mut bench, LEFT_ALONE);
    assert_eq!(bench.actions_sent().len(), 2);
}

#[test]
fn a_call_of_the_applications_own_that_takes_long_is_told_and_not_made_twice() {
    let mut bench = basic(OWN);
    let list = bench.watch_list("limit 5");
    bench.basic_up();
    bench.run_for(Duration::from_secs(10));
    let asked = bench.asked.len();
    // The server answers pings.
    for _ in 0..60 {
        bench.handle(tidewire_engine::Input::Pong {
            generation: bench.generation,
        });
        bench.run_for(Duration::from_secs(5));
    }
    assert_eq!(bench.asked.len(), asked);
    assert!((2..6).contains(&no_answers(&bench)), "{:?}", bench.refused);
    bench.fetched(vec![person_row("c1", "A", 1)]);
    assert_eq!(bench.ids(&list), ["c1"]);
}

#[test]
fn law_15_a_stream_whose_subscription_is_never_answered_is_asked_for_less_and_less_often() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    lives_on(&mut bench, 29);
    assert_eq!((subscribes(&bench), no_answers(&bench)), (1, 0));
    lives_on(&mut bench, 3);
    assert_eq!((subscribes(&bench), no_answers(&bench)), (2, 1));
    assert_eq!(bench.refused[0].1, None);
    lives_on(&mut bench, 3_600);
    let asked = subscribes(&bench);
    assert!((8..14).contains(&asked), "{asked} subscriptions in an hour");
}

#[test]
fn a_late_answer_to_a_subscription_is_left_and_the_next_is_taken() {
    let mut bench = Bench::complete();
    let list = bench.watch_list("");
    bench.go_up();
    let first = bench.subscribe_sent();
    lives_on(&mut bench, 32);
    assert_ne!(first.id, bench.subscribe_sent().id);
    bench.subscribed_to(first, SubscribeResult::Snapshot, 1, 1);
    bench.snapshot_part(1, 0, vec![row("c1", 1, 1)]);
    assert_eq!(bench.trust(&list), Trust::Unknown);
    bench.snapshot(1, vec![row("c2", 1, 1)]);
    assert_eq!(
        (bench.trust(&list), bench.ids(&list)),
        (Trust::Live, vec!["c2".to_owned()])
    );
    let given_back = bench.count_sent(|message| matches!(message, ClientMessage::Unsubscribe(_)));
    assert_eq!(given_back, 1, "the first was given back");
}

/// Time goes by, and a caller comes before the driver is awake.
fn a_caller_comes_first_after(bench: &mut Bench, seconds: u64) {
    bench.now.tick += Duration::from_secs(seconds);
    let nobodys = ActionId::from_bytes([7; 16]);
    let reply = bench.command(Command::Cancel(nobodys));
    assert!(matches!(reply, Reply::Refused(_)), "it changes nothing");
}

#[test]
fn a_caller_who_comes_just_when_an_answer_is_overdue_does_not_keep_that_from_being_told() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 5");
    attached(&mut bench);
    lives_on(&mut bench, 29);
    a_caller_comes_first_after(&mut bench, 2);
    assert_eq!(no_answers(&bench), 1);
}

#[test]
fn a_caller_who_comes_just_when_a_wait_is_over_does_not_prolong_it() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 5");
    attached(&mut bench);
    let failed = RequestError {
        id: bench.fetch_sent().id,
        code: "internal".into(),
        class: Class::Retry,
        retry_after_ms: Some(5_000),
    };
    bench.tell(ServerMessage::FetchError(failed));
    lives_on(&mut bench, 4);
    a_caller_comes_first_after(&mut bench, 2);
    assert_eq!(bench.fetches_sent().len(), 2);
}

#[test]
fn a_subscription_waits_in_line_while_the_snapshot_of_another_stream_comes() {
    let mut bench = Bench::complete();
    let orders = EntityType::new("orders").expect("a good name");
    let interest = Interest::Complete { max_rows: 10 };
    bench.define_as(&orders, interest);
    bench.watch_list("");
    bench.go_up();
    let first = bench.subscribe_sent();
    bench.watch(Target::Stream(orders));
    assert_ne!(bench.subscribe_sent().id, first.id);
    bench.subscribed_to(first, SubscribeResult::Snapshot, 1, 1);
    for part in 0..5 {
        lives_on(&mut bench, 20);
        bench.snapshot_part(1, part, vec![row(&format!("c{part}"), 1, 1)]);
    }
    assert_eq!((subscribes(&bench), &bench.refused[..]), (2, &[][..]));
    bench.snapshot_end(1, 5);
    lives_on(&mut bench, 28);
    assert_eq!((subscribes(&bench), &bench.refused[..]), (2, &[][..]));
    lives_on(&mut bench, 4);
    assert_eq!((subscribes(&bench), bench.refused.len()), (3, 1));
}

#[test]
fn a_stream_waits_for_its_head_while_another_stream_comes() {
    let mut bench = Bench::complete();
    let orders = EntityType::new("orders").expect("a good name");
    bench.define_as(&orders, Interest::Windowed);
    bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    bench.watch(Target::Stream(orders));
    bench.subscribed(SubscribeResult::Now, 5, 9);
    for part in 0..5 {
        lives_on(&mut bench, 20);
        bench.snapshot_part(1, part, vec![row(&format!("c{part}"), 1, 1)]);
    }
    assert_eq!((subscribes(&bench), &bench.refused[..]), (2, &[][..]));
    lives_on(&mut bench, 32);
    assert_eq!((subscribes(&bench), bench.refused.len()), (4, 2));
}

#[test]
fn law_15_a_snapshot_that_stops_is_asked_for_again_less_and_less_often() {
    let mut bench = Bench::complete();
    let list = bench.watch_list("");
    bench.go_up();
    let mut answered = 0;
    for second in 0..3_600 {
        if subscribes(&bench) > answered {
            answered = subscribes(&bench);
            bench.subscribed(SubscribeResult::Snapshot, 1, 1);
            bench.snapshot_part(1, 0, vec![row("c1", 1, 1)]);
        }
        lives_on(&mut bench, 1);
        if second == 28 {
            assert_eq!((subscribes(&bench), no_answers(&bench)), (1, 0));
        }
    }
    assert!((8..14).contains(&answered), "{answered} subscriptions");
    assert!(no_answers(&bench) >= answered - 1, "each is told of");
    assert_eq!(bench.trust(&list), Trust::Unknown);
    bench.snapshot_part(1, 1, vec![row("c2", 1, 1)]);
    bench.snapshot_end(1, 2);
    assert_eq!(bench.trust(&list), Trust::Live);
    let before = subscribes(&bench);
    lives_on(&mut bench, 3_600);
    assert_eq!(subscribes(&bench), before);
}

#[test]
fn a_snapshot_whose_parts_keep_coming_is_waited_for() {
    let mut bench = Bench::complete();
    let list = bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 1, 1);
    for part in 0..4 {
        lives_on(&mut bench, 20);
        bench.snapshot_part(1, part, vec![row(&format!("c{part}"), 1, 1)]);
    }
    lives_on(&mut bench, 20);
    bench.snapshot_end(1, 4);
    assert_eq!((subscribes(&bench), no_answers(&bench)), (1, 0));
    assert_eq!(bench.trust(&list), Trust::Live);
}

/// What was promised and did not come is given up, and all of the stream is asked for.
fn asked_anew(bench: &mut Bench) {
    assert_eq!(subscribes(bench), 1);
    lives_on(bench, 32);
    assert_eq!(subscribes(bench), 2);
    assert_eq!(bench.subscribe_sent().resume, None);
    let mut told = bench.refused.iter();
    assert!(told.any(|(_, wanted, code, _)| wanted.is_none() && code == "no_answer"));
}

#[test]
fn a_stream_that_never_comes_as_far_as_its_head_is_asked_for_anew() {
    let mut bench = Bench::windowed();
    bench.watch_list("limit 5");
    bench.go_up();
    bench.subscribed(SubscribeResult::Now, 5, 9);
    asked_anew(&mut bench);
}

#[test]
fn a_stream_that_never_comes_as_far_as_the_head_behind_its_snapshot_is_asked_for_anew() {
    let mut bench = Bench::complete();
    bench.watch_list("");
    bench.go_up();
    bench.subscribed(SubscribeResult::Snapshot, 5, 5);
    bench.snapshot_part(5, 0, vec![row("c1", 1, 1)]);
    bench.tell(ServerMessage::SnapshotEnd(SnapshotEnd {
        entity_type: customers(),
        as_of: offset(5),
        count: 1,
        actions: BTreeMap::new(),
        head: Some(offset(9)),
    }));
    asked_anew(&mut bench);
}
