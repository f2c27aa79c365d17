//! Plain values: bounded, with a time to live, watched, and apart from batches.

use std::time::Duration;

use proptest::prelude::*;
use tidewire_cache::{Settings, StaleReason, Trust};
use tidewire_model::{Tick, Value, ValueKey};

use crate::support::{Rig, put, things, windowed};

fn named(name: &str) -> ValueKey {
    ValueKey::new(name).unwrap()
}

fn bounded(max_values: usize, max_value_bytes: usize) -> Rig {
    let bounds = Settings {
        max_values,
        max_value_bytes,
        ..Settings::default()
    };
    Rig::with(bounds, windowed())
}

impl Rig {
    /// Sets a value, for so many milliseconds; gives who was woken.
    fn set_value(
        &mut self,
        name: &str,
        value: i64,
        millis: Option<u64>,
    ) -> Vec<tidewire_cache::WatchId> {
        let time_to_live = millis.map(Duration::from_millis);
        let set = self
            .cache
            .set_value(self.now, named(name), &Value::from(value), time_to_live);
        set.unwrap().woken
    }

    fn value(&self, name: &str) -> Option<i64> {
        self.reader.value(self.now, &named(name))?.value().as_i64()
    }
}

#[test]
fn coverage_a10_a_value_is_shown_at_once_at_a_revision_of_its_own() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    assert_eq!(rig.cache.work(rig.now, 1), tidewire_cache::Progress::More);
    let before = rig.reader.revision();
    let watcher = rig.cache.watch_value(named("dashboard:metrics"));
    assert_eq!(rig.set_value("dashboard:metrics", 7, None), [watcher]);
    assert_eq!(rig.value("dashboard:metrics"), Some(7));
    assert!(rig.is_unknown("a"), "the batch goes on");
    let reading = rig
        .reader
        .value(rig.now, &named("dashboard:metrics"))
        .unwrap();
    assert_eq!(
        (reading.revision, reading.trust),
        (before.next(), Trust::Fresh)
    );
    rig.flush();
    assert_eq!(
        (rig.n("a"), rig.value("dashboard:metrics")),
        (Some(1), Some(7))
    );
    assert_eq!(rig.set_value("other", 1, None), []);
    rig.cache.unwatch(watcher);
    assert_eq!(
        (
            rig.set_value("dashboard:metrics", 8, None),
            rig.cache.stats().watchers
        ),
        (vec![], 0)
    );
}

#[test]
fn a_value_is_shown_for_its_time_and_its_watchers_are_told_of_the_end() {
    let mut rig = Rig::new(windowed());
    let watcher = rig.cache.watch_value(named("a"));
    rig.set_value("a", 1, Some(100));
    rig.set_value("b", 1, Some(50));
    let end = rig.now + Duration::from_millis(100);
    assert_eq!(rig.cache.next_ageing(rig.now), Some(end));
    rig.pass(99);
    assert_eq!((rig.value("a"), rig.value("b")), (Some(1), None));
    rig.pass(1);
    assert_eq!(rig.value("a"), None);
    assert_eq!(rig.cache.age(Tick::ZERO, rig.now).unwrap().woken, [watcher]);
    assert_eq!(rig.cache.next_ageing(rig.now), None);
    assert_eq!(rig.cache.stats().values, 2);
    rig.set_value("c", 1, None);
    assert_eq!(rig.cache.stats().values, 1, "what is over makes room");
}

#[test]
fn law_17_values_are_bounded_in_number_and_the_first_set_goes_first_the_watched_last() {
    let mut rig = bounded(3, 1 << 20);
    let watcher = rig.cache.watch_value(named("a"));
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        rig.set_value(name, n as i64, None);
    }
    rig.set_value("b", 9, None);
    rig.set_value("d", 3, None);
    let held = |rig: &Rig| ["a", "b", "c", "d", "e", "f"].map(|name| rig.value(name).is_some());
    assert_eq!(held(&rig), [true, true, false, true, false, false]);
    rig.cache.watch_value(named("b"));
    rig.cache.watch_value(named("d"));
    rig.cache.watch_value(named("e"));
    assert!(
        rig.set_value("e", 4, None).contains(&watcher),
        "it is told that its value went"
    );
    assert_eq!(held(&rig), [false, true, false, true, true, false]);
    assert_eq!(rig.cache.stats().values, 3);
}

#[test]
fn law_17_values_are_bounded_in_bytes_and_one_that_is_too_large_is_refused() {
    let mut rig = bounded(1_000, 10_000);
    let text = |length: usize| Value::from("x".repeat(length));
    for n in 0..50 {
        let name = named(&format!("v{n}"));
        drop(
            rig.cache
                .set_value(rig.now, name, &text(1_000), None)
                .unwrap(),
        );
        assert!(rig.cache.stats().value_bytes <= 10_000);
    }
    let kept = rig.cache.stats().values;
    assert!((5..10).contains(&kept), "{kept}");
    let refused = rig
        .cache
        .set_value(rig.now, named("large"), &text(10_000), None);
    assert_eq!(refused.unwrap_err().limit, 10_000);
    assert_eq!(rig.cache.stats().values, kept, "nothing went for it");
}

#[test]
fn a_marked_value_stays_and_is_stale_until_it_is_set_again() {
    let mut rig = Rig::new(windowed());
    let watcher = rig.cache.watch_value(named("a"));
    assert!(
        rig.cache
            .invalidate_values(rig.now, &[named("a")])
            .is_none()
    );
    rig.set_value("a", 1, None);
    let told = rig
        .cache
        .invalidate_values(rig.now, &[named("a"), named("b")]);
    assert_eq!(told.unwrap().woken, [watcher]);
    assert!(
        rig.cache
            .invalidate_values(rig.now, &[named("a")])
            .is_none(),
        "it is marked"
    );
    let trust = |rig: &Rig| {
        rig.reader
            .value(rig.now, &named("a"))
            .map(|reading| reading.trust)
    };
    assert_eq!(
        (rig.value("a"), trust(&rig)),
        (Some(1), Some(Trust::Stale(StaleReason::Marked)))
    );
    rig.set_value("a", 2, None);
    assert_eq!(trust(&rig), Some(Trust::Fresh));
}

#[test]
fn values_are_forgotten_by_namespace_or_all() {
    let mut rig = Rig::new(windowed());
    for name in ["things:a", "things", "thingsome:a", "other"] {
        rig.set_value(name, 1, None);
    }
    assert!(rig.cache.clear_values(Some(&things())).is_some());
    let left = |rig: &Rig| ["things:a", "things", "thingsome:a"].map(|name| rig.value(name));
    assert_eq!(left(&rig), [None, Some(1), Some(1)]);
    assert!(rig.cache.clear_values(None).is_some());
    assert_eq!(
        (rig.cache.stats().values, rig.cache.stats().value_bytes),
        (0, 0)
    );
    assert!(rig.cache.clear_values(None).is_none());
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Option<u64>),
    Mark(u8),
    Pass(u64),
    Watch(u8),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8_u8, proptest::option::of(0..40_u64)).prop_map(|(name, life)| Step::Set(name, life)),
        2 => (0..8_u8).prop_map(Step::Mark),
        2 => (0..20_u64).prop_map(Step::Pass),
        1 => (0..8_u8).prop_map(Step::Watch),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn values_equal_a_plain_list_of_them(steps in proptest::collection::vec(step(), 1..80)) {
        const MAX: usize = 4;
        let mut rig = bounded(MAX, 1 << 20);
        // In the order in which they were set: name, number, end, marked.
        let mut twin: Vec<(u8, i64, Option<Tick>, bool)> = Vec::new();
        let mut watched = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let number = number as i64;
            match step {
                Step::Set(name, life) => {
                    rig.set_value(&name.to_string(), number, life);
                    let end = life.map(|life| rig.now + Duration::from_millis(life));
                    twin.retain(|held| held.0 != name && held.2.is_none_or(|end| end > rig.now));
                    twin.push((name, number, end, false));
                    while twin.len() > MAX {
                        let others = &twin[..twin.len() - 1];
                        let first = others.iter().position(|held| !watched.contains(&held.0));
                        twin.remove(first.unwrap_or(0));
                    }
                }
                Step::Mark(name) => {
                    drop(rig.cache.invalidate_values(rig.now, &[named(&name.to_string())]));
                    for held in twin.iter_mut().filter(|held| held.0 == name) {
                        held.3 = true;
                    }
                }
                Step::Pass(millis) => rig.pass(millis),
                Step::Watch(name) => {
                    rig.cache.watch_value(named(&name.to_string()));
                    watched.push(name);
                }
                Step::Clear => {
                    drop(rig.cache.clear_values(None));
                    twin.clear();
                }
            }
            for name in 0..8_u8 {
                let reading = rig.reader.value(rig.now, &named(&name.to_string()));
                let shown = reading.map(|reading| (reading.value().as_i64().unwrap(), reading.trust != Trust::Fresh));
                let expected = twin.iter().find(|held| held.0 == name && held.2.is_none_or(|end| end > rig.now));
                prop_assert_eq!(shown, expected.map(|held| (held.1, held.3)), "{}", name);
            }
        }
    }
}
