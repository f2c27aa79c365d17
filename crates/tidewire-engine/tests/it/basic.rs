//! The basic dialect: pushes without points, reads and writes by the application's own backend.

use tidewire_cache::{CollectionSettings, Interest, Points, StaleReason, Target, Trust};
use tidewire_engine::{Command, Connection, Dialects, Input, Output, Problem, Settings};
use tidewire_model::Query;
use tidewire_protocol::{Encoded, Naming, Payload};

use crate::bench::{Bench, customers, settings};

struct Basic {
    bench: Bench,
    frames: Vec<String>,
}

impl Basic {
    fn new() -> (Self, Query) {
        let settings = Settings {
            dialects: Dialects::Basic,
            ..settings()
        };
        let mut bench = Bench::new(settings, Vec::new());
        bench.command(Command::Define {
            entity_type: customers(),
            settings: CollectionSettings {
                interest: Interest::PushesOnly,
                points: Points::Client,
                ..CollectionSettings::default()
            },
            naming: Naming::default(),
        });
        let all = bench.watch_list("");
        bench.switch_on();
        let mut basic = Self {
            bench,
            frames: Vec::new(),
        };
        basic.connected();
        (basic, all)
    }

    fn connected(&mut self) {
        let generation = self.bench.generation;
        self.handle(Input::Connected {
            generation,
            subprotocol: None,
            token: None,
        });
    }

    fn handle(&mut self, input: Input) {
        self.bench.engine.handle(self.bench.now, input);
        while let Some(output) = self.bench.engine.poll() {
            match output {
                Output::Transmit {
                    frame: Encoded::Text(text),
                    ..
                } => self.frames.push(text),
                Output::Event(tidewire_engine::Event::Problem(problem)) => {
                    self.bench.problems.push(problem);
                }
                _ => {}
            }
        }
    }

    fn push(&mut self, text: &str) {
        let incoming = self.bench.engine.frame_reader().read(Payload::Text(text));
        self.handle(Input::Frame(incoming));
    }
}

const CREATED: &str = r#"{"type":"ENTITY_CREATED","data":{"entityType":"customers","entity":{"id":"c1","name":"A","version":1}}}"#;
const UPDATED: &str = r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"B"},"version":2}}"#;
const DELETED: &str =
    r#"{"type":"ENTITY_DELETED","data":{"entityType":"customers","entityId":"c1"}}"#;

#[test]
fn coverage_a1_the_four_pushes_feed_the_cache() {
    let (mut basic, all) = Basic::new();
    assert_eq!(
        basic.frames,
        [r#"{"type":"SUBSCRIBE","entityType":"customers"}"#]
    );
    assert_eq!(
        basic.bench.engine.status().connection,
        Connection::Connected
    );
    basic.push(CREATED);
    assert_eq!(basic.bench.ids(&all), ["c1"]);
    assert_eq!(
        basic.bench.trust(&all),
        Trust::Fresh,
        "at most fresh, never live"
    );
    basic.push(UPDATED);
    let name = |basic: &Basic| {
        let reading = basic.bench.get("c1");
        reading
            .presence
            .record()
            .and_then(|record| record.get("name").map(|value| value.to_value()))
    };
    assert_eq!(name(&basic), Some("B".into()));
    basic.push(r#"{"type":"BULK_UPDATE","data":{"entityType":"customers","updates":[{"entityId":"c1","changes":{"name":"C"},"version":3}]}}"#);
    assert_eq!(name(&basic), Some("C".into()));
    basic.push(DELETED);
    assert!(basic.bench.ids(&all).is_empty());
}

#[test]
fn coverage_a4_an_older_version_changes_nothing() {
    let (mut basic, _) = Basic::new();
    basic.push(CREATED);
    basic.push(UPDATED);
    basic.push(r#"{"type":"ENTITY_UPDATED","data":{"entityType":"customers","entityId":"c1","changes":{"name":"old"},"version":1}}"#);
    let reading = basic.bench.get("c1");
    let name = reading
        .presence
        .record()
        .and_then(|record| record.get("name").map(|value| value.to_value()));
    assert_eq!(name, Some("B".into()));
}

#[test]
fn a_malformed_push_is_reported_and_skipped_and_the_rest_goes_on() {
    let (mut basic, all) = Basic::new();
    basic.push("nonsense");
    basic.push(r#"{"type":"ENTITY_CREATED","data":{}}"#);
    basic.push(r#"{"type":"SOMETHING_ELSE"}"#);
    basic.push(CREATED);
    assert_eq!(basic.bench.ids(&all), ["c1"]);
    assert_eq!(basic.bench.problems.len(), 2);
    assert!(
        basic
            .bench
            .problems
            .iter()
            .all(|problem| matches!(problem, Problem::BadFrame(_)))
    );
    assert_eq!(
        basic.bench.engine.status().connection,
        Connection::Connected
    );
}

#[test]
fn coverage_b8_after_a_reconnect_every_type_is_subscribed_again() {
    let (mut basic, all) = Basic::new();
    basic.push(CREATED);
    let generation = basic.bench.generation;
    basic.handle(Input::Disconnected {
        generation,
        code: None,
        reason: "cut".into(),
    });
    assert!(matches!(basic.bench.trust(&all), Trust::Stale(_)));
    assert_eq!(basic.bench.ids(&all), ["c1"], "what is on screen stays");
    basic.bench.run_for(std::time::Duration::from_secs(31));
    basic.connected();
    assert_eq!(basic.frames.len(), 2);
    let missed = Trust::Stale(StaleReason::BeforeAttached);
    assert_eq!(
        basic.bench.trust(&all),
        missed,
        "pushes may have been missed, and there is nobody to ask"
    );
}

#[test]
fn without_a_way_to_write_a_write_is_refused_with_a_word() {
    let (mut basic, _) = Basic::new();
    let reply = basic
        .bench
        .command(Command::Submit(tidewire_engine::Submission {
            lane: tidewire_model::Lane::main(),
            writes: vec![tidewire_engine::Write::Delete {
                key: crate::bench::key("c1"),
            }],
            after: Vec::new(),
        }));
    assert!(matches!(
        reply,
        tidewire_engine::Reply::Refused(tidewire_engine::CommandError::NoExecute)
    ));
}

#[test]
fn with_a_fetch_of_its_own_the_application_reads_and_pushes_are_not_overwritten() {
    let settings = Settings {
        dialects: Dialects::Basic,
        own: tidewire_engine::OwnBackend {
            fetch: true,
            ..tidewire_engine::OwnBackend::default()
        },
        ..settings()
    };
    let mut bench = Bench::new(settings, Vec::new());
    bench.command(Command::Define {
        entity_type: customers(),
        settings: CollectionSettings {
            points: Points::Client,
            ..CollectionSettings::default()
        },
        naming: Naming::default(),
    });
    bench.watch(Target::Entity(crate::bench::key("c1")));
    bench.switch_on();
    let mut basic = Basic {
        bench,
        frames: Vec::new(),
    };
    let generation = basic.bench.generation;
    basic.bench.engine.handle(
        basic.bench.now,
        Input::Connected {
            generation,
            subprotocol: None,
            token: None,
        },
    );
    let mut asked = Vec::new();
    while let Some(output) = basic.bench.engine.poll() {
        if let Output::Fetch { number, .. } = output {
            asked.push(number);
        }
    }
    assert_eq!(asked.len(), 1);
    basic.push(CREATED);
    basic.push(UPDATED);
    let stale = tidewire_engine::Fetched {
        rows: vec![tidewire_protocol::WireRow {
            entity: tidewire_model::RecordBuilder::new()
                .field("id", "c1")
                .field("name", "old")
                .field("version", 1)
                .build(),
            version: None,
        }],
        missing: Vec::new(),
        total_count: None,
        end: true,
    };
    basic.handle(Input::Fetched {
        number: asked[0],
        result: Ok(stale),
    });
    let reading = basic.bench.get("c1");
    let name = reading
        .presence
        .record()
        .and_then(|record| record.get("name").map(|value| value.to_value()));
    assert_eq!(name, Some("B".into()), "the answer began before the push");
}

#[test]
fn without_a_fetch_of_its_own_nothing_is_marked_that_could_not_be_asked_for() {
    let (mut basic, all) = Basic::new();
    basic.push(CREATED);
    basic.bench.run_for(std::time::Duration::from_secs(20));
    assert_eq!(basic.bench.trust(&all), Trust::Fresh);
}
