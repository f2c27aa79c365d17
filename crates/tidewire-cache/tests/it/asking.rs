//! How many lists a change looks at: those it can affect, however many there are.

use serde_json::json;
use tidewire_cache::{Attached, Settings, Target, Wanted, WatchId};
use tidewire_model::{
    Base, Change, ChangeBody, EntityId, EntityKey, Query, Row, Value, Version, field,
};

use crate::support::{Rig, action, at, merge, point, record, remove, set, things, windowed};

/// A thing of one group, with a number to sort by and a note that no list reads.
fn grouped(name: &str, group: usize, n: i64, note: &str) -> Row {
    Row {
        id: EntityId::text(name).unwrap(),
        record: record(json!({"id": name, "group": group, "n": n, "note": note})),
        version: Version::new(1),
    }
}

fn of_group(group: impl Into<Value>) -> Query {
    Query::new(things()).filter(field("group").eq(group))
}

/// Four lists of group 0, two that anything may concern, and the others about groups of their own.
fn lists(count: usize) -> Vec<Query> {
    let mut lists = vec![
        of_group(0),
        of_group(0.0).sort_asc("n"),
        of_group(0).sort_desc("n"),
        of_group(0).filter(field("n").lt(50)),
        Query::new(things()).filter(field("n").ge(3)),
        Query::new(things()),
    ];
    let group = |number: usize| i64::try_from(number).unwrap();
    lists.extend((lists.len()..count).map(|number| of_group(group(number))));
    lists
}

fn watch(rig: &mut Rig, lists: Vec<Query>) -> Vec<WatchId> {
    let watchers = lists
        .into_iter()
        .map(|list| rig.cache.watch(Target::List(list)))
        .collect();
    rig.flush();
    watchers
}

/// A complete collection with this many lists.
fn complete(count: usize) -> (Rig, Vec<WatchId>) {
    let rows = (0..20).map(|number| grouped(&format!("e{number}"), number / 4, 1, ""));
    let mut rig = Rig::snapped(rows.collect(), 5);
    let watchers = watch(&mut rig, lists(count));
    (rig, watchers)
}

fn creation(row: Row, version: u64) -> Change {
    let was = None;
    let record = row.record;
    Change {
        key: EntityKey::new(things(), row.id),
        point: at(0),
        version: Version::new(version),
        base: Base::None,
        body: ChangeBody::Put { record, was },
    }
}

/// How many lists are looked at, and who is woken.
fn asked(rig: &mut Rig, to: u64, change: Change) -> (u64, Vec<WatchId>) {
    let before = rig.cache.stats().runs_asked;
    rig.commit(to, vec![change]);
    let woken = rig.flush();
    (rig.cache.stats().runs_asked - before, woken)
}

#[test]
fn an_update_looks_at_the_lists_that_can_hold_it_however_many_there_are() {
    for count in [10, 100, 1_000] {
        let (mut rig, _) = complete(count);
        let (looks, _) = asked(&mut rig, 6, merge("e1", json!({"n": 7}), 6, 1));
        assert_eq!(looks, 4 + 2, "of {count} lists");
    }
}

#[test]
fn a_row_that_moves_looks_at_the_lists_it_leaves_and_those_it_comes_to() {
    let (mut rig, watchers) = complete(1_000);
    let (looks, woken) = asked(&mut rig, 6, merge("e1", json!({"group": 900}), 6, 1));
    assert_eq!(looks, 4 + 2 + 1);
    assert!(woken.contains(&watchers[900]));
    assert_eq!(rig.ids(&of_group(900)), "e1");
    assert_eq!(rig.ids(&of_group(0)), "e0 e2 e3");
    let (looks, _) = asked(&mut rig, 7, remove("e1", 7));
    assert_eq!(looks, 2 + 1);
}

#[test]
fn a_field_that_no_list_reads_still_reaches_the_lists_that_show_the_row() {
    let (mut rig, watchers) = complete(1_000);
    let (looks, woken) = asked(&mut rig, 6, merge("e1", json!({"note": "new"}), 6, 1));
    assert_eq!(looks, 4 + 2);
    // The fifth wants larger numbers.
    assert_eq!(
        woken,
        [0, 1, 2, 3, 5].map(|number| watchers[number]).as_slice()
    );
}

#[test]
fn own_writes_look_at_the_lists_that_can_hold_what_they_change() {
    let (mut rig, _) = complete(1_000);
    let before = rig.cache.stats().runs_asked;
    rig.add(1, vec![set("e1", json!({"group": 900}))]);
    assert_eq!(rig.cache.stats().runs_asked - before, 4 + 2 + 1);
    assert_eq!(rig.ids(&of_group(900)), "e1");
    rig.refuse(1);
    assert_eq!(rig.cache.stats().runs_asked - before, 2 * (4 + 2 + 1));
    assert_eq!(rig.ids(&of_group(0)), "e0 e1 e2 e3");
}

/// A windowed collection of which each list was answered.
fn windows(count: usize, bounds: Settings) -> Rig {
    let mut rig = Rig::with(bounds, windowed());
    rig.subscribe(Attached::Now, 5, 5);
    watch(&mut rig, lists(count));
    for wanted in rig.wants() {
        let Wanted::Page { .. } = &wanted else {
            panic!("pages are wanted")
        };
        let ticket = rig.begin(&wanted);
        rig.page(ticket, Some(point(5)), Vec::new(), Some(0), true);
    }
    rig.flush();
    rig
}

#[test]
fn a_change_of_what_is_not_held_looks_at_the_lists_that_read_the_field() {
    let mut rig = windows(1_000, Settings::default());
    let (looks, _) = asked(&mut rig, 6, merge("e1", json!({"note": "new"}), 6, 1));
    assert_eq!(looks, 2, "those that anything may concern");
    let (looks, _) = asked(&mut rig, 7, merge("e2", json!({"n": 7}), 7, 1));
    // Of the others two sort by it, and one filters by it.
    assert_eq!(looks, 3 + 2);
    let (looks, _) = asked(&mut rig, 8, remove("e3", 8));
    assert_eq!(looks, 1_000, "nobody can tell where it was");
}

#[test]
fn what_is_let_go_looks_at_the_lists_that_can_hold_it() {
    let bounds = Settings {
        max_bytes: 0,
        ..Settings::default()
    };
    let mut rig = windows(1_000, bounds);
    let before = rig.cache.stats().runs_asked;
    for to in 6..26_u64 {
        let row = grouped(&format!("x{to}"), 900, 0, "");
        rig.commit(to, vec![creation(row, to)]);
        rig.flush();
    }
    // Each is told of, held for a while by the lists that show it, and let go.
    let looks = rig.cache.stats().runs_asked - before;
    assert!(looks <= 20 * 5 * 3, "{looks} looks for twenty rows");
}

#[test]
fn a_name_given_by_the_server_looks_at_the_lists_that_know_the_temporary_id() {
    let (mut rig, _) = complete(1_000);
    let temporary = EntityId::temporary(action(1));
    let about = Query::new(things()).filter(field("of").eq(temporary.as_str()));
    rig.cache.watch(Target::List(about.clone()));
    rig.flush();
    let before = rig.cache.stats().runs_asked;
    rig.rename(temporary.as_str(), "r").expect("it is new");
    assert_eq!(rig.cache.stats().runs_asked - before, 1);
    assert!(rig.list(&about).known);
}
