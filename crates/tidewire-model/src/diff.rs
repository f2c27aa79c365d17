//! How one page of a list becomes the next, step by step.
//!
//! Compares two pages; never looks at queries or at the cache.

use std::collections::HashMap;

use crate::id::EntityId;

/// One step from an old page to a new one. Places count from 0 and refer to the list at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListStep {
    /// A row comes in.
    Insert {
        /// Where it stands afterwards.
        at: usize,
        /// Which entity; its content is found in the new page.
        id: EntityId,
    },
    /// A row goes.
    Remove {
        /// Where it stood.
        at: usize,
    },
    /// A row is taken out at one place and put back at another.
    Move {
        /// Where it stood.
        from: usize,
        /// Where it stands afterwards.
        to: usize,
    },
    /// A row stays and has new content, found in the new page.
    Replace {
        /// Where it stands.
        at: usize,
    },
}

/// The steps from an old page to a new one, or the advice to draw it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListDiff {
    /// Steps, to be applied in order.
    Steps(Vec<ListStep>),
    /// The pages differ too much for steps to be of use: take the new page whole.
    Reset,
}

impl ListDiff {
    /// The diff between two pages of rows with their ids. Rows are compared for equality.
    ///
    /// An id stands at most once in a page. For a page that breaks this the diff means nothing.
    pub fn between<R: PartialEq>(old: &[(EntityId, R)], new: &[(EntityId, R)]) -> Self {
        Self::between_by(old, new, |row| &row.0, |old, new| old.1 == new.1)
    }

    /// The diff between two pages of any rows, given how to find a row's id and whether two rows of one id have
    /// the same content.
    pub fn between_by<T>(
        old: &[T],
        new: &[T],
        id: impl Fn(&T) -> &EntityId,
        same: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let limit = 16 + old.len().max(new.len()) / 2;
        let front = old
            .iter()
            .zip(new)
            .take_while(|(old, new)| id(old) == id(new))
            .count();
        let (old_rest, new_rest) = (&old[front..], &new[front..]);
        let back = old_rest
            .iter()
            .rev()
            .zip(new_rest.iter().rev())
            .take_while(|(old, new)| id(old) == id(new))
            .count();
        let old_middle: Vec<&EntityId> =
            old_rest[..old_rest.len() - back].iter().map(&id).collect();
        let new_middle: Vec<&EntityId> =
            new_rest[..new_rest.len() - back].iter().map(&id).collect();

        let Some((mut steps, kept)) = middle_steps(&old_middle, &new_middle, front, limit) else {
            return Self::Reset;
        };
        let front_pairs = (0..front).map(|place| (place, place));
        let middle_pairs = kept
            .into_iter()
            .map(|(from, to)| (front + from, front + to));
        let back_pairs =
            (0..back).map(|place| (old.len() - back + place, new.len() - back + place));
        for (from, to) in front_pairs.chain(middle_pairs).chain(back_pairs) {
            if !same(&old[from], &new[to]) {
                steps.push(ListStep::Replace { at: to });
            }
        }
        if steps.len() > limit {
            Self::Reset
        } else {
            Self::Steps(steps)
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Steps(steps) if steps.is_empty())
    }

    /// Applies the steps to the old page. `row` gives the content of inserted and replaced rows.
    ///
    /// `None` for [`ListDiff::Reset`], when a step does not fit the page, or when `row` gives nothing.
    pub fn apply<R: Clone>(
        &self,
        old: &[(EntityId, R)],
        mut row: impl FnMut(&EntityId) -> Option<R>,
    ) -> Option<Vec<(EntityId, R)>> {
        let Self::Steps(steps) = self else {
            return None;
        };
        let mut page = old.to_vec();
        for step in steps {
            match step {
                ListStep::Insert { at, id } if *at <= page.len() => {
                    page.insert(*at, (id.clone(), row(id)?));
                }
                ListStep::Remove { at } if *at < page.len() => {
                    page.remove(*at);
                }
                ListStep::Move { from, to } if *from < page.len() && *to < page.len() => {
                    let moved = page.remove(*from);
                    page.insert(*to, moved);
                }
                ListStep::Replace { at } if *at < page.len() => page[*at].1 = row(&page[*at].0)?,
                _ => return None,
            }
        }
        Some(page)
    }
}

/// Removals, moves and insertions between two lists of ids, and the pairs (old place, new place) of what is kept.
///
/// `shift` is added to every place of a step. `None` when an id is repeated or the steps exceed the limit.
#[expect(clippy::type_complexity, reason = "used once, by the function above")]
fn middle_steps(
    old: &[&EntityId],
    new: &[&EntityId],
    shift: usize,
    limit: usize,
) -> Option<(Vec<ListStep>, Vec<(usize, usize)>)> {
    let places: HashMap<&EntityId, usize> = old
        .iter()
        .enumerate()
        .map(|(place, id)| (*id, place))
        .collect();
    if places.len() < old.len() {
        return None;
    }
    // For each new place the old one.
    let origin: Vec<Option<usize>> = new.iter().map(|id| places.get(id).copied()).collect();
    let mut kept = vec![false; old.len()];
    for &place in origin.iter().flatten() {
        if std::mem::replace(&mut kept[place], true) {
            return None;
        }
    }
    let kept_count = kept.iter().filter(|kept| **kept).count();
    if old.len() + new.len() - 2 * kept_count > limit {
        return None;
    }
    let mut steps: Vec<ListStep> = (0..old.len())
        .rev()
        .filter(|&place| !kept[place])
        .map(|place| ListStep::Remove { at: shift + place })
        .collect();
    place_rows(new, &origin, &kept, shift, &mut steps);
    let pairs = origin
        .iter()
        .enumerate()
        .filter_map(|(to, from)| Some(((*from)?, to)))
        .collect();
    Some((steps, pairs))
}

/// The moves and insertions that bring the kept rows into their new order.
///
/// The rows of a longest rising sequence of old places stay; each other row is put right behind the one placed
/// before it. Rows still to be moved stand between the placed ones, so the place of a step is the number of rows
/// placed before plus the number of unplaced ones in front, which `waiting` counts.
fn place_rows(
    new: &[&EntityId],
    origin: &[Option<usize>],
    kept: &[bool],
    shift: usize,
    steps: &mut Vec<ListStep>,
) {
    let staying = longest_rising(origin);
    let mut waiting = Counter::new(kept);
    let mut last_staying: Option<usize> = None;
    let mut next_staying = 0;
    for (placed, from) in origin.iter().enumerate() {
        match *from {
            Some(from)
                if staying
                    .get(next_staying)
                    .is_some_and(|&(_, to)| to == placed) =>
            {
                waiting.remove(from);
                last_staying = Some(from);
                next_staying += 1;
            }
            Some(from) => {
                // The staying rows rise in both orders, so the first one that is behind this row tells how many
                // placed rows stand in front of it.
                let behind = staying.partition_point(|&(old_place, _)| old_place < from);
                let placed_before = staying
                    .get(behind)
                    .map_or(placed, |&(_, to)| to.min(placed));
                let old_place = placed_before + waiting.before(from);
                waiting.remove(from);
                let new_place = placed + last_staying.map_or(0, |last| waiting.before(last));
                if old_place != new_place {
                    steps.push(ListStep::Move {
                        from: shift + old_place,
                        to: shift + new_place,
                    });
                }
            }
            None => {
                let at = placed + last_staying.map_or(0, |last| waiting.before(last));
                steps.push(ListStep::Insert {
                    at: shift + at,
                    id: new[placed].clone(),
                });
            }
        }
    }
}

/// A longest sequence of (old place, new place) that rises in both, by patience sorting.
fn longest_rising(origin: &[Option<usize>]) -> Vec<(usize, usize)> {
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = vec![None; origin.len()];
    for (to, from) in origin.iter().enumerate() {
        let Some(from) = *from else { continue };
        let length = tails.partition_point(|&tail| origin[tail] < Some(from));
        previous[to] = length.checked_sub(1).map(|shorter| tails[shorter]);
        if length == tails.len() {
            tails.push(to);
        } else {
            tails[length] = to;
        }
    }
    let mut sequence = Vec::with_capacity(tails.len());
    let mut current = tails.last().copied();
    while let Some(to) = current {
        sequence.extend(origin[to].map(|from| (from, to)));
        current = previous[to];
    }
    sequence.reverse();
    sequence
}

/// Counts how many rows before a place are left, with removal, each in logarithmic time (a Fenwick tree).
struct Counter {
    sums: Vec<usize>,
}

impl Counter {
    fn new(present: &[bool]) -> Self {
        let mut sums = vec![0; present.len() + 1];
        for place in 1..sums.len() {
            sums[place] += usize::from(present[place - 1]);
            let parent = place + (place & place.wrapping_neg());
            if parent < sums.len() {
                sums[parent] += sums[place];
            }
        }
        Self { sums }
    }

    fn remove(&mut self, place: usize) {
        let mut node = place + 1;
        while node < self.sums.len() {
            self.sums[node] -= 1;
            node += node & node.wrapping_neg();
        }
    }

    fn before(&self, place: usize) -> usize {
        let mut node = place;
        let mut sum = 0;
        while node > 0 {
            sum += self.sums[node];
            node &= node - 1;
        }
        sum
    }
}
