//! What an application brings where the server speaks only the basic dialect.

use async_trait::async_trait;
use tidewire_engine::{Executed, Failure, Fetched};
use tidewire_model::EntityType;
use tidewire_protocol::FetchWhat;
use tidewire_queue::Action;

/// Reads by request, for example over HTTP.
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Reads entities by id, or one page of a query.
    ///
    /// An id that is not there goes into `missing`; leaving it out of both says nothing of it.
    ///
    /// # Errors
    /// The class of the failure says whether the client asks again.
    async fn fetch(&self, entity_type: &EntityType, what: FetchWhat) -> Result<Fetched, Failure>;
}

/// Writes by request, for example over HTTP.
#[async_trait]
pub trait Execute: Send + Sync + 'static {
    /// Does one action. `action.id` is the idempotency key: the same action may be given again
    /// after a lost answer, and must have its effect once.
    ///
    /// # Errors
    /// The class of the failure says what becomes of the action: refused for good it is parked,
    /// otherwise it is tried again.
    async fn execute(&self, action: &Action) -> Result<Executed, Failure>;
}
