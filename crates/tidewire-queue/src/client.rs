//! Who this client is for its server, and when it becomes somebody else.
//!
//! Holds the record and how it renews. Never makes up randomness.

use std::fmt::Write as _;

/// The client's own name and the counters that tell a copied or renewed store from the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Made once for a store, unique among clients.
    pub id: String,
    /// Rises when the server's memory of this client cannot be used any more.
    pub incarnation: u64,
    /// Rises with every connection, and is durable before it.
    pub run: u64,
    /// Whom the queue belongs to, once a server has said so.
    pub principal: Option<String>,
}

/// Why a client begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Renewal {
    /// The server does not know this client, or knows less of it than it once answered. What was possibly sent
    /// becomes uncertain, the rest is renumbered; the client keeps its id.
    Unknown,
    /// The server knows more of this client than this store does: the store is a copy, or was restored, and another
    /// one has been at work. Any action of this store may have been sent by the other, so all become uncertain; the
    /// client takes a new id, so that the two never meet again.
    Copied,
}

impl ClientRecord {
    pub(crate) fn fresh(random: [u8; 16]) -> Self {
        Self {
            id: id_from(random, 1),
            incarnation: 1,
            run: 0,
            principal: None,
        }
    }

    /// The same owner's client under a new name, which no server knows.
    pub(crate) fn named_anew(&self, random: [u8; 16]) -> Self {
        Self {
            principal: self.principal.clone(),
            ..Self::fresh(random)
        }
    }

    pub(crate) fn renew(&mut self, why: Renewal, random: [u8; 16]) {
        self.incarnation = self.incarnation.saturating_add(1);
        if why == Renewal::Copied {
            self.id = id_from(random, self.incarnation);
        }
    }
}

/// Random bytes differ between programs, the incarnation within one.
fn id_from(random: [u8; 16], incarnation: u64) -> String {
    let mut id = String::with_capacity(40);
    for byte in random {
        let _ = write!(id, "{byte:02x}");
    }
    let _ = write!(id, "-{incarnation}");
    id
}
