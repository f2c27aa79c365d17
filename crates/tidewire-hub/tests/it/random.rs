//! Random scripts: clients come and go, read slowly, act and resume, while the backend answers late and out of order.
//! Each client complains at the first frame that breaks a rule; at the end all of them have the truth.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tidewire_hub::{ConnectionId, Input, Settings, Write};
use tidewire_model::{EntityType, Lane, Query, Record, Value, field};
use tidewire_protocol::{AckResult, ActionMessage, Class, ClientMessage, ServerMessage, Want};

use crate::client::Client;
use crate::world::{World, action, create, decode, delete, entity, hello, kind, score};

const KINDS: [&str; 3] = ["tasks", "people", "notes"];
const PEERS: usize = 3;

/// One step of a script.
#[derive(Clone, Debug)]
enum Step {
    Publish(Vec<(u8, u8, u8)>),
    Subscribe(usize, usize, Want),
    Unsubscribe(usize, usize),
    FetchIds(usize, usize, u8),
    FetchPage(usize, usize, u8),
    Act(usize, bool),
    Stick(usize),
    Unstick(usize),
    Reconnect(usize),
    Execute(usize),
    Deliver(usize),
    Settle,
    PassMs(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let peer = 0..PEERS;
    let stream = 0..KINDS.len();
    let want = prop_oneof![
        Just(Want::Snapshot),
        Just(Want::Snapshot),
        Just(Want::Changes)
    ];
    let writes = prop::collection::vec((0..KINDS.len() as u8, 0..12_u8, any::<u8>()), 1..6);
    prop_oneof![
        6 => writes.prop_map(Step::Publish),
        3 => (peer.clone(), stream.clone(), want).prop_map(|(peer, stream, want)| Step::Subscribe(peer, stream, want)),
        1 => (peer.clone(), stream.clone()).prop_map(|(peer, stream)| Step::Unsubscribe(peer, stream)),
        1 => (peer.clone(), stream.clone(), any::<u8>()).prop_map(|(p, s, n)| Step::FetchIds(p, s, n)),
        1 => (peer.clone(), stream, any::<u8>()).prop_map(|(p, s, n)| Step::FetchPage(p, s, n)),
        2 => (peer.clone(), any::<bool>()).prop_map(|(peer, ahead)| Step::Act(peer, ahead)),
        2 => peer.clone().prop_map(Step::Stick),
        1 => peer.clone().prop_map(Step::Unstick),
        1 => peer.prop_map(Step::Reconnect),
        5 => (0..4_usize).prop_map(Step::Execute),
        5 => (0..4_usize).prop_map(Step::Deliver),
        1 => Just(Step::Settle),
        1 => any::<u16>().prop_map(Step::PassMs),
    ]
}

/// A client and what it has to say.
struct Peer {
    name: String,
    run: u64,
    connection: ConnectionId,
    client: Client,
    welcome: bool,
    wants: BTreeMap<EntityType, Want>,
    next_seq: u64,
    unanswered: VecDeque<ActionMessage>,
    /// How often each action was answered as done, not counting repeats.
    done: BTreeMap<u64, u32>,
    /// How many answers were stored ones.
    duplicates: u64,
}

struct Script {
    world: World,
    peers: Vec<Peer>,
}

impl Script {
    fn new() -> Self {
        let mut script = Self {
            world: World::with(narrow),
            peers: Vec::new(),
        };
        for number in 0..PEERS {
            let peer = Peer {
                name: format!("client-{number}"),
                run: 0,
                connection: ConnectionId(0),
                client: Client::default(),
                welcome: false,
                wants: BTreeMap::new(),
                next_seq: 1,
                unanswered: VecDeque::new(),
                done: BTreeMap::new(),
                duplicates: 0,
            };
            script.peers.push(peer);
            script.reconnect(number);
        }
        script
    }

    fn reconnect(&mut self, number: usize) {
        let old = self.peers[number].connection;
        if self.world.sockets.contains_key(&old) {
            self.world.say(Input::Closed { connection: old });
            self.world.sockets.remove(&old);
        }
        let connection = self.world.open();
        let peer = &mut self.peers[number];
        peer.client.disconnected();
        peer.client.closed = false;
        peer.welcome = false;
        peer.run += 1;
        peer.connection = connection;
        let mut hello = hello(&peer.name, peer.run);
        let answered = peer
            .unanswered
            .front()
            .map_or(peer.next_seq, |first| first.seq)
            - 1;
        hello.confirmed.insert(Lane::main(), answered);
        self.world.tell(connection, &ClientMessage::Hello(hello));
        self.read(number);
    }

    /// The client takes what its socket has.
    fn read(&mut self, number: usize) {
        let connection = self.peers[number].connection;
        let socket = self.world.sockets.get_mut(&connection).unwrap();
        if socket.stuck {
            return;
        }
        let frames = std::mem::take(&mut socket.frames);
        for frame in frames {
            self.peers[number].client.apply(&self.world, &frame);
            match decode(&frame) {
                ServerMessage::Welcome(welcome) => {
                    // Its first runs may have come to nothing.
                    let is_new = self.peers[number].done.is_empty();
                    assert!(welcome.last_seq.is_some() || is_new, "it is known");
                    self.on_welcome(number);
                }
                ServerMessage::Ack(ack) => {
                    let peer = &mut self.peers[number];
                    peer.unanswered.retain(|action| action.seq != ack.seq);
                    if ack.result == AckResult::Applied {
                        *peer.done.entry(ack.seq).or_default() += 1;
                    } else {
                        peer.duplicates += 1;
                    }
                }
                ServerMessage::Reject(reject) => {
                    assert_eq!(reject.class, Class::Retry, "{reject:?}");
                    self.send_actions(number);
                }
                ServerMessage::ActionSync(_) => self.send_actions(number),
                ServerMessage::Ping(ping) => {
                    self.world.tell(connection, &ClientMessage::Pong(ping.n));
                }
                ServerMessage::SubscribeError(error) => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    fn on_welcome(&mut self, number: usize) {
        self.peers[number].welcome = true;
        for (entity_type, want) in self.peers[number].wants.clone() {
            self.subscribe(number, &entity_type, want);
        }
        self.send_actions(number);
    }

    fn send_actions(&mut self, number: usize) {
        let peer = &self.peers[number];
        if peer.welcome {
            for action in peer.unanswered.clone() {
                self.world
                    .tell(peer.connection, &ClientMessage::Action(action));
            }
        }
    }

    fn subscribe(&mut self, number: usize, entity_type: &EntityType, want: Want) {
        let peer = &mut self.peers[number];
        peer.wants.insert(entity_type.clone(), want);
        if !peer.welcome || peer.client.is_held(entity_type) {
            return;
        }
        let resume = peer.client.resume(entity_type, want);
        let request = self.world.request();
        peer.client.asks(entity_type, want, request);
        let subscribe = tidewire_protocol::Subscribe {
            id: request,
            entity_type: entity_type.clone(),
            want,
            resume,
        };
        self.world
            .tell(peer.connection, &ClientMessage::Subscribe(subscribe));
    }

    fn act(&mut self, number: usize, sends: bool) {
        let peer = &mut self.peers[number];
        let name = format!("{}-{}", peer.name, peer.next_seq);
        let seq = peer.next_seq;
        let payload = entity(&[
            ("kind", Value::from("notes")),
            ("name", Value::from(name.as_str())),
        ]);
        let action = action(seq, seq - 1, "create", ("notes", Some(&name)), payload);
        peer.next_seq += 1;
        peer.unanswered.push_back(action.clone());
        if sends && peer.welcome {
            self.world
                .tell(peer.connection, &ClientMessage::Action(action));
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Publish(writes) => {
                let writes = writes
                    .into_iter()
                    .filter_map(|choice| self.write_of(choice))
                    .collect();
                self.world.publish(writes);
            }
            Step::Subscribe(peer, stream, want) => {
                let entity_type = kind(KINDS[stream]);
                if !self.peers[peer].wants.contains_key(&entity_type) {
                    self.subscribe(peer, &entity_type, want);
                }
            }
            Step::Unsubscribe(peer, stream) => {
                let of = &mut self.peers[peer];
                if of.wants.remove(&kind(KINDS[stream])).is_some() && of.welcome {
                    of.client.gives_back(&kind(KINDS[stream]));
                    self.world.unsubscribe(of.connection, KINDS[stream]);
                }
            }
            Step::FetchIds(peer, stream, number) if self.peers[peer].welcome => {
                let name = format!("e{}", number % 12);
                for _ in 0..=number % 10 {
                    let connection = self.peers[peer].connection;
                    self.world
                        .fetch_ids(connection, KINDS[stream], &[&name, "nobody"]);
                }
            }
            Step::FetchPage(peer, stream, number) if self.peers[peer].welcome => {
                let query = Query::new(kind(KINDS[stream]))
                    .filter(field("score").gt(i64::from(number)))
                    .sort_desc("score")
                    .limit(5);
                self.world.fetch_query(self.peers[peer].connection, query);
            }
            Step::FetchIds(..) | Step::FetchPage(..) => {}
            Step::Act(peer, sends) => self.act(peer, sends),
            Step::Stick(peer) => self.world.stuck(self.peers[peer].connection),
            Step::Unstick(peer) => self.world.unstick(self.peers[peer].connection),
            Step::Reconnect(peer) => self.reconnect(peer),
            Step::Execute(place) => self.world.execute(place % self.world.asked.len().max(1)),
            Step::Deliver(place) => {
                // What one part of the backend says comes in the order in which it was done.
                let answers = &self.world.answers;
                let place = place % answers.len().max(1);
                let first_write = answers
                    .iter()
                    .position(|answer| matches!(answer, Input::Written { .. }));
                let is_write = matches!(answers.get(place), Some(Input::Written { .. }));
                let place = if is_write {
                    first_write.unwrap_or(place)
                } else {
                    place
                };
                self.world.deliver(place);
            }
            Step::Settle => self.world.settle(),
            Step::PassMs(ms) => self.world.pass_ms(u64::from(ms) % 3000),
        }
        for number in 0..PEERS {
            self.read(number);
        }
    }

    /// A write that makes sense for what is there when it is asked for; it may not when it is done.
    fn write_of(&self, (stream, entity, what): (u8, u8, u8)) -> Option<Write> {
        let stream = KINDS[usize::from(stream)];
        let name = format!("e{entity}");
        Some(match what % 5 {
            0 => delete(stream, &name),
            1 | 2 => Write::Put {
                entity_type: kind(stream),
                id: crate::world::id(&name),
                entity: padded(stream, i64::from(what), usize::from(what) * 3),
            },
            3 => create(stream, &format!("{name}-{what}"), i64::from(what)),
            _ => {
                let there = self.world.truth.rows(&kind(stream));
                if there
                    .iter()
                    .all(|(row, _)| row.entity_id("id").unwrap().as_str() != name)
                {
                    return None;
                }
                score(stream, &name, i64::from(what))
            }
        })
    }

    /// No more faults: everybody reads, comes back where it was closed, and has the truth.
    fn finish(&mut self) {
        for _ in 0..50 {
            for number in 0..PEERS {
                let connection = self.peers[number].connection;
                if self.world.closed(connection).is_some() {
                    self.reconnect(number);
                    continue;
                }
                self.world.unstick(connection);
                self.read(number);
                for entity_type in self.peers[number].client.resubscribe.clone() {
                    if let Some(want) = self.peers[number].wants.get(&entity_type).copied() {
                        self.subscribe(number, &entity_type, want);
                    }
                }
                if !self.peers[number].unanswered.is_empty() {
                    self.send_actions(number);
                }
            }
            self.world.settle();
        }
        for number in 0..PEERS {
            self.read(number);
            let peer = &self.peers[number];
            peer.client.must_be_whole(&self.world);
            assert!(peer.unanswered.is_empty(), "every action was answered");
            assert!(peer.done.values().all(|times| *times == 1), "and done once");
            let made = self.world.truth.rows(&kind("notes"));
            let of_peer = |row: &Record| {
                row.get("name")
                    .and_then(|name| name.as_text())
                    .is_some_and(|name| name.starts_with(&peer.name))
            };
            let made = made.iter().filter(|(row, _)| of_peer(row)).count() as u64;
            assert_eq!(made, peer.next_seq - 1, "each action has its effect once");
        }
        let stats = self.world.stats();
        assert_eq!(
            (stats.incidents, stats.waiting_frames, stats.answer_bytes),
            (0, 0, 0)
        );
        assert!(
            self.world.snapshots.is_empty(),
            "every snapshot was dropped"
        );
    }
}

fn padded(stream: &str, score: i64, bytes: usize) -> Record {
    Record::new()
        .with("kind", stream)
        .with("score", score)
        .with("padding", "x".repeat(bytes))
}

/// Small bounds, so that all of them are met.
fn narrow(settings: &mut Settings) {
    settings.log_commits = 6;
    settings.chunk_bytes = 700;
    settings.window_bytes = 500;
    settings.limits.outbound_frames = 6;
    settings.limits.command_burst = 100_000;
    settings.replay_commits = 8;
    settings.group_items = 3;
    settings.snapshots = 1;
}

fn run(steps: Vec<Step>) -> Script {
    let mut script = Script::new();
    for step in steps {
        script.run(step);
    }
    script.finish();
    script
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..120)
}

/// Half of what is usual, since a script is long; more where more is asked for.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.div_ceil(2),
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_nobody_is_told_anything_false_and_all_arrive(steps in steps()) {
        run(steps);
    }
}

/// A script that met nothing would prove nothing.
#[test]
fn the_scripts_meet_what_they_are_made_for() {
    let mut runner = TestRunner::deterministic();
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..100 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let script = run(steps);
        let stats = script.world.stats();
        let chunked = script.peers.iter().map(|peer| peer.client.chunked).sum();
        let together = script.peers.iter().map(|peer| peer.client.together).sum();
        for (what, times) in [
            ("snapshots", stats.snapshots),
            ("resumed", stats.resumed),
            ("resumed from the journal", stats.resumed_from_journal),
            ("unsubscribed for slowness", stats.slow_subscriptions),
            (
                "closed for slowness",
                stats.closed.get(&4103).copied().unwrap_or(0),
            ),
            ("a commit in chunks", chunked),
            ("a commit over several streams", together),
            (
                "a duplicate",
                script.peers.iter().map(|peer| peer.duplicates).sum(),
            ),
        ] {
            *met.entry(what).or_default() += times;
        }
    }
    assert!(met.values().all(|times| *times > 3), "{met:?}");
}
