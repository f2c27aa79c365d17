//! Logs and streams, without anybody who reads them.

use super::*;
use crate::StreamCommit;

fn kind(name: &str) -> EntityType {
    EntityType::new(name).unwrap()
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn commit(parts: &[(&str, u64)]) -> Arc<Commit> {
    let part = |(name, to): &(&str, u64)| StreamCommit {
        entity_type: kind(name),
        to: offset(*to),
        ops: Vec::new(),
    };
    Arc::new(Commit {
        id: String::new(),
        streams: parts.iter().map(part).collect(),
        actions: Vec::new(),
    })
}

fn streams(commits: usize) -> Streams {
    let heads = BTreeMap::from([(kind("tasks"), offset(10))]);
    Streams::new(
        heads,
        LogBounds {
            commits,
            bytes: usize::MAX,
            total_bytes: usize::MAX,
        },
    )
}

#[test]
fn the_floor_follows_the_oldest_commit_that_is_kept() {
    let mut streams = streams(3);
    let tasks = kind("tasks");
    assert_eq!(
        (streams.floor(&tasks), streams.head(&tasks)),
        (offset(10), offset(10))
    );
    for number in 11..=15 {
        streams.append(&commit(&[("tasks", number)]));
    }
    assert_eq!(
        (streams.floor(&tasks), streams.head(&tasks)),
        (offset(12), offset(15))
    );
    let places: Vec<Place> = (11..=15)
        .map(|sent| streams.place_after(&tasks, offset(sent)))
        .collect();
    assert_eq!(
        places,
        [
            Place::Lost,
            Place::At(3),
            Place::At(4),
            Place::At(5),
            Place::Head
        ]
    );
    streams.forget_through(&tasks, offset(14));
    assert_eq!(
        (streams.floor(&tasks), streams.head(&tasks)),
        (offset(14), offset(15))
    );
}

#[test]
fn a_commit_has_one_place_in_all_its_streams() {
    let mut streams = streams(3);
    streams.append(&commit(&[("tasks", 11)]));
    streams.append(&commit(&[("people", 1), ("tasks", 12)]));
    assert_eq!(
        streams.place_after(&kind("tasks"), offset(11)),
        Place::At(2)
    );
    assert_eq!(
        streams.place_after(&kind("people"), offset(0)),
        Place::At(2)
    );
}

#[test]
fn who_holds_a_stream_and_who_waits_for_a_point_is_told() {
    let mut streams = streams(3);
    let tasks = kind("tasks");
    let (one, two, three) = (ConnectionId(1), ConnectionId(2), ConnectionId(3));
    streams.attach(&tasks, one);
    streams.wait(&tasks, offset(11), two);
    streams.wait(&tasks, offset(12), three);
    let first = streams.append(&commit(&[("tasks", 11)]));
    assert_eq!(first.feeds, [(tasks.clone(), one)]);
    assert_eq!(first.due, [two].into());
    streams.detach(&tasks, one);
    let second = streams.append(&commit(&[("tasks", 12)]));
    assert_eq!((second.feeds, second.due), (vec![], [three].into()));
    assert_eq!(
        streams.append(&commit(&[("tasks", 13)])),
        Appended::default()
    );
}

#[test]
fn a_commit_that_leaves_a_hole_begins_the_log_anew() {
    let mut streams = streams(3);
    let tasks = kind("tasks");
    streams.append(&commit(&[("tasks", 11)]));
    let gap = streams.append(&commit(&[("tasks", 14)]));
    assert_eq!(gap.broken[..], std::slice::from_ref(&tasks)[..]);
    assert_eq!(
        (streams.floor(&tasks), streams.head(&tasks)),
        (offset(13), offset(14))
    );
    assert_eq!(streams.place_after(&tasks, offset(11)), Place::Lost);
    let repeat = streams.append(&commit(&[("tasks", 14)]));
    assert_eq!(repeat.broken[..], std::slice::from_ref(&tasks)[..]);
    assert_eq!(streams.head(&tasks), offset(14), "a repeat adds nothing");
}

#[test]
fn a_stream_nobody_wrote_to_is_kept_only_while_somebody_asks_for_it() {
    let mut streams = streams(3);
    let peer = ConnectionId(1);
    streams.attach(&kind("ghosts"), peer);
    streams.wait(&kind("ghosts"), offset(5), peer);
    assert_eq!(streams.len(), 2);
    streams.detach(&kind("ghosts"), peer);
    assert_eq!(streams.len(), 2);
    streams.stop_waiting(&kind("ghosts"), offset(5), peer);
    assert_eq!(streams.len(), 1);
    streams.attach(&kind("tasks"), peer);
    streams.detach(&kind("tasks"), peer);
    assert_eq!(streams.head(&kind("tasks")), offset(10));
}

#[test]
fn bytes_are_counted_through_everything() {
    let mut streams = streams(4);
    let frames: Arc<[crate::Frame]> = Arc::new([crate::Frame::new(
        tidewire_protocol::Encoded::Text("x".repeat(1000)),
    )]);
    let variant = Variant {
        dialect: 0,
        want: tidewire_protocol::Want::Changes,
        oversize: Oversize::Whole,
    };
    for number in 1..50 {
        streams.append(&commit(&[("people", number)]));
        if number % 3 == 0 {
            let made =
                streams.frames_after(&kind("people"), offset(number - 1), variant, |_, _| {
                    Some(Arc::clone(&frames))
                });
            assert!(made.is_some());
            let again =
                streams.frames_after(&kind("people"), offset(number - 1), variant, |_, _| None);
            assert!(again.is_some(), "made once");
        }
        let of_logs: usize = streams
            .by_type
            .values()
            .map(|stream| stream.log.bytes())
            .sum();
        assert_eq!(streams.bytes(), of_logs);
    }
    streams.forget_through(&kind("people"), offset(49));
    assert_eq!(streams.bytes(), 0);
}

#[test]
fn when_all_logs_are_too_large_they_shrink_by_enough_for_a_while() {
    let one = {
        let mut streams = streams(usize::MAX);
        streams.append(&commit(&[("people", 1)]));
        streams.bytes()
    };
    let bounds = LogBounds {
        commits: usize::MAX,
        bytes: usize::MAX,
        total_bytes: 100 * one,
    };
    let mut streams = Streams::new(BTreeMap::new(), bounds);
    let (mut looks, mut before) = (0, 0);
    for number in 1..=1000 {
        streams.append(&commit(&[(&format!("small-{number}"), 1)]));
        streams.append(&commit(&[("large", number)]));
        assert!(streams.bytes() <= 100 * one);
        looks += u32::from(streams.bytes() < before);
        before = streams.bytes();
    }
    assert!(looks <= 2000 / 20, "{looks}");
    assert_eq!(streams.head(&kind("large")), offset(1000));
}
