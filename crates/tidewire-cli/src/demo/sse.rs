//! The stream of events of one tab: pages and what leads from each to the next, the connection, the
//! queue.
//!
//! Everything comes from the client's cache. A tab that reads slowly gets the latest page, never a
//! backlog; one that goes away gives its lists back.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tidewire::{EntityId, ListDiff, ListStep, Page, PageRow, Record, Status, Updates};
use tokio::sync::watch;

use super::Demonstration;
use super::lists::Choice;
use super::queue::QueueView;
use super::tabs::Tab;
use crate::words;

/// Silence after which a comment is sent, so that both ends notice when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// `GET /events`
pub(super) async fn events(State(demo): State<Arc<Demonstration>>) -> Response {
    let Some(tab) = demo.tabs.open() else {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "too many tabs are open; close one\n",
        )
            .into_response();
    };
    let feed = Feed::new(demo, tab);
    let events = stream::unfold(feed, |mut feed| async {
        let event = feed.next().await?;
        Some((Ok::<Event, Infallible>(event), feed))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// What one tab is told.
struct Feed {
    demo: Arc<Demonstration>,
    tab: Tab,
    metrics: Shown,
    activities: Shown,
    processes: Shown,
    customers: Shown,
    status: watch::Receiver<Status>,
    online: watch::Receiver<bool>,
    queue: watch::Receiver<QueueView>,
    ending: watch::Receiver<bool>,
    greeted: bool,
}

impl Feed {
    fn new(demo: Arc<Demonstration>, tab: Tab) -> Self {
        let [metrics, activities, processes] = demo
            .lists
            .common()
            .map(|(name, list)| Shown::new(name, list.updates()));
        let customers = customers(&demo, &Choice::default());
        // What stands at the start is told as if it had just changed.
        let mut status = demo.lists.client().status_updates();
        status.mark_changed();
        let mut queue = demo.queue.views();
        queue.mark_changed();
        let (online, ending) = (demo.online.subscribe(), demo.ending.clone());
        Self {
            demo,
            tab,
            metrics,
            activities,
            processes,
            customers,
            status,
            online,
            queue,
            ending,
            greeted: false,
        }
    }

    /// The next event; none once the demo ends.
    async fn next(&mut self) -> Option<Event> {
        if !self.greeted {
            self.greeted = true;
            return Some(event(
                "hello",
                &Hello {
                    tab: self.tab.number,
                },
            ));
        }
        loop {
            match self.news().await? {
                News::Connection => return Some(self.connection()),
                News::Queue => return Some(event("queue", &*self.queue.borrow_and_update())),
                News::Shown(event) => return Some(event),
                News::Choice => {
                    let choice = self.tab.choices.borrow_and_update().clone();
                    self.customers = customers(&self.demo, &choice);
                }
            }
        }
    }

    /// Waits for whatever comes first; giving up the others loses nothing.
    async fn news(&mut self) -> Option<News> {
        tokio::select! {
            _ = self.ending.wait_for(|ending| *ending) => None,
            changed = self.status.changed() => changed.ok().map(|()| News::Connection),
            changed = self.online.changed() => changed.ok().map(|()| News::Connection),
            changed = self.queue.changed() => changed.ok().map(|()| News::Queue),
            changed = self.tab.choices.changed() => changed.ok().map(|()| News::Choice),
            shown = self.metrics.next() => shown.map(News::Shown),
            shown = self.activities.next() => shown.map(News::Shown),
            shown = self.processes.next() => shown.map(News::Shown),
            shown = self.customers.next() => shown.map(News::Shown),
        }
    }

    fn connection(&mut self) -> Event {
        let status = self.status.borrow_and_update().clone();
        let next_ms = status
            .next_attempt
            .map(|at| self.demo.lists.client().until(at).as_millis());
        let view = ConnectionView {
            connection: words::connection(status.connection),
            label: status.connection.to_string(),
            reason: status.reason,
            next_ms: next_ms.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            online: *self.online.borrow_and_update(),
        };
        event("status", &view)
    }
}

/// What a tab has to be told.
enum News {
    Connection,
    Queue,
    Choice,
    Shown(Event),
}

fn customers(demo: &Demonstration, choice: &Choice) -> Shown {
    Shown::new("customers", demo.lists.chosen(choice).updates())
}

/// One list of a tab.
struct Shown {
    name: &'static str,
    pages: Updates<Record>,
    /// The ids of the page told last.
    ids: Vec<EntityId>,
}

impl Shown {
    fn new(name: &'static str, pages: Updates<Record>) -> Self {
        Self {
            name,
            pages,
            ids: Vec::new(),
        }
    }

    async fn next(&mut self) -> Option<Event> {
        let (page, diff) = self.pages.next_diff().await?;
        let steps = match diff {
            ListDiff::Reset => None,
            ListDiff::Steps(steps) => steps_of(&self.ids, &steps, &page),
        };
        self.ids = page.rows().iter().map(|row| row.id.clone()).collect();
        let (kind, rows) = if steps.is_some() {
            ("diff", None)
        } else {
            ("page", Some(rows_of(&page)))
        };
        let view = ListView {
            list: self.name,
            revision: page.revision().get(),
            total: page.total_count(),
            is_exact: page.total_is_exact(),
            is_known: page.is_known(),
            trust: words::trust(page.trust()),
            rows,
            steps,
        };
        Some(event(kind, &view))
    }
}

fn rows_of(page: &Page<Record>) -> Vec<RowView<'_>> {
    page.rows().iter().map(RowView::new).collect()
}

/// The steps with the rows they need; none where a step does not fit, so that the page is told
/// whole.
fn steps_of<'a>(
    before: &[EntityId],
    steps: &[ListStep],
    page: &'a Page<Record>,
) -> Option<Vec<StepView<'a>>> {
    let mut ids = before.to_vec();
    let row = |id: &EntityId| {
        page.rows()
            .iter()
            .find(|row| row.id == *id)
            .map(RowView::new)
    };
    let mut views = Vec::with_capacity(steps.len());
    for step in steps {
        views.push(match step {
            ListStep::Insert { at, id } if *at <= ids.len() => {
                ids.insert(*at, id.clone());
                StepView::Insert {
                    at: *at,
                    row: row(id)?,
                }
            }
            ListStep::Remove { at } if *at < ids.len() => {
                ids.remove(*at);
                StepView::Remove { at: *at }
            }
            ListStep::Move { from, to } if *from < ids.len() && *to < ids.len() => {
                let id = ids.remove(*from);
                ids.insert(*to, id);
                StepView::Move {
                    from: *from,
                    to: *to,
                }
            }
            ListStep::Replace { at } => StepView::Replace {
                at: *at,
                row: row(ids.get(*at)?)?,
            },
            ListStep::Insert { .. } | ListStep::Remove { .. } | ListStep::Move { .. } => {
                return None;
            }
        });
    }
    Some(views)
}

fn event(kind: &str, view: &impl Serialize) -> Event {
    // Text, numbers and records always have a JSON form; JSON holds no line break.
    let json = serde_json::to_string(view).unwrap_or_else(|_| "null".to_owned());
    Event::default().event(kind).data(json)
}

#[derive(Serialize)]
struct Hello {
    tab: u64,
}

#[derive(Serialize)]
struct ConnectionView {
    connection: &'static str,
    label: String,
    reason: String,
    next_ms: Option<u64>,
    online: bool,
}

#[derive(Serialize)]
struct ListView<'a> {
    list: &'static str,
    revision: u64,
    total: Option<u64>,
    is_exact: bool,
    is_known: bool,
    trust: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<RowView<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepView<'a>>>,
}

#[derive(Serialize)]
struct RowView<'a> {
    id: &'a EntityId,
    pending: bool,
    fields: &'a Record,
}

impl<'a> RowView<'a> {
    fn new(row: &'a PageRow<Record>) -> Self {
        Self {
            id: &row.id,
            pending: row.pending,
            fields: &row.record,
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
enum StepView<'a> {
    Insert { at: usize, row: RowView<'a> },
    Remove { at: usize },
    Move { from: usize, to: usize },
    Replace { at: usize, row: RowView<'a> },
}
