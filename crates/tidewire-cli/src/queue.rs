//! The command `queue`: the writes kept in a store, and what is to be done with them.
//!
//! A store is opened as the client it belongs to would open it, so it is held by one process at a
//! time. Only `sync` connects.

mod line;
mod sync;

use std::path::Path;

use tidewire::{ActionState, Client, SqliteStore};

use crate::arguments::{Queue, QueueCommand};
use crate::failure::{Failure, tell};
use crate::listing::Listing;
use crate::session;
use crate::text::word;
use line::{Line, Look};

pub(crate) async fn run(arguments: Queue) -> Result<(), Failure> {
    let look = if arguments.json {
        Look::Json
    } else {
        Look::Text
    };
    let Some(path) = arguments.store else {
        return Err(Failure::misuse(
            "say which writes are meant with --store FILE",
        ));
    };
    match arguments.command {
        QueueCommand::Ls => list(&path, look).await,
        QueueCommand::Sync { url } => sync::run(&path, &url, look).await,
        QueueCommand::Retry { number } => decide(&path, number, look, Decision::Retry).await,
        QueueCommand::Discard { number } => decide(&path, number, look, Decision::Discard).await,
    }
}

/// What becomes of an action that waits for a decision.
#[derive(Clone, Copy)]
enum Decision {
    Retry,
    Discard,
}

async fn list(path: &Path, look: Look) -> Result<(), Failure> {
    let client = offline(path)?;
    let listing = Listing::all(&client);
    let actions = listing.actions();
    if actions.is_empty() && client.actions().counts().unreadable == 0 && look == Look::Text {
        crate::output::line("nothing waits").await?;
    }
    for action in actions {
        Line::new(action, &listing).print(look).await?;
    }
    tell_unreadable(&client);
    session::close(client).await
}

async fn decide(path: &Path, number: u64, look: Look, decision: Decision) -> Result<(), Failure> {
    let client = offline(path)?;
    let before = Listing::all(&client);
    let decided = decide_one(&client, &before, (path, number), decision);
    let after = Listing::all(&client);
    // Only what is stored was decided.
    let closed = session::close(client).await;
    decided.and(closed)?;
    tell_decided(number, &before, &after, look).await
}

fn decide_one(
    client: &Client,
    before: &Listing,
    (path, number): (&Path, u64),
    decision: Decision,
) -> Result<(), Failure> {
    let Some(action) = before.numbered(number) else {
        return Err(Failure::failed(format!(
            "the store holds no action {number}; `tidewire queue --store {} ls` lists them",
            word(path)
        )));
    };
    let sync = format!("`tidewire queue --store {} sync URL`", word(path));
    match (decision, &action.state) {
        (Decision::Retry, ActionState::Waiting | ActionState::PossiblySent) => {
            return Err(Failure::failed(format!(
                "action {number} waits already: {sync} sends it, `discard {number}` takes back what was never sent"
            )));
        }
        (Decision::Discard, ActionState::PossiblySent) => {
            return Err(Failure::failed(format!(
                "action {number} may have been sent, so it cannot be taken back: {sync} finds out what became of it"
            )));
        }
        _ => {}
    }
    match (decision, &action.state) {
        (Decision::Retry, _) => client.actions().retry(action.id),
        (Decision::Discard, ActionState::Waiting) => client.actions().cancel(action.id),
        (Decision::Discard, _) => client.actions().discard(action.id),
    }
    .map_err(|error| Failure::failed(before.told(&error.to_string())))
}

/// Says what a decision about one action changed.
async fn tell_decided(
    number: u64,
    before: &Listing,
    after: &Listing,
    look: Look,
) -> Result<(), Failure> {
    let decided = before.numbered(number);
    if let Some(gone) = decided.filter(|action| after.get(action.id).is_none()) {
        Line::settled(gone, "gone").print(look).await?;
    }
    // What depends on one that is sent again comes along, each under a new number; what depends on one that is gone
    // is parked.
    for left in after.actions() {
        let was = before.get(left.id);
        let is_as_before =
            was.is_some_and(|was| (was.number, &was.state) == (left.number, &left.state));
        let was = was.map(|was| was.number);
        if !is_as_before || was == Some(number) {
            Line::new(left, after).was(was).print(look).await?;
        }
    }
    Ok(())
}

/// The client a store belongs to, without a connection.
fn offline(path: &Path) -> Result<Client, Failure> {
    let store = open(path)?;
    session::start(session::builder(session::NOWHERE).store(store).offline())
}

/// A store that is there.
fn open(path: &Path) -> Result<SqliteStore, Failure> {
    // Of a link that leads nowhere the store says so.
    if path.exists() || path.is_symlink() {
        return session::open_existing_store(path);
    }
    let path_shown = path.display();
    Err(Failure::failed(match session::set_aside(path).last() {
        Some(damaged) => format!(
            "there is no store at {path_shown}: it was damaged and set aside as {}; recover what waits in it, or begin anew with `tidewire act --store {}`",
            damaged.display(),
            word(path)
        ),
        None => {
            format!(
                "there is no store at {path_shown}; check the path, or let `tidewire act --store {}` make one",
                word(path)
            )
        }
    }))
}

fn tell_unreadable(client: &Client) {
    let unreadable = client.actions().counts().unreadable;
    if unreadable > 0 {
        tell(&format!(
            "{unreadable} stored writes cannot be read: a newer version wrote them, or they are damaged; they are kept as they are and not sent"
        ));
    }
}
