//! The clients' side: engines, their outputs and their stores.

use tidewire_engine::{Command, Generation, Input, Output, Reply, StoreTicket, Switch};
use tidewire_model::Revision;
use tidewire_protocol::Encoded;

use super::World;
use crate::broken::Broken;
use crate::event::Event;
use crate::hits::Hit;
use crate::network::{Direction, Item};
use crate::plant::Plant;

impl World {
    /// Says one thing to a client, does what it asks for, and looks at what it shows.
    pub(super) fn tell_client(&mut self, index: usize, input: Input) -> Result<Reply, Broken> {
        let before = self.revision(index);
        let reply = self.say_to_client(index, input)?;
        if self.revision(index) != before {
            self.look(index)?;
        }
        Ok(reply)
    }

    /// The same without looking, for a write: who looks must first know what was written.
    fn say_to_client(&mut self, index: usize, input: Input) -> Result<Reply, Broken> {
        let now = self.clock.now();
        let Some(engine) = &mut self.clients[index].engine else {
            return Ok(Reply::Done);
        };
        let entities = engine.take_touched();
        if !entities.is_empty() {
            let outside_bytes = 0;
            let _ = engine.handle(
                now,
                Input::Touched {
                    entities,
                    outside_bytes,
                },
            );
        }
        let reply = engine.handle(now, input);
        if let Reply::Submitted(submitted) = &reply {
            // What is told of it may come in the same breath.
            self.clients[index]
                .promises
                .entry(submitted.id)
                .or_default();
        }
        self.do_outputs(index)?;
        Ok(reply)
    }

    fn revision(&self, index: usize) -> Option<Revision> {
        self.clients[index]
            .engine
            .as_ref()
            .map(|engine| engine.reader().revision())
    }

    /// Commands a client, and looks at what it shows.
    pub(super) fn command(&mut self, index: usize, command: Command) -> Result<Reply, Broken> {
        self.note(format_args!("client {index} is told {command:?}"));
        self.tell_client(index, Input::Command(command))
    }

    /// Commands a write; to look is left to the caller.
    pub(super) fn command_write(
        &mut self,
        index: usize,
        command: Command,
    ) -> Result<Reply, Broken> {
        self.note(format_args!("client {index} is told {command:?}"));
        self.say_to_client(index, Input::Command(command))
    }

    fn do_outputs(&mut self, index: usize) -> Result<(), Broken> {
        while let Some(output) = self.clients[index]
            .engine
            .as_mut()
            .and_then(tidewire_engine::Engine::poll)
        {
            self.on_client_output(index, output)?;
        }
        Ok(())
    }

    fn on_client_output(&mut self, index: usize, output: Output) -> Result<(), Broken> {
        match output {
            Output::Connect { generation, .. } => self.on_connect(index, generation),
            Output::Disconnect {
                generation,
                code,
                reason,
            } => {
                self.note(format_args!("client {index} closes with {code}: {reason}"));
                if self.clients[index].generation == Some(generation) {
                    self.clients[index].generation = None;
                    self.leave(index, code, reason);
                }
            }
            Output::Transmit { generation, frame } => self.on_transmit(index, generation, frame),
            Output::Store { ticket, group } => return self.on_store(index, ticket, group),
            Output::Published(publication) => {
                let set = &publication.change_set;
                self.note(format_args!(
                    "client {index} shows {} {:?}",
                    set.revision, set.entities
                ));
            }
            Output::Event(event) => {
                self.note(format_args!("client {index} tells {event:?}"));
                let (tick, client) = (self.clock.tick(), &mut self.clients[index]);
                return client
                    .on_event(tick, event, &self.history, &mut self.hits)
                    .map_err(|broken| broken.of(format!("client {index}")));
            }
            Output::WakeAt(at) => {
                self.note(format_args!("client {index} waits for {at:?}"));
                self.clients[index].wake_at = at.map(|(at, _)| at);
            }
            other => return Err(Broken::world(format!("client {index} asks for {other:?}"))),
        }
        Ok(())
    }

    fn on_connect(&mut self, index: usize, generation: Generation) {
        self.note(format_args!("client {index} connects ({generation:?})"));
        let client = &mut self.clients[index];
        client.generation = Some(generation);
        let attempt = Event::Attempt {
            client: index,
            life: client.life,
            generation,
        };
        let wait = self.network_wait();
        self.clock.plan(wait, attempt);
    }

    fn on_transmit(&mut self, index: usize, generation: Generation, frame: Encoded) {
        self.note(format_args!("client {index} says {}", shown(&frame)));
        let client = &self.clients[index];
        let (life, bytes) = (client.life, frame.byte_len());
        if let Some(link) = client
            .link
            .filter(|_| client.generation == Some(generation))
        {
            self.put(link, Direction::Up, Item::Frame(frame));
            let wait = self.network_wait();
            self.clock.plan(
                wait,
                Event::Written {
                    client: index,
                    life,
                    generation,
                    bytes,
                },
            );
        }
    }

    fn on_store(
        &mut self,
        index: usize,
        ticket: StoreTicket,
        group: Vec<tidewire_store::Txn>,
    ) -> Result<(), Broken> {
        let client = &mut self.clients[index];
        if client.disk.begin(ticket, group).is_err() {
            return Err(Broken::law(
                17,
                format!("client {index} has two store transactions under way"),
            ));
        }
        let life = client.life;
        let (first, last) = self.options.disk_ms;
        let wait = self.disk_chance.millis(first, last);
        self.clock.plan(
            wait,
            Event::DiskKeeps {
                client: index,
                life,
            },
        );
        Ok(())
    }

    pub(super) fn on_disk_keeps(&mut self, index: usize) -> Result<(), Broken> {
        let client = &mut self.clients[index];
        let forgets =
            self.options.plant == Some(Plant::ForgetfulStore) && client.disk.count() % 5 == 4;
        if forgets {
            client.disk.pretend();
        } else {
            client.disk.keep();
        }
        let life = client.life;
        let (first, last) = self.options.disk_ms;
        let wait = self.disk_chance.millis(first, last);
        self.clock.plan(
            wait,
            Event::DiskAnswers {
                client: index,
                life,
            },
        );
        Ok(())
    }

    pub(super) fn on_disk_answers(&mut self, index: usize) -> Result<(), Broken> {
        let Some(ticket) = self.clients[index].disk.take_answer() else {
            return Ok(());
        };
        self.note(format_args!("client {index} has stored {ticket:?}"));
        self.tell_client(
            index,
            Input::Stored {
                ticket,
                result: Ok(()),
            },
        )
        .map(drop)
    }

    /// A client begins, for the first time or again.
    pub(super) fn start_client(&mut self, index: usize) -> Result<(), Broken> {
        if self.clients[index].engine.is_some() {
            return Ok(());
        }
        let seed = self.fault_chance.number();
        let now = self.clock.now();
        self.trace
            .line(now.tick, format_args!("client {index} starts"));
        let definitions = self.clients[index].start(now, seed, &mut self.hits)?;
        self.do_outputs(index)?;
        for definition in definitions {
            let reply = self.command(index, definition)?;
            if reply != Reply::Done {
                return Err(Broken::world(format!(
                    "a collection was not defined: {reply:?}"
                )));
            }
        }
        for _ in 0..self.work_chance.below(4) {
            self.watch_something(index)?;
        }
        self.switch_on(index)
    }

    pub(super) fn switch_on(&mut self, index: usize) -> Result<(), Broken> {
        self.command(index, Command::Switch(Switch::On)).map(drop)
    }

    pub(super) fn switch_off(&mut self, index: usize) -> Result<(), Broken> {
        self.command(index, Command::Switch(Switch::Off)).map(drop)
    }

    /// The client closes its connection.
    fn leave(&mut self, index: usize, code: u16, reason: String) {
        let Some(id) = self.clients[index].link.take() else {
            return;
        };
        let Some(link) = self.network.link(id) else {
            return;
        };
        link.client_open = false;
        if link.up.is_dead() {
            self.network.sweep(id);
        } else {
            self.put(
                id,
                Direction::Up,
                Item::Close {
                    code: Some(code),
                    reason,
                },
            );
        }
    }

    pub(super) fn hit(&mut self, hit: Hit) {
        self.hits.note(hit);
    }
}

/// A frame, for traces.
pub(super) fn shown(frame: &Encoded) -> &str {
    match frame {
        Encoded::Text(text) => text,
        Encoded::Binary(_) => "something binary",
    }
}
