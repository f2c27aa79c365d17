//! A client as plain as the rules of the protocol allow: it applies each frame and complains about the first that
//! breaks a rule. Compared with the history of the truth, it finds whatever the hub loses, repeats or reorders.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_hub::Frame;
use tidewire_model::{EntityId, EntityType, Epoch, Offset, Record, Version};
use tidewire_protocol::{
    Data, Events, Op, RequestId, Resume, ServerMessage, SubscribeResult, Subscribed, Unsubscribed,
    Want,
};

use crate::world::{World, decode};

type Rows = BTreeMap<EntityId, (Record, Offset)>;

/// One stream as the client has it.
#[derive(Debug)]
struct Held {
    want: Want,
    state: State,
    /// The whole stream, or with `want: changes` what was created since; `None` before the first
    /// snapshot.
    rows: Option<Rows>,
    epoch: Option<Epoch>,
    view: String,
    received: Offset,
    /// The head when the feed was attached; before that it catches up.
    head: Offset,
    /// Changes of a commit whose last chunk has not come.
    chunks: Vec<Events>,
    /// Where the snapshot began, while it comes in.
    stage: Option<(Offset, Rows)>,
}

impl Held {
    /// Between asking or giving back and the answer, nothing about the stream counts.
    fn counts_not(&self) -> bool {
        matches!(self.state, State::Asked(_) | State::Gone)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked for; nothing counts before the answer.
    Asked(RequestId),
    /// A snapshot comes in.
    Snapshot,
    /// Events come in.
    Flowing,
    /// Over.
    Gone,
}

/// A client that applies frames.
#[derive(Debug, Default)]
pub(crate) struct Client {
    streams: BTreeMap<EntityType, Held>,
    /// Streams of the commit under way that have not come.
    rest_of_commit: BTreeSet<EntityType>,
    /// Parts of answers that came so far.
    parts: BTreeMap<RequestId, Vec<Data>>,
    pub(crate) answers: BTreeMap<RequestId, Data>,
    /// How many commits came in chunks, and how many over several streams.
    pub(crate) chunked: u64,
    pub(crate) together: u64,
    pub(crate) resubscribe: BTreeSet<EntityType>,
    pub(crate) closed: bool,
}

impl Client {
    /// Notes that a stream was asked for, and where it may go on.
    pub(crate) fn asks(&mut self, entity_type: &EntityType, want: Want, request: RequestId) {
        let before = self.streams.remove(entity_type);
        let (rows, epoch, view, received) = match before {
            // What was held as changes is not the whole stream.
            Some(held) if held.want == want => (held.rows, held.epoch, held.view, held.received),
            _ => (None, None, String::new(), Offset::ZERO),
        };
        let (state, head) = (State::Asked(request), Offset::ZERO);
        let held = Held {
            want,
            state,
            rows,
            epoch,
            view,
            received,
            head,
            chunks: Vec::new(),
            stage: None,
        };
        self.streams.insert(entity_type.clone(), held);
        self.resubscribe.remove(entity_type);
    }

    pub(crate) fn gives_back(&mut self, entity_type: &EntityType) {
        if let Some(held) = self.streams.get_mut(entity_type) {
            held.state = State::Gone;
            held.chunks.clear();
        }
        self.rest_of_commit.clear();
    }

    /// The connection is gone; what came in whole is kept.
    pub(crate) fn disconnected(&mut self) {
        for held in self.streams.values_mut() {
            held.state = State::Gone;
            held.chunks.clear();
            held.stage = None;
        }
        self.rest_of_commit.clear();
        self.parts.clear();
    }

    /// Where a stream may go on.
    pub(crate) fn resume(&self, entity_type: &EntityType, want: Want) -> Option<Resume> {
        let held = self
            .streams
            .get(entity_type)
            .filter(|held| held.want == want)?;
        held.rows.as_ref()?;
        Some(Resume {
            epoch: held.epoch.clone()?,
            offset: held.received,
            view: held.view.clone(),
        })
    }

    pub(crate) fn is_held(&self, entity_type: &EntityType) -> bool {
        self.streams
            .get(entity_type)
            .is_some_and(|held| held.state != State::Gone)
    }

    pub(crate) fn apply(&mut self, world: &World, frame: &Frame) {
        match decode(frame) {
            ServerMessage::Subscribed(message) => self.on_subscribed(message),
            ServerMessage::Snapshot(message) => {
                let held = self.streams.get_mut(&message.entity_type).unwrap();
                if held.counts_not() {
                    return;
                }
                assert_eq!(held.state, State::Snapshot);
                let (as_of, stage) = held.stage.as_mut().unwrap();
                assert_eq!(message.as_of, *as_of);
                for row in message.rows {
                    let key = row.entity.entity_id("id").unwrap();
                    let known = stage.insert(key, (row.entity, row.version.unwrap().into()));
                    assert!(known.is_none(), "a row comes once");
                }
            }
            ServerMessage::SnapshotEnd(message) => {
                let held = self.streams.get_mut(&message.entity_type).unwrap();
                if held.counts_not() {
                    return;
                }
                assert_eq!(held.state, State::Snapshot);
                let (as_of, stage) = held.stage.take().unwrap();
                assert_eq!((message.as_of, message.count), (as_of, stage.len() as u64));
                held.rows = Some(stage);
                held.received = as_of;
                held.state = State::Flowing;
                held.head = message.head.unwrap();
                self.must_have_the_rest(world, &message.entity_type, as_of);
                self.no_commit_is_torn(world);
                self.compare(world, &message.entity_type);
            }
            ServerMessage::Events(message) => self.on_events(world, message),
            ServerMessage::Data(message) => self.on_data(message),
            ServerMessage::Ack(message) => {
                for (entity_type, point) in &message.as_of {
                    self.must_contain(entity_type, point.offset);
                }
            }
            ServerMessage::Ping(message) => {
                for (entity_type, head) in &message.heads {
                    if let Some(held) = self.streams.get(entity_type)
                        && held.state == State::Flowing
                    {
                        assert_eq!(held.received, *head, "a ping names what was sent");
                    }
                }
            }
            ServerMessage::Unsubscribed(message) => self.on_unsubscribed(&message),
            ServerMessage::Bye(_) => self.closed = true,
            _ => {}
        }
    }

    fn on_subscribed(&mut self, message: Subscribed) {
        let held = self.streams.get_mut(&message.entity_type).unwrap();
        // An answer to a question that was taken back.
        if held.state != State::Asked(message.id) {
            return;
        }
        match message.result {
            SubscribeResult::Resumed => {
                assert_eq!(held.received, message.offset);
                assert_eq!(held.epoch.as_ref(), Some(&message.epoch));
                held.state = State::Flowing;
            }
            SubscribeResult::Now => {
                assert_eq!(held.want, Want::Changes);
                assert_eq!(message.offset, message.head);
                held.rows = Some(Rows::new());
                held.received = message.offset;
                held.state = State::Flowing;
            }
            SubscribeResult::Snapshot => {
                assert_eq!(held.want, Want::Snapshot);
                held.stage = Some((message.offset, Rows::new()));
                held.state = State::Snapshot;
            }
        }
        held.head = message.head;
        held.epoch = Some(message.epoch);
        held.view = message.view;
    }

    fn on_events(&mut self, world: &World, message: Events) {
        let entity_type = message.entity_type.clone();
        let held = self.streams.get_mut(&entity_type).unwrap();
        if held.counts_not() {
            return;
        }
        assert_eq!(
            held.state,
            State::Flowing,
            "no events while a snapshot comes in"
        );
        assert_eq!(message.from, held.received, "no gap and no repeat");
        let (number, count) = message.chunk.unwrap_or((0, 1));
        assert_eq!(number, held.chunks.len() as u64, "chunks come in order");
        held.chunks.push(message);
        if number + 1 < count {
            return;
        }
        let chunks = std::mem::take(&mut held.chunks);
        self.chunked += u64::from(chunks.len() > 1);
        let last = chunks.last().unwrap();
        held.received = last.to;
        let commit = last.commit.clone();
        for chunk in &chunks {
            assert_eq!((chunk.from, chunk.to), (last.from, last.to));
            for op in &chunk.ops {
                apply(held.rows.as_mut().unwrap(), op, chunk.to, held.want);
            }
        }
        self.check_whole_commits(&entity_type, commit.map(|commit| commit.offsets));
        if self.rest_of_commit.is_empty() {
            self.no_commit_is_torn(world);
        }
        self.compare(world, &entity_type);
    }

    /// The frames of one commit stand together: between two of them no other commit begins. What
    /// a stream that catches up is sent, the streams that are live have already.
    fn check_whole_commits(
        &mut self,
        entity_type: &EntityType,
        offsets: Option<BTreeMap<EntityType, Offset>>,
    ) {
        if !self.rest_of_commit.is_empty() {
            assert!(
                self.rest_of_commit.remove(entity_type),
                "another commit in the middle of one"
            );
            return;
        }
        for (other, to) in offsets.unwrap_or_default() {
            let held = self.streams.get(&other);
            let to_come = |held: &Held| {
                held.state == State::Flowing && held.received >= held.head && held.received < to
            };
            if held.is_some_and(to_come) {
                self.rest_of_commit.insert(other);
                self.together += 1;
            }
        }
    }

    fn on_data(&mut self, message: Data) {
        let entity_type = self.entity_type_of(&message);
        if let Some(entity_type) = entity_type {
            self.must_contain(&entity_type, message.as_of.offset);
        }
        let request = message.id;
        let parts = self.parts.entry(request).or_default();
        assert_eq!(message.part, parts.len() as u64, "parts come in order");
        parts.push(message);
        if parts.last().unwrap().more {
            return;
        }
        let mut parts = self.parts.remove(&request).unwrap().into_iter();
        let mut whole = parts.next().unwrap();
        for part in parts {
            assert_eq!(part.as_of, whole.as_of);
            whole.rows.extend(part.rows);
            whole.missing.extend(part.missing);
            whole.end = part.end;
        }
        self.answers.insert(request, whole);
    }

    /// What a snapshot contains, the other streams contain too.
    fn must_have_the_rest(&self, world: &World, entity_type: &EntityType, as_of: Offset) {
        let journal = world
            .truth
            .journal(entity_type, Offset::ZERO, usize::MAX)
            .unwrap();
        for commit in journal {
            let to = |name: &EntityType| {
                commit
                    .streams
                    .iter()
                    .find(|part| part.entity_type == *name)
                    .map(|part| part.to)
            };
            if to(entity_type).unwrap() > as_of {
                return;
            }
            for (other, held) in &self.streams {
                let live = held.state == State::Flowing && held.received >= held.head;
                if let Some(to) = to(other).filter(|_| live) {
                    assert!(
                        to <= held.received,
                        "{entity_type} at {as_of} is ahead of {other}"
                    );
                }
            }
        }
    }

    /// Law 1: streams that are live have all of a commit or nothing of it.
    fn no_commit_is_torn(&self, world: &World) {
        let live = |name: &EntityType| {
            let held = self.streams.get(name)?;
            let is_live = held.state == State::Flowing && held.received >= held.head;
            is_live.then_some(held.received)
        };
        for (entity_type, held) in &self.streams {
            if live(entity_type).is_none() {
                continue;
            }
            let journal = world
                .truth
                .journal(entity_type, Offset::ZERO, usize::MAX)
                .unwrap();
            for commit in journal.iter().rev().take(20) {
                let to = |name: &EntityType| {
                    let part = commit.streams.iter().find(|part| part.entity_type == *name);
                    part.map(|part| part.to)
                };
                let here = to(entity_type).unwrap() <= held.received;
                for other in commit.streams.iter().map(|part| &part.entity_type) {
                    if let (Some(received), Some(to)) = (live(other), to(other)) {
                        assert_eq!(
                            to <= received,
                            here,
                            "a commit of {entity_type} and {other} is torn"
                        );
                    }
                }
            }
        }
    }

    /// In these tests an entity tells its type.
    fn entity_type_of(&self, message: &Data) -> Option<EntityType> {
        let kind = message
            .rows
            .first()?
            .entity
            .get("kind")?
            .as_text()?
            .to_owned();
        EntityType::new(&kind).ok()
    }

    /// Nothing that is said about a held stream overtakes the events it includes.
    fn must_contain(&self, entity_type: &EntityType, offset: Offset) {
        if let Some(held) = self.streams.get(entity_type)
            && let Some((as_of, _)) = &held.stage
            && held.state == State::Snapshot
        {
            assert!(offset <= *as_of, "{entity_type} is becoming {as_of}");
        }
        if let Some(held) = self.streams.get(entity_type)
            && held.state == State::Flowing
        {
            assert!(
                offset <= held.received,
                "{entity_type} is at {}, not at {offset}",
                held.received
            );
        }
    }

    fn on_unsubscribed(&mut self, message: &Unsubscribed) {
        let held = self.streams.get_mut(&message.entity_type).unwrap();
        if message.id.is_some() {
            return;
        }
        held.state = State::Gone;
        held.chunks.clear();
        held.stage = None;
        self.rest_of_commit.clear();
        if message.resubscribe {
            self.resubscribe.insert(message.entity_type.clone());
        }
    }

    /// A complete stream equals the truth as it was at the point received.
    fn compare(&self, world: &World, entity_type: &EntityType) {
        let held = &self.streams[entity_type];
        if held.want != Want::Snapshot || held.state != State::Flowing {
            return;
        }
        let rows = held.rows.as_ref().unwrap();
        let empty = Vec::new();
        let then = world
            .history
            .get(&(entity_type.clone(), held.received))
            .unwrap_or(&empty);
        let then: Rows = then
            .iter()
            .map(|(record, version)| (record.entity_id("id").unwrap(), (record.clone(), *version)))
            .collect();
        assert_eq!(*rows, then, "{entity_type} at {}", held.received);
    }

    /// At rest, everything held equals the truth as it is.
    pub(crate) fn must_be_whole(&self, world: &World) {
        assert!(self.rest_of_commit.is_empty());
        for (entity_type, held) in &self.streams {
            if held.state == State::Gone {
                continue;
            }
            assert_eq!(held.state, State::Flowing, "{entity_type}");
            assert_eq!(
                held.received,
                world.truth.head(entity_type),
                "{entity_type}"
            );
            self.compare(world, entity_type);
        }
    }
}

/// Applies one change, as protocol rules 3 and 4 say.
fn apply(rows: &mut Rows, op: &Op, to: Offset, want: Want) {
    let at_commit = |version: &Option<Version>| assert_eq!(*version, Some(Version::from(to)));
    match op {
        Op::Created { entity, version } => {
            at_commit(version);
            let known = rows.insert(entity.entity_id("id").unwrap(), (entity.clone(), to));
            assert!(known.is_none(), "what is created was not there");
        }
        Op::Updated {
            id,
            version,
            base,
            changes,
            entity,
            was,
        } => {
            at_commit(version);
            assert_eq!(
                want == Want::Changes,
                entity.is_some() && was.is_some(),
                "images for changes only"
            );
            if let Some((held, version)) = rows.get_mut(id) {
                assert_eq!(*base, Some(Version::from(*version)));
                *held = held.merge(changes);
                *version = to;
                assert!(entity.as_ref().is_none_or(|entity| entity == held));
            } else {
                assert_eq!(want, Want::Changes);
            }
        }
        Op::Deleted { id, version, was } => {
            at_commit(version);
            assert_eq!(want == Want::Changes, was.is_some());
            let known = rows.remove(id);
            assert!(known.is_some() || want == Want::Changes);
        }
        Op::Stale(_) | Op::StaleAll(_) => {
            panic!("nothing is left out for a client that takes large frames")
        }
    }
}
