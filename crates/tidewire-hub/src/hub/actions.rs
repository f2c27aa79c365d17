//! Actions on their way in: within their bounds, decided, allowed, and put into the write line.

use tidewire_model::{ActionId, EntityId, EntityType, Lane};
use tidewire_protocol::{ActionMessage, Class, Reject, ServerMessage};

use super::Hub;
use super::write_line::Author;
use crate::connection::Client;
use crate::{ActionOrigin, ConnectionId, Principal, Refused, Write, WriteRequest};

/// A client whose action was refused for the moment comes again after this time.
const RETRY_MS: u64 = 250;
/// The same where storage failed.
pub(super) const STORAGE_RETRY_MS: u64 = 5000;

/// What is kept of an action while it is written.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) connection: ConnectionId,
    pub(super) principal: String,
    pub(super) action: ActionId,
    pub(super) lane: Lane,
    pub(super) seq: u64,
    pub(super) name: String,
    pub(super) target: Option<(EntityType, Option<EntityId>)>,
}

impl Pending {
    fn new(id: ConnectionId, client: &Client, action: &ActionMessage) -> Self {
        let target = action
            .entity_type
            .clone()
            .map(|name| (name, action.entity_id.clone()));
        Self {
            connection: id,
            principal: client.principal.name.clone(),
            action: action.id,
            lane: action.lane.clone(),
            seq: action.seq,
            name: action.name.clone(),
            target,
        }
    }
}

/// Why an action does not reach the write line. Its number is not used up.
struct TurnedAway {
    class: Class,
    code: String,
    message: String,
    retry_after_ms: Option<u64>,
}

impl TurnedAway {
    fn later(code: &str, message: &str, retry_after_ms: u64) -> Self {
        let (code, message) = (code.to_owned(), message.to_owned());
        Self {
            class: Class::Retry,
            code,
            message,
            retry_after_ms: Some(retry_after_ms),
        }
    }
}

impl Hub {
    pub(super) fn on_action(&mut self, id: ConnectionId, action: ActionMessage) {
        let (action_id, seq) = (action.id, action.seq);
        if let Err(why) = self.line_up(id, action) {
            self.turn_away(id, action_id, seq, why);
        }
    }

    pub(super) fn rate_action(&mut self, id: ConnectionId, action: &ActionMessage, wait_ms: u64) {
        let message = "commands come faster than the limit announced";
        self.turn_away(
            id,
            action.id,
            action.seq,
            TurnedAway::later("rate", message, wait_ms),
        );
    }

    fn line_up(&mut self, id: ConnectionId, action: ActionMessage) -> Result<(), TurnedAway> {
        self.check_bounds(id, &action)?;
        let Some(client) = self
            .connections
            .get(&id)
            .and_then(|connection| connection.client())
        else {
            return Ok(());
        };
        let writes = self.decide(&client.principal, &action);
        // What was done is answered as it was then, whatever the rules say by now.
        let last = client.lanes.get(&action.lane).copied().unwrap_or(0);
        if let Err(Refused {
            class,
            code,
            message,
        }) = &writes
            && !matches!(class, Class::Permanent | Class::Conflict)
            && action.seq > last
        {
            let retry_after_ms = (*class == Class::Retry).then_some(RETRY_MS);
            let (code, message) = (code.clone(), message.clone());
            return Err(TurnedAway {
                class: *class,
                code,
                message,
                retry_after_ms,
            });
        }
        let author = Author::Client(Box::new(Pending::new(id, client, &action)));
        let origin = ActionOrigin {
            principal: client.principal.name.clone(),
            client: client.info.id.clone(),
            incarnation: client.info.incarnation,
            run: client.info.run,
            action: action.id,
        };
        let lane = action.lane.clone();
        let request = WriteRequest::Action {
            origin,
            action,
            writes,
        };
        if self.writes.push(author, request, &self.settings).is_err() {
            self.counts.limited += 1;
            let message = "the server has too much to write";
            return Err(TurnedAway::later("overloaded", message, RETRY_MS));
        }
        if let Some(client) = self.client(id) {
            client.pending_actions += 1;
            client.lanes.entry(lane).or_insert(0);
        }
        Ok(())
    }

    fn check_bounds(&mut self, id: ConnectionId, action: &ActionMessage) -> Result<(), TurnedAway> {
        let limits = self.settings.limits;
        let stopped = self.writes.has_stopped();
        let Some(client) = self.client(id) else {
            return Ok(());
        };
        let refused =
            if !client.lanes.contains_key(&action.lane) && client.lanes.len() >= limits.lanes {
                // Its number is not used up, so that a later one of its lane must not follow it.
                TurnedAway {
                    class: Class::Session,
                    code: "too_many_lanes".to_owned(),
                    message: format!("one client may use {} lanes", limits.lanes),
                    retry_after_ms: None,
                }
            } else if client.pending_actions >= limits.pending_actions {
                TurnedAway::later("busy", "too many actions wait for an answer", RETRY_MS)
            } else if stopped {
                return Err(TurnedAway::later(
                    "storage",
                    "the server's storage failed",
                    STORAGE_RETRY_MS,
                ));
            } else {
                return Ok(());
            };
        self.counts.limited += 1;
        Err(refused)
    }

    /// What an action writes, if its principal may.
    fn decide(&self, principal: &Principal, action: &ActionMessage) -> Result<Vec<Write>, Refused> {
        let writes = self.settings.actions.decide(principal, action)?;
        for write in &writes {
            self.settings.rights.may_write(principal, write)?;
        }
        Ok(writes)
    }

    fn turn_away(&mut self, id: ConnectionId, action: ActionId, seq: u64, why: TurnedAway) {
        let TurnedAway {
            class,
            code,
            message,
            retry_after_ms,
        } = why;
        let rows = Vec::new();
        self.send(
            id,
            &ServerMessage::Reject(Reject {
                id: action,
                seq,
                class,
                code,
                message,
                retry_after_ms,
                rows,
            }),
        );
    }
}
