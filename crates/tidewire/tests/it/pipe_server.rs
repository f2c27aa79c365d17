//! A server in memory: the real hub on a naive truth, joined by pipes. No sockets, no files; time is
//! tokio's, so a paused runtime makes it virtual.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidewire::testing::{
    Connection, Frame, PipeControl, PipeListener, PipeOptions, PipeTransport, Received, pipe_with,
};
use tidewire::{Client, ClientBuilder, EntityId, EntityType, Record};
use tidewire_hub::{
    ConnectionId, Hub, Input, Output, Principal, ReadRequest, Settings, Stats, Truth, Write,
};
use tidewire_model::{Epoch, Now, Query, Selection, Start, Tick, WallTime, field};
use tidewire_protocol::Encoded;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The server's half, held by a test.
#[derive(Clone)]
pub struct PipeServer {
    state: Arc<Mutex<State>>,
    network: PipeControl,
    transport: PipeTransport,
}

struct State {
    hub: Hub,
    truth: Truth,
    started: Instant,
    sockets: BTreeMap<ConnectionId, mpsc::UnboundedSender<Frame>>,
    snapshots: BTreeMap<tidewire_hub::Ticket, Vec<(Record, tidewire_model::Offset)>>,
    wake: mpsc::UnboundedSender<Tick>,
}

pub fn entity_type(name: &str) -> EntityType {
    EntityType::new(name).expect("a good name")
}

/// A put of one entity, as the application would write it.
pub fn put(kind: &str, record: &Record) -> Write {
    let id: EntityId = record.entity_id("id").expect("it has an id");
    Write::Put {
        entity_type: entity_type(kind),
        id,
        entity: record.clone(),
    }
}

/// What this application means by the parameter `named`: customers whose name begins so, by score.
/// Other parameters mean nothing to it.
fn understood(request: ReadRequest) -> ReadRequest {
    let ReadRequest::Page { query } = &request else {
        return request;
    };
    let Selection::Opaque(parameters) = query.selection() else {
        return request;
    };
    let [(name, value)] = &parameters[..] else {
        return request;
    };
    let Start::Offset(rows) = query.start() else {
        return request;
    };
    if &**name != "named" {
        return request;
    }
    let meant = Query::new(query.entity_type().clone())
        .filter(field("name").starts_with(value))
        .sort_desc("score")
        .offset(*rows)
        .limit(query.row_limit().unwrap_or(u64::MAX));
    ReadRequest::Page { query: meant }
}

impl PipeServer {
    /// A server with these settings changed, and the transport that leads to it.
    pub fn start_with(capacity_bytes: usize, change: impl FnOnce(&mut Settings)) -> Self {
        let (transport, listener) = pipe_with(PipeOptions {
            capacity_bytes,
            ..PipeOptions::default()
        });
        let truth = Truth::new(Epoch::new("e1").expect("a good name"));
        let mut settings = Settings::new(1);
        settings.reconnect_jitter_ms = 0;
        change(&mut settings);
        let (wake, wakes) = mpsc::unbounded_channel();
        let state = State {
            hub: Hub::new(settings, truth.opened()),
            truth,
            started: Instant::now(),
            sockets: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            wake,
        };
        let server = Self {
            state: Arc::new(Mutex::new(state)),
            network: transport.control(),
            transport,
        };
        tokio::spawn(server.clone().accept(listener));
        tokio::spawn(server.clone().keep_time(wakes));
        server
    }

    pub fn start() -> Self {
        Self::start_with(64 * 1024, |_| {})
    }

    /// A client of this server, to be configured and started.
    pub fn client(&self) -> ClientBuilder {
        Client::builder("ws://pipe/live")
            .transport(self.transport.clone())
            .batch_window(Duration::ZERO)
    }

    /// What leads to this server.
    pub fn transport(&self) -> PipeTransport {
        self.transport.clone()
    }

    /// The network between client and server.
    pub fn network(&self) -> &PipeControl {
        &self.network
    }

    /// Writes as the application on the server does, in one commit.
    pub fn publish(&self, writes: Vec<Write>) {
        let caller = tidewire_hub::CallerId(0);
        self.hand_in(Input::Publish { caller, writes });
    }

    /// The entities of a type, as the server has them.
    pub fn rows(&self, kind: &str) -> Vec<Record> {
        let rows = self.state.lock().truth.rows(&entity_type(kind));
        rows.into_iter().map(|(record, _)| record).collect()
    }

    pub fn stats(&self) -> Stats {
        self.state.lock().hub.stats()
    }

    fn hand_in(&self, input: Input) {
        let mut state = self.state.lock();
        state.hand_in(input);
    }

    async fn accept(self, mut listener: PipeListener) {
        let mut number = 0;
        while let Some(incoming) = listener.incoming().await {
            let offered = incoming.request().subprotocols.first().cloned();
            let connection = incoming.accept(offered.as_deref());
            number += 1;
            self.serve(ConnectionId(number), connection, offered);
        }
    }

    fn serve(&self, id: ConnectionId, connection: Connection, subprotocol: Option<String>) {
        let Connection {
            mut sender,
            mut receiver,
            ..
        } = connection;
        let (out, mut waiting) = mpsc::unbounded_channel::<Frame>();
        self.state.lock().sockets.insert(id, out);
        self.hand_in(Input::Opened {
            connection: id,
            subprotocol,
        });
        let server = self.clone();
        tokio::spawn(async move {
            while let Some(frame) = waiting.recv().await {
                let bytes = frame.len();
                if sender.send(vec![frame]).await.is_err() {
                    return;
                }
                server.hand_in(Input::Writable {
                    connection: id,
                    bytes,
                });
            }
        });
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                match receiver.receive().await {
                    Received::Frame(Frame::Text(text)) => {
                        let payload = Encoded::Text(text.as_str().to_owned());
                        server.hand_in(Input::Frame {
                            connection: id,
                            payload,
                        });
                    }
                    Received::Frame(Frame::Binary(_)) | Received::Pong => {}
                    Received::Closed(_) => {
                        server.state.lock().sockets.remove(&id);
                        return server.hand_in(Input::Closed { connection: id });
                    }
                }
            }
        });
    }

    async fn keep_time(self, mut wakes: mpsc::UnboundedReceiver<Tick>) {
        let mut at: Option<Tick> = None;
        loop {
            let started = self.state.lock().started;
            let sleep = async {
                match at {
                    Some(at) => {
                        tokio::time::sleep_until(started + (at - Tick::from_micros(0))).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                next = wakes.recv() => match next {
                    Some(next) => at = Some(next),
                    None => return,
                },
                () = sleep => {
                    at = None;
                    self.hand_in(Input::Time);
                }
            }
        }
    }
}

impl State {
    fn now(&self) -> Now {
        let micros = u64::try_from(self.started.elapsed().as_micros()).expect("a short test");
        Now {
            tick: Tick::from_micros(micros),
            wall: WallTime::from_unix_millis(1_700_000_000_000),
        }
    }

    fn hand_in(&mut self, input: Input) {
        self.hub.handle(self.now(), input);
        while let Some(output) = self.hub.poll() {
            if let Some(answer) = self.on_output(output) {
                self.hub.handle(self.now(), answer);
            }
        }
    }

    /// Does what the hub asks; the truth answers at once.
    fn on_output(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Transmit { connection, frame } => {
                if let (Some(socket), Some(text)) = (self.sockets.get(&connection), frame.as_text())
                {
                    let _ = socket.send(Frame::from(text));
                }
                None
            }
            Output::Close { connection, .. } => {
                self.sockets.remove(&connection);
                None
            }
            Output::Authenticate { connection, .. } => Some(Input::Authenticated {
                connection,
                result: Ok(Principal::named("anonymous")),
            }),
            Output::Greet {
                connection,
                principal,
                client,
                confirmed,
            } => {
                let greeting = self.truth.greet(&principal, &client, &confirmed);
                Some(Input::Greeted {
                    connection,
                    result: Ok(greeting),
                })
            }
            Output::Write { group } => Some(Input::Written {
                result: Ok(self.truth.write(group)),
            }),
            Output::Read { ticket, request } => Some(Input::ReadDone {
                ticket,
                result: self.truth.read(&understood(request)),
            }),
            Output::OpenSnapshot {
                ticket,
                entity_type,
            } => {
                let (as_of, rows) = self.truth.snapshot(&entity_type);
                self.snapshots.insert(ticket, rows);
                Some(Input::SnapshotOpened { ticket, as_of })
            }
            Output::NextSnapshot { ticket, limit } => {
                let rows = self.snapshots.get_mut(&ticket)?;
                let rest = rows.split_off(limit.min(rows.len()));
                let rows = std::mem::replace(rows, rest);
                Some(Input::SnapshotRows { ticket, rows })
            }
            Output::DropSnapshot { ticket } => {
                self.snapshots.remove(&ticket);
                None
            }
            Output::ReadJournal {
                ticket,
                entity_type,
                after,
                limit,
            } => {
                let result = Ok(self.truth.journal(&entity_type, after, limit));
                Some(Input::JournalRead { ticket, result })
            }
            Output::WakeAt { at, .. } => {
                let _ = self.wake.send(at);
                None
            }
            Output::Published { .. } | Output::Notify(_) | Output::Drained => None,
        }
    }
}
