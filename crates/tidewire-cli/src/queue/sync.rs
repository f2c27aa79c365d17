//! `queue sync`: sends what a store keeps, and says what became of each write.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tidewire::{Action, ActionState, Client, EntityId, Record};

use super::line::{self, Look};
use super::{all, existing, tell_unreadable};
use crate::failure::Failure;
use crate::{address, output, session};

/// How long nothing may happen before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the queue is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) async fn run(path: &Path, url: &str, look: Look) -> Result<(), Failure> {
    let url = address::url(url)?;
    let store = session::open_store(&existing(path)?)?;
    let client = session::start(session::builder(&url).store(store))?;
    let before = all(&client);
    let trouble = tokio::select! {
        trouble = settled(&client) => trouble,
        reason = session::hopeless(&client) => Some(reason),
    };
    let told = tell(&client, &before, look, trouble);
    tell_unreadable(&client);
    let closed = session::close(client).await;
    told.and(closed)
}

/// Waits until nothing is left that could be sent; gives the reason where that takes too long.
async fn settled(client: &Client) -> Option<String> {
    let mut last_change = tokio::time::Instant::now();
    let mut last = client.actions().counts();
    while can_go_on(&client.actions().pending()) {
        tokio::time::sleep(LOOK_EVERY).await;
        let counts = client.actions().counts();
        if counts != last {
            last = counts;
            last_change = tokio::time::Instant::now();
        }
        if last_change.elapsed() > PATIENCE {
            return Some(format!("nothing happened for {} s", PATIENCE.as_secs()));
        }
    }
    None
}

/// Whether an action is left that is not held up by one whose outcome cannot be known.
fn can_go_on(pending: &[Action]) -> bool {
    let mut blocked = BTreeSet::new();
    pending.iter().any(|action| {
        if action.state == ActionState::Uncertain {
            blocked.insert(&action.lane);
        }
        !blocked.contains(&action.lane)
    })
}

/// Says what became of each action, and whether all were accepted.
fn tell(
    client: &Client,
    before: &[Action],
    look: Look,
    trouble: Option<String>,
) -> Result<(), Failure> {
    let after = all(client);
    let mut sent = 0;
    for action in before {
        match after.iter().find(|left| left.id == action.id) {
            Some(left) => line::print(look, left, line::state_word(&left.state), None)?,
            None => {
                sent += 1;
                line::print(look, action, "accepted", named(client, action).as_ref())?;
            }
        }
    }
    if look == Look::Text {
        output::line(&format!("{sent} accepted, {} left", after.len()))?;
    }
    let undecided = after.iter().filter(|left| !is_under_way(left)).count();
    match (trouble, undecided) {
        (Some(reason), _) => Err(Failure::failed(format!(
            "{reason}; what is left is kept, so try again later"
        ))),
        (None, 0) if after.is_empty() => Ok(()),
        (None, undecided) => Err(Failure::failed(format!(
            "waiting for a decision: {undecided}; `tidewire queue --store FILE retry N` or `discard N`"
        ))),
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
