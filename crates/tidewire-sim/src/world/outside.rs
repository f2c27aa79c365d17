//! The server's side: the hub, its outputs, and the backend's work.

use tidewire_hub::{Fact, Input, Output};

use super::World;
use super::inside::shown;
use crate::broken::Broken;
use crate::event::Event;
use crate::hits::Hit;
use crate::network::{Direction, Item, LinkId, Told};

impl World {
    /// Says one thing to the server, and does what it asks for.
    pub(super) fn tell_hub(&mut self, input: Input) -> Result<(), Broken> {
        let now = self.clock.now();
        let Some(hub) = &mut self.server.hub else {
            return Ok(());
        };
        hub.handle(now, input);
        while let Some(output) = self.server.hub.as_mut().and_then(tidewire_hub::Hub::poll) {
            self.on_hub_output(output)?;
        }
        Ok(())
    }

    fn on_hub_output(&mut self, output: Output) -> Result<(), Broken> {
        match output {
            Output::Transmit { connection, frame } => {
                let frame = frame.encoded().clone();
                self.note(format_args!(
                    "server says to {} {}",
                    connection.0,
                    shown(&frame)
                ));
                self.put(LinkId(connection.0), Direction::Down, Item::Frame(frame));
                Ok(())
            }
            Output::Close {
                connection,
                code,
                reason,
            } => {
                self.note(format_args!(
                    "server closes {} with {code}: {reason}",
                    connection.0
                ));
                let id = LinkId(connection.0);
                if let Some(link) = self.network.link(id) {
                    link.server_open = false;
                    self.put(
                        id,
                        Direction::Down,
                        Item::Close {
                            code: Some(code),
                            reason,
                        },
                    );
                    self.network.sweep(id);
                }
                Ok(())
            }
            Output::Notify(Fact::Incident { what }) => {
                Err(Broken::law(19, format!("the server noted: {what}")))
            }
            Output::Notify(_) => Ok(()),
            Output::Published { caller, result } => {
                let outcome = result.map(|commit| commit.map(|commit| commit.id.clone()));
                self.note(format_args!("server published {}: {outcome:?}", caller.0));
                Ok(())
            }
            Output::WakeAt { at, .. } => {
                self.server.wake_at = Some(at);
                Ok(())
            }
            Output::DropSnapshot { ticket } => {
                self.server.drop_snapshot(ticket);
                Ok(())
            }
            Output::Drained => Err(Broken::world("nobody asked the server to stop".to_owned())),
            question => {
                let number = self.server.ask(question);
                let wait = self.backend_wait();
                self.clock.plan(
                    wait,
                    Event::BackendDoes {
                        run: self.server.run,
                        number,
                    },
                );
                Ok(())
            }
        }
    }

    pub(super) fn on_backend_does(&mut self, number: u64) -> Result<(), Broken> {
        let done = self.server.execute(number, &mut self.history)?;
        for action in done {
            self.note(format_args!("backend has done {action}"));
            for client in &self.clients {
                client.check_order(action, &self.history)?;
            }
        }
        let wait = self.backend_wait();
        self.clock.plan(
            wait,
            Event::BackendAnswers {
                run: self.server.run,
                number,
            },
        );
        Ok(())
    }

    pub(super) fn on_backend_answers(&mut self, number: u64) -> Result<(), Broken> {
        match self.server.take_answer(number) {
            Some(answer) => self.tell_hub(answer),
            None => Ok(()),
        }
    }

    /// The server stops; what it was about to write may or may not be done.
    pub(super) fn stop_server(&mut self) -> Result<(), Broken> {
        self.note(format_args!("server stops"));
        if let Some(write) = self.server.stop() {
            if self.fault_chance.chance(50) {
                self.on_backend_does(write)?;
                self.hit(Hit::AnswerLost);
            } else {
                self.hit(Hit::WriteLost);
            }
        }
        for id in self.network.ids() {
            if let Some(link) = self.network.link(id) {
                link.server_open = false;
            }
            let told = if self.fault_chance.chance(80) {
                Told::Client
            } else {
                Told::Nobody
            };
            self.cut(id, told);
        }
        Ok(())
    }

    pub(super) fn start_server(&mut self) -> Result<(), Broken> {
        if self.server.hub.is_none() {
            self.note(format_args!("server starts"));
            self.server.start();
        }
        Ok(())
    }

    fn backend_wait(&mut self) -> std::time::Duration {
        let (first, last) = self.options.backend_ms;
        self.backend_chance.millis(first, last)
    }
}
