//! The command `act`: one write, submitted, and waited for as far as asked.
//!
//! The write goes through a client as any application's would: it is in the client's queue before
//! anything is sent, and in the store before it is called durable.

use std::time::Duration;

use serde::Serialize;
use tidewire::{ActionError, ActionHandle, Client, Collection, EntityId, Patch, Record};

use crate::arguments::{Act, ActWrite, Wait};
use crate::failure::Failure;
use crate::output::plain;
use crate::{address, output, session};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn run(arguments: Act) -> Result<(), Failure> {
    let url = address::url(&arguments.url)?;
    let write = Write::read(&arguments.write)?;
    let wait = moment(&arguments)?;
    let mut builder = session::builder(&url);
    if let Some(path) = &arguments.store {
        builder = builder.store(session::open_store(path)?);
    }
    if arguments.offline {
        builder = builder.offline();
    }
    let client = session::start(builder)?;
    let collection = client
        .collection::<Record>(&write.entity_type)
        .build()
        .map_err(Failure::failed)?;
    let action = write.submit(&collection)?;
    let told = tell(&arguments, &client, &action, wait).await;
    // What was accepted must also leave the store, or it would be sent once more.
    let closed = session::close(client).await;
    told.and(closed)
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

/// Waits for the moment and says what came of it.
async fn tell(
    arguments: &Act,
    client: &Client,
    action: &ActionHandle,
    wait: Wait,
) -> Result<(), Failure> {
    if arguments.store.is_some() {
        action.durable().await.map_err(Failure::failed)?;
    }
    let outcome = tokio::select! {
        done = reach(action, wait) => Outcome::of(done, wait),
        reason = session::hopeless(client), if wait != Wait::Durable => Outcome::Unanswered(reason),
        () = tokio::time::sleep(PATIENCE) => Outcome::Unanswered(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    match (outcome, &arguments.store) {
        (Outcome::Reached(state), _) => print(arguments, action, state),
        (Outcome::Refused(why), Some(store)) => {
            print(arguments, action, "parked")?;
            let store = store.display();
            Err(Failure::failed(format!(
                "{why}; the write is kept: see `tidewire queue --store {store} ls`, then retry or discard it"
            )))
        }
        (Outcome::Refused(why), None) => {
            print(arguments, action, "refused")?;
            Err(Failure::failed(why))
        }
        (Outcome::Uncertain(why), _) => {
            print(arguments, action, "uncertain")?;
            Err(Failure::failed(why))
        }
        (Outcome::Unanswered(why), Some(store)) => {
            print(arguments, action, "durable")?;
            let (store, url) = (store.display(), &arguments.url);
            Err(Failure::failed(format!(
                "{why}; the write is kept: `tidewire queue --store {store} sync {url}` sends it"
            )))
        }
        (Outcome::Unanswered(why), None) => Err(Failure::failed(lost(client, &why))),
        (Outcome::Broken(why), _) => Err(Failure::failed(why)),
    }
}

/// What is to be said of a write that nobody answered and nothing keeps.
fn lost(client: &Client, why: &str) -> String {
    let sent = client.actions().counts().sent > 0;
    let fate = if sent {
        "the write was sent, and may have been done"
    } else {
        "the write was not sent"
    };
    format!(
        "{why}; {fate}. Start the server or check the URL, and use --store FILE to keep a write until it is accepted"
    )
}

async fn reach(action: &ActionHandle, wait: Wait) -> Result<(), ActionError> {
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
    Refused(String),
    /// It was sent, and whether it was done cannot be known.
    Uncertain(String),
    /// There was no answer.
    Unanswered(String),
    /// This side failed.
    Broken(String),
}

impl Outcome {
    fn of(done: Result<(), ActionError>, wait: Wait) -> Self {
        let Err(error) = done else {
            return Self::Reached(match wait {
                Wait::Durable => "durable",
                Wait::Accepted => "accepted",
                Wait::Visible => "visible",
            });
        };
        match error {
            ActionError::Refused(_) => Self::Refused(error.to_string()),
            ActionError::Uncertain => Self::Uncertain(error.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

fn print(arguments: &Act, action: &ActionHandle, state: &str) -> Result<(), Failure> {
    let id = action.current_id();
    if arguments.json {
        return output::json(&Line {
            id,
            action: action.id().to_string(),
            state,
        });
    }
    output::line(&format!(
        "{state}: {} (action {})",
        plain(id.as_str()),
        action.id()
    ))
}

#[derive(Serialize)]
struct Line<'a> {
    id: EntityId,
    action: String,
    state: &'a str,
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
            ActWrite::Create { fields, .. } => Kind::Create(record(fields)?),
            ActWrite::Update { id, fields, .. } => Kind::Update(id_text(id)?, record(fields)?),
            ActWrite::Delete { id, .. } => Kind::Delete(id_text(id)?),
        };
        Ok(Self {
            entity_type: address::entity_type(entity_type)?.to_string(),
            kind,
        })
    }

    fn submit(self, collection: &Collection<Record>) -> Result<ActionHandle, Failure> {
        let submitted = match self.kind {
            Kind::Create(record) => collection.create_record(record),
            Kind::Update(id, record) => collection.update(&id, Patch::from_record(record)),
            Kind::Delete(id) => collection.delete(&id),
        };
        submitted.map_err(Failure::failed)
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

fn record(fields: &str) -> Result<Record, Failure> {
    serde_json::from_str(fields).map_err(|error| {
        Failure::misuse(format!(
            "the fields must be a JSON object such as '{{\"name\":\"Ada\"}}': {error}"
        ))
    })
}
