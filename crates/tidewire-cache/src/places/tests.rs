//! The tree against a sorted vector, and the independence of clones.

use std::cell::Cell;
use std::cmp::Ordering;

use proptest::prelude::*;
use tidewire_model::{EntityId, Record, Sort};

use super::{FAN, Found, LEAF, Node, Places, Spot};
use crate::row_number::RowNumber;
use crate::slots::SlotNumber;

#[derive(Debug, Clone)]
enum Step {
    Insert(u32),
    Remove(u32),
    RemoveLast,
    Copy,
}

/// A place that its number decides: many share a digest.
fn spot(number: u32) -> Spot {
    let id = EntityId::integer(i64::from(number / 8));
    let digest = Sort::by_id().prepare().digest(&Record::new(), &id);
    Spot::new(digest, RowNumber::from(SlotNumber::at(number)))
}

fn compare(one: &Spot, other: &Spot) -> Ordering {
    one.cmp_spot(other)
        .then_with(|| one.number().cmp(&other.number()))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let number = prop_oneof![3 => 0..2_000_u32, 1 => 0..100_000_u32];
    let step = prop_oneof![
        12 => number.clone().prop_map(Step::Insert),
        8 => number.prop_map(Step::Remove),
        1 => Just(Step::RemoveLast),
        1 => Just(Step::Copy),
    ];
    proptest::collection::vec(step, 200..1200)
}

/// Every count and floor is right, and no node but the root is empty or too wide.
fn check_node(node: &Node) -> usize {
    match node {
        Node::Leaf(leaf) => {
            assert!(leaf.spots().len() <= LEAF);
            leaf.spots().len()
        }
        Node::Inner(children) => {
            assert!(children.len() <= FAN);
            for child in children.iter() {
                assert_eq!(child.node.first(), Some(child.floor));
                assert_eq!(child.len, check_node(&child.node));
            }
            children.iter().map(|child| child.len).sum()
        }
    }
}

fn assert_same(places: &Places, model: &[Spot]) {
    assert_eq!(places.len(), model.len());
    assert_eq!(places.is_empty(), model.is_empty());
    assert!(places.iter().eq(model.iter().copied()), "the places differ");
    assert_eq!(places.first(), model.first().copied());
    assert_eq!(places.last(), model.last().copied());
    assert_eq!(check_node(&places.root), model.len());
}

proptest! {
    #[test]
    fn places_are_a_sorted_list_after_every_step(steps in steps(), probes in proptest::collection::vec(0..2_000_u32, 8)) {
        let (mut places, mut model, mut copies) = (Places::default(), Vec::<Spot>::new(), Vec::new());
        for step in steps {
            match step {
                Step::Insert(number) => {
                    let new = spot(number);
                    let rank = places.insert(new, |known| compare(known, &new));
                    let at = model.binary_search_by(|known| compare(known, &new));
                    prop_assert_eq!(rank, at.unwrap_or_else(|at| at));
                    if let Err(at) = at {
                        model.insert(at, new);
                    }
                }
                Step::Remove(number) => {
                    let old = spot(number);
                    let removed = places.remove(|known| compare(known, &old));
                    let at = model.binary_search_by(|known| compare(known, &old));
                    prop_assert_eq!(removed, at.ok().map(|at| (model.remove(at), at)));
                }
                Step::RemoveLast => prop_assert_eq!(places.remove_last(), model.pop()),
                Step::Copy => copies.push((places.clone(), model.clone())),
            }
        }
        assert_same(&places, &model);
        for probe in &probes {
            let sought = spot(*probe);
            let at = model.binary_search_by(|known| compare(known, &sought));
            let found = Found { rank: at.unwrap_or_else(|at| at), spot: at.ok().map(|at| model[at]) };
            prop_assert_eq!(places.find(|known| compare(known, &sought)), found);
            let nth = *probe as usize;
            prop_assert!(places.iter_from_nth(nth).eq(model.iter().skip(nth).copied()));
        }
        for (copy, model) in &copies {
            assert_same(copy, model);
        }
    }
}

#[test]
fn a_move_compares_with_few_rows_and_shifts_few_however_many_there_are() {
    fn depth(node: &Node) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Inner(children) => 1 + depth(&children[0].node),
        }
    }
    for count in [1_000, 10_000, 100_000_u32] {
        let mut places = Places::default();
        for number in (0..count).map(|number| number * 7_919 % count) {
            let new = spot(2 * number);
            places.insert(new, |known| compare(known, &new));
        }
        let compared = Cell::new(0_u32);
        let counting = |known: &Spot, sought: &Spot| {
            compared.set(compared.get() + 1);
            compare(known, sought)
        };
        for turn in 0..100 {
            let (old, new) = (
                spot(2 * (turn * 104_729 % count)),
                spot(2 * (turn * 15_485_863 % count) + 1),
            );
            places.remove(|known| counting(known, &old));
            places.insert(new, |known| counting(known, &new));
        }
        let each = compared.get() / 100;
        assert!(each <= 2 * (count.ilog2() + 8), "{each} of {count}");
        // What is shifted is in one node on each level, and no node is wider than one leaf.
        assert_eq!(check_node(&places.root), places.len());
        assert!(depth(&places.root) <= 5, "with {count}");
    }
}

#[test]
fn rows_that_come_in_order_fill_their_leaves() {
    let mut places = Places::default();
    for number in 0..10_000 {
        places.push(spot(number));
    }
    let Node::Inner(children) = &places.root else {
        panic!("it has grown");
    };
    fn leaves(node: &Node) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Inner(children) => children.iter().map(|child| leaves(&child.node)).sum(),
        }
    }
    let leaves: usize = children.iter().map(|child| leaves(&child.node)).sum();
    assert!(leaves < 10_000 / (LEAF * 2 / 3), "{leaves}");
}
