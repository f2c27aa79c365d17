//! Law 12 against a store whose power is cut after every commit of a run, and before the engine hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_engine::{Command, Engine, Input, Reply, Stage, Write};
use tidewire_model::{ActionId, Lane, Patch};
use tidewire_protocol::{Ack, AckResult, Class, Reject, ServerMessage};
use tidewire_queue::{Action, ActionState};
use tidewire_store::{PowerCutStore, Store, Txn, suite::wait};

use crate::bench::{Bench, customer, customers, key, point, row, settings, welcome};

/// A run whose store takes one group at a time, each of them followed by every way the power can go.
struct Run {
    bench: Bench,
    /// Every group that was stored, in order.
    log: Vec<Vec<Txn>>,
    /// How many groups of the bench are in the log.
    seen: usize,
    /// How often the power was cut.
    cuts: usize,
}

impl Run {
    fn new() -> Self {
        let mut bench = Bench::complete();
        bench.watch_list("sort score desc");
        bench.store_works = false;
        Self {
            bench,
            log: Vec::new(),
            seen: 0,
            cuts: 0,
        }
    }

    /// Stores what waits, and cuts the power around it.
    fn store(&mut self) {
        while let Some((ticket, group)) = self.bench.stored.get(self.seen).cloned() {
            self.seen += 1;
            self.check();
            self.log.push(group);
            // Stored, and nobody knows it yet.
            self.check();
            self.bench.handle(Input::Stored {
                ticket,
                result: Ok(()),
            });
            self.check();
        }
    }

    /// The store as the log made it, before any cut.
    fn replayed(&self) -> PowerCutStore {
        let store = PowerCutStore::new();
        for group in &self.log {
            wait(store.commit(group.clone())).expect("memory takes it");
        }
        store
    }

    /// Whatever the power leaves, the next client finds what was called durable, and knows what was sent.
    fn check(&mut self) {
        let in_line = self.replayed().in_line();
        for kept in 0..=in_line {
            self.cuts += 1;
            let store = self.replayed();
            store.cut(kept);
            let engine = Engine::new(
                self.bench.now,
                settings(),
                store.load().expect("memory gives it"),
            );
            let queue = engine.queue();
            let found: BTreeMap<ActionId, Action> = queue
                .pending()
                .chain(queue.parked())
                .map(|action| (action.id, action.clone()))
                .collect();
            for (id, stage) in &self.bench.stages {
                let is_durable = *stage == Stage::Durable;
                assert!(
                    !is_durable || self.is_over(*id) || found.contains_key(id),
                    "{id} was called durable and is lost"
                );
            }
            for sent in self.bench.actions_sent() {
                let Some(action) = found.get(&sent.id) else {
                    assert!(self.is_over(sent.id), "{} was sent and is lost", sent.id);
                    continue;
                };
                assert_eq!(
                    action.payload, sent.payload,
                    "what was sent is what is kept"
                );
                let is_known = action.state != ActionState::Waiting;
                assert!(
                    is_known || self.is_over(sent.id),
                    "{} was sent, and nobody knows",
                    sent.id
                );
            }
            assert!(
                queue.client().run >= self.runs(),
                "a run was said that is not stored"
            );
        }
    }

    /// The highest run that a server was told.
    fn runs(&self) -> u64 {
        let hellos = self.bench.sent.iter().filter_map(|message| match message {
            tidewire_protocol::ClientMessage::Hello(hello) => Some(hello.client.run),
            _ => None,
        });
        hellos.max().unwrap_or(0)
    }

    /// Whether an action was answered or given up: the queue lets go of it, and may be cut before it has.
    fn is_over(&self, id: ActionId) -> bool {
        self.bench
            .stages
            .iter()
            .any(|(other, stage)| *other == id && matches!(stage, Stage::Accepted(_) | Stage::Gone))
    }

    fn go_up(&mut self, last_seq: u64) {
        if self.bench.connects.is_empty() {
            self.bench.switch_on();
        } else {
            self.bench.cut();
            self.store();
            self.bench.run_for(Duration::from_secs(31));
        }
        // The run must be stored before there is a connection.
        self.store();
        self.bench.connected();
        let last_seq = BTreeMap::from([(Lane::main(), last_seq)]);
        self.bench
            .tell(ServerMessage::Welcome(welcome(Some(last_seq))));
        self.store();
        self.bench.snapshot(1, vec![row("c1", 10, 1)]);
        self.store();
    }

    fn update(&mut self, score: i64) -> ActionId {
        let id = self
            .bench
            .submit(Write::Update {
                key: key("c1"),
                patch: Patch::new().set("score", score),
            })
            .id;
        self.check();
        id
    }

    fn seq(&self, id: ActionId) -> u64 {
        let sent = self.bench.actions_sent();
        let sent = sent.iter().rev().find(|action| action.id == id);
        sent.expect("it was sent").seq
    }

    fn ack(&mut self, id: ActionId, at: u64) {
        let ack = Ack {
            id,
            seq: self.seq(id),
            result: AckResult::Applied,
            as_of: [(customers(), point(at))].into(),
            rows: Vec::new(),
            replaced: BTreeMap::new(),
        };
        self.bench.tell(ServerMessage::Ack(ack));
        self.store();
    }

    fn reject(&mut self, id: ActionId) {
        let reject = Reject {
            id,
            seq: self.seq(id),
            class: Class::Permanent,
            code: "no".into(),
            message: "no".into(),
            retry_after_ms: None,
            rows: Vec::new(),
        };
        self.bench.tell(ServerMessage::Reject(reject));
        self.store();
    }
}

#[test]
fn law_12_nothing_called_durable_or_sent_is_lost_wherever_the_power_is_cut() {
    let mut run = Run::new();
    let offline = run.update(1);
    run.store();
    run.go_up(0);
    let refused = run.update(2);
    let made = run
        .bench
        .submit(Write::Create {
            entity_type: customers(),
            record: customer("c2", 5),
        })
        .id;
    run.store();
    run.ack(offline, 2);
    run.reject(refused);
    // The answer to the creation is lost on the way; the server has it.
    run.go_up(3);
    run.ack(made, 3);
    for command in [Command::Retry(refused), Command::Discard(refused)] {
        let reply = run.bench.command(command);
        assert!(
            matches!(reply, Reply::Done | Reply::Refused(_)),
            "{reply:?}"
        );
        run.check();
        run.store();
    }
    run.ack(refused, 4);
    let last = run.update(9);
    run.store();
    run.ack(last, 5);
    let durable = run
        .bench
        .stages
        .iter()
        .filter(|(_, stage)| *stage == Stage::Durable)
        .count();
    assert!(durable >= 4, "{:?}", run.bench.stages);
    assert!(
        run.log.len() > 10 && run.cuts > 30,
        "{} {}",
        run.log.len(),
        run.cuts
    );
}
