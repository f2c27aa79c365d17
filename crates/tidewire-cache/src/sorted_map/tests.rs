//! The map against the standard one, and the independence of clones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Node, SortedMap};

#[derive(Debug, Clone)]
enum Step {
    Insert(u16, u32),
    Change(u16, u32),
    Remove(u16),
    Copy,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = prop_oneof![3 => 0..400_u16, 1 => any::<u16>()];
    let step = prop_oneof![
        6 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key.clone(), any::<u32>()).prop_map(|(key, value)| Step::Change(key, value)),
        4 => key.prop_map(Step::Remove),
        1 => Just(Step::Copy),
    ];
    proptest::collection::vec(step, 100..500)
}

fn assert_same(map: &SortedMap<u16, u32>, model: &BTreeMap<u16, u32>) {
    assert_eq!(map.len(), model.len());
    assert_eq!(map.is_empty(), model.is_empty());
    assert!(map.iter().eq(model.iter()), "the entries differ");
    assert_eq!(map.first(), model.first_key_value());
    check_node(&map.root);
}

/// Every count is right, and no node but the root is empty or too wide.
fn check_node(node: &Node<u16, u32>) {
    assert!(node.width() <= super::MAX);
    if let Node::Inner(children) = node {
        for child in children {
            assert!(child.node.width() > 0, "an empty node was left behind");
            assert_eq!(child.len, child.node.len());
            check_node(&child.node);
        }
    }
}

proptest! {
    #[test]
    fn is_the_standard_map_after_every_step(steps in steps(), probes in proptest::collection::vec(0..500_u16, 8)) {
        let mut map = SortedMap::default();
        let mut model = BTreeMap::new();
        let mut copies = Vec::new();
        for step in steps {
            match step {
                Step::Insert(key, value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                Step::Change(key, value) => {
                    let (changed, expected) = (map.get_mut(&key), model.get_mut(&key));
                    prop_assert_eq!(&changed, &expected);
                    if let (Some(changed), Some(expected)) = (changed, expected) {
                        *changed = value;
                        *expected = value;
                    }
                }
                Step::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                Step::Copy => copies.push((map.clone(), model.clone())),
            }
        }
        assert_same(&map, &model);
        for probe in &probes {
            prop_assert_eq!(map.get(probe), model.get(probe));
            prop_assert_eq!(map.rank(probe), model.range(..probe).count());
            prop_assert!(map.iter_from(probe).eq(model.range(probe..)));
            let after = (std::ops::Bound::Excluded(*probe), std::ops::Bound::Unbounded);
            prop_assert!(map.iter_after(probe).eq(model.range(after)));
            prop_assert_eq!(map.nth(usize::from(*probe)), model.iter().nth(usize::from(*probe)));
        }
        for (copy, model) in &copies {
            assert_same(copy, model);
        }
    }
}

#[test]
fn keys_in_order_and_backwards_leave_a_sound_tree() {
    for backwards in [false, true] {
        let keys: Vec<u16> = if backwards {
            (0..20_000).rev().collect()
        } else {
            (0..20_000).collect()
        };
        let mut map: SortedMap<u16, u32> = keys.iter().map(|key| (*key, u32::from(*key))).collect();
        let model: BTreeMap<u16, u32> = keys.iter().map(|key| (*key, u32::from(*key))).collect();
        assert_same(&map, &model);
        for key in &keys[..19_999] {
            assert_eq!(map.remove(key), Some(u32::from(*key)));
        }
        assert_eq!(map.len(), 1);
        check_node(&map.root);
        assert!(
            matches!(&*map.root, Node::Leaf(_)),
            "a tree of one entry is one leaf"
        );
    }
}

#[test]
fn a_change_copies_a_path_and_not_the_map() {
    let mut map: SortedMap<u32, u32> = (0..100_000).map(|key| (key, key)).collect();
    let before = map.clone();
    map.insert(50_000, 1);
    let shared = shared_nodes(&before.root, &map.root);
    let all = count_nodes(&map.root);
    assert!(
        all - shared <= 4,
        "{} of {all} nodes were copied",
        all - shared
    );
}

fn count_nodes(node: &Node<u32, u32>) -> usize {
    match node {
        Node::Leaf(_) => 1,
        Node::Inner(children) => {
            1 + children
                .iter()
                .map(|child| count_nodes(&child.node))
                .sum::<usize>()
        }
    }
}

fn shared_nodes(
    left: &std::sync::Arc<Node<u32, u32>>,
    right: &std::sync::Arc<Node<u32, u32>>,
) -> usize {
    if std::sync::Arc::ptr_eq(left, right) {
        return count_nodes(left);
    }
    match (&**left, &**right) {
        (Node::Inner(left), Node::Inner(right)) => left
            .iter()
            .zip(right)
            .map(|(left, right)| shared_nodes(&left.node, &right.node))
            .sum(),
        _ => 0,
    }
}
