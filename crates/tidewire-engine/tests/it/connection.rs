//! Handshake, identity, heartbeats, and what follows bad peers.

use std::time::Duration;

use tidewire_engine::{Connection, Input, Problem, Trouble};
use tidewire_protocol::{Bye, Class, ClientMessage, Payload, Ping, ServerMessage};

use crate::bench::{Bench, customers, offset, settings, welcome};

#[test]
fn rule_13_the_run_is_stored_before_the_connection_is_made() {
    let mut bench = Bench::complete();
    bench.store_works = false;
    bench.switch_on();
    assert!(bench.connects.is_empty());
    let (ticket, _) = bench.stored.pop().expect("the run is being stored");
    bench.handle(Input::Stored {
        ticket,
        result: Ok(()),
    });
    assert_eq!(bench.connects.len(), 1);
}

#[test]
fn every_connection_has_a_higher_run() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.cut();
    bench.go_up();
    let runs: Vec<u64> = bench
        .sent
        .iter()
        .filter_map(|message| match message {
            ClientMessage::Hello(hello) => Some(hello.client.run),
            _ => None,
        })
        .collect();
    assert_eq!(runs.len(), 2);
    assert!(runs[0] < runs[1]);
}

#[test]
fn rule_16_another_principal_stops_the_client_before_anything_is_sent() {
    let settings = tidewire_engine::Settings {
        identity: Some("ada".into()),
        ..settings()
    };
    let mut bench = Bench::with(settings, tidewire_cache::Interest::Windowed);
    bench.watch_list("");
    bench.update("c1", 1);
    bench.switch_on();
    bench.connected();
    bench.tell(ServerMessage::Welcome(welcome(None)));
    let status = bench.engine.status();
    assert_eq!(status.connection, Connection::Stopped);
    assert!(status.reason.contains("ada") && status.reason.contains("anonymous"));
    assert_eq!(
        bench.count_sent(|message| !matches!(message, ClientMessage::Hello(_))),
        0
    );
}

#[test]
fn a_server_that_does_not_choose_the_subprotocol_is_refused_with_a_word() {
    let mut bench = Bench::complete();
    bench.switch_on();
    let generation = bench.generation;
    bench.handle(Input::Connected {
        generation,
        subprotocol: None,
        token: None,
    });
    let status = bench.engine.status();
    assert_eq!(status.connection, Connection::Stopped);
    assert!(
        status.reason.contains("tidewire.v1.json"),
        "{}",
        status.reason
    );
}

#[test]
fn a_lasting_failure_to_connect_stops_and_a_passing_one_is_tried_again() {
    let mut bench = Bench::complete();
    bench.switch_on();
    let generation = bench.generation;
    let fail = |reason: &str, trouble| Input::ConnectFailed {
        generation,
        reason: reason.into(),
        trouble,
    };
    bench.handle(fail("refused", Trouble::Passing));
    assert_eq!(bench.engine.status().connection, Connection::Disconnected);
    assert_eq!(bench.engine.status().reason, "refused");
    bench.wait_for_attempt(Duration::from_secs(31));
    let generation = bench.generation;
    let reason = "no such host".to_owned();
    bench.handle(Input::ConnectFailed {
        generation,
        reason,
        trouble: Trouble::Lasting,
    });
    assert_eq!(bench.engine.status().connection, Connection::Stopped);
}

fn fail(bench: &mut Bench, trouble: Trouble) {
    let generation = bench.generation;
    let reason = "status 404".to_owned();
    bench.handle(Input::ConnectFailed {
        generation,
        reason,
        trouble,
    });
}

#[test]
fn an_address_that_was_right_once_is_tried_again_whatever_answers_there() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.cut();
    bench.wait_for_attempt(Duration::from_secs(31));
    fail(&mut bench, Trouble::Lasting);
    let status = bench.engine.status();
    assert_eq!(status.connection, Connection::Disconnected);
    assert_eq!(status.reason, "status 404");
    assert!(status.next_attempt.is_some());
}

#[test]
fn whoever_asks_to_wait_is_waited_for() {
    let mut bench = Bench::complete();
    bench.switch_on();
    let wait = Duration::from_secs(120);
    fail(&mut bench, Trouble::Busy(wait));
    let next = bench.engine.status().next_attempt.expect("there is one");
    assert_eq!(next - bench.now.tick, wait);
}

#[test]
fn what_an_old_connection_says_is_dropped() {
    let mut bench = Bench::complete();
    bench.go_up();
    let (old, reader) = (bench.generation, bench.engine.frame_reader());
    bench.cut();
    bench.go_up();
    assert_ne!(bench.generation, old);
    let before = bench.sent.len();
    let late = reader.read(Payload::Text("{\"type\":\"PING\",\"n\":1,\"heads\":{}}"));
    bench.handle(Input::Frame(late));
    bench.handle(Input::Disconnected {
        generation: old,
        code: None,
        reason: "late".into(),
    });
    assert_eq!(bench.sent.len(), before);
    assert_eq!(bench.engine.status().connection, Connection::Connected);
}

#[test]
fn a_ping_is_answered() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.tell(ServerMessage::Ping(Ping {
        n: 7,
        heads: [(customers(), offset(3))].into(),
    }));
    assert_eq!(bench.sent.last(), Some(&ClientMessage::Pong(7)));
}

#[test]
fn a_silent_peer_is_left_and_looked_for_again() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.run_for(Duration::from_secs(34));
    assert_eq!(bench.connects.len(), 1);
    bench.wait_for_attempt(Duration::from_secs(35));
    assert_eq!(bench.disconnects.len(), 1);
}

#[test]
fn law_19_a_malformed_frame_is_reported_and_the_connection_made_anew() {
    for frame in [
        "",
        "nonsense",
        "[]",
        "{\"type\":\"EVENTS\"}",
        "{\"type\":7}",
        "\u{0}",
    ] {
        let mut bench = Bench::complete();
        bench.go_up();
        bench.tell_text(frame);
        assert!(
            matches!(bench.problems[..], [Problem::BadFrame(_)]),
            "{frame}"
        );
        assert_eq!(bench.disconnects[0].0, 4000);
        bench.wait_for_attempt(Duration::from_secs(31));
    }
}

#[test]
fn messages_of_unknown_types_are_ignored() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.tell_text("{\"type\":\"WEATHER\",\"rain\":true}");
    assert!(bench.problems.is_empty());
    assert_eq!(bench.engine.status().connection, Connection::Connected);
}

#[test]
fn rule_12_goodbye_says_when_to_come_back() {
    let mut bench = Bench::complete();
    bench.go_up();
    bench.tell(ServerMessage::Bye(Bye {
        code: 4101,
        reason: "too busy".into(),
        class: Class::Retry,
        retry_after_ms: Some(60_000),
    }));
    assert_eq!(bench.engine.status().reason, "too busy");
    bench.run_for(Duration::from_secs(59));
    assert_eq!(bench.connects.len(), 1);
    bench.wait_for_attempt(Duration::from_secs(35));
}
