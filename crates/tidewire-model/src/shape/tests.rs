//! Shapes are found by their names, are one for all, and stay within their bounds.

use std::ptr;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A tree of its own, as long as the tests run.
fn tree(max_shapes: usize, max_bytes: usize) -> &'static Tree {
    Box::leak(Box::new(Tree::new(0, max_shapes, max_bytes)))
}

fn intern(tree: &'static Tree, names: &[&str]) -> Option<&'static Shape> {
    tree.intern(names.iter().copied())
}

#[test]
fn the_same_names_in_the_same_order_are_one_shape() {
    let tree = tree(10, 1 << 20);
    let one = intern(tree, &["id", "name"]).unwrap();
    assert!(ptr::eq(one, intern(tree, &["id", "name"]).unwrap()));
    let others: [&[&str]; 4] = [&[], &["id"], &["name", "id"], &["id", "name", ""]];
    let mut numbers = vec![one.number()];
    for names in others {
        let other = intern(tree, names).unwrap();
        assert!(!ptr::eq(one, other));
        let known: Vec<&str> = (0..other.len()).map(|place| other.name(place)).collect();
        assert_eq!(known, names);
        assert!(!numbers.contains(&other.number()));
        numbers.push(other.number());
    }
    let node = tree.root().step("id").and_then(|node| node.step("name"));
    assert!(ptr::eq(node.and_then(Node::shape).unwrap(), one));
    assert_eq!(node.unwrap().names(), ["id", "name"]);
    assert!(tree.root().step("x").is_none());
}

#[test]
fn shapes_of_records_and_of_parts_never_have_one_number() {
    for count in 1..4 {
        let names = &["this", "and this", "and that"][..count];
        let (whole, part) = (intern(&TREE, names), intern(&PARTS, names));
        let numbers = [whole, part].map(|shape| usize::from(shape.unwrap().number()));
        assert!(numbers[0] <= tree::MAX_SHAPES && numbers[1] > tree::MAX_SHAPES);
    }
}

#[test]
fn a_tree_takes_no_more_shapes_than_it_may() {
    let tree = tree(3, 1 << 20);
    for name in ["a", "b", "c"] {
        assert!(intern(tree, &[name]).is_some());
    }
    assert!(intern(tree, &["d"]).is_none());
    assert!(intern(tree, &["a"]).is_some());
}

#[test]
fn a_tree_takes_no_more_bytes_than_it_may() {
    let tree = tree(usize::MAX, 20_000);
    let long = "x".repeat(30_000);
    assert!(intern(tree, &[&long]).is_none());
    let names: Vec<String> = (0..1_000).map(|n| format!("{n}")).collect();
    // Each behind the one before, so that the number of siblings is not what ends it.
    let made = (1..200)
        .take_while(|&count| {
            tree.intern(names[..count].iter().map(String::as_str))
                .is_some()
        })
        .count();
    assert!((5..100).contains(&made), "{made}");
    assert!(intern(tree, &["0"]).is_some());
}

#[test]
fn one_step_never_looks_through_many_names() {
    let tree = tree(usize::MAX, usize::MAX);
    let names: Vec<String> = (0..1_000).map(|n| format!("{n}")).collect();
    let made = names
        .iter()
        .filter(|name| intern(tree, &[name]).is_some())
        .count();
    assert_eq!(made, 32);
    assert!(intern(tree, &["0", "x"]).is_some());
}

#[test]
fn an_object_of_many_names_has_no_shape() {
    let tree = tree(10, 1 << 20);
    let names: Vec<String> = (0..257).map(|n| format!("{n}")).collect();
    let shape = |count: usize| tree.intern(names[..count].iter().map(String::as_str));
    assert!(shape(257).is_none());
    assert!(tree.root().step("0").is_none(), "nothing is made for it");
    let shape = shape(256).unwrap();
    for (place, name) in names[..256].iter().enumerate() {
        assert_eq!(shape.place(name), Some(place));
    }
    assert_eq!(shape.place("256"), None);
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it is about threads that come at the same time"
)]
fn threads_that_bring_the_same_names_at_once_get_one_shape() {
    let tree = tree(10_000, 1 << 24);
    let names: Vec<String> = (0..20).map(|n| format!("{n}")).collect();
    let all = || -> Vec<&'static Shape> {
        (0..20)
            .flat_map(|from| (from..20).map(move |to| (from, to)))
            .map(|(from, to)| tree.intern(names[from..=to].iter().map(String::as_str)))
            .map(|shape| shape.expect("there is room for all"))
            .collect()
    };
    let found: Vec<Vec<&'static Shape>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(all)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for others in &found[1..] {
        assert!(found[0].iter().zip(others).all(|(a, b)| ptr::eq(*a, *b)));
    }
}

proptest! {
    #[test]
    fn a_name_is_found_where_it_stands(
        mut names in vec(prop_oneof!["[ab]{0,9}", "[ab]{15,18}", "\\PC{0,4}"], 0..40),
        others in vec("[ab]{0,9}", 10),
    ) {
        let mut seen = Vec::new();
        names.retain(|name| !seen.contains(name) && { seen.push(name.clone()); true });
        let shape = Shape::new(1, names.iter().map(String::as_str));
        prop_assert_eq!(shape.len(), names.len());
        for name in names.iter().chain(&others) {
            prop_assert_eq!(shape.place(name), names.iter().position(|known| known == name));
        }
    }

    #[test]
    fn names_are_the_same_when_their_letters_are(one in "[ab]{0,20}", place in 0_usize..20, other in "[ab]{0,3}") {
        prop_assert!(same(one.as_bytes(), one.clone().as_bytes()));
        prop_assert_eq!(same(one.as_bytes(), other.as_bytes()), one == other);
        let mut changed = one.clone().into_bytes();
        if let Some(letter) = changed.get_mut(place) {
            *letter = b'x';
            prop_assert!(!same(one.as_bytes(), &changed));
        }
    }
}
