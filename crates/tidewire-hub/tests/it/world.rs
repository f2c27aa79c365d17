//! A shell without I/O around the hub: sockets that take frames when told to, and a backend that answers when told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use tidewire_hub::{
    BackendError, CallerId, ConnectionId, Fact, Frame, Hub, Input, Output, Principal, PublishError,
    Refused, Settings, Stats, Ticket, Truth, Write, WriteOutcome,
};
use tidewire_model::{
    EntityId, EntityType, Epoch, Now, Offset, Query, Record, Tick, Value, WallTime,
};
use tidewire_protocol::{
    ActionMessage, Class, ClientInfo, ClientMessage, Dialect, Encoded, Fetch, FetchWhat, Hello,
    Payload, RequestId, Resume, ServerMessage, Subscribe, Unsubscribe, V1Json, VersionRange, Want,
};

pub(crate) const SUBPROTOCOL: &str = "tidewire.v1.json";

pub(crate) fn kind(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

pub(crate) fn id(text: &str) -> EntityId {
    EntityId::text(text).unwrap()
}

pub(crate) fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

pub(crate) fn record(fields: &[(&str, Value)]) -> Record {
    fields.iter().fold(Record::new(), |record, (name, value)| {
        record.with(name, value.clone())
    })
}

pub(crate) fn create(entity_type: &str, name: &str, score: i64) -> Write {
    let entity = record(&[
        ("kind", Value::from(entity_type)),
        ("name", Value::from(name)),
        ("score", Value::from(score)),
    ]);
    Write::Create {
        entity_type: kind(entity_type),
        id: Some(id(name)),
        entity,
    }
}

pub(crate) fn score(entity_type: &str, name: &str, score: i64) -> Write {
    let changes = record(&[("score", Value::from(score))]);
    Write::Update {
        entity_type: kind(entity_type),
        id: id(name),
        changes,
        unset: Vec::new(),
    }
}

pub(crate) fn delete(entity_type: &str, name: &str) -> Write {
    Write::Delete {
        entity_type: kind(entity_type),
        id: id(name),
    }
}

/// One socket as the shell has it.
#[derive(Debug, Default)]
pub(crate) struct Socket {
    /// Frames that came out and were not looked at.
    pub(crate) frames: VecDeque<Frame>,
    /// Bytes that are with the shell.
    pub(crate) in_hand: usize,
    /// Whether the peer takes frames at once.
    pub(crate) stuck: bool,
    pub(crate) closed: Option<(u16, String)>,
}

/// The rows of a snapshot that is being read.
type Rows = VecDeque<(Record, Offset)>;

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) truth: Truth,
    pub(crate) now_us: u64,
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) published: Vec<(CallerId, Result<Option<Offset>, PublishError>)>,
    pub(crate) wake_at: Option<Tick>,
    pub(crate) drained: bool,
    /// What the backend was asked and has not done.
    pub(crate) asked: VecDeque<Output>,
    /// What the backend has done and not said.
    pub(crate) answers: VecDeque<Input>,
    pub(crate) snapshots: BTreeMap<Ticket, Rows>,
    /// Tokens that nobody is known by.
    pub(crate) bad_tokens: BTreeSet<String>,
    /// Every output, in words, to compare runs.
    pub(crate) log: Vec<String>,
    /// Per stream and offset, what there was.
    pub(crate) history: BTreeMap<(EntityType, Offset), Vec<(Record, Offset)>>,
    pub(crate) fail_writes: bool,
    /// The most items of a group that the backend does at once.
    pub(crate) done_at_once: usize,
    connections: u64,
    callers: u64,
    requests: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(Truth::new(Epoch::new("one").unwrap()), change)
    }

    pub(crate) fn over(truth: Truth, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(7);
        change(&mut settings);
        let hub = Hub::new(settings, truth.opened());
        let mut history = BTreeMap::new();
        for (entity_type, head) in truth.opened().heads {
            history.insert((entity_type.clone(), head), truth.rows(&entity_type));
        }
        Self {
            hub,
            truth,
            now_us: 1_000_000,
            sockets: BTreeMap::new(),
            facts: Vec::new(),
            published: Vec::new(),
            wake_at: None,
            drained: false,
            asked: VecDeque::new(),
            answers: VecDeque::new(),
            snapshots: BTreeMap::new(),
            bad_tokens: BTreeSet::new(),
            log: Vec::new(),
            history,
            fail_writes: false,
            done_at_once: usize::MAX,
            connections: 0,
            callers: 0,
            requests: 0,
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now::new(
            Tick::from_micros(self.now_us),
            WallTime::from_unix_millis(self.now_us / 1000),
        )
    }

    /// Says one thing to the hub and does what can be done at once.
    pub(crate) fn say(&mut self, input: Input) {
        self.hub.handle(self.now(), input);
        self.drain();
    }

    /// Lets the sockets that are not stuck take what they were given, until nothing comes.
    pub(crate) fn drain(&mut self) {
        loop {
            while let Some(output) = self.hub.poll() {
                self.log.push(format!("{output:?}"));
                self.on_output(output);
            }
            let taken: Vec<(ConnectionId, usize)> = self
                .sockets
                .iter_mut()
                .filter(|(_, socket)| !socket.stuck && socket.in_hand > 0)
                .map(|(id, socket)| (*id, std::mem::take(&mut socket.in_hand)))
                .collect();
            if taken.is_empty() {
                return;
            }
            for (connection, bytes) in taken {
                self.hub
                    .handle(self.now(), Input::Writable { connection, bytes });
            }
        }
    }

    fn on_output(&mut self, output: Output) {
        match output {
            Output::Transmit { connection, frame } => {
                let socket = self
                    .sockets
                    .get_mut(&connection)
                    .expect("frames go to sockets that are open");
                assert!(socket.closed.is_none(), "nothing follows a close");
                socket.in_hand += frame.len();
                socket.frames.push_back(frame);
            }
            Output::Close {
                connection,
                code,
                reason,
            } => {
                assert!(reason.len() <= 123);
                self.sockets.get_mut(&connection).unwrap().closed = Some((code, reason));
            }
            Output::Authenticate {
                connection, token, ..
            } => {
                let known = !token
                    .as_ref()
                    .is_some_and(|token| self.bad_tokens.contains(token));
                let result = if known {
                    Ok(Principal::named(token.as_deref().unwrap_or("somebody")))
                } else {
                    let message = "nobody has this token".to_owned();
                    Err(Refused {
                        class: Class::Auth,
                        code: "bad_token".to_owned(),
                        message,
                    })
                };
                self.answers
                    .push_back(Input::Authenticated { connection, result });
            }
            Output::Published { caller, result } => {
                let point = result.map(|commit| commit.map(|commit| commit.streams[0].to));
                self.published.push((caller, point));
            }
            Output::Notify(fact) => self.facts.push(fact),
            Output::WakeAt { at, .. } => self.wake_at = Some(at),
            Output::Drained => self.drained = true,
            Output::DropSnapshot { ticket } => {
                self.snapshots.remove(&ticket);
                self.asked.retain(|asked| {
                    !matches!(asked,
                        Output::OpenSnapshot { ticket: other, .. } | Output::NextSnapshot { ticket: other, .. }
                        if *other == ticket)
                });
            }
            question => self.asked.push_back(question),
        }
    }

    /// Lets the backend do one thing it was asked, without saying so.
    pub(crate) fn execute(&mut self, place: usize) {
        let Some(question) = self.asked.remove(place) else {
            return;
        };
        let answer = match question {
            Output::Greet {
                connection,
                principal,
                client,
                confirmed,
            } => {
                let result = Ok(self.truth.greet(&principal, &client, &confirmed));
                Input::Greeted { connection, result }
            }
            Output::Write { .. } if self.fail_writes => Input::Written {
                result: Err(BackendError::Storage("the disk is full".to_owned())),
            },
            Output::Write { group } => Input::Written {
                result: Ok(self.write(group)),
            },
            Output::Read { ticket, request } => Input::ReadDone {
                ticket,
                result: self.truth.read(&request),
            },
            Output::OpenSnapshot {
                ticket,
                entity_type,
            } => {
                let (as_of, rows) = self.truth.snapshot(&entity_type);
                self.snapshots.insert(ticket, rows.into());
                Input::SnapshotOpened { ticket, as_of }
            }
            Output::NextSnapshot { ticket, limit } => {
                let rows = self.snapshots.get_mut(&ticket).expect("it is open");
                let rows = rows.drain(..limit.min(rows.len())).collect();
                Input::SnapshotRows { ticket, rows }
            }
            Output::ReadJournal {
                ticket,
                entity_type,
                after,
                limit,
            } => {
                let result = Ok(self.truth.journal(&entity_type, after, limit));
                Input::JournalRead { ticket, result }
            }
            other => panic!("{other:?} is no question to the backend"),
        };
        self.answers.push_back(answer);
    }

    fn write(&mut self, group: Vec<tidewire_hub::WriteRequest>) -> Vec<WriteOutcome> {
        let mut outcomes = Vec::new();
        for request in group.into_iter().take(self.done_at_once) {
            outcomes.extend(self.truth.write(vec![request]));
            for (entity_type, head) in self.truth.opened().heads {
                let rows = self.truth.rows(&entity_type);
                self.history.entry((entity_type, head)).or_insert(rows);
            }
        }
        outcomes
    }

    /// Lets the backend say one of the things it has done.
    pub(crate) fn deliver(&mut self, place: usize) {
        if let Some(answer) = self.answers.remove(place) {
            self.say(answer);
        }
    }

    /// Lets everything happen that was asked for.
    pub(crate) fn settle(&mut self) {
        self.drain();
        while !self.asked.is_empty() || !self.answers.is_empty() {
            self.execute(0);
            self.deliver(0);
        }
    }

    /// Lets time pass, waking the hub when it wants to be woken.
    pub(crate) fn pass_ms(&mut self, ms: u64) {
        let end = self.now_us + ms * 1000;
        while let Some(at) = self.wake_at.filter(|at| at.as_micros() <= end) {
            self.now_us = self.now_us.max(at.as_micros());
            self.wake_at = None;
            self.say(Input::Time);
        }
        self.now_us = end;
    }

    pub(crate) fn open(&mut self) -> ConnectionId {
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.sockets.insert(connection, Socket::default());
        self.say(Input::Opened {
            connection,
            subprotocol: Some(SUBPROTOCOL.to_owned()),
        });
        connection
    }

    /// A connection whose client was let in.
    pub(crate) fn connect(&mut self, client: &str, run: u64) -> ConnectionId {
        let connection = self.open();
        self.tell(connection, &ClientMessage::Hello(hello(client, run)));
        self.settle();
        let welcome = self.messages(connection);
        assert!(
            matches!(welcome[..], [ServerMessage::Welcome(_)]),
            "{welcome:?}"
        );
        connection
    }

    pub(crate) fn tell(&mut self, connection: ConnectionId, message: &ClientMessage) {
        let payload = V1Json::default().encode_client(message).unwrap();
        self.say(Input::Frame {
            connection,
            payload,
        });
    }

    /// Sends this many actions, all of them at once.
    pub(crate) fn write_much(&mut self, peer: ConnectionId, count: u64) {
        for seq in 1..=count {
            let name = format!("{}-{seq}", peer.0);
            self.tell(peer, &ClientMessage::Action(make(seq, &name)));
        }
    }

    pub(crate) fn tell_text(&mut self, connection: ConnectionId, text: &str) {
        self.say(Input::Frame {
            connection,
            payload: Encoded::Text(text.to_owned()),
        });
    }

    pub(crate) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    pub(crate) fn subscribe(
        &mut self,
        connection: ConnectionId,
        name: &str,
        want: Want,
    ) -> RequestId {
        self.resubscribe(connection, name, want, None)
    }

    pub(crate) fn resubscribe(
        &mut self,
        connection: ConnectionId,
        name: &str,
        want: Want,
        resume: Option<Resume>,
    ) -> RequestId {
        let request = self.request();
        let subscribe = Subscribe {
            id: request,
            entity_type: kind(name),
            want,
            resume,
        };
        self.tell(connection, &ClientMessage::Subscribe(subscribe));
        request
    }

    pub(crate) fn unsubscribe(&mut self, connection: ConnectionId, name: &str) {
        let request = self.request();
        self.tell(
            connection,
            &ClientMessage::Unsubscribe(Unsubscribe {
                id: request,
                entity_type: kind(name),
            }),
        );
    }

    pub(crate) fn fetch_ids(
        &mut self,
        connection: ConnectionId,
        name: &str,
        ids: &[&str],
    ) -> RequestId {
        let ids = ids.iter().map(|text| id(text)).collect();
        self.fetch(connection, name, FetchWhat::Ids(ids))
    }

    pub(crate) fn fetch_query(&mut self, connection: ConnectionId, query: Query) -> RequestId {
        let name = query.entity_type().as_str().to_owned();
        self.fetch(connection, &name, FetchWhat::Query(query))
    }

    pub(crate) fn fetch(
        &mut self,
        connection: ConnectionId,
        name: &str,
        what: FetchWhat,
    ) -> RequestId {
        let request = self.request();
        self.tell(
            connection,
            &ClientMessage::Fetch(Fetch {
                id: request,
                entity_type: kind(name),
                what,
            }),
        );
        request
    }

    /// The application writes.
    pub(crate) fn publish(&mut self, writes: Vec<Write>) -> CallerId {
        self.callers += 1;
        let caller = CallerId(self.callers);
        self.say(Input::Publish { caller, writes });
        caller
    }

    /// What came out of a socket since the last time.
    pub(crate) fn messages(&mut self, connection: ConnectionId) -> Vec<ServerMessage> {
        let frames = std::mem::take(&mut self.sockets.get_mut(&connection).unwrap().frames);
        frames.iter().map(decode).collect()
    }

    pub(crate) fn stuck(&mut self, connection: ConnectionId) {
        self.sockets.get_mut(&connection).unwrap().stuck = true;
    }

    /// A stuck socket takes what it was given.
    pub(crate) fn unstick(&mut self, connection: ConnectionId) {
        self.sockets.get_mut(&connection).unwrap().stuck = false;
        self.drain();
    }

    pub(crate) fn closed(&self, connection: ConnectionId) -> Option<u16> {
        self.sockets[&connection]
            .closed
            .as_ref()
            .map(|(code, _)| *code)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.hub.stats()
    }
}

pub(crate) fn decode(frame: &Frame) -> ServerMessage {
    let text = frame.as_text().expect("v1 in JSON has text frames");
    V1Json::default()
        .decode_server(Payload::Text(text))
        .unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn info(client: &str, run: u64) -> ClientInfo {
    let (app, version) = ("test".to_owned(), "1".to_owned());
    ClientInfo {
        id: client.to_owned(),
        incarnation: 1,
        run,
        may_have_sent: false,
        app,
        version,
    }
}

pub(crate) fn hello(client: &str, run: u64) -> Hello {
    Hello {
        protocol: VersionRange { min: 1, max: 1 },
        features: Vec::new(),
        client: info(client, run),
        token: None,
        confirmed: BTreeMap::new(),
        max_frame_bytes: 1024 * 1024,
    }
}

/// An action with a fingerprint of its own content.
pub(crate) fn action(
    seq: u64,
    previous: u64,
    name: &str,
    target: (&str, Option<&str>),
    payload: Record,
) -> ActionMessage {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&seq.to_be_bytes());
    let mut fingerprint = DefaultHasher::new();
    format!("{name} {target:?} {payload:?}").hash(&mut fingerprint);
    ActionMessage {
        id: tidewire_model::ActionId::new(1, random),
        lane: tidewire_model::Lane::main(),
        seq,
        previous,
        name: name.to_owned(),
        entity_type: Some(kind(target.0)),
        entity_id: target.1.map(id),
        hash: format!("{:016x}", fingerprint.finish()),
        payload,
        base: None,
    }
}

/// The payload of a create.
/// A creation of a task, as the action of this number.
pub(crate) fn make(seq: u64, name: &str) -> ActionMessage {
    action(
        seq,
        seq - 1,
        "create",
        ("tasks", Some(name)),
        entity(&[("score", Value::from(1))]),
    )
}

pub(crate) fn entity(fields: &[(&str, Value)]) -> Record {
    Record::new().with("entity", record(fields).to_value())
}

/// The payload of an update.
pub(crate) fn changes(fields: &[(&str, Value)]) -> Record {
    Record::new().with("changes", record(fields).to_value())
}
