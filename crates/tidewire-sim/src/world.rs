//! The world: everything there is, and the loop that lets the next thing happen. One thread, one
//! clock, one source of chance; no two runs of a seed differ.

mod ending;
mod faults;
mod inside;
mod links;
mod outside;
mod work;

use tidewire_engine::Input;
use tidewire_model::{EntityType, Tick};

use crate::broken::Broken;
use crate::client::Client;
use crate::clock::Clock;
use crate::event::Event;
use crate::history::History;
use crate::hits::Hits;
use crate::names;
use crate::network::Network;
use crate::options::Options;
use crate::plant::Twister;
use crate::random::Random;
use crate::server::Server;
use crate::trace::Trace;

/// So many things may happen at one time before it counts as a loop without progress.
const MOST_AT_ONCE: u64 = 20_000;

/// Everything there is.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    types: Vec<EntityType>,
    clock: Clock<Event>,
    network_chance: Random,
    backend_chance: Random,
    disk_chance: Random,
    fault_chance: Random,
    work_chance: Random,
    network: Network,
    server: Server,
    clients: Vec<Client>,
    history: History,
    twister: Twister,
    pub(crate) trace: Trace,
    pub(crate) hits: Hits,
    phase: Phase,
    /// Makes every written value unlike any other.
    marks: u64,
    /// Publications so far.
    callers: u64,
    /// Things that happened at the present time.
    at_once: u64,
    pub(crate) steps: u64,
}

/// Whether things are done and go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Trouble,
    Quiet,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        let clock = Clock::new();
        let mut random = Random::new(options.seed ^ 0x00C0_FFEE);
        let clients = options.clients.iter().enumerate();
        Self {
            types: names::types(),
            network_chance: random.fork(),
            backend_chance: random.fork(),
            disk_chance: random.fork(),
            fault_chance: random.fork(),
            work_chance: random.fork(),
            network: Network::default(),
            server: Server::new(options.server.clone(), options.plant),
            clients: clients
                .map(|(index, client)| Client::new(index, client.clone(), clock.tick()))
                .collect(),
            history: History::default(),
            twister: Twister::new(options.plant),
            trace: Trace::new(options.tail_lines),
            hits: Hits::default(),
            phase: Phase::Trouble,
            marks: 0,
            callers: 0,
            at_once: 0,
            steps: 0,
            clock,
            options,
        }
    }

    /// Lives through all of it.
    pub(crate) fn run(&mut self) -> Result<(), Broken> {
        for index in 0..self.clients.len() {
            self.start_client(index)?;
        }
        self.plan_work();
        self.plan_trouble();
        self.clock.plan(std::time::Duration::ZERO, Event::Look);
        self.pass_until(self.clock.tick() + self.options.trouble)?;
        self.end()
    }

    /// Lets everything happen up to a time.
    fn pass_until(&mut self, end: Tick) -> Result<(), Broken> {
        while let Some((at, who)) = self.next().filter(|(at, _)| *at <= end) {
            let before = self.clock.tick();
            self.clock.move_to(at);
            if self.clock.tick() > before {
                self.at_once = 0;
            }
            self.at_once += 1;
            self.steps += 1;
            if self.at_once > MOST_AT_ONCE {
                return Err(Broken::law(
                    19,
                    format!("time stands still; the last in line was {who:?}"),
                ));
            }
            match who {
                Who::Planned => {
                    if let Some(event) = self.clock.take() {
                        self.happen(event)?;
                    }
                }
                Who::Hub => {
                    self.server.wake_at = None;
                    self.tell_hub(tidewire_hub::Input::Time)?;
                }
                Who::Client(index) => {
                    self.clients[index].wake_at = None;
                    self.tell_client(index, Input::Time)?;
                }
            }
        }
        self.clock.move_to(end);
        Ok(())
    }

    /// Whose turn it is, and when.
    fn next(&self) -> Option<(Tick, Who)> {
        let planned = self.clock.next_at().map(|at| (at, Who::Planned));
        let hub = self.server.wake_at.map(|at| (at, Who::Hub));
        let clients = self
            .clients
            .iter()
            .filter_map(|client| Some((client.wake_at?, Who::Client(client.index))));
        let now = self.clock.tick();
        planned
            .into_iter()
            .chain(hub)
            .chain(clients)
            .map(|(at, who)| (at.max(now), who))
            .min()
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::ServerOpens(link) => self.on_server_opens(link),
            Event::ClientConnects(link) => self.on_client_connects(link),
            Event::Arrives(link, direction) => self.on_arrives(link, direction),
            Event::ClientLearns(link) => self.on_client_learns(link),
            Event::ServerLearns(link) => self.on_server_learns(link),
            Event::Attempt {
                client,
                life,
                generation,
            } => self.on_attempt(client, life, generation),
            Event::Written {
                client,
                life,
                generation,
                bytes,
            } if self.clients[client].life == life => self
                .tell_client(client, Input::Written { generation, bytes })
                .map(drop),
            Event::DiskKeeps { client, life } if self.clients[client].life == life => {
                self.on_disk_keeps(client)
            }
            Event::DiskAnswers { client, life } if self.clients[client].life == life => {
                self.on_disk_answers(client)
            }
            Event::BackendDoes { run, number } if self.server.run == run => {
                self.on_backend_does(number)
            }
            Event::BackendAnswers { run, number } if self.server.run == run => {
                self.on_backend_answers(number)
            }
            Event::ClientStarts(index) => self.start_client(index),
            Event::ClientReturns(index) => self.switch_on(index),
            Event::ServerStarts => self.start_server(),
            Event::Work if self.phase == Phase::Trouble => self.work(),
            Event::Trouble if self.phase == Phase::Trouble => self.trouble(),
            Event::Look => self.on_look(),
            Event::FalsePing(link) => self.on_false_ping(link),
            Event::Written { .. }
            | Event::DiskKeeps { .. }
            | Event::DiskAnswers { .. }
            | Event::BackendDoes { .. }
            | Event::BackendAnswers { .. }
            | Event::Work
            | Event::Trouble => Ok(()),
        }
    }

    /// Everybody looks, whether something was published or not: time alone can break a law.
    fn on_look(&mut self) -> Result<(), Broken> {
        self.clock
            .plan(std::time::Duration::from_millis(700), Event::Look);
        (0..self.clients.len()).try_for_each(|index| self.look(index))
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.clock.tick(), what);
    }

    fn look(&mut self, index: usize) -> Result<(), Broken> {
        let silence = self.options.silence();
        self.clients[index].look(
            self.clock.tick(),
            &self.history,
            &self.types,
            silence,
            &mut self.hits,
        )
    }
}

/// Whose turn it is. At one time, what was planned comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Planned,
    Hub,
    Client(usize),
}
