//! Whose turn it is next: of those in line, the one that will have cost least when its turn is over.
//!
//! One who comes anew begins where a fair share has come to, so that nobody gains by having been away, and nobody who costs
//! little waits for those who cost much. (This is weighted fair queueing, where the next cost is guessed by the last ones.)
//! Knows nothing of what they want or what it costs.

use std::collections::{BTreeMap, BTreeSet};

/// The most accounts of those who are not in line. The cheapest are forgotten first: they lose least by it.
const MOST_AWAY: usize = 4096;

/// Who is in line, and what each has cost.
#[derive(Debug)]
pub(super) struct Turns<K> {
    /// Where one begins who comes anew: what one has cost who was there all the time and had its share.
    reached: u64,
    came: u64,
    accounts: BTreeMap<K, Account>,
    /// Those in line, by what they will have cost; of equal ones, whoever came first.
    line: BTreeSet<(u64, u64, K)>,
    /// Those not in line, with no turn under way, who have cost more than where others begin, by cost.
    away: BTreeSet<(u64, u64, K)>,
}

/// What one has cost.
#[derive(Clone, Copy, Debug)]
struct Account {
    spent: u64,
    /// What its next turn is taken to cost: the last one, or what is left of a dearer one before, which fades.
    expected: u64,
    /// When it came.
    came: u64,
    is_in_line: bool,
    /// Turns that were counted and are neither settled nor taken back. As long as there are any, it has not been away.
    under_way: usize,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            reached: 0,
            came: 0,
            accounts: BTreeMap::new(),
            line: BTreeSet::new(),
            away: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Turns<K> {
    /// Puts one into the line. One who is there, or has a turn under way, keeps its place.
    pub(super) fn join(&mut self, who: &K) {
        let mut account = self.take_out(who).unwrap_or(Account {
            spent: 0,
            expected: 0,
            came: 0,
            is_in_line: false,
            under_way: 0,
        });
        let was_away = !account.is_in_line && account.under_way == 0;
        if was_away && (account.came == 0 || account.spent < self.reached) {
            self.came += 1;
            account.came = self.came;
            account.spent = account.spent.max(self.reached);
        }
        account.is_in_line = true;
        self.put_in(who, account);
    }

    /// Takes one out of the line. What it has cost stays known.
    pub(super) fn leave(&mut self, who: &K) {
        self.change(who, |account| account.is_in_line = false);
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<&K> {
        self.line.first().map(|(_, _, who)| who)
    }

    /// What the next turn of one is likely to cost.
    pub(super) fn expected(&self, who: &K) -> u64 {
        let account = self.accounts.get(who);
        account.map_or(0, |account| account.expected)
    }

    /// Counts a turn that costs at least so much, and is under way from now on; what was counted.
    pub(super) fn charge(&mut self, who: &K, least: u64) -> u64 {
        let charged = least.max(self.expected(who));
        self.change(who, |account| {
            account.spent += charged;
            account.under_way += 1;
        });
        charged
    }

    /// Takes back what was counted of a turn that is not to come about any more.
    pub(super) fn refund(&mut self, who: &K, charged: u64) {
        self.change(who, |account| account.end_turn(charged));
    }

    /// Takes back what was counted of a turn that did not come about, and puts one into the line where it was before.
    pub(super) fn put_back(&mut self, who: &K, charged: u64) {
        // Before the turn ends: one with a turn under way keeps its place.
        self.join(who);
        self.refund(who, charged);
    }

    /// Counts what a turn has cost, in place of what was counted.
    pub(super) fn settle(&mut self, who: &K, charged: u64, cost: u64) {
        self.change(who, |account| {
            account.end_turn(charged);
            account.spent += cost;
            account.expected = cost.max(account.expected / 2);
        });
    }

    /// Turns of these were settled that cost so much in all: everybody who is there has a share of it.
    pub(super) fn advance<'k>(&mut self, of: impl Iterator<Item = &'k K>, cost: u64)
    where
        K: 'k,
    {
        let is_in_line = |who: &K| {
            let account = self.accounts.get(who);
            account.is_some_and(|account| account.is_in_line)
        };
        let there = self.line.len() + of.filter(|who| !is_in_line(who)).count();
        self.reached += cost / (there.max(1) as u64);
        while self
            .away
            .first()
            .is_some_and(|(spent, _, _)| *spent <= self.reached)
        {
            self.forget_cheapest();
        }
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, who: &K) {
        self.take_out(who);
    }

    /// Whether nothing is known of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    fn forget_cheapest(&mut self) {
        if let Some((_, _, who)) = self.away.pop_first() {
            self.accounts.remove(&who);
        }
    }

    fn change(&mut self, who: &K, change: impl FnOnce(&mut Account)) {
        if let Some(mut account) = self.take_out(who) {
            change(&mut account);
            self.put_in(who, account);
        }
    }

    fn take_out(&mut self, who: &K) -> Option<Account> {
        let account = self.accounts.remove(who)?;
        if let Some(places) = self.places(&account) {
            places.remove(&account.place(who));
        }
        Some(account)
    }

    fn put_in(&mut self, who: &K, account: Account) {
        self.accounts.insert(who.clone(), account);
        if let Some(places) = self.places(&account) {
            places.insert(account.place(who));
        }
        while self.away.len() > MOST_AWAY {
            self.forget_cheapest();
        }
    }

    /// Where an account stands; one that is not in line and has a turn under way stands nowhere, and is not forgotten.
    fn places(&mut self, account: &Account) -> Option<&mut BTreeSet<(u64, u64, K)>> {
        if account.is_in_line {
            Some(&mut self.line)
        } else {
            (account.under_way == 0).then_some(&mut self.away)
        }
    }
}

impl Account {
    /// Ends a turn that is under way, and takes back what was counted for it.
    fn end_turn(&mut self, charged: u64) {
        self.spent = self.spent.saturating_sub(charged);
        self.under_way = self.under_way.saturating_sub(1);
    }

    fn place<K: Clone>(&self, who: &K) -> (u64, u64, K) {
        let spent = if self.is_in_line {
            self.spent + self.expected
        } else {
            self.spent
        };
        (spent, self.came, who.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives the first one its turn.
    fn turn(turns: &mut Turns<&'static str>, cost: impl Fn(&str) -> u64) -> &'static str {
        let who = *turns.first().unwrap();
        let charged = turns.charge(&who, 1);
        turns.settle(&who, charged, cost(who));
        turns.advance([who].iter(), cost(who));
        who
    }

    #[test]
    fn turns_are_shared_by_cost_and_not_by_number() {
        let mut turns = Turns::default();
        ["much", "little"].iter().for_each(|who| turns.join(who));
        let cost = |who: &str| if who == "much" { 10 } else { 1 };
        let had: Vec<_> = (0..110).map(|_| turn(&mut turns, cost)).collect();
        let much = had.iter().filter(|who| **who == "much").count();
        assert!((9..=11).contains(&much), "{much}");
    }

    #[test]
    fn one_who_costs_little_is_next_whenever_it_comes_and_however_many_there_are() {
        let mut turns = Turns::default();
        let many: Vec<u64> = (1..=20).collect();
        many.iter().for_each(|who| turns.join(who));
        let turn = |turns: &mut Turns<u64>| {
            let who = *turns.first().unwrap();
            let cost = if who == 0 { 1 } else { 1000 };
            let charged = turns.charge(&who, 1);
            turns.settle(&who, charged, cost);
            turns.advance([who].iter(), cost);
            who
        };
        // What they cost is known after their first turn.
        many.iter().for_each(|_| _ = turn(&mut turns));
        for _ in 0..100 {
            turns.join(&0);
            let before = (0..3).take_while(|_| turn(&mut turns) != 0).count();
            assert!(before <= 1, "{before}");
            turns.leave(&0);
            turn(&mut turns);
        }
    }

    #[test]
    fn those_who_come_anew_again_and_again_keep_nobody_from_its_turn() {
        let mut turns = Turns::default();
        turns.join(&0);
        turns.settle(&0, 0, 10_000);
        for who in 1..=1000 {
            turns.join(&who);
            if turns.first() == Some(&0) {
                return;
            }
            let charged = turns.charge(&who, 1);
            turns.settle(&who, charged, 100);
            turns.leave(&who);
            turns.advance([who].iter(), 100);
        }
        panic!("it never has its turn");
    }

    #[test]
    fn one_who_goes_and_comes_back_has_still_cost_what_it_has() {
        let mut turns = Turns::default();
        ["much", "other"].iter().for_each(|who| turns.join(who));
        let cost = |who: &str| if who == "much" { 1000 } else { 100 };
        assert_eq!(turn(&mut turns, cost), "much");
        turns.leave(&"much");
        turns.join(&"much");
        for _ in 0..10 {
            assert_eq!(turn(&mut turns, cost), "other");
        }
    }

    #[test]
    fn what_did_not_come_about_costs_nothing_and_no_place_is_lost() {
        let mut turns = Turns::default();
        ["a", "b", "c"].iter().for_each(|who| turns.join(who));
        turns.advance([].iter(), 300);
        turns.join(&"later");
        for who in ["a", "b", "c"] {
            assert_eq!(turns.first(), Some(&who));
            assert_eq!(turns.charge(&who, 5), 5);
            turns.leave(&who);
        }
        turns.join(&"latest");
        for who in ["c", "b", "a"] {
            turns.put_back(&who, 5);
        }
        for who in ["a", "b", "c", "later", "latest"] {
            assert_eq!(turn(&mut turns, |_| 1000), who);
        }
    }

    #[test]
    fn one_who_wants_more_keeps_its_place() {
        let mut turns = Turns::default();
        ["a", "b"].iter().for_each(|who| turns.join(who));
        turns.advance([].iter(), 100);
        turns.join(&"a");
        assert_eq!(turns.first(), Some(&"a"));
    }

    #[test]
    fn one_who_wants_more_while_its_turn_is_under_way_keeps_its_place() {
        let mut turns = Turns::default();
        turns.join(&"old");
        turns.advance([].iter(), 50);
        turns.join(&"new");
        turns.advance([].iter(), 100);
        let charged = turns.charge(&"old", 5);
        turns.leave(&"old");
        turns.join(&"old");
        turns.put_back(&"old", charged);
        assert_eq!(turn(&mut turns, |_| 100), "old");
        assert_eq!(turn(&mut turns, |_| 100), "new");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut turns = Turns::default();
        for who in 0..2 * MOST_AWAY {
            turns.join(&who);
            let charged = turns.charge(&who, 1);
            turns.leave(&who);
            turns.settle(&who, charged, 1 + who as u64);
        }
        assert_eq!(turns.accounts.len(), MOST_AWAY);
        turns.advance([].iter(), u64::MAX);
        assert!(turns.is_empty());
    }
}
