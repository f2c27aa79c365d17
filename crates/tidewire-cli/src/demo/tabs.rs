//! The tabs that are open, and which customers each of them shows.
//!
//! A tab is there for as long as its stream of events is read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::lists::Choice;

/// Tabs that may be open at once.
const TABS_MAX: usize = 64;

/// The open tabs.
#[derive(Clone, Default)]
pub(super) struct Tabs {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    last: u64,
    choices: BTreeMap<u64, watch::Sender<Choice>>,
}

/// One open tab; dropping it closes it.
pub(super) struct Tab {
    pub(super) number: u64,
    pub(super) choices: watch::Receiver<Choice>,
    tabs: Tabs,
}

impl Tabs {
    /// Opens a tab; none where too many are open.
    pub(super) fn open(&self) -> Option<Tab> {
        let mut open = self.lock();
        if open.choices.len() >= TABS_MAX {
            return None;
        }
        open.last += 1;
        let number = open.last;
        let (sender, choices) = watch::channel(Choice::default());
        open.choices.insert(number, sender);
        Some(Tab {
            number,
            choices,
            tabs: self.clone(),
        })
    }

    /// Changes what a tab shows; tells whether it is open.
    pub(super) fn choose(&self, number: u64, choice: Choice) -> bool {
        let open = self.lock();
        let Some(tab) = open.choices.get(&number) else {
            return false;
        };
        tab.send_if_modified(|old| {
            let is_new = *old != choice;
            *old = choice;
            is_new
        });
        true
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing that can panic runs under the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.tabs.lock().choices.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_that_is_dropped_makes_room_for_another() {
        let tabs = Tabs::default();
        let mut held: Vec<Tab> = (0..TABS_MAX).filter_map(|_| tabs.open()).collect();
        assert_eq!(held.len(), TABS_MAX);
        assert!(tabs.open().is_none());
        let gone = held.pop().unwrap().number;
        assert!(!tabs.choose(gone, Choice::default()));
        let number = tabs.open().map(|tab| tab.number);
        assert!(number.is_some_and(|number| number > gone));
    }
}
