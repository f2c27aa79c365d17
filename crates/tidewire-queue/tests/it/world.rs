//! A small world around the queue: a store that lags and crashes, a network that is cut, a naive server, and a book in
//! which the test notes what every action should have come to. Everything that goes wrong for the queue goes wrong
//! here; everything the queue promises is checked after every step.

mod book;
mod check;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_model::{ActionId, EntityId, Lane, RecordBuilder};
use tidewire_queue::{
    Accepted, Action, ActionState, Draft, Outcome, Queue, Refusal, RefusalClass, Renewal, Settings,
    SyncReason,
};
use tidewire_store::Txn;

use self::book::Book;
use crate::kit::{Disk, NOW, customers, lane};
use crate::twin::{Answer, Frame, Server, Speaker, Verdict, Welcome};

const LANES: [&str; 3] = ["a", "b", "c"];

/// What happens next. Numbers choose among what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Submit {
        lane: usize,
        kind: Kind,
        after: Option<usize>,
    },
    Store(usize),
    Send(usize),
    Serve(Verdict),
    Deliver(usize),
    DeliverAgain(usize),
    Echo(usize),
    Stray(usize),
    Cut,
    Connect,
    Cancel(usize),
    Retry(usize),
    Discard(usize),
    Edit(usize),
    Park(usize),
    LoseAnswer(usize),
    Resume,
    Authorize,
    Crash,
    BackUpServer,
    RestoreServer,
    ForgetClients,
    CopyStore,
    OtherClient,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Update,
    Create,
    /// Creates what updates update.
    CreateNamed,
    Mention(usize),
}

/// What a stored transaction makes possible.
#[derive(Debug, Clone)]
enum Then {
    Nothing,
    Durable(ActionId),
    Transmit(u32, Box<Frame>),
    Hello(u32, BTreeMap<Lane, u64>),
}

#[derive(Debug)]
struct Client {
    /// How the server's log calls it.
    name: usize,
    queue: Queue,
    book: Book,
    disk: Disk,
    disk_book: Book,
    unstored: VecDeque<(Txn, Then, Book)>,
    /// Rises with every attempt to connect; what belongs to an older one is dropped.
    attempt: u32,
    speaker: Option<Speaker>,
    up: VecDeque<Frame>,
    down: VecDeque<Answer>,
    delivered: Vec<Answer>,
}

#[derive(Debug)]
pub(crate) struct World {
    server: Server,
    backup: Server,
    clients: Vec<Client>,
    current: usize,
    made: u16,
    stores: u8,
    names: usize,
    /// Uncertain, and retried all the same.
    risked: BTreeSet<ActionId>,
    /// In a store that was copied: a decision in each copy is a decision twice.
    shared: BTreeSet<ActionId>,
    /// Everything that ever took effect, whatever the server forgot since.
    ever: BTreeSet<ActionId>,
}

impl Client {
    fn new(name: usize, queue: Queue, disk: Disk, book: Book) -> Self {
        Self {
            name,
            queue,
            disk_book: book.clone(),
            book,
            disk,
            unstored: VecDeque::new(),
            attempt: 0,
            speaker: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            delivered: Vec::new(),
        }
    }

    fn will_store(&mut self, txn: Option<Txn>, then: Then) {
        if let Some(txn) = txn {
            self.unstored.push_back((txn, then, self.book.clone()));
        }
    }

    fn take(&mut self, outcome: Outcome) {
        self.book.note(&self.queue, &outcome.fates);
        self.will_store(outcome.txn, Then::Nothing);
        if outcome.renewed {
            self.hang_up();
        }
    }

    fn hang_up(&mut self) {
        self.attempt += 1;
        self.speaker = None;
        self.up.clear();
        self.down.clear();
        self.delivered.clear();
    }

    fn pick(&self, n: usize) -> Option<ActionId> {
        let count = self.book.live.len();
        (count > 0).then(|| {
            *self
                .book
                .live
                .iter()
                .nth(n % count)
                .expect("below the count")
        })
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let queue = Queue::new(Settings::default(), [1; 16]);
        Self {
            server: Server::default(),
            backup: Server::default(),
            clients: vec![Client::new(0, queue, Disk::default(), Book::default())],
            current: 0,
            made: 0,
            stores: 1,
            names: 1,
            risked: BTreeSet::new(),
            shared: BTreeSet::new(),
            ever: BTreeSet::new(),
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Submit { lane, kind, after } => self.submit(lane, kind, after),
            Step::Store(count) => (0..count).for_each(|_| self.store()),
            Step::Send(count) => (0..count).for_each(|_| self.send()),
            Step::Serve(verdict) => self.serve(verdict),
            Step::Deliver(count) => (0..count).for_each(|_| self.deliver()),
            Step::DeliverAgain(n) => self.deliver_again(n),
            Step::Echo(n) => self.echo(n),
            Step::Stray(n) => self.stray(n),
            Step::Cut => {
                let client = self.client();
                client.hang_up();
                client.queue.on_disconnected();
            }
            Step::Connect => self.connect(),
            Step::Cancel(n) => self.cancel(n),
            Step::Discard(n) => self.decide(n, |queue, id| queue.discard(NOW, id).ok()),
            Step::Park(n) => self.decide(n, |queue, id| {
                Some(queue.park(
                    NOW,
                    id,
                    Refusal::new(RefusalClass::Permanent, "unknown_action", ""),
                ))
            }),
            Step::LoseAnswer(n) => self.decide(n, |queue, id| {
                let seq = queue.get(id)?.seq;
                Some(queue.on_answer_lost(id, seq))
            }),
            Step::Retry(n) => self.retry(n),
            Step::Edit(n) => self.edit(n),
            Step::Resume => LANES
                .iter()
                .for_each(|name| self.client().queue.resume(&lane(name))),
            Step::Authorize => self.client().queue.on_authorized(),
            Step::Crash => self.crash(),
            Step::BackUpServer => self.backup = self.server.clone(),
            Step::RestoreServer => {
                self.server = self.backup.clone();
                self.everybody_out();
            }
            Step::ForgetClients => {
                self.server.forget_clients();
                self.everybody_out();
            }
            Step::CopyStore => self.copy_store(),
            Step::OtherClient => self.current = (self.current + 1) % self.clients.len(),
        }
        self.check();
    }

    fn client(&mut self) -> &mut Client {
        &mut self.clients[self.current]
    }

    fn everybody_out(&mut self) {
        for client in &mut self.clients {
            client.hang_up();
            client.queue.on_disconnected();
        }
    }

    fn new_id(&mut self) -> ActionId {
        self.made += 1;
        let mut random = [0; 10];
        random[8..].copy_from_slice(&self.made.to_be_bytes());
        ActionId::new(1_700_000_000_000, random)
    }

    fn random(&mut self) -> [u8; 16] {
        self.stores += 1;
        [self.stores; 16]
    }

    /// A draft, and the actions that the book says it depends on.
    fn draft(
        &mut self,
        id: ActionId,
        lane_place: usize,
        kind: Kind,
        after: Option<usize>,
    ) -> (Draft, BTreeSet<ActionId>) {
        let client = self.client();
        let mut draft = Draft {
            lane: lane(LANES[lane_place % 3]),
            entity_type: Some(customers()),
            ..Draft::new("update")
        };
        let mut parents = BTreeSet::new();
        match kind {
            Kind::Update | Kind::CreateNamed => {
                if matches!(kind, Kind::CreateNamed) {
                    draft.name = "create".to_owned();
                }
                draft.entity_id = Some(EntityId::text("c1").unwrap());
                parents.extend(client.book.maker(&client.queue, u64::MAX));
            }
            Kind::Create => {
                draft.name = "create".to_owned();
                draft.entity_id = Some(EntityId::temporary(id));
            }
            Kind::Mention(n) => {
                let waiting: Vec<_> = client
                    .book
                    .creators
                    .iter()
                    .filter(|(_, maker)| client.book.live.contains(maker))
                    .collect();
                if let Some((temporary, maker)) = waiting.get(n % waiting.len().max(1)) {
                    draft.payload = RecordBuilder::new()
                        .field("owner", temporary.as_str())
                        .build();
                    parents.insert(**maker);
                }
            }
        }
        if let Some(parent) = after.and_then(|n| client.pick(n)) {
            draft.after.push(parent);
            parents.insert(parent);
        }
        parents.remove(&id);
        (draft, parents)
    }

    fn submit(&mut self, lane_place: usize, kind: Kind, after: Option<usize>) {
        let id = self.new_id();
        let (draft, parents) = self.draft(id, lane_place, kind, after);
        let client = self.client();
        if let Ok(txn) = client.queue.submit(NOW, id, draft) {
            let action = client.queue.get(id).expect("just submitted").clone();
            assert!(!client.queue.is_durable(id));
            client.book.enter(&action, parents);
            client.will_store(Some(txn), Then::Durable(id));
        }
    }

    fn store(&mut self) {
        let client = self.client();
        let Some((txn, then, book)) = client.unstored.pop_front() else {
            return;
        };
        client.disk.store(&txn);
        client.disk_book = book;
        match then {
            Then::Nothing => {}
            Then::Durable(id) => client.queue.on_durable(id),
            Then::Transmit(attempt, frame) if attempt == client.attempt => self.transmit(*frame),
            Then::Hello(attempt, confirmed) if attempt == client.attempt => self.hello(&confirmed),
            Then::Transmit(..) | Then::Hello(..) => {}
        }
    }

    fn send(&mut self) {
        let client = self.client();
        let Some(sending) = client.queue.poll_send() else {
            return;
        };
        let action = Action::clone(&sending.action);
        let frame = Frame {
            hash: action.hash(),
            action,
            previous: sending.previous,
        };
        if sending.txn.is_none() {
            return self.transmit(frame);
        }
        let then = Then::Transmit(client.attempt, Box::new(frame));
        client.will_store(sending.txn, then);
    }

    fn transmit(&mut self, frame: Frame) {
        let client = self.client();
        let stored = client.disk.restore();
        if let Some(action) = stored.get(frame.action.id) {
            assert_ne!(
                action.state,
                ActionState::Waiting,
                "sent before the store knew"
            );
            if action.state == ActionState::PossiblySent {
                assert_eq!(
                    (action.hash(), action.seq),
                    (frame.hash.clone(), frame.action.seq),
                    "sent as it was not stored"
                );
            }
        }
        client.up.push_back(frame);
    }

    fn serve(&mut self, verdict: Verdict) {
        let client = &mut self.clients[self.current];
        let (Some(speaker), Some(frame)) = (client.speaker.clone(), client.up.pop_front()) else {
            return;
        };
        let before = self.server.applied.len();
        let answer = self.server.receive(client.name, &speaker, &frame, verdict);
        client.down.push_back(answer);
        if self.server.applied.len() > before {
            self.check_applied(&frame.action);
        }
    }

    fn deliver(&mut self) {
        let client = self.client();
        let Some(answer) = client.down.pop_front() else {
            return;
        };
        client.delivered.push(answer.clone());
        self.hear(answer);
    }

    fn deliver_again(&mut self, n: usize) {
        let client = self.client();
        let count = client.delivered.len();
        if count > 0 {
            let answer = client.delivered[n % count].clone();
            self.hear(answer);
        }
    }

    fn hear(&mut self, answer: Answer) {
        let ever = &self.ever;
        let client = &mut self.clients[self.current];
        let outcome = match answer {
            Answer::Accepted { id, seq, replaced } => {
                assert!(ever.contains(&id));
                client.queue.on_accepted(
                    id,
                    seq,
                    &Accepted {
                        replaced,
                        ..Accepted::default()
                    },
                )
            }
            Answer::Refused { id, seq, class } => {
                client
                    .queue
                    .on_refused(NOW, id, seq, Refusal::new(class, "code", "message"), None)
            }
            Answer::Sync {
                lane,
                last_seq,
                reason,
            } => {
                let outcome = client.queue.on_sync(&lane, last_seq, reason);
                if reason == SyncReason::Fenced {
                    client.hang_up();
                }
                outcome
            }
        };
        client.take(outcome);
    }

    /// The events of a commit tell the real ids before or after the answer does.
    fn echo(&mut self, n: usize) {
        let count = self.server.echoes.len();
        if count > 0 {
            let replaced = self.server.echoes[n % count].clone();
            let client = self.client();
            let txn = client.queue.renamed(&replaced);
            client.will_store(txn, Then::Nothing);
        }
    }

    fn cancel(&mut self, n: usize) {
        let client = &mut self.clients[self.current];
        let Some(id) = client.pick(n) else { return };
        let Ok(outcome) = client.queue.cancel(NOW, id) else {
            return;
        };
        let is_excused = self.risked.contains(&id) || self.shared.contains(&id);
        assert!(
            is_excused || self.server.times_applied(id) == 0,
            "{id} was cancelled and is done"
        );
        if !is_excused {
            client.book.cancelled.insert(id);
        }
        client.take(outcome);
    }

    /// Answers that nobody gave to this: other ids, other numbers.
    fn stray(&mut self, n: usize) {
        let strange = self.new_id();
        let client = self.client();
        let refusal = Refusal::new(RefusalClass::Permanent, "code", "message");
        let mut outcomes = vec![
            client.queue.on_accepted(strange, 1, &Accepted::default()),
            client
                .queue
                .on_refused(NOW, strange, 1, refusal.clone(), None),
        ];
        if let Some(id) = client.pick(n) {
            let action = client.queue.get(id).expect("the book says so");
            let (seq, is_waiting) = (action.seq, action.state == ActionState::Waiting);
            outcomes.push(
                client
                    .queue
                    .on_accepted(id, seq + 100, &Accepted::default()),
            );
            if is_waiting {
                outcomes.push(client.queue.on_accepted(id, seq, &Accepted::default()));
                outcomes.push(client.queue.on_refused(NOW, id, seq, refusal, None));
            }
        }
        for outcome in outcomes {
            assert_eq!(outcome, Outcome::default());
        }
    }

    fn connect(&mut self) {
        let client = self.client();
        if client.speaker.is_some() {
            return;
        }
        client.attempt += 1;
        let txn = client.queue.bump_run();
        let confirmed = client.queue.confirmed();
        let then = Then::Hello(client.attempt, confirmed);
        client.will_store(Some(txn), then);
    }

    fn hello(&mut self, confirmed: &BTreeMap<Lane, u64>) {
        let client = &mut self.clients[self.current];
        let who = client.queue.client();
        let speaker = Speaker {
            client: who.id.clone(),
            incarnation: who.incarnation,
            run: who.run,
        };
        let may_have_sent = client.queue.may_have_sent();
        let welcome = self.server.hello(&speaker, confirmed, may_have_sent);
        client.speaker = Some(speaker);
        let outcome = match welcome {
            Welcome::Known(last_seq) => client.queue.on_connected(Some(&last_seq)),
            Welcome::Unknown => client.queue.on_connected(None),
            Welcome::Fenced => client.queue.new_incarnation(Renewal::Copied),
        };
        client.take(outcome);
    }

    fn decide(&mut self, n: usize, decide: impl FnOnce(&mut Queue, ActionId) -> Option<Outcome>) {
        let client = self.client();
        if let Some(outcome) = client.pick(n).and_then(|id| decide(&mut client.queue, id)) {
            client.take(outcome);
        }
    }

    fn retry(&mut self, n: usize) {
        let client = &mut self.clients[self.current];
        let Some(id) = client.pick(n) else { return };
        let was_uncertain = client
            .queue
            .get(id)
            .is_some_and(|action| action.state == ActionState::Uncertain);
        let Ok(outcome) = client.queue.retry(NOW, id) else {
            return;
        };
        if was_uncertain {
            self.risked.insert(id);
        }
        let decided = outcome.fates.iter().map(|(id, _)| *id);
        self.risked
            .extend(decided.filter(|id| self.shared.contains(id)));
        let lost = client
            .book
            .parents
            .get(&id)
            .into_iter()
            .flatten()
            .any(|parent| client.book.gone.contains(parent));
        if lost {
            client.book.insisted.insert(id);
        }
        client.take(outcome);
    }

    fn edit(&mut self, n: usize) {
        let client = self.client();
        let Some(id) = client.pick(n) else { return };
        // What creates goes on creating, or those who mention its temporary id would wait for nothing.
        let action = client.queue.get(id).expect("the book says so");
        let created = action
            .entity_id
            .as_ref()
            .filter(|_| action.name == "create");
        let kind = match n % 2 {
            _ if created.is_some_and(EntityId::is_temporary) => Kind::Create,
            _ if created.is_some() => Kind::CreateNamed,
            0 => Kind::Update,
            _ => Kind::Mention(n),
        };
        let (draft, parents) = self.draft(id, n, kind, Some(n / 2));
        let client = &mut self.clients[self.current];
        let Ok(outcome) = client.queue.edit(NOW, id, draft) else {
            return;
        };
        let action = client.queue.get(id).expect("just edited").clone();
        let decided = outcome.fates.iter().map(|(id, _)| *id);
        self.risked
            .extend(decided.filter(|id| self.shared.contains(id)));
        client.book.enter(&action, parents);
        client.book.note(&client.queue, &outcome.fates);
        client.will_store(outcome.txn, Then::Durable(id));
    }

    /// The program dies; what was not stored is gone, and nothing else.
    fn crash(&mut self) {
        let random = self.random();
        let client = self.client();
        let (queue, problems) = Queue::restore(Settings::default(), random, client.disk.rows());
        assert_eq!(problems, vec![]);
        client.hang_up();
        client.unstored.clear();
        client.queue = queue;
        client.book = client.disk_book.clone();
    }

    /// Somebody copies the store of this client, and a second program opens the copy.
    fn copy_store(&mut self) {
        let random = self.random();
        let client = &self.clients[self.current];
        let (disk, book) = (client.disk.clone(), client.disk_book.clone());
        let (queue, problems) = Queue::restore(Settings::default(), random, disk.rows());
        assert_eq!(problems, vec![]);
        self.shared.extend(&book.live);
        // A decision that the store did not know of yet is a decision in one copy.
        let number = |queue: &Queue, id| queue.get(id).map(|action| action.number);
        let decided = book.live.iter().copied();
        let decided = decided.filter(|id| number(&client.queue, *id) != number(&queue, *id));
        let decided: Vec<ActionId> = decided.collect();
        self.risked.extend(decided);
        self.server.has_met_copies = true;
        let copy = Client::new(self.names, queue, disk, book);
        self.names += 1;
        self.clients.truncate(self.current + 1);
        self.clients.push(copy);
        self.current = self.clients.len() - 1;
    }
}
