//! The command `act`: one write, submitted, and waited for as far as asked.
//!
//! The write goes through a client as any application's would: it is in the client's queue before
//! anything is sent, and in the store before it is called durable.

mod outcome;
mod write;

use std::path::Path;

use serde::Serialize;
use tidewire::{ActionError, ActionHandle, ActionState, CallError, Client, Connection, EntityId};

use crate::arguments::{Act, Wait};
use crate::failure::Failure;
use crate::listing::{Listing, is_hopeless};
use crate::session::{LOOK_EVERY, PATIENCE};
use crate::text::{plain, word};
use crate::{address, output, session, signals, trouble};
use outcome::{Outcome, REFUSED};
use write::Write;

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
        done = reach(&arguments, &action, wait) => Ok(Outcome::of(done, wait)),
        reason = hopeless(&client, &action), if !arguments.offline && wait != Wait::Durable => {
            Err(reason)
        }
        never = heard.show() => match never {},
        () = tokio::time::sleep(PATIENCE) => {
            let why = format!("no answer within {} s", PATIENCE.as_secs());
            Err(session::unanswered(&why, &client, &mut heard))
        }
        () = end => Err(session::unanswered("interrupted", &client, &mut heard)),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(why) => Outcome::unanswered(why, &arguments, &client, &action).await,
    };
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
        (Outcome::Kept(why) | Outcome::Uncertain(why) | Outcome::Broken(why), _) => {
            Err(Failure::failed(why))
        }
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
