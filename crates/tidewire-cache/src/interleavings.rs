//! Readers and the writer in many orders of their steps, which shuttle plays out one by one: at each
//! lock that the worlds share it chooses who goes on, and it finds whoever waits for ever.
//!
//! What is exchanged without a lock, the world that is shown, is one step here. That its readers are
//! counted right is the matter of `arc_swap`, and of the tests with threads of their own.

use std::sync::LazyLock;

use proptest::test_runner::Config as Cases;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::mpsc::{Receiver, channel};
use shuttle::{Config, Runner, thread};
use tidewire_model::{
    ActionId, Base, Change, ChangeBody, Effect, EffectBody, EntityId, EntityKey, EntityType, Epoch,
    Offset, Patch, Query, Record, RecordBuilder, Row, Tick, Version,
};

use crate::base::Entry;
use crate::kept::Kept;
use crate::slots::{Entries, SlotNumber};
use crate::{
    Attached, Cache, CollectionSettings, Commit, Intake, Interest, Progress, Reader, Retired,
    Settings, Snapshot, Target,
};

/// Of so many commits one deletes an entity that the next creates again.
const DELETES: u64 = 3;
/// Longer than what a place in a list knows of a text by itself, so that rows are looked at.
const LONG: &str = "a text that is longer than the digest of a place";
const COMMITS: std::ops::Range<u64> = 2..6;

/// The entities that each commit writes. Two are behind one lock, so that whoever looks at both at a
/// time is found, and one is behind another.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut entries = Entries::new(Settings::default().hash_seed);
    let mut shard_of = |name: &str| {
        let kept = Kept::from(&Entry::unknown(Tick::ZERO));
        entries
            .set((&id(name), None), Some(kept))
            .map(SlotNumber::shard)
    };
    let first = shard_of("e0");
    let mut names = (1..).map(|number| format!("e{number}"));
    let other = names.find(|name| shard_of(name) != first);
    let same = names.find(|name| shard_of(name) == first);
    ["e0".to_owned()]
        .into_iter()
        .chain(other)
        .chain(same)
        .collect()
});

/// Tries as many schedules as a property has cases, by chance and with few changes of the thread.
fn explore(test: fn()) {
    // What it is worked out with must not be watched.
    LazyLock::force(&NAMES);
    let schedules = usize::try_from(Cases::default().cases).unwrap_or(usize::MAX);
    run(RandomScheduler::new_from_seed(1, schedules), test);
    run(PctScheduler::new_from_seed(2, 3, schedules), test);
}

fn run(scheduler: impl Scheduler + 'static, test: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 20;
    Runner::new(scheduler, config).run(test);
}

fn things() -> EntityType {
    EntityType::new("things").expect("it is a name")
}

fn id(name: &str) -> EntityId {
    EntityId::text(name).expect("it is short")
}

fn key(name: &str) -> EntityKey {
    EntityKey::new(things(), id(name))
}

fn at(number: u64) -> Offset {
    Offset::new(number).expect("it is small")
}

fn record(n: u64) -> Record {
    RecordBuilder::new()
        .field("n", n)
        .field("text", format!("{LONG} {n:06}"))
        .build()
}

/// What a commit leaves: each entity with its number, in the order of both. Each commit moves them all.
fn content(commit: u64) -> Vec<(EntityId, u64)> {
    let mut content: Vec<(EntityId, u64)> = NAMES
        .iter()
        .zip(0..)
        .filter_map(|(name, entity)| Some((id(name), number(commit, entity)?)))
        .collect();
    content.sort_by_key(|(_, n)| *n);
    content
}

fn number(commit: u64, entity: u64) -> Option<u64> {
    let entities = NAMES.len() as u64;
    let is_gone = commit % DELETES == 2 && commit % entities == entity;
    (!is_gone).then_some(commit * 10 + (entity + commit) % entities)
}

fn by(field: &str) -> Query {
    Query::new(things()).sort_asc(field)
}

/// A cache with a snapshot, whose lists are watched.
fn cache() -> Cache {
    let mut cache = Cache::new(Settings::default());
    let settings = CollectionSettings {
        interest: Interest::Complete { max_rows: 1_000 },
        ..CollectionSettings::default()
    };
    cache
        .define(things(), settings)
        .expect("it is defined once");
    let row = |(id, n)| Row {
        id,
        record: record(n),
        version: Version::new(1),
    };
    let intakes = [
        Intake::Subscribed {
            entity_type: things(),
            result: Attached::Snapshot,
            epoch: Epoch::new("e1").expect("it is a name"),
            view: String::new(),
            offset: at(1),
            head: at(1),
        },
        Intake::SnapshotRows {
            entity_type: things(),
            as_of: at(1),
            rows: content(1).into_iter().map(row).collect(),
        },
        Intake::SnapshotEnd {
            entity_type: things(),
            as_of: at(1),
            actions: Vec::new(),
        },
    ];
    for intake in intakes {
        cache.take(Tick::ZERO, intake);
    }
    for query in [by("n").limit(2), by("text")] {
        cache.watch(Target::List(query));
    }
    while cache.work(Tick::ZERO, 100) == Progress::More {}
    drop(cache.publish());
    cache
}

fn change(commit: u64, (name, entity): (&String, u64)) -> Change {
    let body = match number(commit, entity) {
        Some(n) => ChangeBody::Put {
            record: record(n),
            was: None,
        },
        None => ChangeBody::Remove { was: None },
    };
    Change {
        key: key(name),
        point: at(commit),
        version: Version::new(commit),
        base: Base::None,
        body,
    }
}

/// Takes a commit in, works it in slices with an own write in between, and shows it.
fn step(cache: &mut Cache, commit: u64) -> Vec<Retired> {
    let changes = NAMES.iter().zip(0..).map(|entity| change(commit, entity));
    cache.take(
        Tick::ZERO,
        Intake::Commit(Commit {
            entity_type: things(),
            from: at(commit - 1),
            to: at(commit),
            changes: changes.collect(),
            stale_all: false,
            echoes: Vec::new(),
        }),
    );
    let mut retired = Vec::new();
    let _ = cache.work(Tick::ZERO, 1);
    if commit.is_multiple_of(2) {
        let action = ActionId::new(commit, [0; 10]);
        let made = Effect::new(key("own"), EffectBody::Put(record(0)));
        let changed = Effect::new(
            key(&NAMES[1]),
            EffectBody::Merge(Patch::new().set("own", true)),
        );
        let added = cache.add_action(Tick::ZERO, action, vec![made, changed]);
        retired.push(added.retired);
        let _ = cache.work(Tick::ZERO, 1);
        let removed = cache.remove_actions(Tick::ZERO, vec![action]);
        retired.extend(removed.map(|removed| removed.retired));
    }
    while cache.work(Tick::ZERO, 1) == Progress::More {}
    let published = cache.publish().expect("it is ready");
    retired.push(published.retired);
    retired
}

/// Everything there is to see, which has to be what one commit left. Returns which.
fn commit_seen(view: &Snapshot<'_>) -> u64 {
    let own = id("own");
    let numbers = |query: &Query| -> Vec<(EntityId, u64)> {
        let list = view.list(Tick::ZERO, query);
        let rows = list.rows.into_iter().filter(|row| row.id != own);
        rows.map(|row| {
            (
                row.id,
                row.record.get("n").and_then(|n| n.as_u64()).unwrap_or(0),
            )
        })
        .collect()
    };
    let all = numbers(&by("text"));
    let commit = all[0].1 / 10;
    assert_eq!(all, content(commit), "the list");
    for (id, n) in &all {
        let reading = view.get(Tick::ZERO, &EntityKey::new(things(), id.clone()));
        let record = reading.presence.record().expect("it is in the list");
        assert_eq!(record.get("n").and_then(|n| n.as_u64()), Some(*n), "{id}");
    }
    let is_own_there = view
        .get(Tick::ZERO, &key("own"))
        .presence
        .record()
        .is_some();
    let window = numbers(&by("n").limit(2));
    let place = 2 - usize::from(is_own_there);
    assert_eq!(window, &all[..place], "the window");
    // Nobody watches this one: it is worked out from what is held.
    assert_eq!(numbers(&by("n").limit(100)), all, "the list by itself");
    let total = view.list(Tick::ZERO, &by("text")).total_count;
    assert_eq!(total, Some(all.len() as u64 + u64::from(is_own_there)));
    commit
}

fn read(reader: &Reader, rounds: usize) {
    let mut last = 0;
    for _ in 0..rounds {
        let seen = reader.read(|view| {
            let (revision, seen) = (view.revision(), commit_seen(view));
            // Whatever the writer did meanwhile, the same again.
            assert_eq!((view.revision(), commit_seen(view)), (revision, seen));
            seen
        });
        assert!(seen >= last, "the view never goes back");
        last = seen;
    }
}

fn drop_all(retired: Receiver<Retired>) {
    retired.into_iter().for_each(drop);
}

#[test]
fn law_1_in_whatever_order_locks_are_taken_a_reader_sees_its_world_whole() {
    explore(|| {
        let mut cache = cache();
        let readers = [1, 2].map(|rounds| {
            let reader = cache.reader();
            thread::spawn(move || read(&reader, rounds))
        });
        let (send, retired) = channel();
        let dropping = thread::spawn(|| drop_all(retired));
        for commit in COMMITS {
            for retired in step(&mut cache, commit) {
                send.send(retired).expect("somebody drops it");
            }
        }
        drop(send);
        for thread in readers.into_iter().chain([dropping]) {
            thread.join().expect("nobody panics");
        }
        assert_eq!(cache.reader().read(commit_seen), COMMITS.end - 1);
    });
}
