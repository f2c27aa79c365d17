//! WebSocket over TCP and TLS.
//! Holds the transport and the order of its steps: address, dial, handshake, socket. Never follows a redirect, goes
//! through a proxy or offers an extension.

mod address;
mod dial;
mod handshake;
mod outlet;
mod socket;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use self::address::Address;
use crate::{ConnectError, ConnectRequest, Connection, Limits, Transport};

/// How long a connection may take to be made, in milliseconds.
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// What is read from the socket at once, in bytes; allocated for each connection.
const READ_BUFFER_BYTES: usize = 8 << 10;
/// What is gathered before it is written to the socket, in bytes.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Room behind the data for frame headers and for answers to the peer's pings, in bytes.
const CONTROL_BYTES: usize = 4 << 10;

/// Makes WebSocket connections. Clones share one TLS configuration and its session tickets.
#[derive(Clone, Debug)]
pub struct WebSocketTransport {
    tls: Arc<ClientConfig>,
    connect_timeout_ms: u64,
}

impl WebSocketTransport {
    /// A transport that trusts the roots Mozilla trusts, through rustls with ring, whatever the process uses elsewhere.
    #[must_use]
    pub fn new() -> Self {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::with_tls_config(Arc::new(tls))
    }

    /// A transport with a TLS configuration of the program's own: private roots, client certificates.
    #[must_use]
    pub fn with_tls_config(tls: Arc<ClientConfig>) -> Self {
        Self {
            tls,
            connect_timeout_ms: CONNECT_TIMEOUT_MS,
        }
    }

    /// Sets how long a connection may take to be made, from name lookup to handshake, in milliseconds. Default 10 000.
    #[must_use]
    pub fn connect_timeout_ms(mut self, connect_timeout_ms: u64) -> Self {
        self.connect_timeout_ms = connect_timeout_ms;
        self
    }

    async fn make(
        &self,
        address: &Address,
        request: &ConnectRequest,
    ) -> Result<Connection, ConnectError> {
        let asked = handshake::Asked::new(address, request)?;
        let tcp = dial::tcp(address, self.connect_timeout_ms).await?;
        let stream = dial::secure(address, tcp, &self.tls).await?;
        let answered = handshake::shake(stream, address, asked).await?;
        let config = Some(config(request.limits));
        let handshake::Answered {
            stream,
            read_ahead,
            subprotocol,
        } = answered;
        let stream = WebSocketStream::from_partially_read(
            outlet::Outlet::new(stream),
            read_ahead,
            Role::Client,
            config,
        )
        .await;
        Ok(socket::connection(stream, request.limits, subprotocol))
    }
}

impl Default for WebSocketTransport {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Transport for WebSocketTransport {
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, ConnectError> {
        let address = Address::parse(&request.url)?;
        let after_ms = self.connect_timeout_ms;
        match tokio::time::timeout(
            Duration::from_millis(after_ms),
            self.make(&address, &request),
        )
        .await
        {
            Ok(made) => made,
            Err(_) => Err(ConnectError::Timeout {
                address: address.to_string(),
                after_ms,
            }),
        }
    }
}

fn config(limits: Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(
            limits
                .max_write_bytes
                .saturating_add(WRITE_BUFFER_BYTES + CONTROL_BYTES),
        )
        .max_message_size(Some(limits.max_frame_bytes))
        .max_frame_size(Some(limits.max_frame_bytes))
}
