//! Whose turn it is next: of those in line, the one that will have cost least when its turn is over.
//!
//! One who comes anew begins where a fair share has come to, so that nobody gains by having been away, and nobody who costs
//! little waits for those who cost much. (This is weighted fair queueing, where the next cost is guessed by the last ones.)
//! Where anybody can be new as often as it likes, one who is new is taken to cost what others who were new have cost, as
//! far as what it asks for can come to as much.
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
    line: Places<K>,
    /// Those in line of whom none was, by what they will have cost if nothing comes to what is known, and if the most does.
    /// What will come to it lies between; what that is taken to be changes with the first turn of each.
    newcomers: [Places<K>; 2],
    /// Those not in line, with no turn under way, by what they have cost.
    away: Places<K>,
    kind: Kind,
}

/// By cost, and then by when they came.
type Places<K> = BTreeSet<(u64, u64, K)>;

/// What a turn costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// What is known of it before.
    pub(super) known: u64,
    /// What comes to that.
    pub(super) beyond: u64,
}

impl Cost {
    pub(super) fn total(self) -> u64 {
        self.known + self.beyond
    }
}

/// Who they are that take turns.
#[derive(Debug)]
enum Kind {
    /// Not everybody can be a new one of them, and one who is new is taken to cost no more than is known. Nobody says when
    /// one is gone, so only so many are remembered.
    Lasting,
    /// Anybody can be many of them, one after the other. Each is remembered until it is forgotten.
    Passing {
        /// What is taken to come to the first turn of one: what came to the last first turn, or what is left of a dearer
        /// one before, which fades with every turn.
        of_first: u64,
    },
}

/// What one has cost.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    spent: u64,
    /// What is taken to come to its next turn: what came to the last one, or what is left of a dearer one before, which
    /// fades. Nothing where none was settled.
    expected: Option<u64>,
    /// What its next turn costs at most.
    most: Cost,
    /// When it came; never 0.
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
        Self::of(Kind::Passing { of_first: 0 })
    }

    fn of(kind: Kind) -> Self {
        Self {
            reached: 0,
            came: 0,
            accounts: BTreeMap::new(),
            line: BTreeSet::new(),
            newcomers: [BTreeSet::new(), BTreeSet::new()],
            away: BTreeSet::new(),
            kind,
        }
    }

    /// Puts one into the line, for a turn that costs this at most. One who is there, or has a turn under way, keeps its
    /// place as far as it does not ask for another turn.
    pub(super) fn join(&mut self, who: &K, most: Cost) {
        let account = self.accounts.get(who);
        if account.is_some_and(|account| account.is_in_line && account.most == most) {
            return;
        }
        let mut account = self.take_out(who).unwrap_or_default();
        let was_away = !account.is_in_line && account.under_way == 0;
        if was_away && (account.came == 0 || account.spent < self.reached) {
            self.came += 1;
            account.came = self.came;
            account.spent = account.spent.max(self.reached);
        }
        account.is_in_line = true;
        account.most = most;
        self.put_in(who, account);
    }

    /// Takes one out of the line. What it has cost stays known.
    pub(super) fn leave(&mut self, who: &K) {
        self.change(who, |account| account.is_in_line = false);
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<&K> {
        let [if_nothing, if_most] = &self.newcomers;
        let new = if_nothing.first();
        let new = new.map(|(cost, came, who)| (cost + self.of_first(), *came, who));
        [self.line.first(), if_most.first()]
            .into_iter()
            .flatten()
            .map(|(cost, came, who)| (*cost, *came, who))
            .chain(new)
            .min()
            .map(|(_, _, who)| who)
    }

    /// What the next turn of one is likely to cost.
    pub(super) fn expected(&self, who: &K) -> u64 {
        let account = self.accounts.get(who);
        account.map_or(0, |account| account.next_cost(self.of_first()))
    }

    /// What the next turn of one costs at most, as it was told last.
    pub(super) fn most(&self, who: &K) -> Option<Cost> {
        self.accounts.get(who).map(|account| account.most)
    }

    /// What is taken to come to the first turn of one.
    fn of_first(&self) -> u64 {
        match self.kind {
            Kind::Lasting => 0,
            Kind::Passing { of_first } => of_first,
        }
    }

    /// Counts a turn that is under way from now on; what was counted.
    pub(super) fn charge(&mut self, who: &K) -> u64 {
        let charged = self.expected(who);
        self.change(who, |account| {
            account.spent += charged;
            account.under_way += 1;
        });
        charged
    }

    /// Takes back what was counted of a turn that did not come about. One who is to have it again joins before that.
    pub(super) fn refund(&mut self, who: &K, charged: u64) {
        self.change(who, |account| account.end_turn(charged));
    }

    /// Counts what a turn has cost, in place of what was counted.
    pub(super) fn settle(&mut self, who: &K, charged: u64, cost: Cost) {
        // One that was forgotten before its turn was over came for this one, as far as anybody knows.
        let before = self.accounts.get(who).and_then(|account| account.expected);
        if let Kind::Passing { of_first } = &mut self.kind {
            let of_this = if before.is_none() { cost.beyond } else { 0 };
            *of_first = of_this.max(*of_first / 2);
        }
        self.change(who, |account| {
            account.end_turn(charged);
            account.spent += cost.total();
            account.expected = Some(cost.beyond.max(before.unwrap_or(0) / 2));
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
        let in_line = self.line.len() + self.newcomers[0].len();
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
        for (places, cost) in self.places(&account) {
            places.remove(&(cost, account.came, who.clone()));
        }
        Some(account)
    }

    fn put_in(&mut self, who: &K, account: Account) {
        self.accounts.insert(who.clone(), account);
        for (places, cost) in self.places(&account) {
            places.insert((cost, account.came, who.clone()));
        }
        if matches!(self.kind, Kind::Lasting)
            && self.away.len() > MOST_AWAY
            && let Some((_, _, cheapest)) = self.away.pop_first()
        {
            self.accounts.remove(&cheapest);
        }
    }

    /// Where an account stands, and by what; one that is not in line and has a turn under way stands nowhere, and is not
    /// forgotten.
    fn places(
        &mut self,
        account: &Account,
    ) -> impl Iterator<Item = (&mut Places<K>, u64)> + use<'_, K> {
        let Account { spent, most, .. } = *account;
        let [if_nothing, if_most] = &mut self.newcomers;
        let places = match (account.is_in_line, account.expected) {
            (true, Some(_)) => [Some((&mut self.line, spent + account.next_cost(0))), None],
            (true, None) => [
                Some((if_nothing, spent + most.known)),
                Some((if_most, spent + most.total())),
            ],
            (false, _) => [
                (account.under_way == 0).then_some((&mut self.away, spent)),
                None,
            ],
        };
        places.into_iter().flatten()
    }
}

impl Account {
    /// Ends a turn that is under way, and takes back what was counted for it.
    fn end_turn(&mut self, charged: u64) {
        self.spent = self.spent.saturating_sub(charged);
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// What its next turn is likely to cost, where this is taken to come to a first one.
    fn next_cost(&self, of_first: u64) -> u64 {
        let beyond = self.expected.unwrap_or(of_first);
        self.most.known + beyond.min(self.most.beyond)
    }
}

#[cfg(test)]
mod tests;
