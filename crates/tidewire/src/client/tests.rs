//! What becomes of a client whose engine breaks, which no input is known to bring about.

use std::time::Duration;

use tidewire_engine::Connection;
use tidewire_transport::Received;

use super::*;

#[tokio::test(start_paused = true)]
async fn an_engine_that_breaks_in_a_callers_turn_ends_a_connected_client() {
    let (transport, mut listener) = tidewire_transport::pipe();
    let client = Client::builder("ws://pipe/live")
        .transport(transport)
        .start()
        .expect("it starts");
    let incoming = listener.incoming().await.expect("the client connects");
    let mut connection = incoming.accept(Some("tidewire.v1.json"));
    let hello = connection.receiver.receive().await;
    assert!(matches!(hello, Received::Frame(_)), "{hello:?}");
    let broken = client
        .handles
        .shared
        .ask(|_, _| panic!("a broken invariant"));
    assert!(broken.is_err());
    let mut status = client.status_updates();
    let stopped = status.wait_for(|status| status.connection == Connection::Stopped);
    let stopped = tokio::time::timeout(Duration::from_secs(5), stopped).await;
    let reason = &stopped.expect("soon").expect("it is held").reason;
    assert!(reason.contains("a broken invariant"), "{reason}");
    let lost = connection.receiver.receive().await;
    assert!(matches!(lost, Received::Closed(_)), "{lost:?}");
    let closed = client.clone().close(Duration::from_secs(5)).await;
    assert!(matches!(closed, Err(CloseError::Stopped(_))), "{closed:?}");
}
