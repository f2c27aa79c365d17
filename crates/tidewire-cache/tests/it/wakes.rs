//! Who is woken by an event: those whose reading it changes, and nobody else.

use proptest::prelude::*;
use tidewire_cache::{Commit, Intake, ListReading, Progress, Publication, WatchId};
use tidewire_model::{ActionId, Effect, EffectBody, Patch, Query, Revision, Tick};

use crate::customers::{Customers, by_score, customers, key, of_company, record, score};

/// Pages of one list, and one of another.
struct Pages {
    customers: Customers,
    pages: Vec<WatchId>,
    company: WatchId,
}

/// Five pages of ten of all by score, where the customer with the number 999 - n has rank n.
fn pages() -> Pages {
    let mut customers = Customers::load(0);
    for number in 0..1_000 {
        let commit = customers.create_as(number, record(number).with("score", number * 10));
        customers.apply(commit);
    }
    let pages = (0..5).map(|page| customers.watch(by_score().offset(page * 10).limit(10)));
    let pages = pages.collect();
    let company = customers.watch(of_company(500).limit(3));
    drop(customers.show());
    Pages {
        customers,
        pages,
        company,
    }
}

impl Pages {
    fn woken_by(&mut self, rank: u64, patch: Patch) -> Vec<usize> {
        let commit = self.customers.update(999 - rank, patch);
        let woken = self.customers.apply(commit);
        self.pages_of(&woken)
    }

    /// The places of the watchers of pages, 5 for the company's.
    fn pages_of(&self, woken: &[WatchId]) -> Vec<usize> {
        let all = self.pages.iter().chain([&self.company]);
        let all: Vec<&WatchId> = all.collect();
        let place = |one: &WatchId| all.iter().position(|known| *known == one);
        woken.iter().filter_map(place).collect()
    }
}

#[test]
fn an_update_in_place_wakes_the_page_that_shows_the_row_alone() {
    let mut pages = pages();
    let new = || Patch::new().set("notes", "new");
    assert_eq!(pages.woken_by(0, new()), [0]);
    assert_eq!(pages.woken_by(29, new()), [2]);
    assert_eq!(pages.woken_by(50, new()), [0; 0], "behind all pages");
    assert_eq!(
        pages.woken_by(999 - 500, new()),
        [0; 0],
        "the tenth of its company"
    );
    assert_eq!(pages.woken_by(999 - 509, new()), [5], "the first of it");
}

#[test]
fn a_move_wakes_the_pages_from_where_the_row_was_to_where_it_is() {
    let mut pages = pages();
    // Between those of rank 13 and 14, and back.
    assert_eq!(pages.woken_by(17, score(9_855)), [1]);
    assert_eq!(pages.woken_by(17, score(9_820)), [1]);
    // From the third page to the second, down again, and out of sight.
    assert_eq!(pages.woken_by(25, score(9_855)), [1, 2]);
    assert_eq!(pages.woken_by(25, score(9_740)), [1, 2]);
    assert_eq!(pages.woken_by(25, score(5)), [2, 3, 4]);
    assert_eq!(pages.woken_by(60, score(7)), [0; 0], "behind all pages");
    assert_eq!(pages.woken_by(999 - 3, score(9_999)), [0, 1, 2, 3, 4]);
}

#[test]
fn what_comes_or_goes_wakes_those_whose_total_moves() {
    let mut pages = pages();
    let commit = pages
        .customers
        .create_as(1_000, record(1_000).with("score", 1));
    let woken = pages.customers.apply(commit);
    assert_eq!(pages.pages_of(&woken), [0, 1, 2, 3, 4], "not the company");
    let commit = pages.customers.delete(500);
    let woken = pages.customers.apply(commit);
    assert_eq!(pages.pages_of(&woken), [0, 1, 2, 3, 4, 5]);
    // It leaves the company, not the list of all.
    let other = Patch::new().set("companyId", "k-999999");
    assert_eq!(pages.woken_by(999 - 501, other), [5]);
}

/// Customers in the property.
const FEW: u64 = 24;
/// Longer than what a place in a list knows of a text by itself.
const LONG: &str = "a text that is longer than the digest of a place";

#[derive(Debug, Clone)]
enum Step {
    /// The server moves a customer.
    Move(u64, u64),
    /// A pending action does.
    Own(u64, u64),
    /// The oldest pending action is refused.
    Refuse,
    /// Both, the write in the middle of the batch.
    Both(u64, u64),
}

/// A cache with pages of two lists, and what each showed last.
struct Watched {
    customers: Customers,
    pages: Vec<(WatchId, Query, ListReading)>,
    pending: Vec<ActionId>,
    actions: u64,
}

/// Where the customers stand in both lists.
fn place(place: u64) -> Patch {
    Patch::new()
        .set("score", 1_000 - place)
        .set("notes", format!("{LONG} {place:04}"))
}

impl Watched {
    fn new() -> Self {
        let mut cache = Customers::load(0);
        for number in 0..FEW {
            let commit = cache.create_as(number, record(number).merge(&place(number * 10)));
            cache.apply(commit);
        }
        let by_notes = Query::new(customers()).sort_asc("notes");
        let lists = [by_score(), by_notes];
        let pages = lists.iter().flat_map(|list| {
            let page = |page: u64| list.clone().offset(page * 4).limit(4);
            (0..4_u64).map(page)
        });
        let pages: Vec<Query> = pages.collect();
        let watch_ids: Vec<WatchId> = pages.iter().map(|page| cache.watch(page.clone())).collect();
        drop(cache.show());
        let shown = |page: Query, watch_id| {
            let shown = read(&cache, &page);
            (watch_id, page, shown)
        };
        let pages = pages.into_iter().zip(watch_ids);
        Self {
            pages: pages
                .map(|(page, watch_id)| shown(page, watch_id))
                .collect(),
            customers: cache,
            pending: Vec::new(),
            actions: 0,
        }
    }

    /// The pages that look different since the last time, and those that are woken.
    fn changed(&mut self, shown: Option<Publication>) -> (Vec<usize>, Vec<usize>) {
        let woken = shown.map_or_else(Vec::new, |shown| shown.woken);
        let (mut changed, mut named) = (Vec::new(), Vec::new());
        for (place, (watch_id, page, last)) in self.pages.iter_mut().enumerate() {
            let now = read(&self.customers, page);
            if *last != now {
                changed.push(place);
                *last = now;
            }
            if woken.contains(watch_id) {
                named.push(place);
            }
        }
        (changed, named)
    }

    fn take(&mut self, number: u64, to: u64) {
        let commit: Commit = self.customers.update(number, place(to));
        self.customers.take(Intake::Commit(commit));
    }

    fn own(&mut self, number: u64, to: u64) -> Publication {
        self.actions += 1;
        let action = ActionId::new(self.actions, [0; 10]);
        self.pending.push(action);
        let effect = Effect::new(key(number), EffectBody::Merge(place(to)));
        let cache = &mut self.customers.cache;
        cache.add_action(Tick::ZERO, action, vec![effect])
    }

    fn step(&mut self, step: &Step) {
        let shown = match *step {
            Step::Move(number, to) => {
                self.take(number, to);
                self.customers.show()
            }
            Step::Own(number, to) => Some(self.own(number, to)),
            Step::Refuse if self.pending.is_empty() => return,
            Step::Refuse => {
                let action = self.pending.remove(0);
                let cache = &mut self.customers.cache;
                cache.remove_actions(Tick::ZERO, vec![action])
            }
            Step::Both(number, to) => {
                self.take(number, to);
                self.take((number + 1) % FEW, to + 1);
                if self.customers.cache.work(Tick::ZERO, 1) == Progress::Idle {
                    return;
                }
                let shown = self.own((number + 2) % FEW, to + 2);
                let (changed, woken) = self.changed(Some(shown));
                assert!(changed.iter().all(|page| woken.contains(page)));
                // The write is in the batch too, and what it does there may be something else.
                let shown = self.customers.show();
                let (changed, woken) = self.changed(shown);
                assert!(changed.iter().all(|page| woken.contains(page)));
                return;
            }
        };
        let (changed, woken) = self.changed(shown);
        assert_eq!(woken, changed, "{step:?}");
    }
}

/// A page as it looks, whenever that is.
fn read(customers: &Customers, page: &Query) -> ListReading {
    ListReading {
        revision: Revision::default(),
        ..customers.reader.list(Tick::ZERO, page)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (number, to) = (0..FEW, 0..FEW * 10);
    prop_oneof![
        3 => (number.clone(), to.clone()).prop_map(|(number, to)| Step::Move(number, to)),
        3 => (number.clone(), to.clone()).prop_map(|(number, to)| Step::Own(number, to)),
        2 => Just(Step::Refuse),
        1 => (number, to).prop_map(|(number, to)| Step::Both(number, to)),
    ]
}

proptest! {
    #[test]
    fn a_move_wakes_those_whose_page_it_changes_and_nobody_else(steps in prop::collection::vec(step(), 1..40)) {
        let mut watched = Watched::new();
        for step in &steps {
            watched.step(step);
        }
    }
}

#[test]
fn a_write_to_a_text_longer_than_a_digest_wakes_the_page_it_comes_to() {
    let mut watched = Watched::new();
    for (number, to) in [(0, 121), (1, 121), (13, 0), (14, 0)] {
        watched.step(&Step::Move(number, to));
    }
    watched.step(&Step::Own(9, 60));
}
