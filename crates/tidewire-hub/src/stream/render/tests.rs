//! Frames of commits, read back.

use tidewire_model::{ActionId, EntityType, Patch, Record, Version};
use tidewire_protocol::{ActionEcho, Limits, Payload, V1Json};

use super::*;
use crate::StreamCommit;

const WHOLE: Variant = Variant {
    dialect: 0,
    want: Want::Changes,
    oversize: Oversize::Whole,
};
const REDUCED: Variant = Variant {
    dialect: 0,
    want: Want::Changes,
    oversize: Oversize::Reduced,
};

fn kind(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn entity(name: &str, bytes: usize) -> Record {
    Record::new()
        .with("id", name)
        .with("text", "x".repeat(bytes))
}

fn created(name: &str, bytes: usize) -> Op {
    Op::Created {
        entity: entity(name, bytes),
        version: Version::new(7),
    }
}

fn updated(name: &str, bytes: usize) -> Op {
    Op::Updated {
        id: EntityId::text(name).unwrap(),
        version: Version::new(7),
        base: Version::new(3),
        changes: Patch::new().set("text", "y".repeat(bytes)),
        entity: Some(entity(name, bytes)),
        was: Some(Record::new().with("text", "z".repeat(bytes))),
    }
}

fn deleted(name: &str, bytes: usize) -> Op {
    let id = EntityId::text(name).unwrap();
    Op::Deleted {
        id,
        version: Version::new(7),
        was: Some(entity(name, bytes)),
    }
}

fn commit(ops: Vec<Op>) -> Commit {
    let part = StreamCommit {
        entity_type: kind("tasks"),
        to: offset(7),
        ops,
    };
    Commit {
        id: "commit-1".to_owned(),
        streams: vec![part],
        actions: Vec::new(),
    }
}

fn render(commit: &Commit, variant: Variant, chunk_bytes: usize) -> Option<Vec<(usize, Events)>> {
    let dialect = V1Json::new(Limits::DEFAULT);
    let frames = events(&dialect, variant, commit, 0, chunk_bytes)?;
    let read = |frame: &Frame| {
        let message = dialect
            .decode_server(Payload::Text(frame.as_text().unwrap()))
            .unwrap();
        let ServerMessage::Events(events) = message else {
            panic!("{message:?}")
        };
        (frame.len(), events)
    };
    Some(frames.iter().map(read).collect())
}

#[test]
fn a_commit_that_fits_is_one_frame_without_chunk_or_commit() {
    let ops = vec![created("a", 10), updated("b", 10), deleted("c", 10)];
    let frames = render(&commit(ops.clone()), WHOLE, 64 * 1024).unwrap();
    let [(_, events)] = &frames[..] else {
        panic!("{frames:?}")
    };
    assert_eq!((events.from, events.to), (offset(6), offset(7)));
    assert_eq!(
        (&events.chunk, &events.commit, &events.ops),
        (&None, &None, &ops)
    );
}

#[test]
fn chunks_keep_to_the_bound_and_come_together_again() {
    let ops: Vec<Op> = (0..40)
        .map(|number| updated(&format!("e{number}"), number * 7))
        .collect();
    let whole = render(&commit(ops.clone()), WHOLE, usize::MAX).unwrap()[0].0;
    for chunk_bytes in [1500, 2000, 5000, whole - 1, whole] {
        let frames = render(&commit(ops.clone()), WHOLE, chunk_bytes).unwrap();
        let count = frames.len() as u64;
        assert_eq!(count == 1, chunk_bytes == whole);
        let mut together = Vec::new();
        for (number, (bytes, events)) in (0..).zip(frames) {
            assert!(bytes <= chunk_bytes, "{bytes} > {chunk_bytes}");
            assert_eq!((events.from, events.to), (offset(6), offset(7)));
            assert_eq!(events.chunk, (count > 1).then_some((number, count)));
            together.extend(events.ops);
        }
        assert_eq!(together, ops);
    }
}

#[test]
fn each_chunk_names_the_other_streams_and_the_actions() {
    let mut commit = commit(
        (0..10)
            .map(|number| created(&format!("e{number}"), 100))
            .collect(),
    );
    commit.streams.push(StreamCommit {
        entity_type: kind("people"),
        to: offset(2),
        ops: Vec::new(),
    });
    commit.actions.push(ActionEcho {
        id: ActionId::from_bytes([1; 16]),
        replaced: Default::default(),
    });
    let frames = render(&commit, WHOLE, 700).unwrap();
    assert!(frames.len() > 1);
    for (_, events) in frames {
        let named = events.commit.unwrap();
        assert_eq!(named.id, "commit-1");
        assert_eq!(
            named.offsets,
            [(kind("tasks"), offset(7)), (kind("people"), offset(2))].into()
        );
        assert_eq!(events.actions, commit.actions);
    }
}

#[test]
fn a_change_too_large_for_a_chunk_stands_alone_or_leaves_its_content_out() {
    let ops = vec![
        created("a", 10),
        created("b", 900),
        updated("c", 300),
        deleted("d", 900),
        created("e", 10),
    ];
    let whole = render(&commit(ops.clone()), WHOLE, 600).unwrap();
    let together: Vec<Op> = whole
        .iter()
        .flat_map(|(_, events)| events.ops.clone())
        .collect();
    assert_eq!(together, ops);
    assert!(
        whole
            .iter()
            .all(|(bytes, events)| *bytes <= 600 || events.ops.len() == 1)
    );
    assert!(whole.iter().any(|(bytes, _)| *bytes > 600));

    let reduced = render(&commit(ops.clone()), REDUCED, 600).unwrap();
    assert!(reduced.iter().all(|(bytes, _)| *bytes <= 600));
    let together: Vec<Op> = reduced
        .into_iter()
        .flat_map(|(_, events)| events.ops)
        .collect();
    let id = |name| EntityId::text(name).unwrap();
    let without = Op::Deleted {
        id: id("d"),
        version: Version::new(7),
        was: None,
    };
    let expected = [
        ops[0].clone(),
        Op::Stale(vec![id("b")]),
        Op::Stale(vec![id("c")]),
        without,
        ops[4].clone(),
    ];
    assert_eq!(together, expected);
}

#[test]
fn a_single_large_change_is_one_frame_or_reduced() {
    let frames = render(&commit(vec![created("a", 900)]), WHOLE, 300).unwrap();
    assert_eq!((frames.len(), frames[0].1.chunk), (1, None));
    let frames = render(&commit(vec![created("a", 900)]), REDUCED, 300).unwrap();
    assert_eq!(
        frames[0].1.ops,
        [Op::Stale(vec![EntityId::text("a").unwrap()])]
    );
}

#[test]
fn where_nothing_can_be_left_out_there_is_no_frame() {
    let ops = vec![created(&"a".repeat(200), 900), created("b", 10)];
    assert_eq!(render(&commit(ops), REDUCED, 300), None);
}

#[test]
fn with_want_snapshot_there_are_no_images() {
    let variant = Variant {
        want: Want::Snapshot,
        ..WHOLE
    };
    let frames = render(
        &commit(vec![updated("a", 10), deleted("b", 10)]),
        variant,
        64 * 1024,
    )
    .unwrap();
    let ops = &frames[0].1.ops;
    assert!(
        matches!(&ops[0], Op::Updated { entity: None, was: None, changes, .. } if changes.len() == 1)
    );
    assert!(matches!(&ops[1], Op::Deleted { was: None, .. }));
}
