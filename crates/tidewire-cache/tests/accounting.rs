//! What a cache says it holds, against what the allocator was asked for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::hint::black_box;

use allocation_counter::measure;
use serde::Deserialize;
use serde_json::json;
use tidewire_cache::{
    Attached, Cache, CollectionSettings, Commit, Intake, Interest, Progress, Settings, Stats,
    Target,
};
use tidewire_model::{
    ActionId, Base, Change, ChangeBody, Effect, EffectBody, EntityId, EntityKey, EntityType, Epoch,
    Offset, Patch, Query, Record, Row, Tick, Version,
};

/// How a cache is filled.
#[derive(Debug, Clone, Copy)]
struct Load {
    entities: usize,
    /// How long a text each record has.
    text: usize,
    /// How many of the entities are then removed, and leave an absent mark.
    removed: usize,
    /// How many lists of all entities are watched.
    lists: usize,
    /// How many entities pending actions touch.
    pending: usize,
}

const PLAIN: Load = Load {
    entities: 0,
    text: 40,
    removed: 0,
    lists: 0,
    pending: 0,
};

fn things() -> EntityType {
    EntityType::new("things").unwrap()
}

fn id(number: usize) -> EntityId {
    EntityId::text(&format!("thing-{number}")).unwrap()
}

fn key(number: usize) -> EntityKey {
    EntityKey::new(things(), id(number))
}

fn record(number: usize, text: usize) -> Record {
    let name = format!("{number:0>text$}");
    let fields = json!({"id": format!("thing-{number}"), "n": number, "name": name, "done": false});
    Record::deserialize(fields).unwrap()
}

fn row(number: usize, text: usize) -> Row {
    Row {
        id: id(number),
        record: record(number, text),
        version: Version::new(1),
    }
}

fn work(cache: &mut Cache) {
    while cache.has_staged() {
        while cache.work(Tick::ZERO, 64) == Progress::More {}
        drop(cache.publish());
    }
    drop(cache.take_retired());
}

fn load(load: Load) -> Cache {
    let mut cache = Cache::new(Settings {
        max_bytes: usize::MAX,
        max_absent: usize::MAX,
        max_snapshot_bytes: usize::MAX,
        ..Settings::default()
    });
    let settings = CollectionSettings {
        interest: Interest::Complete { max_rows: u64::MAX },
        ..CollectionSettings::default()
    };
    cache.define(things(), settings).unwrap();
    let take = |cache: &mut Cache, intake| drop(cache.take(Tick::ZERO, intake));
    let epoch = Epoch::new("e").unwrap();
    let (entity_type, at) = (things(), Offset::new(1).unwrap());
    take(
        &mut cache,
        Intake::Subscribed {
            entity_type,
            result: Attached::Snapshot,
            epoch,
            view: String::new(),
            offset: at,
            head: at,
        },
    );
    let rows: Vec<Row> = (0..load.entities).map(|n| row(n, load.text)).collect();
    let entity_type = things();
    take(
        &mut cache,
        Intake::SnapshotRows {
            entity_type,
            as_of: at,
            rows,
        },
    );
    let (entity_type, actions) = (things(), Vec::new());
    take(
        &mut cache,
        Intake::SnapshotEnd {
            entity_type,
            as_of: at,
            actions,
        },
    );
    work(&mut cache);
    for number in 0..load.lists {
        let list = Query::new(things()).sort_asc(["n", "name"][number % 2]);
        cache.watch(Target::List(list));
        work(&mut cache);
    }
    change(&mut cache, at, load);
    cache
}

/// Takes some entities out, and lets pending actions touch some.
fn change(cache: &mut Cache, at: Offset, load: Load) {
    let removed = (0..load.removed).map(|number| Change {
        key: key(number),
        point: at,
        version: Version::new(2),
        base: Base::None,
        body: ChangeBody::Remove { was: None },
    });
    let taken = cache.take(
        Tick::ZERO,
        Intake::Commit(Commit {
            entity_type: things(),
            from: at,
            to: Offset::new(2).unwrap(),
            changes: removed.collect(),
            echoes: Vec::new(),
            stale_all: false,
        }),
    );
    drop(taken);
    work(cache);
    for number in 0..load.pending {
        let body = if number % 2 == 0 {
            EffectBody::Put(record(number, load.text))
        } else {
            EffectBody::Merge(Patch::new().set("n", 7).set("name", "changed"))
        };
        let action = ActionId::new(number as u64, [0; 10]);
        drop(cache.add_action(Tick::ZERO, action, vec![Effect::new(key(number), body)]));
    }
}

/// What is said, and what the allocator knows.
fn weigh(how: Load) -> (Stats, usize) {
    let mut cache = None;
    let info = measure(|| cache = Some(load(how)));
    let stats = cache.expect("it was made").stats();
    (stats, usize::try_from(info.bytes_current).unwrap())
}

fn assert_agrees(how: Load) {
    // The first brings the names that all records share.
    drop(record(0, how.text));
    let (stats, asked) = weigh(how);
    let said = stats.held.total();
    println!(
        "{how:?}: said {said}, asked {asked}, counted {}, {:?}",
        stats.counted_bytes, stats.held
    );
    assert!(
        said * 10 <= asked * 11 && asked * 10 <= said * 11,
        "{how:?}: {said} for {asked}"
    );
}

#[test]
fn law_17_what_is_said_to_be_held_agrees_with_the_allocator() {
    for entities in [10, 100, 1_000, 10_000, 100_000] {
        for text in [8, 40, 2_000] {
            assert_agrees(Load {
                entities,
                text,
                ..PLAIN
            });
        }
    }
}

#[test]
fn law_17_lists_are_counted() {
    for entities in [10, 1_000, 30_000] {
        for lists in [1, 2] {
            assert_agrees(Load {
                entities,
                lists,
                ..PLAIN
            });
        }
    }
}

#[test]
fn law_17_absent_marks_are_counted() {
    for entities in [10, 1_000, 30_000] {
        assert_agrees(Load {
            entities,
            removed: entities,
            lists: 1,
            ..PLAIN
        });
    }
}

#[test]
fn law_17_pending_actions_are_counted() {
    for entities in [10, 1_000, 10_000] {
        assert_agrees(Load {
            entities,
            pending: entities,
            lists: 1,
            ..PLAIN
        });
    }
}

#[test]
fn what_the_budget_counts_is_near_to_what_is_held() {
    for text in [8, 40, 2_000] {
        let (stats, asked) = weigh(Load {
            entities: 50_000,
            text,
            lists: 1,
            ..PLAIN
        });
        let counted = stats.counted_bytes;
        assert!(
            counted * 5 <= asked * 6 && asked * 5 <= counted * 6,
            "{counted} for {asked}"
        );
    }
}

#[test]
fn a_read_that_hits_allocates_nothing() {
    let cache = load(Load {
        entities: 100,
        ..PLAIN
    });
    let (reader, key) = (cache.reader(), key(7));
    let info = measure(|| {
        for _ in 0..10 {
            black_box(reader.get(Tick::ZERO, &key));
        }
    });
    assert_eq!(info.count_total, 0);
}
