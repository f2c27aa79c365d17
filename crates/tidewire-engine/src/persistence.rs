//! What must be stored, and what waits for it.
//!
//! One store transaction is under way and one is forming, never more; what comes meanwhile joins
//! the forming one. What was promised to happen only after storing is handed back when the store
//! says so.

use tidewire_model::ActionId;
use tidewire_queue::Action;
use tidewire_store::Txn;

use crate::session::Generation;

/// Names a store transaction that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreTicket(pub u64);

/// What waits for its transaction to be stored.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// An action survives a crash from now on.
    Durable(ActionId),
    /// An action may be sent: its mark "possibly sent" is stored.
    Send(Generation, Box<Action>, u64),
    /// The run is stored: the attempt may be made.
    Connect(Generation),
}

/// The transactions under way and forming.
#[derive(Debug, Default)]
pub(crate) struct Persistence {
    under_way: Option<(StoreTicket, Vec<Then>)>,
    forming: Vec<Txn>,
    waiting: Vec<Then>,
    tickets: u64,
    failure: Option<String>,
}

impl Persistence {
    /// Adds to the forming transaction. After a failure nothing is given to the store any more, so
    /// nothing forms and nothing waits.
    pub(crate) fn push(&mut self, txn: Txn, then: Option<Then>) {
        if self.failure.is_some() {
            return;
        }
        if !txn.ops.is_empty() {
            self.forming.push(txn);
        }
        self.waiting.extend(then);
    }

    /// Why the store does not work any more, if so.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// The next transaction for the store, if it is free and something waits. What waits for
    /// nothing to be written comes back at once.
    pub(crate) fn next(&mut self) -> Next {
        if self.under_way.is_some() || self.failure.is_some() {
            return Next::Nothing;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if self.forming.is_empty() {
            return if waiting.is_empty() {
                Next::Nothing
            } else {
                Next::AtOnce(waiting)
            };
        }
        self.tickets += 1;
        let ticket = StoreTicket(self.tickets);
        self.under_way = Some((ticket, waiting));
        Next::Store(ticket, std::mem::take(&mut self.forming))
    }

    /// The store did it: what waited for it.
    pub(crate) fn on_stored(&mut self, ticket: StoreTicket) -> Vec<Then> {
        match self.under_way.take() {
            Some((under_way, waiting)) if under_way == ticket => waiting,
            other => {
                self.under_way = other;
                Vec::new()
            }
        }
    }

    /// The store failed: nothing that waited will happen, and nothing more is given to it.
    pub(crate) fn on_failed(&mut self, ticket: StoreTicket, reason: &str) -> Vec<Then> {
        let mut dropped = self.on_stored(ticket);
        dropped.append(&mut self.waiting);
        self.forming.clear();
        self.failure = Some(reason.to_owned());
        dropped
    }

    /// Whether everything given was stored.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_none() && self.forming.is_empty()
    }
}

/// What the store is to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing, or it is busy.
    Nothing,
    /// Nothing was written; this may go on at once.
    AtOnce(Vec<Then>),
    /// Store this.
    Store(StoreTicket, Vec<Txn>),
}

#[cfg(test)]
mod tests {
    use tidewire_store::{Commit, Op, Table};

    use super::*;

    fn txn(key: u8) -> Txn {
        let op = Op::Put {
            table: Table::new("t"),
            key: vec![key],
            value: Vec::new(),
        };
        Txn {
            ops: vec![op],
            commit: Commit::Synced,
        }
    }

    fn stored(persistence: &mut Persistence) -> (StoreTicket, usize) {
        match persistence.next() {
            Next::Store(ticket, txns) => (ticket, txns.len()),
            other => panic!("expected a transaction, got {other:?}"),
        }
    }

    #[test]
    fn one_is_under_way_and_the_rest_form_the_next() {
        let mut persistence = Persistence::default();
        persistence.push(txn(1), Some(Then::Connect(Generation(1))));
        let (first, count) = stored(&mut persistence);
        assert_eq!(count, 1);
        persistence.push(txn(2), None);
        persistence.push(txn(3), None);
        assert!(matches!(persistence.next(), Next::Nothing));
        assert!(matches!(
            persistence.on_stored(first)[..],
            [Then::Connect(Generation(1))]
        ));
        assert_eq!(stored(&mut persistence).1, 2);
    }

    #[test]
    fn what_waits_for_nothing_goes_on_at_once_but_not_before_what_is_under_way() {
        let mut persistence = Persistence::default();
        let empty = Txn {
            ops: Vec::new(),
            commit: Commit::Synced,
        };
        persistence.push(txn(1), None);
        let (first, _) = stored(&mut persistence);
        persistence.push(empty, Some(Then::Connect(Generation(2))));
        assert!(matches!(persistence.next(), Next::Nothing));
        persistence.on_stored(first);
        assert!(matches!(persistence.next(), Next::AtOnce(waiting) if waiting.len() == 1));
        assert!(persistence.is_idle());
    }

    #[test]
    fn after_a_failure_nothing_that_waited_happens() {
        let mut persistence = Persistence::default();
        persistence.push(txn(1), Some(Then::Connect(Generation(1))));
        let (first, _) = stored(&mut persistence);
        persistence.push(txn(2), Some(Then::Connect(Generation(2))));
        let dropped = persistence.on_failed(first, "disk full");
        assert_eq!(dropped.len(), 2);
        assert_eq!(persistence.failure(), Some("disk full"));
        assert!(matches!(persistence.next(), Next::Nothing));
        persistence.push(txn(3), None);
        assert!(persistence.is_idle());
    }
}
