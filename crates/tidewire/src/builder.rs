//! How a client is put together and started.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidewire_engine::{Dialects, Engine, Input, OwnBackend, Settings, Switch};
use tidewire_store::{Durability, MemoryStore, Store};
use tidewire_transport::Transport;

use crate::address;
use crate::client::Client;
use crate::driver::{self, Outside};
use crate::error::StartError;
use crate::seams::{Execute, Fetch};
use crate::shared::{Clock, Pumped, Shared};

pub(crate) type TokenSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Puts a client together.
#[must_use = "a client runs only once it is started"]
pub struct ClientBuilder {
    url: String,
    settings: Settings,
    token: Option<TokenSource>,
    store: Option<Arc<dyn Store>>,
    transport: Option<Arc<dyn Transport>>,
    fetch: Option<Arc<dyn Fetch>>,
    execute: Option<Arc<dyn Execute>>,
    switch: Switch,
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl ClientBuilder {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            settings: Settings::default(),
            token: None,
            store: None,
            transport: None,
            fetch: None,
            execute: None,
            switch: Switch::On,
        }
    }

    /// Names the user whose data this is. Nothing is sent before the server confirms the same
    /// principal. Without it, a store belongs to the first principal the server confirms.
    pub fn identity(mut self, principal: impl Into<String>) -> Self {
        self.settings.identity = Some(principal.into());
        self
    }

    /// Where the proof of the user's identity comes from; asked before every connection.
    pub fn token<F, R>(mut self, source: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = String> + Send + 'static,
    {
        self.token = Some(Arc::new(move || {
            let token = source();
            Box::pin(async move { Some(token.await) })
        }));
        self
    }

    /// Where actions are kept. Without it they are kept in memory, and nothing is durable.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How frames travel; by default WebSocket.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Which dialects may be spoken; by default only v1.
    pub fn dialect(mut self, dialects: Dialects) -> Self {
        self.settings.dialects = dialects;
        self
    }

    /// How entities and pages are read where the dialect is basic.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// How writes are done where the dialect is basic.
    pub fn execute(mut self, execute: impl Execute) -> Self {
        self.execute = Some(Arc::new(execute));
        self
    }

    /// The application's name and version, told to the server.
    pub fn app(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.settings.app = name.into();
        self.settings.app_version = version.into();
        self
    }

    /// Changes that follow each other within this time become visible in one step; by default
    /// 100 ms.
    pub fn batch_window(mut self, window: Duration) -> Self {
        self.settings.batch_window = window;
        self
    }

    /// The rows of one snapshot may take this much memory, roughly, before its end is there; by default 128 MiB. A
    /// complete collection whose snapshot takes more is kept by its windows, as one that has more rows than it may.
    pub fn snapshot_max_bytes(mut self, bytes: usize) -> Self {
        self.settings.cache.max_snapshot_bytes = bytes;
        self
    }

    /// The cache may take this much memory, roughly, typed copies included; by default 256 MiB. Beyond it goes what
    /// nothing pins and nobody read for long, typed copies first; then the largest complete collection is kept by its
    /// windows only. What is watched stays, however much it is.
    pub fn cache_max_bytes(mut self, bytes: usize) -> Self {
        self.settings.cache.max_bytes = bytes;
        self
    }

    /// Starts without connecting, until [`Client::set_online`] says so.
    pub fn offline(mut self) -> Self {
        self.switch = Switch::Off;
        self
    }

    /// Starts the client. Nothing is awaited: reads and writes work at once, online or not.
    ///
    /// Loads what the store holds, which may block for as long as the medium takes.
    ///
    /// # Errors
    /// The address cannot be used, there is no tokio runtime, the store cannot be loaded, or it holds
    /// the data of somebody else than [`identity`](Self::identity) names.
    pub fn start(mut self) -> Result<Client, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let transport = self
            .transport
            .take()
            .or_else(default_transport)
            .ok_or(StartError::NoTransport)?;
        address::check(&self.url).map_err(StartError::BadUrl)?;
        let store = self
            .store
            .take()
            .unwrap_or_else(|| Arc::new(MemoryStore::default()));
        let durable = match store.durability() {
            Durability::Crash => Ok(()),
            Durability::None => {
                Err("this client has no durable store; give it one with store()".to_owned())
            }
        };
        self.settings.own = OwnBackend {
            fetch: self.fetch.is_some(),
            execute: self.execute.is_some(),
            honours_key: self
                .execute
                .as_ref()
                .is_some_and(|execute| execute.honours_idempotency_key()),
        };
        self.settings.seed =
            getrandom::u64().map_err(|error| StartError::NoRandomness(error.to_string()))?;
        let rows = store.load()?;
        let clock = Clock::start();
        let mut engine = Engine::new(clock.now(), self.settings.clone(), rows);
        let owner = engine.queue().client().principal.as_ref();
        if let (Some(store), Some(identity)) = (owner, &self.settings.identity)
            && store != identity
        {
            return Err(StartError::OtherIdentity {
                store: store.clone(),
                identity: identity.clone(),
            });
        }
        if self.switch == Switch::On {
            let command = tidewire_engine::Command::Switch(Switch::On);
            engine.handle(clock.now(), Input::Command(command));
        }
        let shared = Arc::new(Shared::new(engine, clock, durable));
        let outside = Outside {
            url: self.url,
            max_frame_bytes: self.settings.max_frame_bytes,
            token: self.token,
            store,
            transport,
            fetch: self.fetch,
            execute: self.execute,
        };
        // Made here, since a runtime that is at its end drops the task without running it.
        let pumped = Pumped(Arc::clone(&shared));
        runtime.spawn(driver::pump(pumped, outside));
        Ok(Client::new(shared))
    }
}

#[cfg(feature = "websocket")]
#[expect(
    clippy::unnecessary_wraps,
    reason = "without the feature there is none"
)]
fn default_transport() -> Option<Arc<dyn Transport>> {
    Some(Arc::new(tidewire_transport::WebSocketTransport::default()))
}

#[cfg(not(feature = "websocket"))]
fn default_transport() -> Option<Arc<dyn Transport>> {
    None
}
