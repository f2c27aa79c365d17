//! How a server is put together, and the application's say in who a client is.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tidewire_hub::{Actions, Backend, BackendError, Hub, Principal, Refused, Rights, Settings};
use tidewire_protocol::ClientInfo;

use crate::origin::Origins;
use crate::server::Server;

/// Finds out who a client is.
///
/// A function with the same arguments that gives a future is one too.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// Who a client is, by the token of its `HELLO`. The token never stands in the URL.
    ///
    /// # Errors
    /// It is nobody: the connection is closed with the reason. Class `auth` asks for another token, `retry` for
    /// another attempt with the same one.
    async fn authenticate(
        &self,
        token: Option<String>,
        client: ClientInfo,
    ) -> Result<Principal, Refused>;
}

#[async_trait]
impl<F, T> Authenticate for F
where
    F: Fn(Option<String>, ClientInfo) -> T + Send + Sync + 'static,
    T: Future<Output = Result<Principal, Refused>> + Send,
{
    async fn authenticate(
        &self,
        token: Option<String>,
        client: ClientInfo,
    ) -> Result<Principal, Refused> {
        self(token, client).await
    }
}

/// Takes everybody for the principal "anonymous".
struct Anonymous;

#[async_trait]
impl Authenticate for Anonymous {
    async fn authenticate(
        &self,
        _token: Option<String>,
        _client: ClientInfo,
    ) -> Result<Principal, Refused> {
        Ok(Principal::named("anonymous"))
    }
}

/// Why a server did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The backend could not say what it holds.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// A server to be started. Made by [`Server::builder`].
#[must_use]
pub struct ServerBuilder {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) origins: Origins,
    pub(crate) settings: Settings,
}

impl ServerBuilder {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).expect("the operating system gives random bytes once it runs");
        Self {
            backend,
            authenticate: Arc::new(Anonymous),
            origins: Origins::default(),
            settings: Settings::new(u64::from_le_bytes(seed)),
        }
    }

    /// Who may see and write what. Default: everybody everything.
    pub fn rights(mut self, rights: impl Rights + 'static) -> Self {
        self.settings.rights = Arc::new(rights);
        self
    }

    /// Who a client is. Default: everybody is the principal "anonymous".
    pub fn authenticate(mut self, authenticate: impl Authenticate) -> Self {
        self.authenticate = Arc::new(authenticate);
        self
    }

    /// What actions write. Default: `create`, `update`, `delete` and `transaction` write what they say.
    pub fn actions(mut self, actions: impl Actions + 'static) -> Self {
        self.settings.actions = Arc::new(actions);
        self
    }

    /// Which pages may open a connection. Default: [`Origins::SameHost`].
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Changes the hub's bounds and times; the defaults are those of [`Settings::new`].
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Asks the backend what it holds, and starts. Runs on the tokio runtime it is called on.
    ///
    /// # Errors
    /// The backend could not say what it holds.
    pub async fn start(self) -> Result<Server, StartError> {
        let opened = self.backend.open().await?;
        let hub = Hub::new(self.settings.clone(), opened);
        Ok(Server::run(self, hub))
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("origins", &self.origins)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
