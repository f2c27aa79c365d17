//! What can be planned in the world. Values only.

use tidewire_engine::Generation;

use crate::network::{Direction, LinkId};

/// Something that happens at a planned time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The server's socket stands.
    ServerOpens(LinkId),
    /// The client's socket stands.
    ClientConnects(LinkId),
    /// The next thing on its way arrives.
    Arrives(LinkId, Direction),
    /// The client hears that the connection is over.
    ClientLearns(LinkId),
    /// The server hears that the connection is over.
    ServerLearns(LinkId),
    /// A connection attempt is decided.
    Attempt {
        client: usize,
        life: u64,
        generation: Generation,
    },
    /// The client's socket took what it was given.
    Written {
        client: usize,
        life: u64,
        generation: Generation,
        bytes: usize,
    },
    /// The client's store does the transaction under way.
    DiskKeeps { client: usize, life: u64 },
    /// The client's store says that it did it.
    DiskAnswers { client: usize, life: u64 },
    /// The backend does what it was asked.
    BackendDoes { run: u64, number: u64 },
    /// The backend says what it did.
    BackendAnswers { run: u64, number: u64 },
    /// A crashed client begins again.
    ClientStarts(usize),
    /// A client is switched on again.
    ClientReturns(usize),
    /// The server begins again.
    ServerStarts,
    /// Something is done.
    Work,
    /// Something goes wrong.
    Trouble,
    /// Everybody looks.
    Look,
    /// A cut connection pings, as only a planted mistake can.
    FalsePing(LinkId),
}
