//! The suite that every backend must pass.
//!
//! Holds one function per promise of [`Backend`], and [`backend_suite`](crate::backend_suite) to make tests of them.
//! Starts no runtime: whoever uses it brings the one its backend needs.

mod actions;
mod clients;
mod reads;
mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tidewire_model::{ActionId, EntityId, EntityType, Lane, Offset, Record, Value};
use tidewire_protocol::{ActionMessage, ClientInfo};

use crate::{
    ActionOrigin, ActionOutcome, Answer, Backend, Commit, ConnectionId, Greeting, ReadAnswer,
    ReadRequest, Refused, Write, WriteOutcome, WriteRequest,
};

pub use actions::*;
pub use clients::*;
pub use reads::*;
pub use streams::*;

/// What is tested: one place to keep the truth, opened as often as a test likes.
#[async_trait]
pub trait Subject: Sync {
    /// Opens the same place again. Every handle from before has been dropped.
    async fn open(&self) -> Arc<dyn Backend>;
}

/// Makes one `#[test]` of every promise. The first expression makes a new, empty
/// [`Subject`](crate::suite::Subject) each time; the second is a function that runs a future to its end.
///
/// ```
/// use std::sync::Arc;
/// use tidewire_hub::{Backend, suite::Subject};
///
/// struct Place(Arc<dyn Backend>);
///
/// #[async_trait::async_trait]
/// impl Subject for Place {
///     async fn open(&self) -> Arc<dyn Backend> {
///         Arc::clone(&self.0)
///     }
/// }
///
/// # fn a_new_place() -> Place { unimplemented!() }
/// # fn block_on(future: impl Future<Output = ()>) { unimplemented!() }
/// tidewire_hub::backend_suite!(a_new_place(), block_on);
/// ```
#[macro_export]
macro_rules! backend_suite {
    ($subject:expr, $block_on:path) => {
        $crate::backend_suite! { @each $subject, $block_on;
            a_new_backend_is_empty
            a_commit_raises_each_of_its_streams_by_one
            a_commit_is_whole_or_not_at_all
            changes_carry_their_images
            several_writes_to_one_entity_are_one_change
            what_stays_as_it_is_makes_no_commit
            an_entity_made_again_has_a_higher_version
            ids_keep_their_kind
            entities_beyond_the_bounds_are_refused
            the_journal_has_every_commit
            a_snapshot_is_one_point_while_writes_go_on
            everything_is_there_after_opening_again
            entities_are_read_by_id
            a_page_is_what_its_query_says
            an_opaque_query_is_unsupported
            an_action_is_done_once
            a_group_is_done_in_order
            a_refused_action_uses_its_number_up
            an_action_that_changes_too_much_is_refused
            other_content_under_a_used_number_is_refused
            an_action_out_of_order_changes_nothing
            lanes_do_not_wait_for_each_other
            an_action_on_another_version_is_a_conflict
            creating_what_exists_is_a_conflict
            ids_are_made_for_temporary_ones
            a_commit_names_its_action
            answers_stay_until_the_client_has_confirmed_them
            answers_are_there_after_opening_again
            a_copied_store_is_fenced
            an_unknown_client_is_told_so
            law_13_a_forgotten_client_is_not_known_before_it_began_anew
            a_new_incarnation_begins_anew
            clients_of_two_principals_are_two
        }
    };
    (@each $subject:expr, $block_on:path; $($promise:ident)*) => {
        $(
            #[test]
            fn $promise() {
                let subject = $subject;
                $block_on($crate::suite::$promise(&subject));
            }
        )*
    };
}

/// A backend and the few words in which the promises are told.
struct Desk {
    backend: Arc<dyn Backend>,
}

const TASKS: &str = "tasks";
const PEOPLE: &str = "people";
const PRINCIPAL: &str = "somebody";
/// The connection that reads.
const ASKER: ConnectionId = ConnectionId(1);

impl Desk {
    async fn at(subject: &dyn Subject) -> Self {
        let backend = subject.open().await;
        backend.open().await.expect("an empty place can be opened");
        Self { backend }
    }

    async fn write(&self, group: Vec<WriteRequest>) -> Vec<WriteOutcome> {
        let mut group = group;
        let mut outcomes = Vec::new();
        while !group.is_empty() {
            let done = self
                .backend
                .write(group.clone())
                .await
                .expect("storage works");
            let count = done.len();
            assert!(
                (1..=group.len()).contains(&count),
                "the first of a group, and at least one"
            );
            group.drain(..count);
            outcomes.extend(done);
        }
        outcomes
    }

    async fn try_publish(&self, writes: Vec<Write>) -> Result<Option<Commit>, Refused> {
        let mut outcomes = self.write(vec![WriteRequest::Publish(writes)]).await;
        match outcomes.pop() {
            Some(WriteOutcome::Published(result)) => result,
            other => panic!("a publication has the outcome of one, not {other:?}"),
        }
    }

    async fn publish(&self, writes: Vec<Write>) -> Commit {
        self.try_publish(writes)
            .await
            .expect("it makes sense")
            .expect("it changes something")
    }

    async fn act(&self, client: &ClientInfo, act: &Act) -> (ActionOutcome, Option<Commit>) {
        let mut outcomes = self.write(vec![act.request(client)]).await;
        match outcomes.pop() {
            Some(WriteOutcome::Action { outcome, commit }) => (outcome, commit),
            other => panic!("an action has the outcome of one, not {other:?}"),
        }
    }

    /// Greets a client that is new.
    async fn greet(&self, name: &str) -> ClientInfo {
        let client = info(name, 1, 1);
        let greeting = self.greet_again(&client, 0).await;
        assert_eq!(
            greeting,
            Greeting::Known(BTreeMap::new()),
            "a new client without a past is let in"
        );
        client
    }

    async fn greet_again(&self, client: &ClientInfo, confirmed: u64) -> Greeting {
        let confirmed = if confirmed > 0 {
            BTreeMap::from([(Lane::main(), confirmed)])
        } else {
            BTreeMap::new()
        };
        self.backend
            .greet(PRINCIPAL, client, &confirmed)
            .await
            .expect("storage works")
    }

    async fn ids(&self, entity_type: &str, ids: &[&str]) -> ReadAnswer {
        let ids = ids.iter().map(|text| id(text)).collect();
        let request = ReadRequest::Ids {
            entity_type: kind(entity_type),
            ids,
        };
        self.backend
            .read(ASKER, request)
            .await
            .expect("storage works")
    }

    /// The one entity, or nothing.
    async fn entity(&self, entity_type: &str, name: &str) -> Option<(Record, Offset)> {
        self.ids(entity_type, &[name]).await.rows.pop()
    }

    async fn rows(&self, entity_type: &str) -> (Offset, Vec<(Record, Offset)>) {
        let mut snapshot = self
            .backend
            .snapshot(&kind(entity_type))
            .await
            .expect("storage works");
        let mut rows = Vec::new();
        loop {
            let some = snapshot.next(3).await.expect("storage works");
            assert!(some.len() <= 3, "no more rows than were asked for");
            if some.is_empty() {
                return (snapshot.as_of(), rows);
            }
            rows.extend(some);
        }
    }

    async fn journal(&self, entity_type: &str, after: u64) -> Vec<Commit> {
        let journal = self
            .backend
            .journal(ASKER, &kind(entity_type), offset(after), 1000)
            .await;
        journal
            .expect("storage works")
            .expect("what was just written is still there")
    }
}

/// An action of the main lane.
#[derive(Clone)]
struct Act {
    seq: u64,
    previous: u64,
    writes: Result<Vec<Write>, Refused>,
    hash: &'static str,
    lane: Lane,
    base: Option<u64>,
}

impl Act {
    fn new(seq: u64, writes: Vec<Write>) -> Self {
        let previous = seq - 1;
        Self {
            seq,
            previous,
            writes: Ok(writes),
            hash: "content",
            lane: Lane::main(),
            base: None,
        }
    }

    fn id(&self) -> ActionId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.seq.to_be_bytes());
        random[8] = u8::try_from(self.lane.as_str().len()).unwrap_or_default();
        ActionId::new(1, random)
    }

    fn request(&self, client: &ClientInfo) -> WriteRequest {
        self.request_of(PRINCIPAL, client)
    }

    fn request_of(&self, principal: &str, client: &ClientInfo) -> WriteRequest {
        WriteRequest::Action {
            origin: ActionOrigin {
                principal: principal.to_owned(),
                client: client.id.clone(),
                incarnation: client.incarnation,
                run: client.run,
                action: self.id(),
            },
            action: ActionMessage {
                id: self.id(),
                lane: self.lane.clone(),
                seq: self.seq,
                previous: self.previous,
                name: "test".to_owned(),
                entity_type: Some(kind(TASKS)),
                entity_id: None,
                payload: Record::new(),
                base: self.base.and_then(tidewire_model::Version::new),
                hash: self.hash.to_owned(),
            },
            writes: self.writes.clone(),
        }
    }
}

fn info(name: &str, incarnation: u64, run: u64) -> ClientInfo {
    let (app, version) = ("suite".to_owned(), "1".to_owned());
    ClientInfo {
        id: name.to_owned(),
        incarnation,
        run,
        may_have_sent: false,
        app,
        version,
    }
}

fn kind(name: &str) -> EntityType {
    EntityType::new(name).expect("it is a name")
}

fn id(name: &str) -> EntityId {
    EntityId::text(name).expect("it is an id")
}

fn offset(number: u64) -> Offset {
    Offset::new(number).expect("it is small")
}

fn fields(fields: &[(&str, Value)]) -> Record {
    fields.iter().fold(Record::new(), |record, (name, value)| {
        record.with(name, value.clone())
    })
}

fn create(entity_type: &str, name: &str, score: i64) -> Write {
    let entity = fields(&[("name", Value::from(name)), ("score", Value::from(score))]);
    Write::Create {
        entity_type: kind(entity_type),
        id: Some(id(name)),
        entity,
    }
}

fn update(entity_type: &str, name: &str, score: i64) -> Write {
    let changes = fields(&[("score", Value::from(score))]);
    Write::Update {
        entity_type: kind(entity_type),
        id: id(name),
        changes,
        unset: Vec::new(),
    }
}

fn delete(entity_type: &str, name: &str) -> Write {
    Write::Delete {
        entity_type: kind(entity_type),
        id: id(name),
    }
}

/// The points of an answer that was applied.
fn applied(answer: &Answer) -> &BTreeMap<EntityType, Offset> {
    match answer {
        Answer::Applied { as_of, .. } => as_of,
        Answer::Refused { code, .. } => panic!("it was refused: {code}"),
    }
}

/// The code of an answer that was refused.
fn refused(answer: &Answer) -> &str {
    match answer {
        Answer::Refused { code, .. } => code,
        Answer::Applied { .. } => panic!("it was done"),
    }
}

fn score_of(row: &Record) -> Option<i64> {
    row.get("score").and_then(tidewire_model::ValueRef::as_i64)
}
