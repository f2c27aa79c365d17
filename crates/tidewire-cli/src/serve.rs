//! The command `serve`: a server for any entity types, until it is asked to end.

use std::time::Duration;

use tidewire_server::{OpenError, Server, SqliteBackend};

use crate::arguments::Serve;
use crate::failure::Failure;
use crate::hosts::Hosts;
use crate::{listen, output, serving, signals, trouble};

/// How long clients get to leave when the server ends.
const DRAIN_MAX: Duration = Duration::from_millis(500);

pub(crate) async fn run(arguments: Serve) -> Result<(), Failure> {
    let end = signals::end()?;
    trouble::show();
    let listener = listen::bind(&arguments.listen).await?;
    let address = listen::local_address(&listener)?;
    let backend = tokio::task::block_in_place(|| open(&arguments))?;
    let server = Server::builder(backend)
        .origins(Hosts::new(&arguments.listen).origins())
        .start()
        .await
        .map_err(Failure::failed)?;
    output::announce(&format!("listening on ws://{address}/live\n"));
    let draining = server.clone();
    serving::serve(listener, server.router(), async move {
        end.await;
        draining.drain(DRAIN_MAX).await;
    })
    .await;
    server.close().await;
    Ok(())
}

fn open(arguments: &Serve) -> Result<SqliteBackend, Failure> {
    let path = &arguments.db;
    let opened = if arguments.restored {
        // An empty file would be a new database too, and no copy.
        if !std::fs::metadata(path).is_ok_and(|found| found.len() > 0) {
            return Err(Failure::failed(format!(
                "there is no database at {}; put the copy there first, or leave --restored out",
                path.display()
            )));
        }
        SqliteBackend::open_restored(path)
    } else {
        SqliteBackend::open(path)
    };
    opened.map_err(|error| match error {
        OpenError::Damaged { .. } | OpenError::NotADatabase { .. } => Failure::failed(format!(
            "{error}; at the first start with a copy add --restored, so that no client goes on with what it does not hold"
        )),
        other => Failure::failed(other),
    })
}
