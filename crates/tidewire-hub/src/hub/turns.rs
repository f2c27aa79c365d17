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
    /// Those not in line who have cost more than where others begin, by cost.
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
    /// Puts one into the line, where it is not there.
    pub(super) fn join(&mut self, who: &K) {
        let mut account = self.take_out(who).unwrap_or(Account {
            spent: 0,
            expected: 0,
            came: 0,
            is_in_line: false,
        });
        if account.came == 0 || account.spent < self.reached {
            self.came += 1;
            account.came = self.came;
        }
        if !account.is_in_line {
            account.spent = account.spent.max(self.reached);
            account.is_in_line = true;
        }
        self.put_in(who, account);
    }

    /// Takes one out of the line. What it has cost stays known.
    pub(super) fn leave(&mut self, who: &K) {
        self.change(who, |account| account.is_in_line = false);
        while self.away.len() > MOST_AWAY {
            self.forget_cheapest();
        }
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

    /// Counts a turn that costs at least so much; what was counted.
    pub(super) fn charge(&mut self, who: &K, least: u64) -> u64 {
        let charged = least.max(self.expected(who));
        self.change(who, |account| account.spent += charged);
        charged
    }

    /// Takes back what was counted of a turn that did not come about.
    pub(super) fn refund(&mut self, who: &K, charged: u64) {
        self.change(who, |account| account.spent -= charged.min(account.spent));
    }

    /// Counts what a turn has cost, in place of what was counted.
    pub(super) fn settle(&mut self, who: &K, charged: u64, cost: u64) {
        self.change(who, |account| {
            account.spent = account.spent.saturating_sub(charged) + cost;
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
        self.places(&account).remove(&account.place(who));
        Some(account)
    }

    fn put_in(&mut self, who: &K, account: Account) {
        self.places(&account).insert(account.place(who));
        self.accounts.insert(who.clone(), account);
    }

    fn places(&mut self, account: &Account) -> &mut BTreeSet<(u64, u64, K)> {
        if account.is_in_line {
            &mut self.line
        } else {
            &mut self.away
        }
    }
}

impl Account {
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
        ["a", "b"].iter().for_each(|who| turns.join(who));
        assert_eq!(turns.charge(&"a", 5), 5);
        turns.leave(&"a");
        turns.join(&"later");
        turns.refund(&"a", 5);
        turns.join(&"a");
        assert_eq!(turn(&mut turns, |_| 1), "a");
        assert_eq!(turn(&mut turns, |_| 1), "b");
        assert_eq!(turn(&mut turns, |_| 1), "later");
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut turns = Turns::default();
        for who in 0..2 * MOST_AWAY {
            turns.join(&who);
            turns.charge(&who, 1 + who as u64);
            turns.leave(&who);
        }
        assert_eq!(turns.accounts.len(), MOST_AWAY);
        turns.advance([].iter(), u64::MAX);
        assert!(turns.is_empty());
    }
}
