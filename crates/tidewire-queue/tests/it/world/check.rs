//! What must hold in the world: after every step, when an action takes effect, and when the faults are over.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_model::{ActionId, EntityId, Lane};
use tidewire_queue::{Action, ActionState};

use super::book::Book;
use super::{Step, World};
use crate::kit::{NOW, confirmed, kept};
use crate::twin::Verdict;

impl World {
    /// Laws 13 and 14, at the moment an action takes effect.
    pub(super) fn check_applied(&mut self, action: &Action) {
        let client = &self.clients[self.current];
        let (id, book) = (action.id, &client.book);
        let times = self.server.times_applied(id);
        assert!(
            times == 1 || self.risked.contains(&id),
            "{id} took effect {times} times"
        );
        assert!(
            !book.cancelled.contains(&id),
            "{id} was cancelled and took effect"
        );
        self.ever.insert(id);
        if let Some(line) = book.order.get(&action.lane)
            && let Some(place) = line.iter().position(|other| *other == id)
        {
            for later in &line[place + 1..] {
                let early = self
                    .server
                    .applied
                    .iter()
                    .any(|applied| applied.id == *later && applied.by == client.name);
                assert!(
                    !early || self.risked.contains(&id) || self.risked.contains(later),
                    "{later} took effect before {id}"
                );
            }
        }
        for parent in book.parents.get(&id).into_iter().flatten() {
            // Whoever insists does without what was only to come first, never without the entity.
            let may_insist = !book.makers.contains(parent) || !writes_the_chosen(action);
            let is_insisted = book.insisted.contains(&id) && may_insist;
            let is_done = self.ever.contains(parent) || is_insisted;
            assert!(
                is_done,
                "{id} took effect before {parent}, which it depends on"
            );
        }
        let own = action
            .entity_id
            .as_ref()
            .filter(|_| action.name == "create");
        let owner = action
            .payload
            .get("owner")
            .and_then(|value| value.as_text().map(str::to_owned));
        let foreign = owner.is_some_and(|text| {
            text.starts_with("tmp_") && own.is_none_or(|own| own.as_str() != text)
        });
        assert!(!foreign, "{id} was sent with a temporary id");
    }

    /// What must hold after every step.
    pub(super) fn check(&self) {
        for client in &self.clients {
            let there: BTreeSet<ActionId> = client
                .queue
                .pending()
                .chain(client.queue.parked())
                .map(|action| action.id)
                .collect();
            assert_eq!(
                there, client.book.live,
                "nothing is lost, nothing comes back"
            );
            let mut in_queue: BTreeMap<&Lane, Vec<ActionId>> = BTreeMap::new();
            let mut pending = BTreeSet::new();
            for action in client.queue.pending() {
                in_queue.entry(&action.lane).or_default().push(action.id);
                pending.insert(action.id);
            }
            for (name, line) in &client.book.order {
                let in_book: Vec<ActionId> = line
                    .iter()
                    .copied()
                    .filter(|id| pending.contains(id))
                    .collect();
                let in_queue = in_queue.remove(name).unwrap_or_default();
                assert_eq!(in_queue, in_book, "the overlay is in lane order");
            }
            for id in &client.book.live {
                if client.queue.is_durable(*id) {
                    assert!(
                        client.disk_book.parents.contains_key(id),
                        "{id} is called durable and is not"
                    );
                }
            }
            let counts = client.queue.counts();
            let count = |wanted: fn(&ActionState) -> bool| {
                client
                    .queue
                    .pending()
                    .chain(client.queue.parked())
                    .filter(|action| wanted(&action.state))
                    .count()
            };
            assert_eq!(
                counts.waiting,
                count(|state| *state == ActionState::Waiting)
            );
            assert_eq!(
                counts.sent,
                count(|state| *state == ActionState::PossiblySent)
            );
            assert_eq!(
                counts.uncertain,
                count(|state| *state == ActionState::Uncertain)
            );
            assert_eq!(
                counts.parked,
                count(|state| matches!(state, ActionState::Parked(_)))
            );
        }
    }

    /// After the faults: everything that is not parked gets through, once somebody has decided about what is
    /// uncertain.
    pub(crate) fn settle(&mut self) {
        for place in 0..self.clients.len() {
            self.current = place;
            let mut rounds = 0;
            while self.clients[place].queue.pending().next().is_some() {
                rounds += 1;
                assert!(
                    rounds < 300,
                    "the queue does not drain: {:?}",
                    self.clients[place].queue
                );
                self.step(Step::Connect);
                self.step(Step::Store(1000));
                self.step(Step::Resume);
                self.step(Step::Authorize);
                self.step(Step::Send(50));
                self.step(Step::Store(1000));
                (0..50).for_each(|_| self.serve(Verdict::Accept));
                self.step(Step::Deliver(50));
                if rounds % 5 == 0 {
                    self.give_up_uncertain();
                }
            }
            self.step(Step::Store(1000));
            let client = &mut self.clients[place];
            assert!(
                client.book.accepted.iter().all(|id| self.ever.contains(id)),
                "accepted, and never done"
            );
            let mut restored = client.disk.restore();
            assert_eq!(kept(&restored), kept(&client.queue));
            assert_eq!(confirmed(&mut restored), confirmed(&mut client.queue));
        }
    }

    fn give_up_uncertain(&mut self) {
        let client = self.client();
        let uncertain: Vec<ActionId> = client
            .queue
            .pending()
            .filter(|action| action.state == ActionState::Uncertain)
            .map(|action| action.id)
            .collect();
        for id in uncertain {
            let outcome = client.queue.discard(NOW, id).expect("it is uncertain");
            client.take(outcome);
        }
    }

    /// Which states and ends the actions of this world came to, for showing that a run was worth its time.
    pub(crate) fn saw(&self) -> [bool; 3] {
        let any = |find: fn(&Book) -> bool| self.clients.iter().any(|client| find(&client.book));
        [
            any(|book| !book.accepted.is_empty()),
            any(|book| !book.gone.is_empty()),
            any(|book| !book.live.is_empty()),
        ]
    }
}

/// Whether an action writes the entity whose id the application chose.
fn writes_the_chosen(action: &Action) -> bool {
    let target = action.entity_id.as_ref();
    target.is_some_and(|id| !EntityId::is_temporary(id))
}
