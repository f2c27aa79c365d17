//! The network: attempts, connections, what arrives, and who learns of an end.

use std::time::Duration;

use tidewire_engine::{Generation, Input, Trouble};
use tidewire_hub::ConnectionId;
use tidewire_protocol::{Encoded, Payload, version::SUBPROTOCOL_V1_JSON};

use super::{Phase, World};
use crate::broken::Broken;
use crate::event::Event;
use crate::hits::Hit;
use crate::network::{Direction, Item, LinkId, Told};
use crate::options::Fault;
use crate::plant::Plant;

/// Seen in frames from the server, each with what it shows.
const SEEN: [(&str, Hit); 7] = [
    ("\"result\":\"resumed\"", Hit::Resumed),
    ("\"result\":\"snapshot\"", Hit::SnapshotTaken),
    ("\"result\":\"now\"", Hit::BeganNow),
    ("\"result\":\"duplicate\"", Hit::Duplicate),
    ("\"chunk\":[", Hit::Chunked),
    ("\"commit\":{", Hit::OverStreams),
    ("\"code\":\"slow\"", Hit::TooSlow),
];

impl World {
    pub(super) fn network_wait(&mut self) -> Duration {
        let (first, last) = self.options.network_ms;
        self.network_chance.millis(first, last)
    }

    /// Puts something on its way. What goes to a dead end is lost without a word.
    pub(super) fn put(&mut self, id: LinkId, direction: Direction, item: Item) {
        let wait = self.network_wait();
        let slowness = self.network_chance.millis(100, 900);
        let now = self.clock.tick();
        let Some(link) = self.network.link(id) else {
            return;
        };
        let slow_until = match direction {
            Direction::Up => now,
            Direction::Down => self.clients[link.client].slow_until.max(now),
        };
        let pipe = link.pipe(direction);
        if !pipe.push(item) {
            return;
        }
        let soonest = pipe.last_at.max(now + wait);
        // A slow reader takes one frame after the other; at the end it takes all that is left.
        let slowly = (soonest + slowness).min(slow_until + wait);
        pipe.last_at = soonest.max(slowly);
        self.clock
            .plan_at(pipe.last_at, Event::Arrives(id, direction));
    }

    pub(super) fn on_attempt(
        &mut self,
        index: usize,
        life: u64,
        generation: Generation,
    ) -> Result<(), Broken> {
        let wanted =
            self.clients[index].generation == Some(generation) && self.clients[index].life == life;
        if !wanted {
            return Ok(());
        }
        let can_hang =
            self.phase == Phase::Trouble && self.options.faults.contains(&Fault::SilentCut);
        if can_hang && self.fault_chance.chance(5) {
            self.hit(Hit::AttemptHung);
            return Ok(());
        }
        if self.server.hub.is_none() {
            self.hit(Hit::AttemptRefused);
            let reason = "connection refused".to_owned();
            let trouble = Trouble::Passing;
            return self
                .tell_client(
                    index,
                    Input::ConnectFailed {
                        generation,
                        reason,
                        trouble,
                    },
                )
                .map(drop);
        }
        let id = self.network.open(index, life, generation);
        if let Some(link) = self.network.link(id) {
            link.client_open = true;
        }
        self.note(format_args!(
            "client {index} reaches the server: connection {}",
            id.0
        ));
        self.clients[index].link = Some(id);
        self.clock.plan(Duration::ZERO, Event::ServerOpens(id));
        let wait = self.network_wait();
        self.clock.plan(wait, Event::ClientConnects(id));
        Ok(())
    }

    pub(super) fn on_server_opens(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self.network.link(id).filter(|link| !link.up.is_dead()) else {
            return Ok(());
        };
        link.server_open = true;
        let subprotocol = Some(SUBPROTOCOL_V1_JSON.to_owned());
        self.tell_hub(tidewire_hub::Input::Opened {
            connection: ConnectionId(id.0),
            subprotocol,
        })
    }

    pub(super) fn on_client_connects(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some((index, generation)) = self.holder(id) else {
            return Ok(());
        };
        self.clients[index].heard_at = self.clock.tick();
        let token = Some(self.clients[index].options.principal.to_owned());
        let subprotocol = Some(SUBPROTOCOL_V1_JSON.to_owned());
        self.tell_client(
            index,
            Input::Connected {
                generation,
                subprotocol,
                token,
            },
        )?;
        let reader = self.clients[index]
            .engine
            .as_ref()
            .map(tidewire_engine::Engine::frame_reader);
        if let Some(link) = self.network.link(id) {
            link.reader = reader;
        }
        Ok(())
    }

    /// The client that holds its end of a connection.
    fn holder(&mut self, id: LinkId) -> Option<(usize, Generation)> {
        let link = self.network.link(id)?;
        let holds = link.client_open && self.clients[link.client].life == link.life;
        (holds && self.clients[link.client].engine.is_some())
            .then_some((link.client, link.generation))
    }

    pub(super) fn on_arrives(&mut self, id: LinkId, direction: Direction) -> Result<(), Broken> {
        match direction {
            Direction::Up => self.on_arrives_up(id),
            Direction::Down => self.on_arrives_down(id),
        }
    }

    fn on_arrives_up(&mut self, id: LinkId) -> Result<(), Broken> {
        let connection = ConnectionId(id.0);
        match self.network.link(id).and_then(|link| link.up.pop()) {
            Some(Item::Frame(payload)) if self.twister.lets_up(&payload) => {
                self.note(format_args!("server hears {} {}", id.0, payload.byte_len()));
                self.tell_hub(tidewire_hub::Input::Frame {
                    connection,
                    payload,
                })
            }
            Some(Item::Close { .. }) => {
                if let Some(link) = self.network.link(id) {
                    link.server_open = false;
                    link.cut();
                }
                self.network.sweep(id);
                self.tell_hub(tidewire_hub::Input::Closed { connection })
            }
            Some(Item::Frame(_)) | None => Ok(()),
        }
    }

    fn on_arrives_down(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self.network.link(id) else {
            return Ok(());
        };
        let (index, life, generation) = (link.client, link.life, link.generation);
        let client = &self.clients[index];
        let Some(engine) = client.engine.as_ref().filter(|_| client.life == life) else {
            return Ok(());
        };
        if client.link == Some(id) && !engine.wants_frames() {
            // The driver does not read on; what waits is asked for again a little later.
            self.hits.note(Hit::HeldBack);
            self.clock.plan(
                Duration::from_millis(1),
                Event::Arrives(id, Direction::Down),
            );
            return Ok(());
        }
        match link.down.pop() {
            Some(Item::Frame(frame)) => {
                let bytes = frame.byte_len();
                if client.link == Some(id) {
                    self.clients[index].heard_at = self.clock.tick();
                } else {
                    self.hits.note(Hit::LateFrame);
                }
                self.hear(id, index, frame)?;
                self.tell_hub(tidewire_hub::Input::Writable {
                    connection: ConnectionId(id.0),
                    bytes,
                })
            }
            Some(Item::Close { code, reason }) => {
                link.client_open = false;
                link.cut();
                self.network.sweep(id);
                self.lose(id, index, generation, code, reason)
            }
            None => Ok(()),
        }
    }

    fn hear(&mut self, id: LinkId, index: usize, frame: Encoded) -> Result<(), Broken> {
        let Some(frame) = self.twister.down(frame) else {
            return Ok(());
        };
        if let Payload::Text(text) = frame.as_payload() {
            self.note(format_args!("client {index} hears {text}"));
            for (part, hit) in SEEN {
                if text.contains(part) {
                    self.hits.note(hit);
                }
            }
            if self.options.plant == Some(Plant::FalseLife) && text.contains("\"PING\"") {
                let ping = Some(frame.clone());
                if let Some(link) = self.network.link(id) {
                    link.last_ping = ping;
                }
            }
        }
        self.read_frame(id, index, &frame)
    }

    fn read_frame(&mut self, id: LinkId, index: usize, frame: &Encoded) -> Result<(), Broken> {
        match self.network.link(id).and_then(|link| link.reader) {
            Some(reader) => self
                .tell_client(index, Input::Frame(reader.read(frame.as_payload())))
                .map(drop),
            None => Err(Broken::world(format!(
                "a frame came before connection {} stood",
                id.0
            ))),
        }
    }

    fn lose(
        &mut self,
        id: LinkId,
        index: usize,
        generation: Generation,
        code: Option<u16>,
        reason: String,
    ) -> Result<(), Broken> {
        if self.clients[index].link == Some(id) {
            self.clients[index].link = None;
        }
        self.note(format_args!(
            "client {index} hears of the end of {}: {code:?}",
            id.0
        ));
        self.tell_client(
            index,
            Input::Disconnected {
                generation,
                code,
                reason,
            },
        )
        .map(drop)
    }

    /// Cuts a connection: what is on its way is lost.
    pub(super) fn cut(&mut self, id: LinkId, told: Told) {
        let Some(link) = self.network.link(id) else {
            return;
        };
        link.cut();
        self.note(format_args!("connection {} is cut", id.0));
        if matches!(told, Told::Both | Told::Client) {
            let wait = self.network_chance.millis(0, 1500);
            self.clock.plan(wait, Event::ClientLearns(id));
        }
        if matches!(told, Told::Both | Told::Server) {
            let wait = self.network_chance.millis(0, 1500);
            self.clock.plan(wait, Event::ServerLearns(id));
        }
        self.network.sweep(id);
    }

    pub(super) fn on_client_learns(&mut self, id: LinkId) -> Result<(), Broken> {
        let holder = self.holder(id);
        if let Some(link) = self.network.link(id) {
            link.client_open = false;
        }
        self.network.sweep(id);
        match holder {
            Some((index, generation)) => self.lose(id, index, generation, None, "reset".to_owned()),
            None => Ok(()),
        }
    }

    pub(super) fn on_server_learns(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some(link) = self.network.link(id).filter(|link| link.server_open) else {
            return Ok(());
        };
        link.server_open = false;
        self.network.sweep(id);
        self.tell_hub(tidewire_hub::Input::Closed {
            connection: ConnectionId(id.0),
        })
    }

    /// The planted mistake of a connection that seems to live on.
    pub(super) fn on_false_ping(&mut self, id: LinkId) -> Result<(), Broken> {
        let Some((index, _)) = self.holder(id) else {
            return Ok(());
        };
        let Some(ping) = self
            .network
            .link(id)
            .and_then(|link| link.last_ping.clone())
        else {
            return Ok(());
        };
        self.clock
            .plan(Duration::from_secs(3), Event::FalsePing(id));
        self.read_frame(id, index, &ping)
    }
}
