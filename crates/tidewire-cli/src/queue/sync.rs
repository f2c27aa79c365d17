//! `queue sync`: sends what a store keeps, and says what became of each write.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use tidewire::{Action, ActionState, Client, EntityId, Record};

use super::line::{Line, Look};
use super::{open, tell_unreadable};
use crate::failure::Failure;
use crate::listing::Listing;
use crate::session::{LOOK_EVERY, PATIENCE};
use crate::text::word;
use crate::trouble::Heard;
use crate::{address, output, session, signals, trouble};

/// Actions that wait for a decision are named one by one up to so many.
const NAMED_MAX: usize = 10;

pub(super) async fn run(path: &Path, url: &str, look: Look) -> Result<(), Failure> {
    let url = address::url(url).await?;
    let end = signals::end()?;
    let mut heard = trouble::hear();
    let store = open(path)?;
    let client = session::start(session::builder(&url).store(store))?;
    let mut report = Report {
        look,
        open: Listing::all(&client).actions().to_vec(),
        settled: VecDeque::new(),
        accepted: 0,
    };
    let trouble = tokio::select! {
        trouble = settled(&client, &mut report, &mut heard) => trouble,
        reason = session::hopeless(&client) => Ok(Some(reason)),
        () = end => Ok(Some(session::unanswered("interrupted", &client, &mut heard))),
    };
    let told = match trouble {
        Ok(trouble) => tell(&client, path, report, trouble).await,
        Err(failure) => Err(failure),
    };
    tell_unreadable(&client);
    let closed = session::close(client).await;
    told.and(closed)
}

/// Waits until nothing is left that could be sent, and says meanwhile what became of each action;
/// gives the reason where it takes too long.
async fn settled(
    client: &Client,
    report: &mut Report,
    heard: &mut Heard,
) -> Result<Option<String>, Failure> {
    loop {
        let seen = client.actions().counts();
        let left = Listing::all(client);
        report.settled(client, &left).await?;
        if !can_go_on(left.actions()) {
            return Ok(None);
        }
        let change = async {
            while client.actions().counts() == seen {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(PATIENCE, change).await.is_err() {
            let why = format!("nothing happened for {} s", PATIENCE.as_secs());
            return Ok(Some(session::unanswered(&why, client, heard)));
        }
    }
}

/// What is still to be said.
struct Report {
    look: Look,
    /// Actions that may still settle.
    open: Vec<Action>,
    /// Actions that have settled, of which nothing was said yet; kept here because saying it may be
    /// interrupted.
    settled: VecDeque<Action>,
    accepted: usize,
}

impl Report {
    /// Says what became of the actions that are settled by now.
    async fn settled(&mut self, client: &Client, left: &Listing) -> Result<(), Failure> {
        let (open, settled): (Vec<_>, Vec<_>) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|action| left.get(action.id).is_some_and(is_under_way));
        self.open = open;
        self.settled.extend(settled);
        while let Some(action) = self.settled.pop_front() {
            match left.get(action.id) {
                Some(action) => self.print(Line::new(action, left)).await?,
                None => {
                    self.accepted += 1;
                    let name = named(client, &action);
                    let line = Line::settled(&action, "accepted").named(name.as_ref());
                    self.print(line).await?;
                }
            }
        }
        Ok(())
    }

    async fn print(&self, line: Line<'_>) -> Result<(), Failure> {
        read_or_not(line.print(self.look).await)
    }
}

/// What is to be sent is sent, and its end is told by the exit code, also where nobody reads the output any more.
fn read_or_not(printed: Result<(), Failure>) -> Result<(), Failure> {
    match printed {
        Err(Failure::NoReader) => Ok(()),
        other => other,
    }
}

/// Whether an action is left that is not held up by one whose outcome cannot be known.
fn can_go_on(actions: &[Action]) -> bool {
    let mut blocked = BTreeSet::new();
    let mut pending = actions.iter().filter(|action| !action.is_parked());
    pending.any(|action| {
        if action.state == ActionState::Uncertain {
            blocked.insert(&action.lane);
        }
        !blocked.contains(&action.lane)
    })
}

/// Says the rest, and whether all were accepted.
async fn tell(
    client: &Client,
    path: &Path,
    mut report: Report,
    trouble: Option<String>,
) -> Result<(), Failure> {
    let left = Listing::all(client);
    report.settled(client, &left).await?;
    // Those of which nothing was said; what the queue did not hold at first is nobody's question.
    for open in report.open.iter().filter_map(|open| left.get(open.id)) {
        report.print(Line::new(open, &left)).await?;
    }
    let after = left.actions();
    if report.look == Look::Text {
        let accepted = report.accepted;
        let line = format!("{accepted} accepted, {} left", after.len());
        read_or_not(output::line(&line).await)?;
    }
    match trouble {
        // Whatever became of the connection: there was nothing more to send.
        _ if after.is_empty() && client.actions().counts().unreadable == 0 => Ok(()),
        _ if after.is_empty() => Err(Failure::failed(
            "what could be read was sent; open the store with the version that wrote the rest, or keep a copy of the file",
        )),
        Some(reason) => Err(Failure::failed(format!(
            "{reason}; what is left is kept, and the next sync sends it"
        ))),
        None => Err(Failure::failed(format!(
            "{} for a decision: {}",
            undecided(after),
            ways(&left, path)
        ))),
    }
}

/// The decisions that can help. What can never be accepted is given up, and written anew if need be.
fn ways(left: &Listing, path: &Path) -> String {
    let store = word(path);
    let mut waiting = left.actions().iter().filter(|left| !is_under_way(left));
    let (mut any, mut all) = (false, true);
    for can in waiting.by_ref().map(|action| left.can_be_retried(action)) {
        any |= can;
        all &= can;
    }
    match (any, all) {
        (_, true) => format!("`tidewire queue --store {store} retry N` or `discard N`"),
        (true, _) => format!(
            "`tidewire queue --store {store} retry N` or `discard N`; what is too large or too deep, or belongs to a creation that is gone, can only be discarded"
        ),
        (false, _) => format!(
            "no retry can help, so `tidewire queue --store {store} discard N`, and write anew what can be done"
        ),
    }
}

/// Which actions wait for somebody, by number.
fn undecided(actions: &[Action]) -> String {
    let waiting = actions.iter().filter(|left| !is_under_way(left));
    let numbers: Vec<String> = waiting.map(|left| left.number.to_string()).collect();
    match &numbers[..] {
        [one] => format!("action {one} waits"),
        [some @ .., last] if numbers.len() <= NAMED_MAX => {
            format!("actions {} and {last} wait", some.join(", "))
        }
        many => format!("{} actions wait", many.len()),
    }
}

fn is_under_way(action: &Action) -> bool {
    matches!(
        action.state,
        ActionState::Waiting | ActionState::PossiblySent
    )
}

/// The name the server gave to the entity an action created.
fn named(client: &Client, action: &Action) -> Option<EntityId> {
    let temporary = action.entity_id.as_ref().filter(|id| id.is_temporary())?;
    let entity_type = action.entity_type.as_ref()?;
    let collection = client
        .collection::<Record>(entity_type.as_str())
        .build()
        .ok()?;
    collection
        .read(temporary.as_str())
        .ok()
        .map(|reading| reading.id)
}
