//! What the driver starts outside, each in a task of its own that tells when it is done.

use std::sync::Arc;

use tidewire_engine::{
    Executed, Failure, FetchNumber, Fetched, Generation, Input, StoreTicket, Trouble,
};
use tidewire_model::{ActionId, EntityType};
use tidewire_protocol::{Class, FetchWhat};
use tidewire_queue::Action;
use tidewire_store::Txn;
use tidewire_transport::{ConnectError, ConnectRequest, Connection, Limits};

use super::socket::Socket;
use super::{CONNECT_TIMEOUT, Driver, Outside};

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
                let reader = self.shared.lock().frame_reader();
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
        if let Some((_, connecting)) = self.connecting.take() {
            connecting.abort();
        }
        let mut request = ConnectRequest::new(self.outside.url.clone());
        request.subprotocols = subprotocols.iter().map(ToString::to_string).collect();
        request.limits = Limits {
            max_frame_bytes: usize::try_from(self.outside.max_frame_bytes).unwrap_or(usize::MAX),
            ..Limits::default()
        };
        let (outside, happen) = (Arc::clone(&self.outside), self.happen.clone());
        let attempt = tokio::spawn(async move {
            let happened = match tokio::time::timeout(CONNECT_TIMEOUT, attempt(&outside, request))
                .await
            {
                Ok(Ok((connection, token))) => Happened::Connected(generation, connection, token),
                Ok(Err(error)) => {
                    let trouble = if error.is_permanent() {
                        Trouble::Lasting
                    } else {
                        Trouble::Passing
                    };
                    Happened::ConnectFailed(generation, error.to_string(), trouble)
                }
                Err(_) => {
                    let reason = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
                    Happened::ConnectFailed(generation, reason, Trouble::Passing)
                }
            };
            // The driver ends only after its tasks are of no interest any more.
            let _ = happen.send(happened).await;
        });
        self.connecting = Some((generation, attempt));
    }

    fn is_connecting(&self, generation: Generation) -> bool {
        self.connecting
            .as_ref()
            .is_some_and(|(attempt, _)| *attempt == generation)
    }

    pub(super) fn spawn_store(&self, ticket: StoreTicket, group: Vec<Txn>) {
        let (outside, happen) = (Arc::clone(&self.outside), self.happen.clone());
        tokio::spawn(async move {
            let commit = async move { outside.store.commit(group).await };
            let result = match unharmed(commit).await {
                Ok(result) => result.map_err(|error| error.to_string()),
                Err(panic) => Err(panic),
            };
            let _ = happen.send(Happened::Stored(ticket, result)).await;
        });
    }

    pub(super) fn spawn_fetch(
        &self,
        number: FetchNumber,
        entity_type: EntityType,
        what: FetchWhat,
    ) {
        let (outside, happen) = (Arc::clone(&self.outside), self.happen.clone());
        tokio::spawn(async move {
            let fetch = async move {
                match &outside.fetch {
                    Some(fetch) => fetch.fetch(&entity_type, what).await,
                    None => Err(failure(
                        "not_configured",
                        "the client was built without fetch()",
                    )),
                }
            };
            let result = unharmed(fetch).await;
            let result = result.unwrap_or_else(|panic| Err(failure("panicked", &panic)));
            let _ = happen.send(Happened::Fetched(number, result)).await;
        });
    }

    pub(super) fn spawn_execute(&self, action: Action) {
        let (outside, happen, id) = (Arc::clone(&self.outside), self.happen.clone(), action.id);
        tokio::spawn(async move {
            let execute = async move {
                match &outside.execute {
                    Some(execute) => execute.execute(&action).await,
                    None => Err(failure(
                        "not_configured",
                        "the client was built without execute()",
                    )),
                }
            };
            let result = unharmed(execute).await;
            let result = result.unwrap_or_else(|panic| Err(failure("panicked", &panic)));
            let _ = happen.send(Happened::Executed(id, result)).await;
        });
    }
}

/// Runs code that is not ours, so that its panic is an answer and not a silence.
async fn unharmed<R: Send + 'static>(
    work: impl Future<Output = R> + Send + 'static,
) -> Result<R, String> {
    tokio::spawn(work)
        .await
        .map_err(|_| "it panicked".to_owned())
}

async fn attempt(
    outside: &Outside,
    request: ConnectRequest,
) -> Result<(Connection, Option<String>), ConnectError> {
    let token = match &outside.token {
        Some(source) => source().await,
        None => None,
    };
    let connection = outside.transport.connect(request).await?;
    Ok((connection, token))
}

fn failure(code: &str, message: &str) -> Failure {
    Failure {
        class: Class::Permanent,
        code: code.into(),
        message: message.into(),
    }
}
