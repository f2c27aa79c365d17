//! Keys: which there are, which a pattern matches, and how many are looked at for it.

use serde_json::json;
use tidewire_cache::{DetachReason, Keys, Regex, Target};
use tidewire_model::{CacheKey, Value, ValueKey};

use crate::support::{Rig, by_n, create, effect, id, key, put, remove, row, set, things};

fn found(rig: &Rig, pattern: &str) -> Keys {
    rig.reader.keys(rig.now, &Regex::new(pattern).unwrap())
}

/// The keys that match, joined.
fn texts(rig: &Rig, pattern: &str) -> String {
    let keys = found(rig, pattern).keys;
    let texts: Vec<String> = keys.iter().map(ToString::to_string).collect();
    texts.join(" ")
}

/// `a0` to `a99` and `b0` to `b9`, indexed.
fn many() -> Rig {
    let rows = |letter: &str, count: i64| {
        (0..count)
            .map(|n| row(&format!("{letter}{n}"), n, 1))
            .collect::<Vec<_>>()
    };
    let mut rig = Rig::snapped([rows("a", 100), rows("b", 10)].concat(), 5);
    rig.cache.index_keys(&things());
    rig.flush();
    rig
}

#[test]
fn coverage_a10_a_pattern_with_a_literal_beginning_looks_at_what_that_selects_and_at_nothing_else()
{
    let rig = many();
    for (pattern, looked, matches) in [
        ("^things:detail-b", 10, 10),
        ("^things:detail-a7", 11, 11),
        (r"^things:detail-a7\d$", 11, 10),
        ("^things:detail-(?:b1|a99)", 2, 2),
        ("^things:detail-c", 0, 0),
        ("^others:", 0, 0),
        ("^things:list-", 0, 0),
        ("^things:", 110, 110),
        ("things:detail-b", 110, 10),
        ("(?i)^things:detail-B", 110, 10),
    ] {
        let keys = found(&rig, pattern);
        assert_eq!(
            (keys.looked, keys.keys.len()),
            (looked, matches),
            "{pattern}"
        );
        assert_eq!(keys.not_indexed, [], "{pattern}");
    }
}

#[test]
fn coverage_a10_without_an_index_the_same_keys_are_found_and_it_is_said_that_there_is_none() {
    let mut rig = Rig::snapped((0..20).map(|n| row(&format!("a{n}"), n, 1)).collect(), 5);
    let before = found(&rig, "^things:detail-a1");
    assert_eq!(
        (before.looked, before.not_indexed.clone()),
        (20, vec![things()])
    );
    assert_eq!(
        found(&rig, "^things:").not_indexed,
        [],
        "all of it is meant"
    );
    assert_eq!(
        rig.cache.stats().indexed_ids,
        0,
        "who never asks pays nothing"
    );
    rig.cache.index_keys(&things());
    rig.cache.index_keys(&things());
    rig.flush();
    let after = found(&rig, "^things:detail-a1");
    assert_eq!((after.looked, after.keys), (11, before.keys));
    assert_eq!(rig.cache.stats().indexed_ids, 20);
}

#[test]
fn the_index_follows_what_comes_and_goes() {
    let mut rig = many();
    rig.commit(6, vec![put("b10", 1, 6), remove("b3", 6), put("b4", 9, 6)]);
    rig.flush();
    assert_eq!(
        texts(&rig, r"^things:detail-b[134]\d?$"),
        "things:detail-b1 things:detail-b10 things:detail-b4"
    );
    rig.snapshot(vec![row("b7", 1, 1)], 9);
    rig.flush();
    assert_eq!(texts(&rig, "^things:detail-b"), "things:detail-b7");
    rig.take(tidewire_cache::Intake::Clear {
        entity_type: things(),
    });
    rig.flush();
    assert_eq!(
        (texts(&rig, ""), rig.cache.stats().indexed_ids),
        (String::new(), 0)
    );
}

#[test]
fn keys_are_those_of_the_view_with_own_writes_on_top() {
    let mut rig = many();
    rig.add(
        1,
        vec![
            create("b99", 1),
            effect("b1", tidewire_model::EffectBody::Remove),
            set("b2", json!({"n": 5})),
        ],
    );
    assert_eq!(
        texts(&rig, "^things:detail-b[129]"),
        "things:detail-b2 things:detail-b9 things:detail-b99"
    );
    rig.refuse(1);
    assert_eq!(
        texts(&rig, "^things:detail-b[129]"),
        "things:detail-b1 things:detail-b2 things:detail-b9"
    );
    rig.detach(DetachReason::Rights);
    rig.flush();
    assert_eq!(texts(&rig, ""), "", "what may not be shown has no keys");
}

#[test]
fn lists_and_values_have_keys_too_and_what_has_a_key_is_there() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1)], 5);
    let value = ValueKey::new("things:summary").unwrap();
    drop(
        rig.cache
            .set_value(rig.now, value, &Value::from(3), None)
            .unwrap(),
    );
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    let list = "things:list-sort n";
    assert_eq!(texts(&rig, "^things:list-"), list);
    assert_eq!(
        texts(&rig, "^things:"),
        format!("things:detail-a {list} things:summary")
    );
    let has = |key: &CacheKey| rig.reader.read(|snapshot| snapshot.has(rig.now, key));
    for key in found(&rig, "").keys {
        assert!(has(&key), "{key}");
        assert_eq!(CacheKey::parse(&key.to_string()), Ok(key));
    }
    assert!(!has(&CacheKey::Detail(key("b"))));
    assert!(!has(&CacheKey::parse("others:list-").unwrap()));
    assert!(!has(&CacheKey::parse("things:other").unwrap()));
}

#[test]
fn coverage_b18_a_pattern_that_means_a_whole_type_is_one_mark() {
    let mut rig = many();
    let matching = |rig: &Rig, pattern: &str| {
        let pattern = Regex::new(pattern).unwrap();
        rig.reader
            .read(|snapshot| snapshot.matching(rig.now, &pattern))
    };
    let whole = matching(&rig, "^things:");
    assert_eq!((whole.types, whole.keys), (vec![things()], Keys::default()));
    for pattern in ["^things:detail-", "^things:$", "things:", "^things:.*"] {
        assert_eq!(matching(&rig, pattern).types, [], "{pattern}");
    }
    let some = matching(&rig, "^things:detail-b");
    rig.cache.invalidate(rig.now, some.keys.keys);
    rig.flush();
    let stale = |name: &str| matches!(rig.trust(name), tidewire_cache::Trust::Stale(_));
    assert!(stale("b3") && !stale("a3"));
    assert_eq!(
        rig.get("b3")
            .presence
            .record()
            .and_then(|it| it.entity_id("id").ok()),
        Some(id("b3"))
    );
}
