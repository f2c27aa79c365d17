//! Set, update, marks and forgetting against a naive twin, where the client makes the points: pushes,
//! requests and own writes come between.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;
use tidewire_cache::{Attached, DetachReason, FetchTicket, Intake, Presence, StaleReason, Trust};
use tidewire_model::{CacheKey, Effect, Record, Row};

use crate::support::{
    Rig, by_client, id, key, patch, push_merge, push_put, push_remove, set, thing, things,
};

#[derive(Debug, Clone, Copy)]
enum Step {
    Put(u8, i64),
    Merge(u8, i64),
    Remove(u8),
    Set(u8, i64),
    Update(u8, i64),
    Ask(u8),
    /// Answers a request with a number for the first of its ids, and that the second is missing.
    Answer(u8, i64),
    Invalidate(Option<u8>),
    Clear,
    Attach,
    Detach,
    Write(u8, i64),
    Refuse(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..5_u8;
    let n = || -9..9_i64;
    prop_oneof![
        3 => (name(), n()).prop_map(|(name, n)| Step::Put(name, n)),
        3 => (name(), n()).prop_map(|(name, n)| Step::Merge(name, n)),
        2 => name().prop_map(Step::Remove),
        4 => (name(), n()).prop_map(|(name, n)| Step::Set(name, n)),
        4 => (name(), n()).prop_map(|(name, n)| Step::Update(name, n)),
        3 => name().prop_map(Step::Ask),
        4 => (any::<u8>(), n()).prop_map(|(ticket, n)| Step::Answer(ticket, n)),
        3 => proptest::option::of(name()).prop_map(Step::Invalidate),
        2 => Just(Step::Clear),
        1 => Just(Step::Attach),
        1 => Just(Step::Detach),
        2 => (name(), n()).prop_map(|(name, n)| Step::Write(name, n)),
        1 => any::<u8>().prop_map(Step::Refuse),
    ]
}

fn name(which: u8) -> String {
    format!("e{}", which % 5)
}

/// What is known of one entity.
#[derive(Debug, Clone)]
struct Known {
    record: Option<Record>,
    at: u64,
    /// The step of whole knowledge.
    confirmed: usize,
}

#[derive(Debug, Default)]
struct Twin {
    point: u64,
    attached: bool,
    held: BTreeMap<String, Known>,
    /// The points at which something changed that was not told.
    stale: BTreeMap<String, u64>,
    /// The steps of marks.
    marks: BTreeMap<String, usize>,
    forgotten: u64,
    highest: u64,
    mark: Option<usize>,
    asked: BTreeMap<usize, (u64, usize, String, String)>,
    pending: Vec<(u64, Effect)>,
}

impl Twin {
    fn learn(&mut self, name: &str, record: Option<Record>, at: u64, begun: usize) {
        let held = self.held.get(name);
        let floor = held.map_or(self.forgotten, |held| held.at);
        if at < floor {
            return;
        }
        let confirmed = held.map_or(begun, |held| held.confirmed.max(begun));
        if self.marks.get(name).is_some_and(|mark| *mark <= begun) {
            self.marks.remove(name);
        }
        self.highest = self.highest.max(at);
        let known = Known {
            record,
            at,
            confirmed,
        };
        self.held.insert(name.to_owned(), known);
    }

    fn push(&mut self, step: usize, name: &str, record: Option<Record>) {
        self.point += 1;
        self.highest = self.point;
        let known = Known {
            record,
            at: self.point,
            confirmed: step,
        };
        self.marks.remove(name);
        self.held.insert(name.to_owned(), known);
    }

    fn change(&mut self, name: &str, n: i64) -> bool {
        self.point += 1;
        let Some(held) = self.held.get_mut(name) else {
            return false;
        };
        let Some(record) = &held.record else {
            return false;
        };
        held.record = Some(record.merge(&patch(json!({"n": n}))));
        held.at = self.point;
        self.highest = self.point;
        true
    }

    fn is_marked(&self, name: &str) -> bool {
        self.held.get(name).is_some_and(|held| {
            self.marks.contains_key(name)
                || self.stale.get(name) > Some(&held.at)
                || self.mark.is_some_and(|mark| mark > held.confirmed)
        })
    }

    fn see(&self, name: &str) -> Option<Option<Record>> {
        let base = self.held.get(name).map(|held| held.record.clone());
        let effects = self.pending.iter().map(|(_, effect)| effect);
        effects
            .filter(|effect| effect.key == key(name))
            .fold(base, |image, effect| {
                image.map(|record| effect.body.apply(record.as_ref()))
            })
    }
}

struct Play {
    rig: Rig,
    twin: Twin,
    tickets: Vec<FetchTicket>,
}

impl Play {
    fn take(&mut self, number: usize, step: Step) {
        match step {
            Step::Put(which, n) => {
                self.rig.push(vec![push_put(&name(which), n, None)]);
                if self.twin.attached {
                    self.twin
                        .push(number, &name(which), Some(thing(&name(which), n)));
                }
            }
            Step::Merge(which, n) => {
                let change = push_merge(&name(which), json!({"n": n}), None);
                self.rig.push(vec![change]);
                if self.twin.attached && !self.twin.change(&name(which), n) {
                    self.twin.highest = self.twin.point;
                    let point = self.twin.point;
                    self.twin.stale.insert(name(which), point);
                }
            }
            Step::Remove(which) => {
                self.rig.push(vec![push_remove(&name(which), None)]);
                if self.twin.attached {
                    self.twin.push(number, &name(which), None);
                }
            }
            Step::Set(which, n) => {
                let row = Row {
                    id: id(&name(which)),
                    record: thing(&name(which), n),
                    version: None,
                };
                self.rig.cache.set(self.rig.now, &things(), row).unwrap();
                self.twin.point += 1;
                let at = self.twin.point;
                let record = Some(thing(&name(which), n));
                self.twin.learn(&name(which), record, at, number);
            }
            Step::Update(which, n) => {
                let (key, fields) = (key(&name(which)), patch(json!({"n": n})));
                self.rig
                    .cache
                    .update(self.rig.now, key, fields, None)
                    .unwrap();
                self.twin.change(&name(which), n);
            }
            Step::Ask(which) => {
                let (one, other) = (name(which), name(which + 1));
                let ticket = self.rig.ask(&[&one, &other]);
                let asked = (self.twin.point, number, one, other);
                self.twin.asked.insert(self.tickets.len(), asked);
                self.tickets.push(ticket);
            }
            Step::Answer(which, n) => self.answer(which, n),
            Step::Invalidate(Some(which)) => {
                let keys = vec![CacheKey::Detail(key(&name(which)))];
                assert!(self.rig.cache.invalidate(self.rig.now, keys).is_none());
                let name = name(which);
                if self.twin.held.contains_key(&name) || self.twin.stale.contains_key(&name) {
                    self.twin.marks.insert(name, number);
                }
            }
            Step::Invalidate(None) => {
                self.rig.take(Intake::Stale {
                    entity_type: things(),
                    ids: None,
                });
                self.twin.mark = Some(number);
            }
            Step::Clear => {
                self.rig.take(Intake::Clear {
                    entity_type: things(),
                });
                self.twin.forgotten = self.twin.forgotten.max(self.twin.highest);
                self.twin.held.clear();
                self.twin.stale.clear();
                self.twin.marks.clear();
                self.twin.asked.clear();
            }
            Step::Attach => {
                self.rig.subscribe(Attached::Now, 0, 0);
                self.twin.point += 1;
                self.twin.attached = true;
            }
            Step::Detach => {
                self.rig.detach(DetachReason::Disconnected);
                self.twin.attached = false;
            }
            Step::Write(which, n) => {
                let effect = set(&name(which), json!({"n": n}));
                let number = number as u64;
                self.rig.add(number, vec![effect.clone()]);
                self.twin.pending.push((number, effect));
            }
            Step::Refuse(which) => {
                let pending = &mut self.twin.pending;
                if !pending.is_empty() {
                    let (number, _) = pending.remove(usize::from(which) % pending.len());
                    self.rig.refuse(number);
                }
            }
        }
        self.rig.flush();
    }

    fn answer(&mut self, which: u8, n: i64) {
        if self.tickets.is_empty() {
            return;
        }
        let number = usize::from(which) % self.tickets.len();
        let Some((at, begun, one, other)) = self.twin.asked.remove(&number) else {
            return;
        };
        let row = Row {
            id: id(&one),
            record: thing(&one, n),
            version: None,
        };
        self.rig
            .entities(self.tickets[number], None, vec![row], &[&other]);
        self.twin.learn(&one, Some(thing(&one, n)), at, begun);
        self.twin.learn(&other, None, at, begun);
    }

    fn compare(&self, step: &Step) -> Result<(), TestCaseError> {
        for which in 0..5 {
            let name = name(which);
            let reading = self.rig.get(&name);
            let expected = match self.twin.see(&name) {
                None => Presence::Unknown,
                Some(None) => Presence::Absent,
                Some(Some(record)) => Presence::Present(record),
            };
            prop_assert_eq!(&reading.presence, &expected, "{} after {:?}", &name, step);
            let marked = reading.trust == Trust::Stale(StaleReason::Marked);
            prop_assert_eq!(
                marked,
                self.twin.is_marked(&name),
                "{} after {:?}",
                &name,
                step
            );
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn laws_5_6_and_8_what_the_application_sets_marks_and_forgets_equals_its_twin_after_every_step(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut play = Play {
            rig: Rig::new(by_client()),
            twin: Twin::default(),
            tickets: Vec::new(),
        };
        for (number, step) in steps.into_iter().enumerate() {
            play.take(number, step);
            play.compare(&step)?;
        }
    }
}
