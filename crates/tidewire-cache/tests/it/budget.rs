//! The budget of bytes: what goes, in which order, what never goes, and what is said of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidewire_cache::{
    Attached, CollectionSettings, DetachReason, FetchTicket, Interest, Presence, Pressure,
    Progress, Settings, Target, WatchId,
};
use tidewire_model::{Notice, Query};

use crate::support::{
    Rig, by_n, complete, create, key, kind, point, put, remove, room_for, row, things, windowed,
};

fn rig(max_bytes: usize) -> Rig {
    let bounds = Settings {
        max_bytes,
        ..Settings::default()
    };
    let mut rig = Rig::with(bounds, windowed());
    rig.subscribe(Attached::Now, 4, 4);
    rig.flush();
    rig
}

/// The server tells of things with these numbers, each in a commit and a batch of its own.
fn tell(rig: &mut Rig, numbers: std::ops::Range<u64>) {
    for number in numbers {
        rig.commit(5 + number, vec![put(&format!("e{number}"), 1, 5 + number)]);
        rig.flush();
    }
}

/// Which of so many things are known.
fn known(rig: &Rig, count: u64) -> Vec<u64> {
    let is_known = |number: &u64| !rig.is_unknown(&format!("e{number}"));
    (0..count).filter(is_known).collect()
}

fn hand_in(rig: &mut Rig) {
    let touched = rig.cache.take_touched();
    rig.cache.touch(&touched);
}

#[test]
fn law_17_what_was_read_is_spared_and_the_oldest_of_the_rest_goes() {
    let mut rig = rig(room_for(10));
    tell(&mut rig, 0..10);
    assert_eq!((rig.n("e1"), rig.n("e3")), (Some(1), Some(1)));
    hand_in(&mut rig);
    tell(&mut rig, 10..18);
    assert_eq!(known(&rig, 18), [1, 3, 10, 11, 12, 13, 14, 15, 16, 17]);
    let stats = rig.cache.stats();
    assert!(stats.counted_bytes <= room_for(10), "{stats:?}");
    assert_eq!(stats.pressure, Pressure::Within);
}

#[test]
fn law_17_what_was_read_once_is_spared_once() {
    let mut rig = rig(room_for(4));
    tell(&mut rig, 0..4);
    rig.n("e0");
    hand_in(&mut rig);
    tell(&mut rig, 4..12);
    assert!(rig.is_unknown("e0"), "it was not read again");
}

#[test]
fn law_20_what_readers_do_decides_nothing_until_it_is_handed_in() {
    let run = |reads: bool| {
        let mut rig = rig(room_for(10));
        for number in 0..30 {
            tell(&mut rig, number..number + 1);
            if reads {
                rig.n("e0");
                rig.n(&format!("e{number}"));
            }
        }
        known(&rig, 30)
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn law_17_what_was_read_is_told_once_and_only_where_room_is_short() {
    let mut rig = rig(room_for(10));
    tell(&mut rig, 0..5);
    rig.n("e0");
    assert_eq!(rig.cache.take_touched(), [], "there is room");
    tell(&mut rig, 5..10);
    assert_eq!(rig.cache.take_touched(), [key("e0")]);
    assert_eq!(rig.cache.take_touched(), []);
}

#[test]
fn law_17_pins_alone_over_the_budget_are_told_and_stay() {
    let mut rig = rig(room_for(3));
    let watches: Vec<WatchId> = (0..8)
        .map(|number| rig.cache.watch(Target::Entity(key(&format!("e{number}")))))
        .collect();
    tell(&mut rig, 0..20);
    assert_eq!(known(&rig, 20), (0..8).collect::<Vec<_>>());
    let stats = rig.cache.stats();
    assert_eq!(stats.pressure, Pressure::Pinned);
    assert!(stats.pinned_bytes > room_for(3));
    assert_eq!(stats.pinned_bytes, stats.counted_bytes);
    // Nothing is tried over and over.
    assert!(!rig.cache.has_staged());
    for watch_id in watches {
        rig.cache.unwatch(watch_id);
    }
    rig.flush();
    let stats = rig.cache.stats();
    assert_eq!(stats.pressure, Pressure::Within);
    assert!(stats.entities <= 3, "{stats:?}");
}

#[test]
fn law_17_a_lowered_budget_drains_in_batches_of_a_bounded_size() {
    let mut rig = rig(usize::MAX);
    let rows = |to: u64| (0..5_000).map(move |number| put(&format!("e{number}"), 1, to));
    rig.commit(5, rows(5).collect());
    rig.flush();
    rig.cache.set_max_bytes(room_for(100));
    let mut before = rig.cache.stats().entities;
    while rig.cache.has_staged() {
        while rig.cache.work(rig.now, 32) == Progress::More {}
        drop(rig.cache.publish());
        let now = rig.cache.stats().entities;
        assert!(before - now <= 1_024, "{before} to {now} in one batch");
        before = now;
    }
    assert!((90..=100).contains(&before), "{before}");
    assert_eq!(rig.cache.pressure(), Pressure::Within);
}

#[test]
fn law_17_the_largest_complete_collection_becomes_windowed_as_a_whole() {
    let mut rig = Rig::with(Settings::default(), complete());
    let other = kind("others");
    rig.cache.define(other.clone(), complete()).unwrap();
    rig.cache.watch(Target::List(by_n(3)));
    rig.flush();
    rig.snapshot((0..200).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    rig.flush();
    assert_eq!(rig.cache.pressure(), Pressure::Within);
    rig.cache.set_max_bytes(room_for(60));
    rig.flush();
    assert_eq!(
        rig.cache.interest(&things()),
        Interest::Windowed,
        "it says so"
    );
    assert!(
        matches!(rig.cache.interest(&other), Interest::Complete { .. }),
        "nothing is gained by it"
    );
    let stats = rig.cache.stats();
    assert!(stats.counted_bytes <= room_for(60), "{stats:?}");
    // What is looked at is still there; of what is not held nothing is said.
    assert_eq!(rig.ids(&by_n(3)), "r0 r1 r2");
    assert!(!rig.list(&Query::new(things())).complete);
    assert!(
        (0..200).any(|n| rig.is_unknown(&format!("r{n}"))),
        "not absent"
    );
}

#[test]
fn law_17_a_snapshot_larger_than_the_budget_leaves_windows_and_says_nothing_of_what_went() {
    let bounds = Settings {
        max_bytes: room_for(60),
        ..Settings::default()
    };
    let mut rig = Rig::with(bounds, complete());
    rig.snapshot((0..200).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    rig.flush();
    rig.snapshot((0..200).map(|n| row(&format!("r{n}"), n, 1)).collect(), 6);
    rig.flush();
    assert_eq!(rig.cache.interest(&things()), Interest::Windowed);
    assert!(rig.cache.stats().counted_bytes <= room_for(60));
    for n in 0..200 {
        let name = format!("r{n}");
        assert!(!rig.is_absent(&name), "{name} is there");
    }
    assert!(!rig.list(&by_n(3)).complete && !rig.list(&by_n(3)).known);
}

#[test]
fn law_17_a_complete_collection_stays_whole_while_anything_else_can_go() {
    let mut rig = Rig::with(Settings::default(), complete());
    rig.snapshot((0..20).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    rig.flush();
    rig.cache.set_max_bytes(room_for(24));
    for to in 6..40_u64 {
        rig.commit(to, vec![remove(&format!("gone{to}"), to)]);
        rig.flush();
    }
    assert!(matches!(
        rig.cache.interest(&things()),
        Interest::Complete { .. }
    ));
    assert_eq!(rig.list(&Query::new(things())).rows.len(), 20);
    assert!(rig.cache.stats().absent_marks < 10, "marks go before it");
}

#[test]
fn a_list_of_what_was_pushed_is_not_complete_after_something_was_let_go() {
    let settings = CollectionSettings {
        interest: Interest::PushesOnly,
        ..CollectionSettings::default()
    };
    let mut rig = Rig::with(Settings::default(), settings);
    rig.cache.watch(Target::List(by_n(3)));
    rig.subscribe(Attached::Now, 4, 4);
    rig.commit(5, (0..9).map(|n| put(&format!("e{n}"), n, 5)).collect());
    rig.flush();
    assert!(rig.list(&by_n(3)).complete);
    rig.cache.set_max_bytes(0);
    rig.flush();
    let list = rig.list(&by_n(3));
    assert_eq!(rig.ids(&by_n(3)), "e0 e1 e2", "what is looked at is pinned");
    assert!(!list.complete && !list.total_exact, "{list:?}");
    assert!(rig.is_unknown("e5"));
}

#[test]
fn what_is_let_go_is_not_told_as_deleted() {
    let mut rig = rig(usize::MAX);
    rig.cache.watch(Target::Stream(things()));
    tell(&mut rig, 0..5);
    rig.cache.set_max_bytes(0);
    let told: Vec<Notice> = rig
        .steps()
        .into_iter()
        .flat_map(|step| step.notices)
        .collect();
    assert_eq!((told, rig.is_unknown("e3")), (Vec::new(), true));
}

#[test]
fn law_18_bytes_return_when_the_last_handle_is_dropped_and_everything_is_let_go() {
    let mut rig = rig(usize::MAX);
    let empty = rig.cache.stats();
    let watch_id = rig.cache.watch(Target::List(by_n(3)));
    let entity = rig.cache.watch(Target::Entity(key("e7")));
    rig.commit(5, (0..900).map(|n| put(&format!("e{n}"), n, 5)).collect());
    rig.commit(6, vec![remove("e8", 6)]);
    rig.add(1, vec![create("mine", 3)]);
    rig.flush();
    rig.cache.unwatch(watch_id);
    rig.cache.unwatch(entity);
    drop(rig.refuse(1));
    rig.flush();
    rig.cache.set_max_bytes(0);
    rig.flush();
    let left = rig.cache.stats();
    assert_eq!((left.entities, left.counted_bytes), (0, 0));
    assert!(
        left.held.total() <= empty.held.total() + 1_024,
        "{left:?} after {empty:?}"
    );
}

/// What may happen.
#[derive(Debug, Clone)]
enum Act {
    Put(u8, i64),
    Remove(u8),
    Watch(u8),
    Unwatch(usize),
    Read(u8),
    HandIn,
    Ask(u8),
    Answer(usize),
    Room(usize),
    Add(u8),
    Refuse,
    Flush,
}

fn act() -> impl Strategy<Value = Act> {
    let which = || 0..24_u8;
    prop_oneof![
        8 => (which(), 0..9_i64).prop_map(|(which, n)| Act::Put(which, n)),
        2 => which().prop_map(Act::Remove),
        2 => which().prop_map(Act::Watch),
        2 => any::<usize>().prop_map(Act::Unwatch),
        4 => which().prop_map(Act::Read),
        2 => Just(Act::HandIn),
        2 => which().prop_map(Act::Ask),
        2 => any::<usize>().prop_map(Act::Answer),
        1 => (0..12_usize).prop_map(Act::Room),
        1 => which().prop_map(Act::Add),
        1 => Just(Act::Refuse),
        6 => Just(Act::Flush),
    ]
}

fn named(which: u8) -> String {
    format!("e{which:02}")
}

/// A cache beside the server's truth at each point, which is all that an entity can ever have been.
struct Twin {
    rig: Rig,
    truth: Vec<BTreeMap<String, i64>>,
    watches: Vec<(WatchId, String)>,
    asked: Vec<(FetchTicket, u64, String)>,
    pending: Option<String>,
    actions: u64,
    /// What was known and pinned when this was last looked at.
    settled: Vec<String>,
    room: usize,
}

impl Twin {
    fn new() -> Self {
        let bounds = Settings {
            max_bytes: room_for(4),
            max_absent: 2,
            ..Settings::default()
        };
        let mut rig = Rig::with(bounds, windowed());
        rig.subscribe(Attached::Now, 4, 4);
        rig.flush();
        Self {
            rig,
            truth: vec![BTreeMap::new()],
            watches: Vec::new(),
            asked: Vec::new(),
            pending: None,
            actions: 0,
            settled: Vec::new(),
            room: room_for(4),
        }
    }

    fn now(&self) -> u64 {
        3 + self.truth.len() as u64
    }

    fn change(&mut self, name: &str, n: Option<i64>) {
        let mut truth = self.truth.last().cloned().unwrap_or_default();
        match n {
            Some(n) => truth.insert(name.into(), n),
            None => truth.remove(name),
        };
        self.truth.push(truth);
        let to = self.now();
        let change = n.map_or_else(|| remove(name, to), |n| put(name, n, to));
        self.rig.commit(to, vec![change]);
    }

    fn take(&mut self, act: &Act) {
        match *act {
            Act::Put(which, n) => self.change(&named(which), Some(n)),
            Act::Remove(which) => self.change(&named(which), None),
            Act::Watch(which) => {
                let watch_id = self.rig.cache.watch(Target::Entity(key(&named(which))));
                self.watches.push((watch_id, named(which)));
            }
            Act::Unwatch(which) if !self.watches.is_empty() => {
                let (watch_id, name) = self.watches.remove(which % self.watches.len());
                self.rig.cache.unwatch(watch_id);
                self.settled.retain(|settled| *settled != name);
            }
            Act::Read(which) => drop(self.rig.get(&named(which))),
            Act::HandIn => hand_in(&mut self.rig),
            Act::Ask(which) => {
                let ticket = self.rig.ask(&[&named(which)]);
                self.asked.push((ticket, self.now(), named(which)));
            }
            Act::Answer(which) if !self.asked.is_empty() => {
                let (ticket, at, name) = self.asked.remove(which % self.asked.len());
                let n = self.truth[(at - 4) as usize].get(&name).copied();
                let rows = n.map(|n| row(&name, n, at)).into_iter().collect();
                let missing = [&*name];
                let missing = if n.is_none() { &missing[..] } else { &[] };
                self.rig.entities(ticket, Some(point(at)), rows, missing);
            }
            Act::Room(things) => {
                self.room = room_for(things);
                self.rig.cache.set_max_bytes(self.room);
            }
            Act::Add(which) if self.pending.is_none() => {
                self.actions += 1;
                self.rig.add(self.actions, vec![create(&named(which), 77)]);
                self.pending = Some(named(which));
            }
            Act::Refuse => {
                if let Some(name) = self.pending.take() {
                    drop(self.rig.refuse(self.actions));
                    self.settled.retain(|settled| *settled != name);
                }
            }
            Act::Flush => {
                self.rig.flush();
                self.check();
            }
            Act::Unwatch(_) | Act::Answer(_) | Act::Add(_) => {}
        }
    }

    fn check(&mut self) {
        let truth = self.truth.last().cloned().unwrap_or_default();
        let mut settled = Vec::new();
        for name in (0..24).map(named) {
            let pending = self.pending.as_ref() == Some(&name);
            let pinned = pending || self.watches.iter().any(|(_, watched)| *watched == name);
            let presence = self.rig.get(&name).presence;
            let known = presence != Presence::Unknown;
            match presence {
                Presence::Present(record) => {
                    let n = record.get("n").and_then(|n| n.as_i64());
                    let expected = if pending {
                        Some(77)
                    } else {
                        truth.get(&name).copied()
                    };
                    assert_eq!(
                        n, expected,
                        "{name} is as it is, and nothing deleted comes back"
                    );
                }
                Presence::Absent => assert!(!truth.contains_key(&name), "{name} is there"),
                Presence::Unknown => {
                    assert!(!self.settled.contains(&name), "{name} was pinned and went");
                }
            }
            if pinned && known {
                settled.push(name);
            }
        }
        self.settled = settled;
        let stats = self.rig.cache.stats();
        match stats.pressure {
            Pressure::Within => assert!(stats.counted_bytes <= self.room, "{stats:?}"),
            Pressure::Over => panic!("everything is worked off: {stats:?}"),
            Pressure::Pinned => assert!(stats.pinned_bytes > self.room, "{stats:?}"),
        }
    }
}

proptest! {
    #[test]
    fn law_5_and_law_17_whatever_goes_nothing_pinned_does_and_nothing_old_comes_back(
        acts in prop::collection::vec(act(), 1..160)
    ) {
        let mut twin = Twin::new();
        for act in &acts {
            twin.take(act);
        }
        twin.take(&Act::Flush);
        // Law 18: and it all goes in the end.
        for (watch_id, _) in std::mem::take(&mut twin.watches) {
            twin.rig.cache.unwatch(watch_id);
        }
        twin.take(&Act::Refuse);
        twin.rig.detach(DetachReason::Disconnected);
        twin.rig.cache.set_max_bytes(0);
        twin.rig.flush();
        let stats = twin.rig.cache.stats();
        prop_assert_eq!((stats.counted_bytes, stats.entities), (0, 0));
        prop_assert_eq!(stats.held.entries, 0);
    }
}
