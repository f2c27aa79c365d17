//! An ordered map from field names, the inside of patches and of records that are being built.
//!
//! Keeps the order in which names were first seen. Small maps are scanned; larger ones carry a sorted index, so
//! that nothing a peer sends makes a lookup or a merge quadratic. Never part of the public API.

use std::sync::Arc;

use crate::work;

/// Up to this many fields a scan beats an index.
const SCAN_LIMIT: usize = 16;

/// So few new fields are put into the index one by one; more are sorted in at once.
const FEW: usize = 4;

#[derive(Debug, Clone)]
pub(crate) struct Fields<T> {
    entries: Vec<(Arc<str>, T)>,
    /// Places in `entries`, sorted by name; empty up to [`SCAN_LIMIT`] entries.
    index: Vec<u32>,
}

impl<T> Default for Fields<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: Vec::new(),
        }
    }
}

impl<T> Fields<T> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it is scanned rather than looked up in an index.
    pub(crate) fn is_small(&self) -> bool {
        self.entries.len() < SCAN_LIMIT
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &T)> + ExactSizeIterator {
        self.entries.iter().map(|(name, value)| (&**name, value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.place(name).map(|place| &self.entries[place].1)
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.place(name).is_some()
    }

    /// Sets a field; a known name keeps its place.
    pub(crate) fn set(&mut self, name: &str, value: T) {
        if let Some(place) = self.place(name) {
            self.entries[place].1 = value;
            return;
        }
        let place = self.entries.len();
        self.entries.push((name.into(), value));
        if !self.index.is_empty() {
            let at = self.lower_bound(name);
            self.index.insert(at, narrow(place));
            work::add(self.index.len() - at);
        } else {
            self.rebuild_index();
        }
    }

    /// Sets many fields, as [`set`](Self::set) would one after the other, and sorts the index once.
    pub(crate) fn set_all<N: AsRef<str> + Into<Box<str>>>(
        &mut self,
        pairs: impl IntoIterator<Item = (N, T)>,
    ) {
        let mut fresh: Vec<(Box<str>, T)> = Vec::new();
        for (name, value) in pairs {
            match self.place(name.as_ref()) {
                Some(place) => self.entries[place].1 = value,
                None => fresh.push((name.into(), value)),
            }
        }
        if fresh.len() <= FEW {
            for (name, value) in fresh {
                self.set(&name, value);
            }
            return;
        }
        let fresh = last_wins(fresh).into_iter();
        self.entries
            .extend(fresh.map(|(name, value)| (name.into(), value)));
        self.rebuild_index();
    }

    /// Removes many fields in one pass.
    pub(crate) fn remove_all<'a>(&mut self, names: impl IntoIterator<Item = &'a str>) {
        let mut gone: Vec<usize> = names
            .into_iter()
            .filter_map(|name| self.place(name))
            .collect();
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable();
        let mut gone = gone.into_iter().peekable();
        let mut place = 0;
        self.entries.retain(|_| {
            let mut kept = true;
            while gone.next_if_eq(&place).is_some() {
                kept = false;
            }
            place += 1;
            kept
        });
        self.rebuild_index();
    }

    fn place(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.entries.iter().position(|(known, _)| &**known == name);
        }
        let place = *self.index.get(self.lower_bound(name))? as usize;
        (&*self.entries[place].0 == name).then_some(place)
    }

    fn lower_bound(&self, name: &str) -> usize {
        self.index
            .partition_point(|&place| &*self.entries[place as usize].0 < name)
    }

    fn rebuild_index(&mut self) {
        if self.entries.len() <= SCAN_LIMIT {
            self.index.clear();
            return;
        }
        work::add(self.entries.len());
        self.index = (0..narrow(self.entries.len())).collect();
        let entries = &self.entries;
        self.index
            .sort_unstable_by(|&a, &b| entries[a as usize].0.cmp(&entries[b as usize].0));
    }
}

/// Removes repeated names from pairs: the last value wins, at the place of the first.
pub(crate) fn last_wins<T>(pairs: Vec<(Box<str>, T)>) -> Vec<(Box<str>, T)> {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|&a, &b| pairs[a].0.cmp(&pairs[b].0));
    if order
        .windows(2)
        .all(|pair| pairs[pair[0]].0 != pairs[pair[1]].0)
    {
        return pairs;
    }
    // The sort is stable, so each group of one name stands in its order of arrival: first place, last value.
    let mut value_from: Vec<Option<usize>> = vec![None; pairs.len()];
    for group in order.chunk_by(|&a, &b| pairs[a].0 == pairs[b].0) {
        value_from[group[0]] = group.last().copied();
    }
    let mut slots: Vec<Option<(Box<str>, T)>> = pairs.into_iter().map(Some).collect();
    value_from
        .into_iter()
        .flatten()
        .filter_map(|from| slots[from].take())
        .collect()
}

#[cfg(test)]
mod tests;

fn narrow(place: usize) -> u32 {
    u32::try_from(place).expect("a record is bounded by the frame that brought it")
}
