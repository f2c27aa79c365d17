//! The basic dialect with an application's own backend: what the driver does about panics, keys and
//! dead sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidewire::testing::{Connection, PipeListener, Received, pipe};
use tidewire::{Action, Client, Dialects, Execute, Executed, Failure, Patch};

use crate::waiting::{Customer, until};

/// A backend that panics at the first write and does the others.
#[derive(Clone, Default)]
struct Shaky {
    calls: Arc<AtomicUsize>,
    honours: bool,
}

#[async_trait::async_trait]
impl Execute for Shaky {
    async fn execute(&self, _action: &Action) -> Result<Executed, Failure> {
        assert!(
            self.calls.fetch_add(1, Ordering::SeqCst) > 0,
            "the first call fails"
        );
        Ok(Executed {
            rows: Vec::new(),
            replaced: None,
        })
    }

    fn honours_idempotency_key(&self) -> bool {
        self.honours
    }
}

/// Takes connections and reads what comes, which is what answers pings.
async fn listen(mut listener: PipeListener, taken: Arc<AtomicUsize>) {
    while let Some(Connection {
        mut receiver,
        sender,
        ..
    }) = listener.accept().await
    {
        taken.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let _sender = sender;
            while !matches!(receiver.receive().await, Received::Closed(_)) {}
        });
    }
}

fn start(execute: Shaky) -> (Client, Arc<AtomicUsize>) {
    let (transport, listener) = pipe();
    let taken = Arc::new(AtomicUsize::new(0));
    tokio::spawn(listen(listener, Arc::clone(&taken)));
    let client = Client::builder("ws://pipe/live")
        .dialect(Dialects::Basic)
        .transport(transport)
        .execute(execute)
        .start()
        .expect("it starts");
    (client, taken)
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_execute_makes_a_write_uncertain_where_no_key_is_honoured() {
    let backend = Shaky::default();
    let (client, _) = start(backend.clone());
    let customers = client
        .collection::<Customer>("customers")
        .pushes_only()
        .build()
        .expect("a good name");
    let edit = customers
        .update("c1", Patch::new().set("score", 1))
        .expect("taken");
    let told = edit.accepted().await;
    assert!(matches!(told, Err(tidewire::ActionError::Uncertain)));
    assert_eq!(client.actions().counts().uncertain, 1);
    tokio::time::timeout(Duration::from_secs(120), std::future::pending::<()>())
        .await
        .expect_err("time passes");
    assert_eq!(backend.calls.load(Ordering::SeqCst), 1);
    client.actions().retry(edit.id()).expect("a person decides");
    until("done", || client.actions().pending().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_execute_gives_a_write_again_where_the_key_is_honoured() {
    let backend = Shaky {
        honours: true,
        ..Shaky::default()
    };
    let (client, _) = start(backend.clone());
    let customers = client
        .collection::<Customer>("customers")
        .pushes_only()
        .build()
        .expect("a good name");
    let edit = customers
        .update("c1", Patch::new().set("score", 1))
        .expect("taken");
    edit.accepted().await.expect("done at the second attempt");
    assert_eq!(backend.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn coverage_b9_a_quiet_server_that_answers_pings_is_kept() {
    let (client, taken) = start(Shaky::default());
    until("connected", || taken.load(Ordering::SeqCst) == 1).await;
    tokio::time::timeout(Duration::from_secs(300), std::future::pending::<()>())
        .await
        .expect_err("time passes");
    assert_eq!(taken.load(Ordering::SeqCst), 1);
    assert_eq!(client.status().connection, tidewire::Connection::Connected);
}

#[tokio::test(start_paused = true)]
async fn coverage_b9_a_server_that_is_gone_without_a_word_is_left() {
    let (transport, mut listener) = pipe();
    let client = Client::builder("ws://pipe/live")
        .dialect(Dialects::Basic)
        .transport(transport)
        .start()
        .expect("it starts");
    // Nobody reads from it, so nobody answers a ping.
    let dead = listener.accept().await.expect("a connection");
    let again = tokio::time::timeout(Duration::from_secs(40), listener.accept()).await;
    assert!(again.expect("looked for again").is_some());
    drop((dead, client));
}
