//! The end: faults stop, and within a bounded time everything has come together (law 15); then
//! everything is given back, and nothing is left (law 18).

use std::time::Duration;

use tidewire_cache::{Presence, Target, Trust};
use tidewire_engine::Command;
use tidewire_model::{Offset, ValueRef};

use super::World;
use crate::broken::Broken;
use crate::options::Options;

/// So long it may take until all is well, beside the time that waiting writes take. Longer than the
/// longest wait of any part of it: silence, backoff, handshake, all one after the other.
const HEALING: Duration = Duration::from_secs(45);
/// All is looked at this often meanwhile.
const GLANCE: Duration = Duration::from_secs(3);
/// All stays well for this long, at least.
const STAYING: Duration = Duration::from_secs(12);
/// So long after the last interest is given back, nothing is left.
const CLEARING: Duration = Duration::from_secs(12);

impl World {
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        self.heal()?;
        let end = self.clock.tick() + HEALING + self.time_of_writes();
        while self.check_all().is_err() && self.clock.tick() < end {
            self.pass_until(self.clock.tick() + GLANCE)?;
        }
        self.check_all()?;
        self.pass_until(self.clock.tick() + STAYING)?;
        self.check_all()?;
        for index in 0..self.clients.len() {
            for id in std::mem::take(&mut self.clients[index].watches).into_keys() {
                self.command(index, Command::Unwatch(id))?;
            }
        }
        self.pass_until(self.clock.tick() + CLEARING)?;
        self.check_nothing_left()
    }

    /// How long the writes that wait may take, one after the other: those of the clients, and those that the server has
    /// in its line, of which the application's may be the last, since authors take turns.
    fn time_of_writes(&self) -> Duration {
        let at_clients = self
            .clients
            .iter()
            .filter_map(|client| Some(client.queue()?.pending().count() as u64));
        let waiting = at_clients.sum::<u64>() + self.writes_at_server();
        let Options {
            network_ms,
            backend_ms,
            disk_ms,
            ..
        } = &self.options;
        let each_ms = 4 * (network_ms.1 + backend_ms.1 + disk_ms.1);
        Duration::from_millis(waiting * each_ms)
    }

    fn writes_at_server(&self) -> u64 {
        let hub = self.server.hub.as_ref();
        hub.map_or(0, |hub| hub.stats().waiting_writes)
    }

    fn check_all(&self) -> Result<(), Broken> {
        let waiting = self.writes_at_server();
        if waiting > 0 {
            // Until the last of them, all may be well for a moment only.
            let what = format!("the server has {waiting} writes in its line");
            return Err(Broken::law(15, what));
        }
        for index in 0..self.clients.len() {
            self.check_together(index)
                .map_err(|broken| broken.of(format!("client {index}")))?;
            self.check_promises(index)
                .map_err(|broken| broken.of(format!("client {index}")))?;
        }
        self.check_truth()
    }

    /// Every live list equals the server's answer, and every queue is drained (law 15).
    fn check_together(&self, index: usize) -> Result<(), Broken> {
        let client = &self.clients[index];
        let Some(engine) = &client.engine else {
            return Err(Broken::world("a client never came back".to_owned()));
        };
        if let Some(action) = engine.queue().pending().next() {
            return Err(Broken::law(
                15,
                format!("action {} is still {:?}", action.id, action.state),
            ));
        }
        if !client.twin.is_empty() {
            return Err(Broken::law(
                15,
                format!(
                    "a write is done and is not called visible: {:?}",
                    client.twin
                ),
            ));
        }
        if !engine.is_stored() {
            return Err(Broken::law(15, "something was never stored".to_owned()));
        }
        let (reader, now) = (engine.reader(), self.clock.tick());
        for target in client.watches.values() {
            let entity_type = target.entity_type();
            let head = self.history.head(entity_type);
            let applied = reader.applied(entity_type).map(|point| point.offset);
            if applied != Some(head) {
                let what = format!(
                    "{entity_type} is applied up to {applied:?} and the truth stands at {head}"
                );
                return Err(Broken::law(15, what));
            }
            match target {
                Target::Entity(key) => {
                    let reading = reader.get(now, key);
                    let unnamed = key.id.is_temporary() && self.history.named(&key.id).is_none();
                    let known =
                        reading.trust == Trust::Live && reading.presence != Presence::Unknown;
                    if !known && !unnamed {
                        return Err(Broken::law(
                            15,
                            format!("{key:?} is watched and reads {reading:?}"),
                        ));
                    }
                }
                Target::List(query) => {
                    let list = reader.list(now, query);
                    if list.trust != Trust::Live || !list.complete || !list.total_exact {
                        return Err(Broken::law(
                            15,
                            format!("the list \"{query}\" reads {list:?}"),
                        ));
                    }
                }
                Target::Stream(_) => {}
            }
        }
        Ok(())
    }

    /// Every write that was taken was done once, or is parked, or was given up (laws 13 and 14).
    fn check_promises(&self, index: usize) -> Result<(), Broken> {
        let client = &self.clients[index];
        for (id, promise) in &client.promises {
            let done = self.history.fate(*id).map_or(0, |fate| fate.done);
            let parked = client
                .queue()
                .and_then(|queue| queue.get(*id))
                .is_some_and(tidewire_queue::Action::is_parked);
            let expected = u64::from(promise.accepted);
            if promise.lost && done == 0 {
                continue;
            }
            if done != expected {
                return Err(Broken::law(
                    13,
                    format!("action {id} was done {done} times; it was told {promise:?}"),
                ));
            }
            if !promise.accepted && !promise.gone && !parked {
                return Err(Broken::law(
                    14,
                    format!("action {id} is nowhere; it was told {promise:?}"),
                ));
            }
        }
        Ok(())
    }

    /// No temporary id is left in the truth.
    fn check_truth(&self) -> Result<(), Broken> {
        for entity_type in &self.types {
            let head: Offset = self.history.head(entity_type);
            for (id, (record, _)) in self.history.at(entity_type, head) {
                let is_named = |value: ValueRef<'_>| {
                    value
                        .as_text()
                        .is_some_and(|text| self.history.is_named(text))
                };
                let left = record.fields().find(|(_, value)| is_named(*value));
                if id.is_temporary() || left.is_some() {
                    let what =
                        format!("{entity_type}/{id} still mentions a temporary id: {left:?}");
                    return Err(Broken::law(13, what));
                }
            }
        }
        Ok(())
    }

    /// Nothing is held that nobody wants (law 18).
    fn check_nothing_left(&mut self) -> Result<(), Broken> {
        for client in &self.clients {
            let idle = client
                .engine
                .as_ref()
                .is_some_and(tidewire_engine::Engine::is_idle);
            if !idle {
                return Err(Broken::law(
                    18,
                    format!("client {} is not idle", client.index),
                ));
            }
        }
        let subscriptions = self.server.subscriptions();
        if subscriptions > 0 {
            return Err(Broken::law(
                18,
                format!("the server still holds {subscriptions} subscriptions"),
            ));
        }
        if !self.server.is_idle() {
            return Err(Broken::law(
                18,
                format!("the backend is still held to something: {:?}", self.server),
            ));
        }
        for index in 0..self.clients.len() {
            self.switch_off(index)?;
        }
        self.pass_until(self.clock.tick() + CLEARING)?;
        let connections = self
            .server
            .hub
            .as_ref()
            .map_or(0, |hub| hub.stats().connections);
        if connections > 0 || !self.network.ids().is_empty() {
            return Err(Broken::law(
                18,
                format!("the server still holds {connections} connections"),
            ));
        }
        match self.clients.iter().find(|client| client.wake_at.is_some()) {
            Some(client) => Err(Broken::law(
                18,
                format!("client {} still waits for a time", client.index),
            )),
            None => Ok(()),
        }
    }
}
