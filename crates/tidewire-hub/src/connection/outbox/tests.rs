//! What waits for one socket: its bounds, and what is counted.

use tidewire_model::{Epoch, Offset};
use tidewire_protocol::Encoded;

use super::*;

const BOUNDS: OutboxBounds = OutboxBounds {
    frames: 3,
    bytes: 30,
    answer_bytes: 50,
    window_bytes: 20,
};

fn frame(bytes: usize) -> Item {
    Item::Frame(Frame::new(Encoded::Text("x".repeat(bytes))))
}

fn answer(name: &str, bytes: usize) -> Item {
    Item::Data(Box::new(Answer {
        request: RequestId(bytes as u64),
        entity_type: EntityType::new(name).unwrap(),
        as_of: Point::new(Epoch::new("one").unwrap(), Offset::ZERO),
        total_count: None,
        start_key: None,
        end: true,
        items: Vec::new(),
        items_out: 0,
        part: 0,
        bytes,
    }))
}

#[test]
fn frames_and_bytes_are_bounded_at_the_bound() {
    let mut outbox = Outbox::new(BOUNDS);
    assert_eq!(outbox.push(0, frame(30)), Ok(()));
    assert_eq!(outbox.push(0, frame(1)), Err(Full));
    assert_eq!(outbox.push(0, Item::Ping), Ok(()));
    assert_eq!(outbox.push(0, frame(0)), Ok(()));
    assert_eq!(outbox.push(0, frame(0)), Err(Full));
    outbox.pop();
    assert_eq!((outbox.frames(), outbox.bytes()), (2, 0));
    assert_eq!(outbox.push(0, frame(30)), Ok(()));
}

#[test]
fn rows_count_for_themselves_wherever_they_wait() {
    let mut outbox = Outbox::new(BOUNDS);
    assert!(outbox.takes_answer(50) && !outbox.takes_answer(51));
    outbox.hold_answer(30);
    assert!(outbox.takes_answer(20) && !outbox.takes_answer(21));
    assert_eq!(outbox.push(0, answer("tasks", 21)), Err(Full));
    outbox.release_answer(30);
    assert_eq!(outbox.push(0, answer("tasks", 21)), Ok(()));
    assert_eq!(outbox.push(0, answer("people", 22)), Ok(()));
    assert_eq!(outbox.answer_bytes(), 43);
    assert_eq!(outbox.answered_types().len(), 2);
    assert_eq!(
        outbox.take_answers(&EntityType::new("tasks").unwrap()),
        [RequestId(21)]
    );
    assert_eq!((outbox.answer_bytes(), outbox.frames()), (22, 1));
    assert_eq!(outbox.push(0, frame(1)), Ok(()));
    assert_eq!(outbox.take_all_answers(), [RequestId(22)]);
    assert_eq!((outbox.answer_bytes(), outbox.frames()), (0, 1));
    outbox.pop();
    assert_eq!((outbox.answer_bytes(), outbox.frames()), (0, 0));
}

#[test]
fn a_ping_is_known_while_it_waits() {
    let mut outbox = Outbox::new(BOUNDS);
    outbox.push(4, frame(1)).unwrap();
    outbox.push(5, Item::Ping).unwrap();
    assert_eq!((outbox.front_after(), outbox.has_ping()), (Some(4), true));
    outbox.pop();
    assert_eq!((outbox.front_after(), outbox.has_ping()), (Some(5), true));
    outbox.pop();
    assert_eq!((outbox.front_after(), outbox.has_ping()), (None, false));
}

#[test]
fn the_window_is_what_is_with_the_shell() {
    let mut outbox = Outbox::new(BOUNDS);
    outbox.handed_out(19);
    assert!(outbox.has_room());
    outbox.handed_out(1);
    assert!(!outbox.has_room());
    outbox.given_back(1);
    assert!(outbox.has_room());
    outbox.given_back(1000);
    outbox.handed_out(20);
    assert!(
        !outbox.has_room(),
        "credit that was never taken gives nothing"
    );
}

#[test]
fn a_burst_leaves_no_room_behind_it() {
    let mut outbox = Outbox::new(OutboxBounds {
        frames: 5000,
        ..BOUNDS
    });
    for _ in 0..4096 {
        assert_eq!(outbox.push(0, frame(0)), Ok(()));
    }
    while outbox.pop().is_some() {}
    assert!(outbox.items.capacity() <= KEPT_ITEMS);
    assert_eq!(outbox.push(0, frame(0)), Ok(()));
}
