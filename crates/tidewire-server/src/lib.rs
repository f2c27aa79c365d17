#![doc = include_str!("../README.md")]

mod backend;
mod builder;
mod calls;
mod clock;
mod event;
mod facts;
mod origin;
mod pump;
mod route;
mod server;
mod socket;

pub use backend::{OpenError, SqliteBackend, SqliteOptions};
pub use builder::{Authenticate, ServerBuilder, StartError};
pub use facts::{Facts, News};
pub use origin::{AllowsOrigin, Origins};
pub use server::{Server, ServerStats};
pub use tidewire_hub::{
    Actions, Backend, Commit, Fact, MAX_ENTITY_DEPTH, OpenToAll, Principal, PublishError, Refused,
    Rights, Settings, StandardActions, Stats, Write,
};
pub use tidewire_protocol::ClientInfo;
