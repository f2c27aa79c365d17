//! Whose turn it is, with costs made up.

use super::*;

/// The turns here may all come to much.
const ANY: Cost = Cost {
    known: 1,
    beyond: 1_000_000,
};

/// A turn that was known to cost one at least.
fn of(cost: u64) -> Cost {
    Cost {
        known: 1,
        beyond: cost - 1,
    }
}

/// Gives the first one its turn.
fn turn(turns: &mut Turns<&'static str>, cost: impl Fn(&str) -> u64) -> &'static str {
    let who = *turns.first().unwrap();
    let charged = turns.charge(&who);
    turns.settle(&who, charged, of(cost(who)));
    turns.advance([who].iter(), cost(who));
    who
}

#[test]
fn turns_are_shared_by_cost_and_not_by_number() {
    let mut turns = Turns::of_lasting();
    ["much", "little"]
        .iter()
        .for_each(|who| turns.join(who, ANY));
    let cost = |who: &str| if who == "much" { 10 } else { 1 };
    let had: Vec<_> = (0..110).map(|_| turn(&mut turns, cost)).collect();
    let much = had.iter().filter(|who| **who == "much").count();
    assert!((9..=11).contains(&much), "{much}");
}

#[test]
fn one_who_costs_little_is_next_whenever_it_comes_and_however_many_there_are() {
    let mut turns = Turns::of_lasting();
    let many: Vec<u64> = (1..=20).collect();
    many.iter().for_each(|who| turns.join(who, ANY));
    let turn = |turns: &mut Turns<u64>| {
        let who = *turns.first().unwrap();
        let cost = if who == 0 { 1 } else { 1000 };
        let charged = turns.charge(&who);
        turns.settle(&who, charged, of(cost));
        turns.advance([who].iter(), cost);
        who
    };
    // What they cost is known after their first turn.
    many.iter().for_each(|_| _ = turn(&mut turns));
    for _ in 0..100 {
        turns.join(&0, ANY);
        let before = (0..3).take_while(|_| turn(&mut turns) != 0).count();
        assert!(before <= 1, "{before}");
        turns.leave(&0);
        turn(&mut turns);
    }
}

#[test]
fn those_who_come_anew_again_and_again_keep_nobody_from_its_turn() {
    let mut turns = Turns::of_lasting();
    turns.join(&0, ANY);
    turns.settle(&0, 0, of(10_000));
    for who in 1..=1000 {
        turns.join(&who, ANY);
        if turns.first() == Some(&0) {
            return;
        }
        let charged = turns.charge(&who);
        turns.settle(&who, charged, of(100));
        turns.leave(&who);
        turns.advance([who].iter(), 100);
    }
    panic!("it never has its turn");
}

#[test]
fn one_who_goes_and_comes_back_has_still_cost_what_it_has() {
    let mut turns = Turns::of_lasting();
    ["much", "other"]
        .iter()
        .for_each(|who| turns.join(who, ANY));
    let cost = |who: &str| if who == "much" { 1000 } else { 100 };
    assert_eq!(turn(&mut turns, cost), "much");
    turns.leave(&"much");
    turns.join(&"much", ANY);
    for _ in 0..10 {
        assert_eq!(turn(&mut turns, cost), "other");
    }
}

#[test]
fn what_did_not_come_about_costs_nothing_and_no_place_is_lost() {
    let mut turns = Turns::of_lasting();
    ["a", "b", "c"].iter().for_each(|who| turns.join(who, ANY));
    turns.advance([].iter(), 300);
    turns.join(&"later", ANY);
    for who in ["a", "b", "c"] {
        assert_eq!(turns.first(), Some(&who));
        assert_eq!(turns.charge(&who), 1);
        turns.leave(&who);
    }
    turns.join(&"latest", ANY);
    for who in ["c", "b", "a"] {
        turns.join(&who, ANY);
        turns.refund(&who, 1);
    }
    for who in ["a", "b", "c", "later", "latest"] {
        assert_eq!(turn(&mut turns, |_| 1000), who);
    }
}

#[test]
fn one_who_wants_more_keeps_its_place() {
    let mut turns = Turns::of_lasting();
    ["a", "b"].iter().for_each(|who| turns.join(who, ANY));
    turns.advance([].iter(), 100);
    turns.join(&"a", ANY);
    assert_eq!(turns.first(), Some(&"a"));
}

#[test]
fn one_who_wants_more_while_its_turn_is_under_way_keeps_its_place() {
    let mut turns = Turns::of_lasting();
    turns.join(&"old", ANY);
    turns.advance([].iter(), 50);
    turns.join(&"new", ANY);
    turns.advance([].iter(), 100);
    let charged = turns.charge(&"old");
    turns.leave(&"old");
    turns.join(&"old", ANY);
    turns.refund(&"old", charged);
    assert_eq!(turn(&mut turns, |_| 100), "old");
    assert_eq!(turn(&mut turns, |_| 100), "new");
}

#[test]
fn only_so_many_are_remembered() {
    let mut turns = Turns::of_lasting();
    for who in 0..2 * MOST_AWAY {
        turns.join(&who, ANY);
        let charged = turns.charge(&who);
        turns.leave(&who);
        turns.settle(&who, charged, of(1 + who as u64));
    }
    assert_eq!(turns.accounts.len(), MOST_AWAY);
}

#[test]
fn those_whose_end_is_told_are_remembered_until_then() {
    let mut turns = Turns::of_passing();
    for who in 0..2 * MOST_AWAY {
        turns.join(&who, ANY);
        let charged = turns.charge(&who);
        turns.leave(&who);
        turns.settle(&who, charged, of(1 + who as u64));
        turns.advance([who].iter(), 1 + who as u64);
    }
    for who in 0..2 * MOST_AWAY {
        assert_eq!(turns.expected(&who), 1 + who as u64);
        turns.forget(&who);
    }
    assert!(turns.is_empty());
}

#[test]
fn one_who_passes_by_is_taken_to_cost_what_others_did_who_were_new() {
    let mut turns = Turns::of_passing();
    turns.join(&0, ANY);
    assert_eq!(turn_of(&mut turns, 1), 0);
    turns.leave(&0);
    (1..=20).for_each(|who| turns.join(&who, ANY));
    assert_eq!(turn_of(&mut turns, 1000), 1);
    turns.forget(&1);
    // Whoever is known to cost little goes before all that are new, also before those that came earlier.
    turns.join(&0, ANY);
    assert_eq!(turn_of(&mut turns, 1), 0);
    turns.leave(&0);
    // One that is gone before its turn is over counts too.
    let who = *turns.first().unwrap();
    let charged = turns.charge(&who);
    turns.forget(&who);
    turns.settle(&who, charged, of(2000));
    turns.advance([who].iter(), 2000);
    assert_eq!(turns.expected(&20), 2000);
    // And it fades, when those who are new cost little.
    for who in 3..=20 {
        assert_eq!(turn_of(&mut turns, 1), who);
        turns.forget(&who);
    }
    turns.join(&21, ANY);
    assert_eq!(turns.expected(&21), 1);
}

#[test]
fn one_who_is_new_is_taken_to_cost_no_more_than_it_can() {
    let mut turns = Turns::of_passing();
    (0..10).for_each(|who| turns.join(&who, ANY));
    assert_eq!(turn_of(&mut turns, 1000), 0);
    let (small, tiny) = (
        Cost {
            known: 1,
            beyond: 20,
        },
        Cost {
            known: 2,
            beyond: 10,
        },
    );
    turns.join(&10, small);
    turns.join(&11, tiny);
    assert_eq!((turns.expected(&10), turns.expected(&11)), (21, 12));
    assert_eq!(turn_of(&mut turns, 5), 11);
    turns.leave(&11);
    assert_eq!(turn_of(&mut turns, 5), 10);
    turns.leave(&10);
    turns.settle(&12, 0, of(1000));
    // One that is known asks for more and for less.
    turns.join(&10, ANY);
    assert_eq!(turns.expected(&10), 5);
    turns.settle(&10, 0, of(1000));
    assert_eq!(turns.expected(&10), 1000);
    turns.join(&10, tiny);
    assert_eq!(turns.expected(&10), 12);
}

#[test]
fn each_account_stands_in_its_places_and_nowhere_else() {
    // A generator of numbers that look like chance.
    let mut state = 1u64;
    let mut number = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    let mut turns = Turns::of_passing();
    let mut under_way: Vec<(u64, u64)> = Vec::new();
    for _ in 0..20_000 {
        let who = number(30);
        match number(7) {
            0 | 1 => {
                let (known, beyond) = (1 + number(10), number(1000));
                turns.join(&who, Cost { known, beyond });
            }
            2 => turns.leave(&who),
            3 => {
                if let Some(who) = turns.first().copied() {
                    under_way.push((who, turns.charge(&who)));
                    turns.leave(&who);
                }
            }
            4 if !under_way.is_empty() => {
                let (who, charged) = under_way.remove(0);
                turns.settle(&who, charged, of(1 + number(1000)));
                turns.advance([who].iter(), 100);
            }
            5 if !under_way.is_empty() => {
                let (who, charged) = under_way.remove(0);
                turns.refund(&who, charged);
            }
            _ if number(10) == 0 => {
                turns.forget(&who);
                under_way.retain(|(other, _)| *other != who);
            }
            _ => {}
        }
        let accounts = turns.accounts.iter();
        let cheapest = accounts
            .filter(|(_, account)| account.is_in_line)
            .map(|(who, account)| {
                let cost = account.spent + account.next_cost(turns.of_first());
                (cost, account.came, *who)
            })
            .min();
        assert_eq!(turns.first().copied(), cheapest.map(|(_, _, who)| who));
        let away = |account: &&Account| !account.is_in_line && account.under_way == 0;
        let away = turns.accounts.values().filter(away).count();
        assert_eq!(turns.away.len(), away);
        assert_eq!(turns.newcomers[0].len(), turns.newcomers[1].len());
    }
    (0..30).for_each(|who| turns.forget(&who));
    let left = turns.line.len() + turns.newcomers[0].len() + turns.away.len();
    assert_eq!((turns.is_empty(), left), (true, 0));
}

/// Gives the first one its turn, of this cost.
fn turn_of(turns: &mut Turns<u64>, cost: u64) -> u64 {
    let who = *turns.first().unwrap();
    let charged = turns.charge(&who);
    turns.settle(&who, charged, of(cost));
    turns.advance([who].iter(), cost);
    who
}
