//! Whose turn it is next: of those in line, the one that will have cost least when its turn is over.
//!
//! One who comes anew begins where a fair share has come to, so that nobody gains by having been away, and nobody who costs
//! little waits for those who cost much. (This is weighted fair queueing, where the next cost is guessed by the last ones.)
//! Where anybody can be new as often as it likes, one who is new is taken to cost what others who were new have cost.
//! Knows nothing of what they want or what it costs.

use std::collections::{BTreeMap, BTreeSet};

/// The most accounts of those who are not in line and whose end nobody tells. The cheapest are forgotten first: they lose
/// least by it.
const MOST_AWAY: usize = 4096;

/// Who is in line, and what each has cost.
#[derive(Debug)]
pub(super) struct Turns<K> {
    /// Where one begins who comes anew: what one has cost who was there all the time and had its share.
    reached: u64,
    came: u64,
    accounts: BTreeMap<K, Account>,
    /// Those in line of whom a turn was settled, by what they will have cost; of equal ones, whoever came first.
    line: BTreeSet<(u64, u64, K)>,
    /// Those in line of whom none was, by what they have cost. Apart, since what their first turn is taken to cost changes
    /// with each that one of them has.
    newcomers: BTreeSet<(u64, u64, K)>,
    /// Those not in line, with no turn under way, by what they have cost.
    away: BTreeSet<(u64, u64, K)>,
    kind: Kind,
}

/// Who they are that take turns.
#[derive(Debug)]
enum Kind {
    /// Not everybody can be a new one of them, and one who is new is taken to cost nothing. Nobody says when one is gone,
    /// so only so many are remembered.
    Lasting,
    /// Anybody can be many of them, one after the other. Each is remembered until it is forgotten.
    Passing {
        /// What the first turn of one is taken to cost: what the last first turn did, or what is left of a dearer one
        /// before, which fades with every turn.
        first_cost: u64,
    },
}

/// What one has cost.
#[derive(Clone, Copy, Debug)]
struct Account {
    spent: u64,
    /// What its next turn is taken to cost: the last one, or what is left of a dearer one before, which fades. Nothing
    /// where none was settled.
    expected: Option<u64>,
    /// When it came.
    came: u64,
    is_in_line: bool,
    /// Turns that were counted and are neither settled nor taken back. As long as there are any, it has not been away.
    under_way: usize,
}

impl<K: Ord + Clone> Turns<K> {
    /// Turns of those who stay who they are.
    pub(super) fn of_lasting() -> Self {
        Self::of(Kind::Lasting)
    }

    /// Turns of those who come and go as they like. Each that is gone has to be forgotten.
    pub(super) fn of_passing() -> Self {
        Self::of(Kind::Passing { first_cost: 0 })
    }

    fn of(kind: Kind) -> Self {
        Self {
            reached: 0,
            came: 0,
            accounts: BTreeMap::new(),
            line: BTreeSet::new(),
            newcomers: BTreeSet::new(),
            away: BTreeSet::new(),
            kind,
        }
    }

    /// Puts one into the line. One who is there, or has a turn under way, keeps its place.
    pub(super) fn join(&mut self, who: &K) {
        let mut account = self.take_out(who).unwrap_or(Account {
            spent: 0,
            expected: None,
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
        let known = self.line.first();
        let known = known.map(|(cost, came, who)| (*cost, *came, who));
        let new = self.newcomers.first();
        let new = new.map(|(spent, came, who)| (spent + self.first_cost(), *came, who));
        known.into_iter().chain(new).min().map(|(_, _, who)| who)
    }

    /// What the next turn of one is likely to cost.
    pub(super) fn expected(&self, who: &K) -> u64 {
        let account = self.accounts.get(who);
        account
            .and_then(|account| account.expected)
            .unwrap_or(self.first_cost())
    }

    /// What the first turn of one is taken to cost.
    fn first_cost(&self) -> u64 {
        match self.kind {
            Kind::Lasting => 0,
            Kind::Passing { first_cost } => first_cost,
        }
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
        // One that was forgotten before its turn was over came for this one, as far as anybody knows.
        let before = self.accounts.get(who).and_then(|account| account.expected);
        if let Kind::Passing { first_cost } = &mut self.kind {
            let was_first = before.is_none();
            *first_cost = (*first_cost / 2).max(if was_first { cost } else { 0 });
        }
        self.change(who, |account| {
            account.end_turn(charged);
            account.spent += cost;
            account.expected = Some(cost.max(before.unwrap_or(0) / 2));
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
        let in_line = self.line.len() + self.newcomers.len();
        let there = in_line + of.filter(|who| !is_in_line(who)).count();
        self.reached += cost / (there.max(1) as u64);
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, who: &K) {
        self.take_out(who);
    }

    /// Whether nothing is known of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
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
        if matches!(self.kind, Kind::Lasting)
            && self.away.len() > MOST_AWAY
            && let Some((_, _, cheapest)) = self.away.pop_first()
        {
            self.accounts.remove(&cheapest);
        }
    }

    /// Where an account stands; one that is not in line and has a turn under way stands nowhere, and is not forgotten.
    fn places(&mut self, account: &Account) -> Option<&mut BTreeSet<(u64, u64, K)>> {
        match (account.is_in_line, account.expected) {
            (true, Some(_)) => Some(&mut self.line),
            (true, None) => Some(&mut self.newcomers),
            (false, _) => (account.under_way == 0).then_some(&mut self.away),
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
        let expected = self.expected.filter(|_| self.is_in_line);
        let cost = self.spent + expected.unwrap_or(0);
        (cost, self.came, who.clone())
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
        let mut turns = Turns::of_lasting();
        ["much", "little"].iter().for_each(|who| turns.join(who));
        let cost = |who: &str| if who == "much" { 10 } else { 1 };
        let had: Vec<_> = (0..110).map(|_| turn(&mut turns, cost)).collect();
        let much = had.iter().filter(|who| **who == "much").count();
        assert!((9..=11).contains(&much), "{much}");
    }

    #[test]
    fn one_who_costs_little_is_next_whenever_it_comes_and_however_many_there_are() {
        let mut turns = Turns::of_lasting();
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
        let mut turns = Turns::of_lasting();
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
        let mut turns = Turns::of_lasting();
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
        let mut turns = Turns::of_lasting();
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
        let mut turns = Turns::of_lasting();
        ["a", "b"].iter().for_each(|who| turns.join(who));
        turns.advance([].iter(), 100);
        turns.join(&"a");
        assert_eq!(turns.first(), Some(&"a"));
    }

    #[test]
    fn one_who_wants_more_while_its_turn_is_under_way_keeps_its_place() {
        let mut turns = Turns::of_lasting();
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
        let mut turns = Turns::of_lasting();
        for who in 0..2 * MOST_AWAY {
            turns.join(&who);
            let charged = turns.charge(&who, 1);
            turns.leave(&who);
            turns.settle(&who, charged, 1 + who as u64);
        }
        assert_eq!(turns.accounts.len(), MOST_AWAY);
    }

    #[test]
    fn those_whose_end_is_told_are_remembered_until_then() {
        let mut turns = Turns::of_passing();
        for who in 0..2 * MOST_AWAY {
            turns.join(&who);
            let charged = turns.charge(&who, 1);
            turns.leave(&who);
            turns.settle(&who, charged, 1 + who as u64);
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
        turns.join(&0);
        assert_eq!(turn_of(&mut turns, 1), 0);
        turns.leave(&0);
        (1..=20).for_each(|who| turns.join(&who));
        assert_eq!(turn_of(&mut turns, 1000), 1);
        turns.forget(&1);
        // Whoever is known to cost little goes before all that are new, also before those that came earlier.
        turns.join(&0);
        assert_eq!(turn_of(&mut turns, 1), 0);
        turns.leave(&0);
        // One that is gone before its turn is over counts too.
        let who = *turns.first().unwrap();
        let charged = turns.charge(&who, 1);
        turns.forget(&who);
        turns.settle(&who, charged, 2000);
        turns.advance([who].iter(), 2000);
        assert_eq!(turns.expected(&20), 2000);
        // And it fades, when those who are new cost little.
        for who in 3..=20 {
            assert_eq!(turn_of(&mut turns, 1), who);
            turns.forget(&who);
        }
        assert_eq!(turns.expected(&21), 1);
    }

    /// Gives the first one its turn, of this cost.
    fn turn_of(turns: &mut Turns<u64>, cost: u64) -> u64 {
        let who = *turns.first().unwrap();
        let charged = turns.charge(&who, 1);
        turns.settle(&who, charged, cost);
        turns.advance([who].iter(), cost);
        who
    }
}
