//! Fields as a plain list of pairs, as they are given by an application.
//!
//! Sorts rather than searches, so that nothing anybody gives makes it quadratic. Never part of the public API.

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
