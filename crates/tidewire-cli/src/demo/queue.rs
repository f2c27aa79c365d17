//! What the demo's client still has to say: its queue, as the page shows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tidewire::{Action, ActionState, Client, EntityId, Record};
use tokio::sync::{Notify, watch};

use crate::listing::Listing;

/// How often the queue is looked at while something is on its way.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Actions of each kind shown; of the others only the number is told.
const SHOWN_MAX: usize = 50;

/// The queue as the page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct QueueView {
    /// Writes under way.
    pending: usize,
    /// Writes that wait for a decision.
    parked: usize,
    actions: Vec<ActionView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct ActionView {
    action: String,
    number: u64,
    name: String,
    entity: Option<EntityId>,
    /// Whether the customer's id is one that says nothing, as the server has not given it one yet.
    is_unnamed: bool,
    /// The customer's name, where this write or another one says it.
    title: Option<String>,
    state: &'static str,
    reason: Option<String>,
}

/// The queue, and every change of it.
pub(super) struct QueueWatch {
    views: watch::Receiver<QueueView>,
    submitted: Arc<Notify>,
}

impl QueueWatch {
    /// Begins to look, for as long as somebody holds this.
    pub(super) fn start(client: &Client) -> Self {
        let (sender, views) = watch::channel(QueueView::default());
        let submitted = Arc::new(Notify::new());
        tokio::spawn(look(client.clone(), sender, Arc::clone(&submitted)));
        Self { views, submitted }
    }

    pub(super) fn views(&self) -> watch::Receiver<QueueView> {
        self.views.clone()
    }

    /// The page has changed something.
    pub(super) fn on_command(&self) {
        self.submitted.notify_one();
    }
}

async fn look(client: Client, views: watch::Sender<QueueView>, submitted: Arc<Notify>) {
    loop {
        let view = view(&client);
        let is_idle = view.pending == 0;
        views.send_if_modified(|old| {
            let is_new = *old != view;
            *old = view;
            is_new
        });
        // With nothing under way, only the page can bring something.
        let wait = async {
            if is_idle {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        tokio::select! {
            () = submitted.notified() => {}
            () = wait => {}
            () = views.closed() => return,
        }
    }
}

fn view(client: &Client) -> QueueView {
    let actions = client.actions();
    let (pending, parked) = (actions.pending(), Listing::new(actions.parked()));
    let titles = titles(parked.actions().iter().chain(&pending));
    let shown = parked
        .actions()
        .iter()
        .take(SHOWN_MAX)
        .chain(pending.iter().take(SHOWN_MAX));
    QueueView {
        pending: pending.len(),
        parked: parked.actions().len(),
        actions: shown.map(|action| one(action, &titles, &parked)).collect(),
    }
}

/// A text of the client, with actions named as the page names them.
pub(super) fn told(client: &Client, text: &str) -> String {
    let listing = Listing::all(client);
    let titles = titles(listing.actions().iter());
    listing.told_by(text, |action| called(action, &titles))
}

/// The names of customers. What one write says of its customer helps to know the others'.
fn titles<'a>(actions: impl Iterator<Item = &'a Action>) -> HashMap<&'a EntityId, String> {
    actions
        .filter_map(|action| Some((action.entity_id.as_ref()?, title(&action.payload)?)))
        .collect()
}

fn title_of(action: &Action, titles: &HashMap<&EntityId, String>) -> Option<String> {
    title(&action.payload).or_else(|| titles.get(action.entity_id.as_ref()?).cloned())
}

fn called(action: &Action, titles: &HashMap<&EntityId, String>) -> String {
    let whom = title_of(action, titles).unwrap_or_else(|| "customer".to_owned());
    format!("\u{201c}{} {whom}\u{201d}", action.name)
}

fn one(action: &Action, titles: &HashMap<&EntityId, String>, parked: &Listing) -> ActionView {
    let entity = action.entity_id.as_ref();
    let (state, reason) = match &action.state {
        ActionState::Waiting => ("waiting", None),
        ActionState::PossiblySent => ("sent", None),
        ActionState::Uncertain => ("uncertain", None),
        ActionState::Parked(refusal) => {
            let why = parked.told_by(&refusal.message, |action| called(action, titles));
            ("parked", Some(why))
        }
    };
    ActionView {
        action: action.id.to_string(),
        number: action.number,
        name: action.name.clone(),
        entity: action.entity_id.clone(),
        is_unnamed: entity.is_some_and(EntityId::is_temporary),
        title: title_of(action, titles),
        state,
        reason,
    }
}

/// The name a write gives to its customer.
fn title(payload: &Record) -> Option<String> {
    let name = ["entity.name", "changes.name"]
        .into_iter()
        .find_map(|path| payload.path(path));
    name.and_then(tidewire_model::ValueRef::as_text)
        .map(ToOwned::to_owned)
}
