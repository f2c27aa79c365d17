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
    /// Does one action. `action.id` is the idempotency key, the same at every attempt.
    ///
    /// The actions of one lane come one at a time and in order: the next one after this returns. So
    /// it must end; give requests a time limit. It goes on, and its answer counts, when the
    /// connection is lost meanwhile.
    ///
    /// # Errors
    /// [`Failure::new`] for what is known not to be done: its class says what becomes of the action,
    /// which is parked if refused for good, else tried again. [`Failure::outcome_unknown`] where it
    /// may have been done all the same, such as after a timeout; a panic counts as that.
    async fn execute(&self, action: &Action) -> Result<Executed, Failure>;

    /// Whether the backend takes `action.id` as idempotency key: given again, the action has its
    /// effect once and the same answer.
    ///
    /// Where it does, an action whose answer was lost, by a failure or by the end of the program, is
    /// given again. Where it does not, which is the default, that action becomes uncertain: its lane
    /// stops until somebody retries or discards it. Asked once, when the client is started.
    fn honours_idempotency_key(&self) -> bool {
        false
    }
}
