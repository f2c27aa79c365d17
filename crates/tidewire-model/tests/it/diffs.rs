//! Law 10: applying a list diff to the old page gives the new one, and equal pages give none.

use proptest::collection::vec;
use proptest::prelude::*;
use tidewire_model::{EntityId, ListDiff, ListStep};

use crate::strategies::id;

type Page = Vec<(EntityId, u8)>;

fn page(ids: &[usize]) -> Page {
    ids.iter()
        .map(|number| (id(&number.to_string()), 0))
        .collect()
}

fn applied(diff: &ListDiff, old: &Page, new: &Page) -> Option<Page> {
    diff.apply(old, |id| {
        new.iter().find(|row| row.0 == *id).map(|row| row.1)
    })
}

fn steps(old: &[usize], new: &[usize]) -> Vec<ListStep> {
    match ListDiff::between(&page(old), &page(new)) {
        ListDiff::Steps(steps) => steps,
        ListDiff::Reset => panic!("{old:?} to {new:?} was a reset"),
    }
}

/// The length of the longest rising sequence, by looking at every pair.
fn longest_rising(places: &[usize]) -> usize {
    let mut lengths: Vec<usize> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        let before = (0..at)
            .filter(|&other| places[other] < *place)
            .map(|other| lengths[other])
            .max();
        lengths.push(before.unwrap_or(0) + 1);
    }
    lengths.into_iter().max().unwrap_or(0)
}

/// The fewest steps there can be.
fn fewest(old: &Page, new: &Page) -> usize {
    let find = |page: &Page, id: &EntityId| page.iter().position(|row| row.0 == *id);
    let kept: Vec<usize> = new.iter().filter_map(|row| find(old, &row.0)).collect();
    let replaced = kept
        .iter()
        .filter(|&&place| !new.contains(&old[place]))
        .count();
    let moved = kept.len() - longest_rising(&kept);
    (old.len() - kept.len()) + (new.len() - kept.len()) + moved + replaced
}

#[test]
fn one_edit_is_one_step() {
    assert_eq!(steps(&[1, 2, 3], &[1, 2, 3]), []);
    assert_eq!(
        steps(&[1, 3], &[1, 2, 3]),
        [ListStep::Insert { at: 1, id: id("2") }]
    );
    assert_eq!(steps(&[1, 2, 3], &[1, 3]), [ListStep::Remove { at: 1 }]);
    assert_eq!(
        steps(&[1, 2, 3, 4], &[4, 1, 2, 3]),
        [ListStep::Move { from: 3, to: 0 }]
    );
    assert_eq!(
        steps(&[1, 2, 3, 4], &[2, 3, 4, 1]),
        [ListStep::Move { from: 0, to: 3 }]
    );
    let (old, mut new) = (page(&[1, 2, 3]), page(&[1, 2, 3]));
    new[2].1 = 9;
    assert_eq!(
        ListDiff::between(&old, &new),
        ListDiff::Steps(vec![ListStep::Replace { at: 2 }])
    );
}

#[test]
fn a_sliding_window_is_one_removal_and_one_insertion() {
    let ids: Vec<usize> = (0..51).collect();
    let expected = [
        ListStep::Remove { at: 0 },
        ListStep::Insert {
            at: 49,
            id: id("50"),
        },
    ];
    assert_eq!(steps(&ids[..50], &ids[1..]), expected);
}

#[test]
fn pages_that_differ_too_much_are_a_reset() {
    let (first, second): (Vec<usize>, Vec<usize>) = ((0..100).collect(), (100..200).collect());
    assert_eq!(
        ListDiff::between(&page(&first), &page(&second)),
        ListDiff::Reset
    );
    assert!(!ListDiff::Reset.is_empty());
    assert_eq!(ListDiff::Reset.apply(&page(&[1]), |_| Some(0)), None);
}

#[test]
fn a_step_that_does_not_fit_the_page_is_refused() {
    for step in [
        ListStep::Insert { at: 3, id: id("x") },
        ListStep::Remove { at: 2 },
        ListStep::Move { from: 2, to: 0 },
        ListStep::Move { from: 0, to: 2 },
        ListStep::Replace { at: 2 },
    ] {
        assert_eq!(
            ListDiff::Steps(vec![step]).apply(&page(&[1, 2]), |_| Some(0)),
            None
        );
    }
    let unknown = ListDiff::Steps(vec![ListStep::Replace { at: 0 }]);
    assert_eq!(unknown.apply(&page(&[1]), |_| None), None);
}

#[test]
fn a_large_page_with_few_edits_takes_few_steps() {
    let old: Vec<usize> = (0..10_000).collect();
    let mut new = old.clone();
    new.swap(10, 9_000);
    new.remove(5_000);
    assert_eq!(steps(&old, &new).len(), 3);
}

proptest! {
    #[test]
    fn applying_the_diff_to_the_old_page_gives_the_new_one(
        old in vec((0_usize..20, 0_u8..2), 0..16),
        new in vec((0_usize..20, 0_u8..2), 0..16),
    ) {
        let distinct = |rows: Vec<(usize, u8)>| {
            let mut page: Page = Vec::new();
            for (number, content) in rows {
                let id = id(&number.to_string());
                if page.iter().all(|row| row.0 != id) {
                    page.push((id, content));
                }
            }
            page
        };
        let (old, new) = (distinct(old), distinct(new));
        let diff = ListDiff::between(&old, &new);
        prop_assert_eq!(diff.is_empty(), old == new);
        let fewest = fewest(&old, &new);
        match &diff {
            ListDiff::Reset => prop_assert!(fewest > 16),
            ListDiff::Steps(steps) => {
                prop_assert_eq!(applied(&diff, &old, &new), Some(new));
                prop_assert_eq!(steps.len(), fewest);
            }
        }
    }

    #[test]
    fn any_shuffle_that_is_not_a_reset_comes_out_right(new in Just((0..30).collect::<Vec<usize>>()).prop_shuffle()) {
        let (old, new) = (page(&(0..30).collect::<Vec<_>>()), page(&new));
        let diff = ListDiff::between(&old, &new);
        if diff != ListDiff::Reset {
            prop_assert_eq!(applied(&diff, &old, &new), Some(new));
        }
    }

    #[test]
    fn a_page_that_repeats_an_id_does_no_harm(old in vec(0_usize..6, 0..8), new in vec(0_usize..6, 0..8)) {
        let (old, new) = (page(&old), page(&new));
        let diff = ListDiff::between(&old, &new);
        if let Some(page) = applied(&diff, &old, &new) {
            prop_assert!(page.len() <= old.len() + new.len());
        }
    }
}
