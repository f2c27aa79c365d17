//! The command `watch`: a live list, printed at every change of its page or of the connection.
//!
//! It shows what the client's view holds and asks the server nothing itself. How a page looks stands
//! in the modules below.

mod json;
mod table;

use std::borrow::Cow;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tidewire::{Client, Collection, Connection, Dialects, LoadError, Page, Query, Record, Status};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::arguments::{Dialect, Watch};
use crate::failure::{Failure, tell};
use crate::{address, output, reasons, session, signals, trouble};

/// A type is held whole up to this many entities; beyond it, only what the list shows.
const WHOLE_MAX: u64 = 100_000;
/// Different reasons told at most.
const REASONS_MAX: usize = 100;
/// How long the server is said goodbye to. It does well without.
const GOODBYE_MAX: Duration = Duration::from_millis(100);

pub(crate) async fn run(arguments: Watch) -> Result<(), Failure> {
    let url = address::url(&arguments.url).await?;
    let entity_type = address::entity_type(&arguments.entity_type)?;
    let query = match &arguments.query {
        Some(text) => Query::parse(entity_type.clone(), text)
            .map_err(|error| Failure::misuse(format!("the query cannot be read: {error}")))?,
        None => Query::new(entity_type.clone()),
    };
    let end = signals::end()?;
    trouble::show();
    let dialects = match arguments.dialect {
        Dialect::V1 => Dialects::V1,
        Dialect::Basic => Dialects::Basic,
    };
    let client = session::start(session::builder(&url).dialect(dialects))?;
    let collection = collection(&client, &arguments)?;
    let screen = Screen::new(if arguments.json {
        Look::Json
    } else {
        Look::Table(table::Table::new(entity_type.as_str()))
    });
    let time = arguments.time;
    let shown = show(client.clone(), collection, query, screen, arguments.dialect);
    // A large page takes its time, to be made as to be freed; on a thread of its own it holds up neither the
    // connection nor the end.
    let (stop, stopped) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let mut shown = tokio::task::spawn_blocking(move || {
        runtime.block_on(async {
            tokio::select! {
                biased;
                _ = stopped => Ok(()),
                shown = shown => shown,
            }
        })
    });
    tokio::select! {
        shown = &mut shown => return shown.unwrap_or_else(|error| Err(Failure::failed(error))),
        () = end => {}
        () = over(time) => {}
        () = output::unread() => {}
    }
    drop(stop);
    let goodbye = tokio::spawn(async move {
        // Nothing is shown of the goodbye.
        let _ = shown.await;
        let _ = client.close(GOODBYE_MAX).await;
    });
    // A page that is being made is not waited for any longer.
    let _ = tokio::time::timeout(GOODBYE_MAX, goodbye).await;
    Ok(())
}

fn collection(client: &Client, arguments: &Watch) -> Result<Collection<Record>, Failure> {
    let builder = client.collection::<Record>(&arguments.entity_type);
    let builder = match (arguments.dialect, &arguments.query) {
        (Dialect::V1, None) => builder.complete(WHOLE_MAX),
        (Dialect::V1, Some(_)) => builder,
        (Dialect::Basic, _) => builder.pushes_only(),
    };
    builder.build().map_err(Failure::failed)
}

/// Prints until nothing more can come.
async fn show(
    client: Client,
    collection: Collection<Record>,
    query: Query,
    mut screen: Screen,
    dialect: Dialect,
) -> Result<(), Failure> {
    let list = collection.list(query).map_err(Failure::failed)?;
    // One that no client follows is refused at once; what only waits for the server is shown meanwhile.
    if let Some(Err(LoadError::Call(error))) = list.loaded().now_or_never() {
        return Err(Failure::misuse(error));
    }
    let mut pages = list.updates();
    let mut updates = client.status_updates();
    loop {
        let mut status = updates.borrow_and_update().clone();
        status.reason = reasons::of_watching(&status.reason, dialect);
        // Pages that come while this one is written out are never seen: the next is the latest.
        screen.show(&client, &status, &list.current()).await?;
        if status.connection == Connection::Stopped {
            return Err(Failure::failed(status.reason));
        }
        tokio::select! {
            // The page is read anew above, together with the status.
            page = pages.next() => if page.is_none() { return Ok(()) },
            changed = updates.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// The name under which an entity's field is printed. `_version` is the version of the entity; fields of
/// the entity that are named so, or so behind more underlines, get one underline more, so that none is
/// lost and no two meet.
fn field_name(name: &str) -> Cow<'_, str> {
    match name.strip_prefix('_') {
        Some(rest) if rest.trim_start_matches('_') == "version" => format!("_{name}").into(),
        _ => name.into(),
    }
}

async fn over(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Where pages are printed, and what was printed last.
struct Screen {
    look: Look,
    last: String,
    /// Why there was no connection, in every way it was told.
    told: Vec<String>,
}

enum Look {
    Json,
    Table(table::Table),
}

impl Screen {
    fn new(look: Look) -> Self {
        Self {
            look,
            last: String::new(),
            told: Vec::new(),
        }
    }

    /// Prints the page, unless it would look as the one before.
    async fn show(
        &mut self,
        client: &Client,
        status: &Status,
        page: &Arc<Page<Record>>,
    ) -> Result<(), Failure> {
        self.tell(status);
        match &self.look {
            Look::Json => {
                let text = output::json_text(&json::Line::new(status, page))?;
                let rest = json::without_revision(&text);
                if rest != self.last {
                    self.last = rest.to_owned();
                    output::line(&text).await?;
                }
            }
            Look::Table(table) => {
                let text = table.text(status, page);
                if text != self.last {
                    let framed = table.framed(&text, &next_attempt(client, status));
                    output::write(framed).await?;
                    self.last = text;
                }
            }
        }
        Ok(())
    }

    /// Says why there is no connection, each reason once.
    fn tell(&mut self, status: &Status) {
        let is_seen = match &self.look {
            Look::Json => false,
            // The first line of the table names it, and the next table would wipe it out.
            Look::Table(table) => table.is_on_a_terminal() && std::io::stderr().is_terminal(),
        };
        let is_news = !is_seen
            && !status.reason.is_empty()
            // The last of them is the line the program ends with.
            && status.connection != Connection::Stopped
            && self.told.len() < REASONS_MAX
            && !self.told.contains(&status.reason);
        if is_news {
            tell(&status.reason);
            self.told.push(status.reason.clone());
        }
    }
}

/// When the next attempt to connect is made, in words; empty where none is planned.
fn next_attempt(client: &Client, status: &Status) -> String {
    let Some(at) = status.next_attempt else {
        return String::new();
    };
    format!(", next attempt in {:.1} s", client.until(at).as_secs_f64())
}
