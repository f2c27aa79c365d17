//! The feed of what happens on a server, for an application's activity list or log.
//!
//! Bounded: who does not keep up is told how many facts were missed. Nothing depends on it being read.

use std::sync::Arc;

use tidewire_hub::Fact;
use tokio::sync::broadcast::{self, error::RecvError};

/// The most facts that wait for one reader.
const WAITING_FACTS: usize = 1024;

/// Facts from the time this was asked for on, in order.
#[derive(Debug)]
pub struct Facts {
    receiver: broadcast::Receiver<Arc<Fact>>,
}

/// What comes out of [`Facts`].
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Something happened.
    Fact(Arc<Fact>),
    /// So many facts were dropped because they were not read in time.
    Missed(u64),
}

impl Facts {
    /// The next fact; `None` once the server has ended. May be given up at any time without losing one.
    pub async fn next(&mut self) -> Option<News> {
        match self.receiver.recv().await {
            Ok(fact) => Some(News::Fact(fact)),
            Err(RecvError::Lagged(missed)) => Some(News::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// A feed that has ended.
    pub(crate) fn ended() -> Self {
        Self {
            receiver: broadcast::channel(1).1,
        }
    }
}

/// The pump's end of all feeds.
#[derive(Debug)]
pub(crate) struct FactSender(broadcast::Sender<Arc<Fact>>);

impl FactSender {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(WAITING_FACTS).0)
    }

    pub(crate) fn subscribe(&self) -> Facts {
        Facts {
            receiver: self.0.subscribe(),
        }
    }

    pub(crate) fn send(&self, fact: Fact) {
        // With no reader there is nobody to tell.
        let _ = self.0.send(Arc::new(fact));
    }
}
