//! What the driver starts outside, each in a task of its own that gives back what it has done.
//!
//! A task holds only what it needs, and never the store beside a call of the application.

use std::sync::Arc;

use tidewire_engine::{
    Executed, Failure, FetchNumber, Fetched, Generation, Input, StoreTicket, Trouble,
};
use tidewire_model::{ActionId, EntityType};
use tidewire_protocol::{Class, FetchWhat};
use tidewire_queue::Action;
use tidewire_store::Txn;
use tidewire_transport::{ConnectError, ConnectRequest, Connection, Limits, Transport};

use super::socket::Socket;
use super::{CONNECT_TIMEOUT, Driver};
use crate::builder::TokenSource;
use crate::unharmed::unharmed_future;

/// What a task has done.
pub(super) enum Happened {
    Connected(Generation, Connection, Option<String>),
    ConnectFailed(Generation, String, Trouble),
    Stored(StoreTicket, Result<(), String>),
    Fetched(FetchNumber, Result<Fetched, Failure>),
    Executed(ActionId, Result<Executed, Failure>),
}

impl Driver {
    pub(super) fn on_happened(&mut self, happened: Happened) {
        match happened {
            // An attempt that was given up, and had succeeded in the same moment.
            Happened::Connected(generation, ..) if !self.is_connecting(generation) => {}
            Happened::Connected(generation, connection, token) => {
                self.connecting = None;
                let subprotocol = connection.subprotocol.clone();
                self.hand_in(Input::Connected {
                    generation,
                    subprotocol,
                    token,
                });
                // Which dialect is spoken is decided now.
                let reader = self.shared.look(|engine| engine.frame_reader());
                let unsent = Arc::clone(&self.shared.unsent);
                self.socket = Some(Socket::new(generation, reader, connection, unsent));
            }
            Happened::ConnectFailed(generation, reason, trouble) => {
                self.connecting
                    .take_if(|(attempt, _)| *attempt == generation);
                self.hand_in(Input::ConnectFailed {
                    generation,
                    reason,
                    trouble,
                });
            }
            Happened::Stored(ticket, result) => self.hand_in(Input::Stored { ticket, result }),
            Happened::Fetched(number, result) => self.hand_in(Input::Fetched { number, result }),
            Happened::Executed(action, result) => self.hand_in(Input::Executed { action, result }),
        }
    }

    pub(super) fn connect(&mut self, generation: Generation, subprotocols: &[&'static str]) {
        self.socket = None;
        self.give_up_connecting();
        let mut request = ConnectRequest::new(self.outside.url.clone());
        request.subprotocols = subprotocols.iter().map(ToString::to_string).collect();
        request.limits = Limits {
            max_frame_bytes: usize::try_from(self.outside.max_frame_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        let attempt = attempt(
            self.outside.token.clone(),
            Arc::clone(&self.outside.transport),
            request,
        );
        let attempt = self.tasks.spawn(async move {
            let attempt = tokio::time::timeout(CONNECT_TIMEOUT, unharmed_future(attempt));
            let (reason, trouble) = match attempt.await {
                Ok(Ok(Ok((connection, token)))) => {
                    return Happened::Connected(generation, connection, token);
                }
                Ok(Ok(Err(error))) => (error.to_string(), trouble(&error)),
                Ok(Err(panic)) => (
                    format!(
                        "no connection: the transport, or what gives the token, broke: {panic}"
                    ),
                    Trouble::Passing,
                ),
                Err(_) => (
                    format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
                    Trouble::Passing,
                ),
            };
            Happened::ConnectFailed(generation, reason, trouble)
        });
        self.connecting = Some((generation, attempt));
    }

    pub(super) fn give_up_connecting(&mut self) {
        if let Some((_, attempt)) = self.connecting.take() {
            attempt.abort();
        }
    }

    fn is_connecting(&self, generation: Generation) -> bool {
        self.connecting
            .as_ref()
            .is_some_and(|(attempt, _)| *attempt == generation)
    }

    pub(super) fn spawn_store(&mut self, ticket: StoreTicket, group: Vec<Txn>) {
        let store = Arc::clone(&self.outside.store);
        self.storing.spawn(async move {
            let result = match unharmed_future(store.commit(group)).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(panic) => Err(panic),
            };
            Happened::Stored(ticket, result)
        });
    }

    pub(super) fn spawn_fetch(
        &mut self,
        number: FetchNumber,
        entity_type: EntityType,
        what: FetchWhat,
    ) {
        let fetch = self.outside.fetch.clone();
        self.tasks.spawn(async move {
            let result = match &fetch {
                Some(fetch) => unharmed_future(fetch.fetch(&entity_type, what))
                    .await
                    .unwrap_or_else(|panic| Err(failure("panicked", &panic))),
                None => Err(failure(
                    "not_configured",
                    "the client was built without fetch()",
                )),
            };
            Happened::Fetched(number, result)
        });
    }

    pub(super) fn spawn_execute(&mut self, action: Action) {
        let execute = self.outside.execute.clone();
        self.tasks.spawn(async move {
            let result = match &execute {
                Some(execute) => unharmed_future(execute.execute(&action))
                    .await
                    // Nobody knows how far it had come.
                    .unwrap_or_else(|panic| Err(Failure::outcome_unknown("panicked", panic))),
                None => Err(failure(
                    "not_configured",
                    "the client was built without execute()",
                )),
            };
            Happened::Executed(action.id, result)
        });
    }
}

async fn attempt(
    token: Option<TokenSource>,
    transport: Arc<dyn Transport>,
    request: ConnectRequest,
) -> Result<(Connection, Option<String>), ConnectError> {
    let token = match &token {
        Some(source) => source().await,
        None => None,
    };
    let connection = transport.connect(request).await?;
    Ok((connection, token))
}

fn trouble(error: &ConnectError) -> Trouble {
    match error.retry_after() {
        _ if error.is_permanent() => Trouble::Lasting,
        Some(wait) => Trouble::Busy(wait),
        None => Trouble::Passing,
    }
}

fn failure(code: &str, message: &str) -> Failure {
    Failure::new(Class::Permanent, code, message)
}
