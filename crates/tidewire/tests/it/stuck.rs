//! A peer that does not read, and frames that cannot be written: the client gets on.

use std::time::Duration;

use async_trait::async_trait;
use tidewire::testing::{Connection, PipeTransport, Received};
use tidewire::{Client, Collection, Transport};
use tidewire_transport::{ConnectError, ConnectRequest};

use crate::raw_server::{greeted, narrow_pipe, ping, say};
use crate::waiting::{Customer, customer, customers, until};

const LONG: Duration = Duration::from_secs(3_600);

fn started(transport: impl Transport) -> (Client, Collection<Customer>) {
    let client = Client::builder("ws://pipe/live")
        .transport(transport)
        .start()
        .expect("it starts");
    let customers = customers(&client);
    (client, customers)
}

/// Waits until the other end has let go of the connection.
async fn let_go(connection: &mut Connection) {
    let end =
        async { while !matches!(connection.receiver.receive().await, Received::Closed(_)) {} };
    tokio::time::timeout(Duration::from_secs(10), end)
        .await
        .expect("the client lets go of the connection");
}

#[tokio::test(start_paused = true)]
async fn a_client_closes_in_time_though_its_peer_never_reads() {
    let (transport, mut listener) = narrow_pipe();
    let (client, customers) = started(transport);
    let mut connection = greeted(&mut listener, LONG).await;
    for n in 0..100 {
        customers
            .create(&customer(&format!("c{n}"), n))
            .expect("taken");
    }
    until("frames wait for the peer", || {
        client.held().unsent_bytes > 1_000
    })
    .await;
    client.close(Duration::from_secs(5)).await.expect("in time");
    let_go(&mut connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_given_up_is_let_go_though_its_peer_never_reads() {
    let (transport, mut listener) = narrow_pipe();
    let (client, customers) = started(transport);
    let mut first = greeted(&mut listener, Duration::from_secs(20)).await;
    for n in 0..100 {
        customers
            .create(&customer(&format!("c{n}"), n))
            .expect("taken");
    }
    until("frames wait for the peer", || {
        client.held().unsent_bytes > 1_000
    })
    .await;
    // The peer falls silent, so the client connects again.
    let _second = greeted(&mut listener, LONG).await;
    let_go(&mut first).await;
}

/// A pipe that writes no frame of more than this many bytes.
struct Narrow(PipeTransport, usize);

#[async_trait]
impl Transport for Narrow {
    async fn connect(&self, mut request: ConnectRequest) -> Result<Connection, ConnectError> {
        request.limits.max_write_bytes = self.1;
        self.0.connect(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_transport_does_not_take_ends_the_connection_with_its_reason() {
    let (transport, mut listener) = tidewire::testing::pipe();
    let (client, customers) = started(Narrow(transport, 2_000));
    let _connection = greeted(&mut listener, LONG).await;
    let mut large = customer("c1", 1);
    large.name = "x".repeat(3_000);
    customers.create(&large).expect("taken");
    until("the reason is told", || {
        client.status().reason.contains("over the limit of 2000")
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_peer_that_pings_and_never_reads_is_bounded() {
    let (transport, mut listener) = narrow_pipe();
    let (client, _customers) = started(transport);
    let mut connection = greeted(&mut listener, LONG).await;
    for n in 0..20_000 {
        if client.status().connection != tidewire::Connection::Connected {
            break;
        }
        say(&mut connection, &ping(n)).await;
        let held = client.held();
        assert!(held.unsent_frames <= 8_192, "{held:?}");
    }
    client.close(Duration::from_secs(5)).await.expect("in time");
}
