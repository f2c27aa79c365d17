//! A batch is visible whole or not at all, is worked in slices, and keeps nobody waiting.

use tidewire_cache::{Attached, Intake, Progress, Settings, Taken, Target};
use tidewire_model::{EntityKey, Notice};

use crate::support::{
    Rig, at, by_n, commit, complete, create, epoch, id, key, kind, point, put, row, things,
};

#[test]
fn law_1_a_batch_is_visible_whole_or_not_at_all_across_lists_and_streams() {
    let mut rig = Rig::snapped(vec![row("a", 1, 1), row("b", 2, 2)], 5);
    let others = kind("others");
    rig.take(Intake::Subscribed {
        entity_type: others.clone(),
        result: Attached::Now,
        epoch: epoch("x"),
        view: String::new(),
        offset: at(5),
        head: at(5),
    });
    rig.cache.watch(Target::List(by_n(9)));
    rig.flush();
    let mut other = commit(6, vec![put("o", 7, 6)]);
    other.entity_type = others.clone();
    other.changes[0].key.entity_type = others.clone();
    rig.commit(6, vec![put("a", 10, 6), put("b", 20, 6), put("c", 30, 6)]);
    rig.take(Intake::Commit(other));
    rig.commit(7, vec![put("a", 11, 7)]);
    let other_key = EntityKey::new(others, id("o"));
    let state = |rig: &Rig| {
        rig.reader.read(|view| {
            let list = view.list(rig.now, &by_n(9));
            let other = view.get(rig.now, &other_key).presence.record().cloned();
            let numbers: Vec<i64> = list
                .rows
                .iter()
                .filter_map(|row| row.record.get("n")?.as_i64())
                .collect();
            (view.revision(), numbers, list.total_count, other.is_some())
        })
    };
    let before = state(&rig);
    assert_eq!((before.1.as_slice(), before.3), ([1, 2].as_slice(), false));
    while rig.cache.work(rig.now, 1) == Progress::More {
        assert_eq!(state(&rig), before);
        assert!(rig.cache.publish().is_none(), "it is not ready");
        assert_eq!(state(&rig), before);
    }
    let publication = rig.cache.publish().expect("it is ready");
    let after = state(&rig);
    assert_eq!(after, (before.0.next(), vec![11, 20, 30], Some(3), true));
    assert_eq!(publication.change_set.revision, after.0);
    assert!(rig.cache.publish().is_none());
}

#[test]
fn what_is_taken_in_while_a_batch_is_worked_belongs_to_the_next_one() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5), put("b", 1, 5)]);
    assert_eq!(rig.cache.work(rig.now, 1), Progress::More);
    rig.commit(6, vec![put("a", 2, 6)]);
    while rig.cache.work(rig.now, 8) == Progress::More {}
    drop(rig.cache.publish().expect("it is ready"));
    assert_eq!((rig.n("a"), rig.n("b")), (Some(1), Some(1)));
    assert!(rig.cache.has_staged());
    rig.flush();
    assert_eq!(rig.n("a"), Some(2));
    assert_eq!(rig.cache.work(rig.now, 8), Progress::Idle);
}

#[test]
fn a_write_while_a_large_snapshot_is_half_worked_is_visible_at_once_and_the_snapshot_is_not() {
    const ROWS: i64 = 100_000;
    let mut rig = Rig::new(complete());
    rig.cache.watch(Target::List(by_n(3)));
    rig.cache.watch(Target::Entity(key("mine")));
    rig.subscribe(Attached::Snapshot, 5, 5);
    for part in 0..100 {
        let rows = (0..ROWS / 100)
            .map(|n| row(&format!("r{}", part * 1000 + n), part * 1000 + n, 1))
            .collect();
        rig.snapshot_rows(rows, 5);
    }
    rig.snapshot_end(5, Vec::new());
    assert_eq!(rig.cache.staged_rows(), 100_000);
    let (mut slices, mut wrote) = (0, false);
    loop {
        let worked = rig.cache.stats().rows_worked;
        let progress = rig.cache.work(rig.now, 500);
        assert!(
            rig.cache.stats().rows_worked - worked <= 500,
            "a slice keeps to its budget"
        );
        slices += 1;
        if progress != Progress::More {
            break;
        }
        if slices == 100 {
            let step = rig.add(1, vec![create("mine", -1)]);
            assert_eq!(step.entities, [key("mine")]);
            assert_eq!(rig.n("mine"), Some(-1), "visible when the call returns");
            wrote = true;
        }
        assert!(
            !rig.list(&by_n(3)).known && rig.n("r1").is_none(),
            "nothing of the snapshot shows"
        );
    }
    assert!(wrote && slices > 200);
    drop(rig.cache.publish().expect("it is ready"));
    let list = rig.list(&by_n(3));
    assert_eq!(
        (rig.ids(&by_n(3)).as_str(), list.total_count),
        ("mine r0 r1", Some(100_001))
    );
}

#[test]
fn a_publication_hands_back_what_it_replaced() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("a", 1, 5)]);
    while rig.cache.work(rig.now, 8) == Progress::More {}
    let publication = rig.cache.publish().expect("it is ready");
    assert!(!publication.retired.is_empty());
    // The rows of a snapshot that never ended are handed back too.
    let mut rig = Rig::new(complete());
    rig.subscribe(Attached::Snapshot, 5, 5);
    rig.snapshot_rows(vec![row("a", 1, 1)], 5);
    drop(rig.cache.take_retired());
    rig.detach(tidewire_cache::DetachReason::Disconnected);
    assert!(!rig.cache.take_retired().is_empty());
}

#[test]
fn many_changes_at_once_are_told_as_one_bulk_notice() {
    let mut rig = Rig::with(
        Settings {
            max_notices: 3,
            ..Settings::default()
        },
        complete(),
    );
    let listener = rig.cache.watch(Target::Stream(things()));
    rig.snapshot((0..4).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
    let steps = rig.steps();
    let last = steps.last().expect("it was published");
    assert_eq!(
        last.notices,
        [Notice::Bulk {
            entity_type: things(),
            count: 4
        }]
    );
    assert_eq!(
        (last.entities.len(), last.woken.as_slice()),
        (4, [listener].as_slice())
    );
}

#[test]
fn a_snapshot_that_changes_nothing_tells_of_no_entity() {
    let rows = || vec![row("a", 1, 1), row("b", 2, 2)];
    let mut rig = Rig::snapped(rows(), 5);
    rig.snapshot(rows(), 6);
    let entities: Vec<EntityKey> = rig
        .steps()
        .into_iter()
        .flat_map(|step| step.entities)
        .collect();
    assert_eq!(entities, []);
}

#[test]
fn each_entity_is_told_once_as_it_was_first_touched() {
    let mut rig = Rig::attached(4);
    rig.commit(5, vec![put("b", 1, 5), put("a", 1, 5)]);
    rig.commit(6, vec![put("b", 2, 6)]);
    let steps = rig.steps();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].entities, [key("b"), key("a")]);
}

#[test]
fn a_reader_lives_in_another_thread() {
    fn assert_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let rig = Rig::attached(4);
    assert_shared(&rig.reader);
}

#[test]
fn law_20_same_inputs_same_outputs() {
    let run = || {
        let mut rig = Rig::snapped((0..50).map(|n| row(&format!("r{n}"), n, 1)).collect(), 5);
        rig.cache.watch(Target::List(by_n(9)));
        rig.cache.watch(Target::Entity(key("r3")));
        rig.commit(6, vec![put("r3", -1, 6), put("zz", 0, 6)]);
        rig.add(1, vec![create("new", 5)]);
        let steps: Vec<String> = rig.steps().iter().map(|step| format!("{step:?}")).collect();
        (steps, format!("{:?}", rig.list(&by_n(9))))
    };
    assert_eq!(run(), run());
}

#[test]
fn a_commit_over_several_streams_names_each_one_that_has_a_gap() {
    let mut rig = Rig::attached(5);
    let part = |name: &str, to: u64| {
        let mut part = commit(to, Vec::new());
        part.entity_type = kind(name);
        part
    };
    for name in ["others", "rest"] {
        rig.take(Intake::Subscribed {
            entity_type: kind(name),
            result: Attached::Now,
            epoch: epoch("x"),
            view: String::new(),
            offset: at(5),
            head: at(5),
        });
    }
    let taken = rig.take(Intake::CommitGroup(vec![
        part("things", 8),
        part("others", 6),
        part("rest", 9),
    ]));
    let missing = [
        (things(), point(5)),
        (kind("rest"), tidewire_model::Point::new(epoch("x"), at(5))),
    ];
    let received = missing.into();
    assert_eq!(taken, Taken::Gap { received });
    assert!(!rig.cache.holds(&things()) && !rig.cache.holds(&kind("rest")));
    assert!(rig.cache.holds(&kind("others")));
}
