//! Whose turn it is, for every case by itself.

use tidewire_hub::ConnectionId;

use super::*;

/// A read with a number, and whether it is given up.
#[derive(Debug, PartialEq, Eq)]
struct Job(u32, bool);

impl Wanted for Job {
    fn is_wanted(&self) -> bool {
        !self.1
    }
}

fn asker(number: u64) -> Asker {
    Some(ConnectionId(number))
}

fn begins(next: Option<Next<Job>>) -> (Asker, u32, Place) {
    match next {
        Some(Next::Begin { asker, place, job }) => (asker, job.0, place),
        other => panic!("a read begins, not {other:?}"),
    }
}

#[test]
fn those_who_ask_take_turns_whatever_each_has_asked() {
    let mut line = Line::new(1, 1);
    for number in 0..16 {
        line.ask(asker(1), Job(number, false));
    }
    line.ask(asker(2), Job(100, false));
    line.ask(asker(3), Job(101, false));
    let mut order = Vec::new();
    for _ in 0..6 {
        let (asker, number, place) = begins(line.next());
        assert_eq!(line.next(), None, "one at a time");
        line.end(asker, place);
        order.push(number);
    }
    assert_eq!(order, [0, 100, 101, 1, 2, 3]);
}

#[test]
fn a_read_that_takes_long_stands_behind_the_others_after_each_slice() {
    let mut line = Line::new(1, 1);
    line.ask(asker(1), Job(1, false));
    let (_, _, mut place) = begins(line.next());
    line.ask(asker(2), Job(2, false));
    line.ask(asker(3), Job(3, false));
    assert_eq!(line.pass(asker(1), &mut place, 7), Passed::Waits);
    for number in [2, 3] {
        let (asker, found, place) = begins(line.next());
        assert_eq!(found, number);
        line.end(asker, place);
    }
    assert_eq!(line.next(), Some(Next::GoOn(7)));
    line.end(asker(1), place);
    assert_eq!(line.next(), None);
}

#[test]
fn what_is_new_goes_before_what_the_same_one_has_under_way() {
    let mut line = Line::new(1, 1);
    line.ask(asker(1), Job(1, false));
    let (_, _, mut place) = begins(line.next());
    line.ask(asker(1), Job(2, false));
    assert_eq!(line.pass(asker(1), &mut place, 0), Passed::Waits);
    let (_, number, other) = begins(line.next());
    assert_eq!((number, other), (2, Place::None));
    line.end(asker(1), other);
    assert_eq!(line.next(), Some(Next::GoOn(0)));
}

#[test]
fn each_has_one_long_read_under_way_and_the_next_begins_after_it() {
    let mut line = Line::new(2, 8);
    line.ask(asker(1), Job(1, false));
    line.ask(asker(1), Job(2, false));
    let (_, _, mut first) = begins(line.next());
    let (_, _, mut second) = begins(line.next());
    assert_eq!(line.pass(asker(1), &mut first, 0), Passed::Waits);
    assert_eq!(line.pass(asker(1), &mut second, 1), Passed::Again);
    line.begin_again(asker(1), Job(2, false));
    assert_eq!(line.next(), Some(Next::GoOn(0)));
    assert_eq!(line.next(), None);
    line.end(asker(1), first);
    assert_eq!(begins(line.next()), (asker(1), 2, Place::Held));
}

/// Lets a read of each of these begin, and use up its slice.
fn long_reads(line: &mut Line<Job>, askers: std::ops::Range<u64>) -> Vec<Passed> {
    let pass = |number: u64| {
        let job = u32::try_from(number).unwrap();
        line.ask(asker(number), Job(job, false));
        let (asker, _, mut place) = loop {
            match line.next() {
                Some(Next::GoOn(worker)) => {
                    let owner = asker(worker as u64);
                    line.pass(owner, &mut Place::Held, worker);
                }
                next => break begins(next),
            }
        };
        let passed = line.pass(asker, &mut place, usize::try_from(number).unwrap());
        if passed == Passed::Again {
            line.begin_again(asker, Job(job, false));
        }
        passed
    };
    askers.map(pass).collect()
}

#[test]
fn without_a_place_a_long_read_waits_and_keeps_no_short_one_waiting() {
    let mut line = Line::new(1, 2);
    let passed = long_reads(&mut line, 1..6);
    assert_eq!(
        passed,
        [
            Passed::Waits,
            Passed::Waits,
            Passed::Again,
            Passed::Again,
            Passed::Again
        ]
    );
    // Each of the two under way has at most one slice before a new one.
    line.ask(asker(9), Job(9, false));
    let mut slices = 0;
    while let Some(Next::GoOn(worker)) = line.next() {
        line.pass(asker(worker as u64), &mut Place::Held, worker);
        slices += 1;
        assert!(slices <= 2);
    }
    line.end(asker(9), Place::None);
    // Places go to those who wait for one, in their order.
    let mut order = Vec::new();
    while order.len() < 3 {
        match line.next() {
            Some(Next::GoOn(worker)) => line.end(asker(worker as u64), Place::Held),
            next => {
                let (asker, number, place) = begins(next);
                assert_eq!(place, Place::Held);
                order.push(number);
                line.end(asker, place);
            }
        }
    }
    assert_eq!(order, [3, 4, 5]);
    assert_eq!(line.next(), None);
    assert!(line.askers.is_empty() && line.turns.is_empty() && line.without_place.is_empty());
}

#[test]
fn what_nobody_waits_for_costs_no_turn() {
    let mut line = Line::new(1, 1);
    for number in 0..16 {
        line.ask(asker(1), Job(number, true));
    }
    line.ask(asker(2), Job(100, false));
    assert_eq!(begins(line.next()).1, 100);
    line.end(asker(2), Place::None);
    assert_eq!(line.next(), None);
    assert!(line.askers.is_empty());
}

#[test]
fn one_who_is_gone_waits_for_no_place() {
    let mut line = Line::new(1, 1);
    long_reads(&mut line, 1..4);
    // All that is left of the second is given up, so that the third is next.
    line.askers.get_mut(&asker(2)).unwrap().long[0].1 = true;
    line.forget_unwanted(asker(2));
    while let Some(Next::GoOn(worker)) = line.next() {
        line.end(asker(worker as u64), Place::Held);
    }
    line.end(asker(3), Place::Held);
    assert_eq!(line.next(), None);
    assert!(line.askers.is_empty() && line.without_place.is_empty());
}
