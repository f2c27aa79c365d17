//! An engine on a bench: a hand-made server on one side, a hand-made application on the other.

use std::collections::BTreeMap;
use std::time::Duration;

use tidewire_cache::{
    CollectionSettings, Interest, ListReading, Reading, Target, Trust, Wanted, WatchId,
};
use tidewire_engine::{
    Command, Engine, Event, FetchNumber, Generation, Input, Output, Problem, Reply, Settings,
    Stage, StoreTicket, Submission, Submitted, Switch, Term, Write,
};
use tidewire_model::{
    ActionId, EntityId, EntityKey, EntityType, Epoch, Lane, Now, Offset, Patch, Query, Record,
    RecordBuilder, Tick, Version, WallTime,
};
use tidewire_protocol::{
    ActionMessage, AnnouncedLimits, ClientMessage, Data, Dialect, Encoded, Events, Fetch,
    FetchWhat, Naming, Op, Payload, ServerMessage, Subscribe, SubscribeResult, Subscribed, V1Json,
    Want, Welcome, WireRow,
};
use tidewire_queue::Action;
use tidewire_store::{Row, Txn};

pub const DIALECT: V1Json = V1Json::DEFAULT;

pub struct Bench {
    pub engine: Engine,
    pub now: Now,
    pub generation: Generation,
    pub connects: Vec<Generation>,
    pub disconnects: Vec<(u16, String)>,
    pub sent: Vec<ClientMessage>,
    pub stored: Vec<(StoreTicket, Vec<Txn>)>,
    pub published: usize,
    pub woken: Vec<WatchId>,
    pub stages: Vec<(ActionId, Stage)>,
    pub problems: Vec<Problem>,
    /// Streams, and what was asked for of others, that came.
    pub answered: Vec<(EntityType, Option<Wanted>)>,
    /// Streams, and what was asked for of others, that were refused.
    pub refused: Vec<(EntityType, Option<Wanted>, String, Term)>,
    pub wake_at: Option<Tick>,
    /// Answer the store's transactions at once.
    pub store_works: bool,
    /// What the frames sent are read with.
    pub dialect: &'static dyn Dialect,
    /// How often a sign of life was asked for by the transport.
    pub pings: usize,
    /// What the application's own backend was given to write.
    pub executes: Vec<Action>,
    /// What the application's own backend was asked for.
    pub asked: Vec<(FetchNumber, FetchWhat)>,
}

pub fn customers() -> EntityType {
    EntityType::new("customers").expect("a good name")
}

pub fn key(id: &str) -> EntityKey {
    EntityKey::new(customers(), EntityId::text(id).expect("a good id"))
}

pub fn offset(n: u64) -> Offset {
    Offset::new(n).expect("a small number")
}

pub fn epoch() -> Epoch {
    Epoch::new("e1").expect("a good name")
}

pub fn point(n: u64) -> tidewire_model::Point {
    tidewire_model::Point::new(epoch(), offset(n))
}

pub fn customer(id: &str, score: i64) -> Record {
    RecordBuilder::new()
        .field("id", id)
        .field("score", score)
        .build()
}

pub fn row(id: &str, score: i64, version: u64) -> WireRow {
    WireRow {
        entity: customer(id, score),
        version: Version::new(version),
    }
}

pub fn created(id: &str, score: i64, at: u64) -> Op {
    Op::Created {
        entity: customer(id, score),
        version: Version::new(at),
    }
}

pub fn events(from: u64, to: u64, ops: Vec<Op>) -> Events {
    Events {
        entity_type: customers(),
        from: offset(from),
        to: offset(to),
        ops,
        commit: None,
        chunk: None,
        actions: Vec::new(),
    }
}

/// The settings most tests use: batches are shown at once.
pub fn settings() -> Settings {
    Settings {
        batch_window: Duration::ZERO,
        seed: 1,
        ..Settings::default()
    }
}

impl Bench {
    pub fn new(settings: Settings, stored: Vec<Row>) -> Self {
        let now = Now {
            tick: Tick::from_micros(1_000_000_000),
            wall: WallTime::from_unix_millis(1_700_000_000_000),
        };
        Self {
            engine: Engine::new(now, settings, stored),
            now,
            generation: Generation::default(),
            connects: Vec::new(),
            disconnects: Vec::new(),
            sent: Vec::new(),
            stored: Vec::new(),
            published: 0,
            woken: Vec::new(),
            stages: Vec::new(),
            problems: Vec::new(),
            answered: Vec::new(),
            refused: Vec::new(),
            wake_at: None,
            store_works: true,
            dialect: &DIALECT,
            pings: 0,
            executes: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// A bench with one complete collection, switched off.
    pub fn complete() -> Self {
        Self::with(
            settings(),
            Interest::Complete {
                max_rows: 1_000_000,
            },
        )
    }

    /// A bench with one windowed collection, switched off.
    pub fn windowed() -> Self {
        Self::with(settings(), Interest::Windowed)
    }

    pub fn with(settings: Settings, interest: Interest) -> Self {
        let mut bench = Self::new(settings, Vec::new());
        bench.define(interest);
        bench
    }

    pub fn define(&mut self, interest: Interest) {
        self.define_as(&customers(), interest);
    }

    pub fn define_as(&mut self, entity_type: &EntityType, interest: Interest) {
        let settings = CollectionSettings {
            interest,
            ..CollectionSettings::default()
        };
        let define = Command::Define {
            entity_type: entity_type.clone(),
            settings,
            naming: Naming::default(),
        };
        assert_eq!(self.command(define), Reply::Done);
    }

    pub fn handle(&mut self, input: Input) -> Reply {
        let reply = self.engine.handle(self.now, input);
        self.drain();
        reply
    }

    /// A command, and what the driver does for it at once.
    pub fn command(&mut self, command: Command) -> Reply {
        let reply = self.handle(Input::Command(command));
        if self.wake_at.is_some_and(|at| at <= self.now.tick) {
            self.handle(Input::Time);
        }
        reply
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll() {
            self.on_output(output);
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Connect { generation, .. } => {
                self.generation = generation;
                self.connects.push(generation);
            }
            Output::Disconnect { code, reason, .. } => self.disconnects.push((code, reason)),
            Output::Transmit {
                frame: Encoded::Text(text),
                ..
            } => {
                let message = self
                    .dialect
                    .decode_client(Payload::Text(&text))
                    .expect("a good frame");
                self.sent.push(message);
            }
            Output::Transmit { .. } => panic!("binary frames are not spoken here"),
            Output::Store { ticket, group } => {
                self.stored.push((ticket, group));
                if self.store_works {
                    self.engine.handle(
                        self.now,
                        Input::Stored {
                            ticket,
                            result: Ok(()),
                        },
                    );
                }
            }
            Output::Published(publication) => {
                self.published += 1;
                self.woken.extend(publication.woken);
            }
            Output::Event(Event::Action { id, stage }) => self.stages.push((id, stage)),
            Output::Event(Event::Refused {
                entity_type,
                wanted,
                code,
                term,
            }) => {
                let about = wanted.map(|wanted| *wanted);
                self.refused.push((entity_type, about, code, term));
            }
            Output::Event(Event::Answered {
                entity_type,
                wanted,
            }) => {
                self.answered
                    .push((entity_type, wanted.map(|wanted| *wanted)));
            }
            Output::Event(Event::Problem(problem)) => self.problems.push(problem),
            Output::WakeAt(at) => self.wake_at = at.map(|(tick, _)| tick),
            Output::Ping { .. } => self.pings += 1,
            Output::Fetch { number, what, .. } => self.asked.push((number, what)),
            Output::Execute(action) => self.executes.push(*action),
            Output::Event(_) => {}
        }
    }

    /// What the store holds after everything it was given.
    pub fn stored_rows(&self) -> Vec<Row> {
        let mut image: BTreeMap<(String, Vec<u8>), Row> = BTreeMap::new();
        let groups = self.stored.iter().flat_map(|(_, group)| group);
        for op in groups.flat_map(|txn| &txn.ops) {
            match op.clone() {
                tidewire_store::Op::Put { table, key, value } => {
                    let place = (table.as_str().into(), key.clone());
                    image.insert(place, Row { table, key, value });
                }
                tidewire_store::Op::Remove { table, key } => {
                    image.remove(&(table.as_str().into(), key));
                }
                tidewire_store::Op::RemovePrefix { table, prefix } => {
                    image.retain(|(name, key), _| {
                        name != table.as_str() || !key.starts_with(&prefix)
                    });
                }
            }
        }
        image.into_values().collect()
    }

    // The application

    pub fn watch(&mut self, target: Target) -> WatchId {
        match self.command(Command::Watch(target)) {
            Reply::Watching(id) => id,
            other => panic!("not watching: {other:?}"),
        }
    }

    pub fn watch_list(&mut self, query: &str) -> Query {
        let query = Query::parse(customers(), query).expect("a good query");
        self.watch(Target::List(query.clone()));
        query
    }

    pub fn submit(&mut self, write: Write) -> Submitted {
        let submission = Submission {
            lane: Lane::main(),
            writes: vec![write],
            after: Vec::new(),
        };
        match self.command(Command::Submit(submission)) {
            Reply::Submitted(submitted) => submitted,
            other => panic!("not submitted: {other:?}"),
        }
    }

    pub fn update(&mut self, id: &str, score: i64) -> ActionId {
        self.submit(Write::Update {
            key: key(id),
            patch: Patch::new().set("score", score),
        })
        .id
    }

    pub fn get(&self, id: &str) -> Reading {
        self.engine.reader().get(self.now.tick, &key(id))
    }

    pub fn score(&self, id: &str) -> Option<i64> {
        self.get(id).presence.record()?.get("score")?.as_i64()
    }

    pub fn list(&self, query: &Query) -> ListReading {
        self.engine.reader().list(self.now.tick, query)
    }

    pub fn ids(&self, query: &Query) -> Vec<String> {
        self.list(query)
            .rows
            .iter()
            .map(|row| row.id.to_string())
            .collect()
    }

    pub fn trust(&self, query: &Query) -> Trust {
        self.list(query).trust
    }

    // Time and connection

    /// Goes on to every time the engine asked for, up to `limit` from now.
    pub fn run_for(&mut self, limit: Duration) {
        let end = self.now.tick + limit;
        for _ in 0..100_000 {
            match self.wake_at.filter(|at| *at <= end) {
                Some(at) => {
                    self.now.tick = at.max(self.now.tick);
                    self.handle(Input::Time);
                }
                None => break,
            }
        }
        self.now.tick = end;
    }

    /// Goes on to the next attempt to connect, at most `limit` from now.
    pub fn wait_for_attempt(&mut self, limit: Duration) {
        let (attempts, end) = (self.connects.len(), self.now.tick + limit);
        while self.connects.len() == attempts {
            let at = self
                .wake_at
                .filter(|at| *at <= end)
                .expect("an attempt is planned");
            self.now.tick = at.max(self.now.tick);
            self.handle(Input::Time);
        }
    }

    /// Finishes what is worked in slices.
    pub fn settle(&mut self) {
        self.run_for(Duration::ZERO);
    }

    pub fn switch_on(&mut self) {
        self.command(Command::Switch(Switch::On));
    }

    /// Connects and greets; the client may send from here on.
    pub fn go_up(&mut self) {
        if self.connects.is_empty() {
            self.switch_on();
        } else {
            self.wait_for_attempt(Duration::from_secs(31));
        }
        self.connected();
        self.tell(ServerMessage::Welcome(welcome(Some(BTreeMap::new()))));
    }

    /// Loses the connection and has another, to a server that has answered up to this number.
    pub fn come_back(&mut self, last_seq: u64) {
        self.cut();
        self.wait_for_attempt(Duration::from_secs(31));
        self.connected();
        let last_seq = BTreeMap::from([(Lane::main(), last_seq)]);
        self.tell(ServerMessage::Welcome(welcome(Some(last_seq))));
    }

    pub fn connected(&mut self) {
        let subprotocol = Some("tidewire.v1.json".to_owned());
        self.handle(Input::Connected {
            generation: self.generation,
            subprotocol,
            token: None,
        });
    }

    pub fn cut(&mut self) {
        let reason = "cut".to_owned();
        self.handle(Input::Disconnected {
            generation: self.generation,
            code: None,
            reason,
        });
    }

    // The server

    pub fn tell(&mut self, message: ServerMessage) {
        let Some(Encoded::Text(text)) = DIALECT.encode_server(&message, Want::Changes) else {
            panic!("no words for {message:?}");
        };
        self.tell_text(&text);
    }

    pub fn tell_text(&mut self, text: &str) {
        let incoming = self.engine.frame_reader().read(Payload::Text(text));
        self.handle(Input::Frame(incoming));
    }

    pub fn subscribe_sent(&self) -> Subscribe {
        let last = self.sent.iter().rev().find_map(|message| match message {
            ClientMessage::Subscribe(subscribe) => Some(subscribe.clone()),
            _ => None,
        });
        last.expect("SUBSCRIBE was sent")
    }

    pub fn fetch_sent(&self) -> Fetch {
        self.fetches_sent().pop().expect("FETCH was sent")
    }

    pub fn fetches_sent(&self) -> Vec<Fetch> {
        let fetches = self.sent.iter().filter_map(|message| match message {
            ClientMessage::Fetch(fetch) => Some(fetch.clone()),
            _ => None,
        });
        fetches.collect()
    }

    pub fn actions_sent(&self) -> Vec<ActionMessage> {
        let actions = self.sent.iter().filter_map(|message| match message {
            ClientMessage::Action(action) => Some(action.clone()),
            _ => None,
        });
        actions.collect()
    }

    pub fn count_sent(&self, matches: impl Fn(&ClientMessage) -> bool) -> usize {
        self.sent.iter().filter(|message| matches(message)).count()
    }

    pub fn subscribed(&mut self, result: SubscribeResult, at: u64, head: u64) {
        self.subscribed_to(self.subscribe_sent(), result, at, head);
    }

    /// Answers a subscription that is not the last one.
    pub fn subscribed_to(
        &mut self,
        subscribe: Subscribe,
        result: SubscribeResult,
        at: u64,
        head: u64,
    ) {
        self.tell(ServerMessage::Subscribed(Subscribed {
            id: subscribe.id,
            entity_type: subscribe.entity_type,
            result,
            epoch: epoch(),
            view: "all".into(),
            offset: offset(at),
            head: offset(head),
        }));
    }

    /// Answers the subscription with a snapshot of these rows at this offset.
    pub fn snapshot(&mut self, at: u64, rows: Vec<WireRow>) {
        self.subscribed(SubscribeResult::Snapshot, at, at);
        let count = rows.len() as u64;
        self.snapshot_part(at, 0, rows);
        self.snapshot_end(at, count);
    }

    pub fn snapshot_part(&mut self, at: u64, part: u64, rows: Vec<WireRow>) {
        self.tell(ServerMessage::Snapshot(tidewire_protocol::Snapshot {
            entity_type: customers(),
            part,
            as_of: offset(at),
            rows,
        }));
    }

    pub fn snapshot_end(&mut self, at: u64, count: u64) {
        self.snapshot_end_with(at, count, BTreeMap::new());
    }

    /// Ends a snapshot that contains these actions.
    pub fn snapshot_end_with(&mut self, at: u64, count: u64, actions: BTreeMap<Lane, u64>) {
        self.tell(ServerMessage::SnapshotEnd(tidewire_protocol::SnapshotEnd {
            entity_type: customers(),
            as_of: offset(at),
            count,
            actions,
            head: None,
        }));
    }

    pub fn page(&mut self, at: u64, rows: Vec<WireRow>, total_count: Option<u64>, end: bool) {
        let fetch = self.fetch_sent();
        self.page_for(&fetch, at, rows, total_count, end);
    }

    pub fn page_for(
        &mut self,
        fetch: &Fetch,
        at: u64,
        rows: Vec<WireRow>,
        total_count: Option<u64>,
        end: bool,
    ) {
        self.tell(ServerMessage::Data(Data {
            id: fetch.id,
            as_of: tidewire_model::Point {
                epoch: epoch(),
                offset: offset(at),
            },
            part: 0,
            more: false,
            rows,
            missing: Vec::new(),
            total_count,
            start_key: None,
            end,
        }));
    }
}

pub fn welcome(last_seq: Option<BTreeMap<Lane, u64>>) -> Welcome {
    Welcome {
        protocol: 1,
        features: Vec::new(),
        principal: "anonymous".into(),
        session: "s1".into(),
        node: "n1".into(),
        heartbeat_ms: 25_000,
        grace_ms: 10_000,
        limits: AnnouncedLimits {
            max_frame_bytes: 65_536,
            max_depth: 32,
            max_id_bytes: 256,
            max_subscriptions: 128,
            max_lanes: 64,
            max_pending_actions: 1_024,
            commands_per_second: 100,
            command_burst: 200,
        },
        last_seq,
        token_expires_ms: None,
        reconnect_jitter_ms: 0,
    }
}
