//! The table of layers: each kind of wrong edge is caught, each kind of right edge is not.

use super::*;
use crate::metadata::Dependency;

fn workspace() -> Vec<Package> {
    let package = |place: &Place| Package {
        name: place.name.to_string(),
        folder: format!("crates/{}", place.name),
        dependencies: used_by(place)
            .map(|used| edge(used.name, Kind::Shipped))
            .collect(),
        ..Package::default()
    };
    PLACES.iter().map(package).collect()
}

fn used_by(place: &Place) -> impl Iterator<Item = &'static Place> {
    PLACES.iter().filter(|other| place.may_use(other.name))
}

fn edge(name: &str, kind: Kind) -> Dependency {
    Dependency {
        name: name.to_string(),
        kind,
    }
}

fn with_edge(from: &str, to: &str, kind: Kind) -> Vec<String> {
    let mut packages = workspace();
    let package = packages
        .iter_mut()
        .find(|package| package.name == from)
        .unwrap();
    package.dependencies.push(edge(to, kind));
    edges(&packages).iter().map(ToString::to_string).collect()
}

#[test]
fn the_table_itself_points_only_downwards_and_at_what_is_in_it() {
    for place in PLACES {
        let used: Vec<_> = used_by(place).collect();
        assert_eq!(
            used.len(),
            place.may_use.split_whitespace().count(),
            "{}",
            place.name
        );
        assert!(
            used.iter().all(|used| used.level < place.level),
            "{}",
            place.name
        );
    }
}

#[test]
fn every_edge_of_the_table_is_allowed() {
    assert_eq!(edges(&workspace()), []);
}

#[test]
fn an_edge_that_is_not_in_the_table_is_caught() {
    let found = with_edge("tidewire-cache", "tidewire-protocol", Kind::Shipped);
    assert_eq!(
        found,
        ["crates/tidewire-cache/Cargo.toml: `tidewire-cache` may not use `tidewire-protocol`"]
    );
    assert_eq!(
        with_edge("tidewire-model", "tidewire-engine", Kind::Shipped).len(),
        1
    );
    assert_eq!(
        with_edge("tidewire-server", "tidewire-store", Kind::Shipped).len(),
        1
    );
}

#[test]
fn tests_may_use_the_same_level_their_own_crate_and_below() {
    assert_eq!(
        with_edge("tidewire-store", "tidewire-store", Kind::Development).len(),
        0
    );
    assert_eq!(
        with_edge("tidewire", "tidewire-server", Kind::Development).len(),
        0
    );
    assert_eq!(
        with_edge("tidewire-cli", "tidewire-server", Kind::Development).len(),
        0
    );
    assert_eq!(
        with_edge("tidewire-model", "tidewire-cache", Kind::Development).len(),
        1
    );
}

#[test]
fn nobody_uses_the_tools_not_even_in_tests() {
    assert_eq!(
        with_edge("tidewire-cli", "tidewire-sim", Kind::Development).len(),
        1
    );
    assert_eq!(
        with_edge("tidewire-cli", "xtask", Kind::Development).len(),
        1
    );
}

#[test]
fn a_crate_without_a_place_and_a_place_without_a_crate_are_caught() {
    let mut packages = workspace();
    packages.last_mut().unwrap().name = "tidewire-new".to_string();
    let found: Vec<String> = edges(&packages).iter().map(ToString::to_string).collect();
    assert!(found[0].ends_with("`tidewire-new` is not in the table of layers"));
    assert_eq!(
        found[1],
        "xtask: is in the table of layers, but not in the workspace"
    );
}

#[test]
fn a_runtime_far_below_a_crate_without_io_is_caught() {
    let built = ["tidewire-cache", "regex", "tokio"].map(ToString::to_string);
    let found = closure::check("tidewire-cache", &built);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .to_string()
            .contains("is built from `tokio`, which brings an async runtime")
    );
    assert_eq!(closure::check("tidewire-cache", &built[..2]), []);
}

#[test]
fn cargo_says_what_a_crate_is_built_from() {
    let repository = Repository::open().unwrap();
    let built = closure::built_from(&repository, "tidewire-engine").unwrap();
    assert!(built.contains(&"tidewire-model".to_string()));
    assert!(!built.contains(&"xtask".to_string()));
}
