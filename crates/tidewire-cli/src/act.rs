//! The command `act`: one write, submitted, and waited for as far as asked.
//!
//! The write goes through a client as any application's would: it is in the client's queue before
//! anything is sent, and in the store before it is called durable.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use serde::Serialize;
use tidewire::{
    ActionError, ActionHandle, ActionState, CallError, Client, Connection, EntityId, Patch, Record,
    Refusal,
};
use tidewire_model::TEMPORARY_PREFIX;

use crate::arguments::{Act, ActWrite, Wait};
use crate::failure::Failure;
use crate::listing::{Listing, is_hopeless};
use crate::text::{plain, word};
use crate::{address, fields, output, session, signals, trouble};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The field that holds an entity's id.
const ID: &str = "id";
/// The word for a write that is kept.
const DURABLE: &str = "durable";
/// The word for a write that was not taken and is gone.
const REFUSED: &str = "refused";
/// The word for a write that the server took.
const ACCEPTED: &str = "accepted";

pub(crate) async fn run(arguments: Act) -> Result<(), Failure> {
    let url = address::url(&arguments.url).await?;
    let write = Write::read(&arguments.write)?;
    let wait = moment(&arguments)?;
    write.rehearse()?;
    let end = signals::end()?;
    let mut heard = trouble::hear();
    let mut builder = session::builder(&url);
    if let Some(path) = &arguments.store {
        builder = builder.store(session::open_store(path)?);
    }
    if arguments.offline {
        builder = builder.offline();
    }
    let client = session::start(builder)?;
    let action = match write.submit(&client) {
        Ok(action) => action,
        Err(error) => return Err(not_taken(&arguments, &write, &client, &error).await),
    };
    let outcome = tokio::select! {
        // What the store could not keep is told here, and heard only behind it.
        biased;
        done = reach(&arguments, &action, wait) => Outcome::of(done, wait),
        reason = hopeless(&client, &action), if !arguments.offline && wait != Wait::Durable => {
            Outcome::Unanswered(reason)
        }
        never = heard.show() => match never {},
        () = tokio::time::sleep(PATIENCE) => {
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            Outcome::Unanswered(session::unanswered(&why, &client, &mut heard))
        }
        () = end => {
            Outcome::Unanswered(session::unanswered("interrupted", &client, &mut heard))
        }
    };
    let outcome = outcome.with_hindsight(&arguments, &client, &action).await;
    let told = tell(&arguments, &client, &action, outcome).await;
    // What was accepted must also leave the store, or it would be sent once more.
    let closed = session::close(client).await;
    let done = told.and(closed);
    if done.is_ok() {
        heard.show_rest();
    }
    done
}

/// Says that the client itself took the write for one that cannot be done, and gives what the command ends with.
async fn not_taken(arguments: &Act, write: &Write, client: &Client, error: &CallError) -> Failure {
    let why = Listing::all(client).told(&error.to_string());
    if arguments.json {
        let line = Line {
            id: write.id(),
            action: None,
            number: None,
            state: REFUSED,
            code: None,
            reason: Some(&why),
        };
        // What could not be done weighs more than that nobody reads of it here.
        let _ = output::json(&line).await;
    }
    Failure::failed(format!("{why}; the write was not kept"))
}

/// The moment to wait for, if it can ever come.
fn moment(arguments: &Act) -> Result<Wait, Failure> {
    match (arguments.offline, arguments.wait, &arguments.store) {
        (true, _, None) => Err(Failure::misuse(
            "--offline keeps the write in a store; name one with --store FILE",
        )),
        (true, Some(Wait::Accepted | Wait::Visible), _) => Err(Failure::misuse(
            "--offline sends nothing, so only --wait durable goes with it",
        )),
        (false, Some(Wait::Durable), None) => Err(Failure::misuse(
            "only a store makes a write durable; name one with --store FILE",
        )),
        (true, ..) => Ok(Wait::Durable),
        (false, wait, _) => Ok(wait.unwrap_or(Wait::Accepted)),
    }
}

/// Says what came of it.
async fn tell(
    arguments: &Act,
    client: &Client,
    action: &ActionHandle,
    outcome: Outcome,
) -> Result<(), Failure> {
    let listing = Listing::all(client);
    // Without a store it is in no queue that anybody could look at.
    let kept = listing
        .get(action.id())
        .filter(|_| arguments.store.is_some() && !matches!(outcome, Outcome::NotStored(_)));
    let number = kept.map(|kept| kept.number);
    let printed = print(arguments, action, number, &outcome).await;
    let decide = |store: &Path, can_be_retried: bool| {
        let (store, number) = (word(store), number.unwrap_or_default());
        if !can_be_retried {
            return format!(
                "no retry can help, so give it up with `tidewire queue --store {store} discard {number}` and write it anew, smaller or flatter"
            );
        }
        format!(
            "`tidewire queue --store {store} retry {number}` lets the next sync send it again, `discard {number}` gives it up"
        )
    };
    match (outcome, &arguments.store) {
        (Outcome::Reached(state), _) => printed.map_err(|failure| match failure {
            Failure::Failed(why) => {
                Failure::failed(format!("{why}; the write is {state} all the same"))
            }
            other => other,
        }),
        (Outcome::Refused(refusal), Some(store)) => {
            let decide = decide(store, !is_hopeless(&refusal));
            let why = listing.told(&ActionError::Refused(refusal).to_string());
            Err(Failure::failed(format!(
                "{why}; the write is kept: {decide}"
            )))
        }
        (Outcome::Uncertain(_), Some(store)) => Err(Failure::failed(format!(
            "whether the write was done cannot be known: {}",
            decide(store, true)
        ))),
        (Outcome::Kept(why), Some(store)) => {
            let store = word(store);
            // Where no further attempt is made, the address is what is wrong.
            let sends = if client.status().connection == Connection::Stopped {
                format!(
                    "`tidewire queue --store {store} sync URL` sends it, with the right address"
                )
            } else {
                let url = address::without_secrets(&arguments.url);
                format!("`tidewire queue --store {store} sync {url}` sends it")
            };
            Err(Failure::failed(format!(
                "{why}; the write is kept: {sends}"
            )))
        }
        (Outcome::Late(why), _) => Err(Failure::failed(format!(
            "{why}; the write was accepted, and its result has not come back"
        ))),
        (Outcome::NotStored(why), _) => Err(Failure::failed(format!(
            "{why}; the write was not sent and is not kept: make the store work, then write it again"
        ))),
        (Outcome::Lost(why), _) => Err(Failure::failed(lost(&why, "may have been done"))),
        (Outcome::Unsent(why), _) => Err(Failure::failed(lost(&why, "was not sent"))),
        (Outcome::Refused(refusal), None) => Err(Failure::failed(ActionError::Refused(refusal))),
        (
            Outcome::Kept(why)
            | Outcome::Uncertain(why)
            | Outcome::Unanswered(why)
            | Outcome::Broken(why),
            _,
        ) => Err(Failure::failed(why)),
    }
}

/// Resolves once waiting for the answer has no point, with the reason.
async fn hopeless(client: &Client, action: &ActionHandle) -> String {
    tokio::select! {
        reason = session::hopeless(client) => reason,
        number = held_up(client, action) => format!(
            "the write waits behind action {number}, of which it cannot be known whether it was done; retry or discard that one first"
        ),
    }
}

/// Resolves once the action stands behind one whose outcome cannot be known, with that one's number.
async fn held_up(client: &Client, action: &ActionHandle) -> u64 {
    loop {
        let pending = client.actions().pending();
        let own = pending.iter().find(|each| each.id == action.id());
        let before = own.and_then(|own| {
            pending.iter().find(|each| {
                each.state == ActionState::Uncertain
                    && each.lane == own.lane
                    && each.number < own.number
            })
        });
        if let Some(before) = before {
            return before.number;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What is to be said of a write that nobody answered and nothing keeps.
fn lost(why: &str, fate: &str) -> String {
    format!("{why}; the write {fate}: with --store FILE it would be kept until it is accepted")
}

async fn reach(arguments: &Act, action: &ActionHandle, wait: Wait) -> Result<(), ActionError> {
    if arguments.store.is_some() {
        action.durable().await?;
    }
    match wait {
        Wait::Durable => action.durable().await,
        Wait::Accepted => action.accepted().await,
        Wait::Visible => action.visible().await,
    }
}

/// What became of the write.
enum Outcome {
    /// It reached the moment waited for, in one word.
    Reached(&'static str),
    /// The server said no.
    Refused(Refusal),
    /// It was sent, and whether it was done cannot be known.
    Uncertain(String),
    /// There was no answer.
    Unanswered(String),
    /// There was no answer, and the write is in the store.
    Kept(String),
    /// There was no answer, and nothing keeps the write, which may have been done.
    Lost(String),
    /// The write went nowhere and nothing keeps it.
    Unsent(String),
    /// The server said yes, and what was waited for beyond that did not come.
    Late(String),
    /// The store failed before it had the write, which therefore went nowhere.
    NotStored(String),
    /// This side failed.
    Broken(String),
}

impl Outcome {
    fn of(done: Result<(), ActionError>, wait: Wait) -> Self {
        let Err(error) = done else {
            return Self::Reached(match wait {
                Wait::Durable => DURABLE,
                Wait::Accepted => ACCEPTED,
                Wait::Visible => "visible",
            });
        };
        match error {
            ActionError::Refused(refusal) => Self::Refused(refusal),
            ActionError::Uncertain => Self::Uncertain(error.to_string()),
            ActionError::NotDurable(_) => Self::NotStored(error.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }

    /// What it means for the write that there was no answer.
    async fn with_hindsight(self, arguments: &Act, client: &Client, action: &ActionHandle) -> Self {
        let Self::Unanswered(why) = self else {
            return self;
        };
        if let Some(Ok(())) = action.accepted().now_or_never() {
            return Self::Late(why);
        }
        let stored = tokio::time::timeout(PATIENCE, action.durable());
        if arguments.store.is_some() && matches!(stored.await, Ok(Ok(()))) {
            return Self::Kept(why);
        }
        if client.actions().counts().sent > 0 {
            Self::Lost(why)
        } else {
            Self::Unsent(why)
        }
    }

    /// Why the write came no further: the code of a refusal, and the words.
    fn reason(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Reached(_) => (None, None),
            Self::Refused(refusal) => (Some(&refusal.code), Some(&refusal.message)),
            Self::Uncertain(why)
            | Self::Unanswered(why)
            | Self::Kept(why)
            | Self::Lost(why)
            | Self::Unsent(why)
            | Self::Late(why)
            | Self::NotStored(why)
            | Self::Broken(why) => (None, Some(why)),
        }
    }

    /// Where the write stands, in one word.
    fn state(&self, arguments: &Act) -> &'static str {
        match self {
            Self::Reached(state) => state,
            Self::Refused(_) if arguments.store.is_some() => "parked",
            Self::Refused(_) => REFUSED,
            Self::Kept(_) => DURABLE,
            Self::Late(_) => ACCEPTED,
            Self::Unsent(_) | Self::NotStored(_) => "unsent",
            Self::Uncertain(_) | Self::Lost(_) | Self::Unanswered(_) | Self::Broken(_) => {
                "uncertain"
            }
        }
    }
}

async fn print(
    arguments: &Act,
    action: &ActionHandle,
    number: Option<u64>,
    outcome: &Outcome,
) -> Result<(), Failure> {
    let id = action.current_id();
    let state = outcome.state(arguments);
    if arguments.json {
        let (code, reason) = outcome.reason();
        return output::json(&Line {
            id: Some(id),
            action: Some(action.id().to_string()),
            number,
            state,
            code,
            reason,
        })
        .await;
    }
    let number = number.map(|number| format!(" (action {number})"));
    output::line(&format!(
        "{state}: {}{}",
        plain(id.as_str()),
        number.unwrap_or_default()
    ))
    .await
}

#[derive(Serialize)]
struct Line<'a> {
    /// None for a creation without one that the client did not take.
    id: Option<EntityId>,
    /// None where the client did not take the write.
    action: Option<String>,
    /// What `queue` calls it, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    state: &'a str,
    /// Why it was refused, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    /// Why it came no further, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// A write as it was typed, checked.
struct Write {
    entity_type: String,
    kind: Kind,
}

enum Kind {
    Create(Record),
    Update(String, Record),
    Delete(String),
}

impl Write {
    fn read(typed: &ActWrite) -> Result<Self, Failure> {
        let (ActWrite::Create { entity_type, .. }
        | ActWrite::Update { entity_type, .. }
        | ActWrite::Delete { entity_type, .. }) = typed;
        let kind = match typed {
            ActWrite::Create { fields, .. } => Kind::Create(creation(fields)?),
            ActWrite::Update { id, fields, .. } => Kind::Update(id_text(id)?, changes(fields)?),
            ActWrite::Delete { id, .. } => Kind::Delete(id_text(id)?),
        };
        Ok(Self {
            entity_type: address::entity_type(entity_type)?.to_string(),
            kind,
        })
    }

    /// The id of the entity, where it was typed.
    fn id(&self) -> Option<EntityId> {
        match &self.kind {
            Kind::Create(record) => record.entity_id(ID).ok(),
            Kind::Update(id, _) | Kind::Delete(id) => EntityId::text(id).ok(),
        }
    }

    /// Submits it to a client that keeps and sends nothing, so that one that no client takes is misuse, and
    /// no store is opened or made for it.
    fn rehearse(&self) -> Result<(), Failure> {
        let client = session::start(session::builder(session::NOWHERE).offline())?;
        match self.submit(&client) {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::misuse(format!("{self}: {error}"))),
        }
    }

    fn submit(&self, client: &Client) -> Result<ActionHandle, CallError> {
        let collection = client.collection::<Record>(&self.entity_type).build()?;
        match &self.kind {
            Kind::Create(record) => collection.create_record(record.clone()),
            Kind::Update(id, record) => collection.update(id, Patch::from_record(record.clone())),
            Kind::Delete(id) => collection.delete(id),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entity_type = &self.entity_type;
        match &self.kind {
            Kind::Create(_) => write!(f, "create {entity_type}"),
            Kind::Update(id, _) => write!(f, "update {entity_type} {id}"),
            Kind::Delete(id) => write!(f, "delete {entity_type} {id}"),
        }
    }
}

fn id_text(id: &str) -> Result<String, Failure> {
    match EntityId::text(id) {
        Ok(_) => Ok(id.to_owned()),
        Err(error) => Err(Failure::misuse(format!(
            "the id {id:?} cannot be used: {error}"
        ))),
    }
}

/// The fields of a creation. An id that looks like one of the client's own would be taken for one that the
/// server is still to replace.
fn creation(fields: &str) -> Result<Record, Failure> {
    let record = record(fields)?;
    match record.entity_id(ID) {
        Ok(id) if id.is_temporary() => Err(Failure::misuse(format!(
            "the id {:?} cannot be used: ids that begin with {TEMPORARY_PREFIX:?} stand for entities the server has not named yet; give another, or leave it out",
            id.as_str()
        ))),
        _ => Ok(record),
    }
}

/// The fields of an update. One without any would be taken by some servers and refused by others, and
/// whoever typed it meant something else.
fn changes(fields: &str) -> Result<Record, Failure> {
    let record = record(fields)?;
    if record.fields().any(|(name, _)| name != ID) {
        return Ok(record);
    }
    Err(Failure::misuse(
        "the update changes nothing; name at least one field beside the id, such as '{\"name\":\"Ada\"}'",
    ))
}

fn record(fields: &str) -> Result<Record, Failure> {
    let record = fields::read(fields)?;
    match record.entity_id(ID) {
        Err(error) if record.get(ID).is_some_and(|id| !id.is_null()) => {
            Err(Failure::misuse(format!("the id cannot be used: {error}")))
        }
        _ => Ok(record),
    }
}
