//! Names that the server makes: entity ids and the names of commits. All are UUIDs of version 7.
//!
//! The one place of the backend that reads the wall clock or asks for chance.

use std::time::{SystemTime, UNIX_EPOCH};

use tidewire_model::{ActionId, EntityId};

/// Civil time in unix milliseconds.
pub(super) fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A new name, later ones after earlier ones.
pub(super) fn name() -> String {
    let mut random = [0; 10];
    fill(&mut random);
    ActionId::new(wall_ms(), random).to_string()
}

/// An id for an entity that came without one.
pub(super) fn entity_id() -> EntityId {
    EntityId::text(&name()).expect("a UUID is short and plain text")
}

/// Fills `bytes` with chance.
pub(super) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes once it runs");
}
