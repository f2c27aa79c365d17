//! The command `demo`: a server, a client of it, and a page that shows what the client holds.
//!
//! The three are as apart as on three machines. The data goes to the server as any application's
//! would; the page gets everything from the client's cache; the client knows the server only by its
//! address.

mod api;
mod data;
mod guard;
mod lists;
mod page;
mod queue;
mod rights;
mod sse;
mod tabs;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidewire_server::{Server, SqliteOptions};
use tokio::sync::watch;

use crate::arguments::Demo;
use crate::failure::Failure;
use crate::hosts::Hosts;
use crate::{listen, output, serving, session, signals, trouble};
use guard::Guard;
use lists::Lists;
use queue::QueueWatch;
use tabs::Tabs;

/// How long clients get to leave when the demo ends.
const DRAIN_MAX: Duration = Duration::from_millis(200);
/// Commits kept for those who come back; the processes alone make one each second.
const JOURNAL_COMMITS: u64 = 5_000;

/// What every request of the page needs.
struct Demonstration {
    lists: Lists,
    queue: QueueWatch,
    tabs: Tabs,
    /// The switch on the page: whether the client may be connected.
    online: watch::Sender<bool>,
    /// Set when the demo ends, so that no stream to a page keeps it from ending.
    ending: watch::Receiver<bool>,
}

pub(crate) async fn run(arguments: Demo) -> Result<(), Failure> {
    let end = signals::end()?;
    trouble::show();
    let listener = listen::bind(&arguments.listen).await?;
    let address = listen::local_address(&listener)?;
    let folder = Folder::new(arguments.db)?;
    let options = SqliteOptions::new(folder.database()).journal_commits(JOURNAL_COMMITS);
    let backend = tokio::task::block_in_place(|| options.open()).map_err(Failure::failed)?;
    let hosts = Hosts::new(&arguments.listen);
    let present = data::Present::read(&backend).await?;
    // Before the server starts, which would have to be closed again where the store cannot be used.
    let store = session::open_store(&folder.client_store())?;
    let server = Server::builder(backend)
        .rights(rights::CustomersOnly)
        .origins(hosts.own_page())
        // There is one server and it does not come back elsewhere, so nobody has to be spread.
        .settings(|settings| settings.reconnect_jitter_ms = 0)
        .start()
        .await
        .map_err(Failure::failed)?;
    let client =
        match session::start(session::builder(&format!("ws://{address}/live")).store(store)) {
            Ok(client) => client,
            Err(failure) => {
                server.close().await;
                return Err(failure);
            }
        };
    let (ended, ending) = watch::channel(false);
    let demonstration = Arc::new(Demonstration {
        lists: Lists::new(client.clone())?,
        queue: QueueWatch::start(&client),
        tabs: Tabs::default(),
        online: watch::Sender::new(true),
        ending,
    });
    let router = server
        .router()
        .merge(page::router(demonstration, Guard::new(hosts)));
    let serving = serving::serve(listener, router, {
        let server = server.clone();
        async move {
            end.await;
            ended.send_replace(true);
            server.drain(DRAIN_MAX).await;
        }
    });
    output::announce(&format!(
        "open http://{address}/ in a browser; Ctrl-C ends the demo\nthe server is at ws://{address}/live\n"
    ));
    let result = tokio::select! {
        () = serving => Ok(()),
        failure = data::publish(server.clone(), present) => Err(failure),
    };
    session::close(client).await?;
    server.close().await;
    result
}

/// Where the demo keeps its data.
enum Folder {
    /// Gone when the demo ends.
    Temporary(tempfile::TempDir),
    /// Kept.
    Given(PathBuf),
}

impl Folder {
    fn new(database: Option<PathBuf>) -> Result<Self, Failure> {
        let Some(database) = database else {
            let folder = tempfile::Builder::new().prefix("tidewire-demo-").tempdir();
            return folder.map(Self::Temporary).map_err(|error| {
                Failure::failed(format!(
                    "no folder for the data: {error}; name a file with --db"
                ))
            });
        };
        Ok(Self::Given(database))
    }

    fn database(&self) -> PathBuf {
        match self {
            Self::Temporary(folder) => folder.path().join("demo"),
            Self::Given(database) => database.clone(),
        }
    }

    fn client_store(&self) -> PathBuf {
        beside(&self.database(), ".client")
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
