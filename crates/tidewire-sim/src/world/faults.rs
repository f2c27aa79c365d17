//! What goes wrong, and how all of it is put right again.

use std::time::Duration;

use super::{Phase, World};
use crate::broken::Broken;
use crate::disk::AtCrash;
use crate::event::Event;
use crate::hits::Hit;
use crate::network::{LinkId, Told};
use crate::options::Fault;
use crate::plant::Plant;

impl World {
    pub(super) fn plan_trouble(&mut self) {
        if !self.options.faults.is_empty() {
            let wait = self.fault_chance.spread(self.options.fault_mean_ms);
            self.clock.plan(wait, Event::Trouble);
        }
    }

    pub(super) fn trouble(&mut self) -> Result<(), Broken> {
        self.plan_trouble();
        let Some(fault) = self.fault_chance.pick(&self.options.faults).copied() else {
            return Ok(());
        };
        let index = self.fault_chance.below(self.clients.len() as u64);
        let index = usize::try_from(index).unwrap_or(0);
        self.note(format_args!("trouble: {fault:?}, client {index}"));
        let link = self.clients[index].link;
        match (fault, link) {
            (Fault::Cut, Some(link)) => {
                self.hit(Hit::Cut);
                self.cut(link, Told::Both);
            }
            (Fault::SilentCut, Some(link)) => self.cut_silently(link),
            (Fault::HalfOpen, Some(link)) => {
                self.hit(Hit::HalfOpen);
                self.cut(link, Told::Client);
            }
            (Fault::DeafServer, Some(link)) => {
                self.hit(Hit::DeafServer);
                if let Some(link) = self.network.link(link) {
                    link.up.cut();
                }
            }
            (Fault::ServerRestart, _) if self.server.hub.is_some() => {
                self.hit(Hit::ServerRestart);
                self.stop_server()?;
                let wait = self.fault_chance.millis(0, 3000);
                self.clock.plan(wait, Event::ServerStarts);
            }
            (Fault::ClientCrash, _) if self.clients[index].engine.is_some() => self.crash(index),
            (Fault::Offline, _) if self.clients[index].engine.is_some() => {
                self.hit(Hit::Offline);
                self.switch_off(index)?;
                let wait = self.fault_chance.millis(0, 5000);
                self.clock.plan(wait, Event::ClientReturns(index));
            }
            (Fault::SlowReader, _) => {
                self.hit(Hit::SlowReader);
                let wait = self.fault_chance.millis(500, 8000);
                self.clients[index].slow_until = self.clock.tick() + wait;
            }
            _ => {}
        }
        Ok(())
    }

    fn cut_silently(&mut self, link: LinkId) {
        self.hit(Hit::SilentCut);
        self.cut(link, Told::Nobody);
        if self.options.plant == Some(Plant::FalseLife) {
            self.clock
                .plan(Duration::from_secs(3), Event::FalsePing(link));
        }
    }

    /// A client is gone in the middle of whatever it did; its store stays.
    fn crash(&mut self, index: usize) {
        self.hit(Hit::ClientCrash);
        let client = &mut self.clients[index];
        if self.fault_chance.chance(50) {
            client.disk.keep();
        }
        let at_crash = client.disk.crash();
        let link = client.link;
        client.crash();
        match at_crash {
            AtCrash::Nothing => {}
            AtCrash::Kept => self.hit(Hit::TransactionKept),
            AtCrash::Lost => self.hit(Hit::TransactionLost),
        }
        if let Some(link) = link {
            let told = if self.fault_chance.chance(60) {
                Told::Server
            } else {
                Told::Nobody
            };
            if let Some(link) = self.network.link(link) {
                link.client_open = false;
            }
            self.cut(link, told);
        }
        let wait = self.fault_chance.millis(0, 4000);
        self.clock.plan(wait, Event::ClientStarts(index));
    }

    /// From now on nothing goes wrong any more, and everybody is there.
    pub(super) fn heal(&mut self) -> Result<(), Broken> {
        self.note(format_args!("all is well from here on"));
        self.phase = Phase::Quiet;
        self.start_server()?;
        for index in 0..self.clients.len() {
            self.clients[index].slow_until = self.clock.tick();
            self.start_client(index)?;
            self.switch_on(index)?;
        }
        Ok(())
    }
}
