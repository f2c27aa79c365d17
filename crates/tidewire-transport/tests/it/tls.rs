//! WebSocket over TLS against the suite, and against servers that cannot be trusted.

use std::sync::Arc;

use async_trait::async_trait;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tidewire_transport::{
    ConnectError, ConnectRequest, Connection, Transport, WebSocketTransport,
    suite::{SUBPROTOCOL, Subject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::peer;

struct TlsSockets {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl TlsSockets {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            listener,
            acceptor: acceptor(),
        }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// What a transport makes of the server; its handshake fails or not, that is not looked at.
    async fn judged_by(&self, transport: &WebSocketTransport, host: &str) -> ConnectError {
        let url = format!("wss://{host}:{}/", self.port());
        let serve = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            let _ = self.acceptor.accept(stream).await;
        };
        let (made, ()) = tokio::join!(transport.connect(ConnectRequest::new(url)), serve);
        made.unwrap_err()
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificates/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("certificates/server.key.pem"));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.unwrap()], key.unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A transport that trusts the root of the tests.
fn trusting() -> WebSocketTransport {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(include_bytes!("certificates/root.pem"));
    roots.add(root.unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    WebSocketTransport::with_tls_config(Arc::new(config))
}

#[async_trait]
impl Subject for TlsSockets {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(trusting())
    }

    fn url(&self) -> String {
        format!("wss://localhost:{}/live", self.port())
    }

    async fn accept(&self) -> Connection {
        let (stream, _) = self.listener.accept().await.unwrap();
        let stream = self.acceptor.accept(stream).await.unwrap();
        peer::connection(peer::accept(stream, SUBPROTOCOL).await)
    }
}

tidewire_transport::transport_suite!(TlsSockets::new().await);

#[tokio::test]
async fn a_server_nobody_vouches_for_is_not_trusted() {
    let error = TlsSockets::new()
        .await
        .judged_by(&WebSocketTransport::new(), "localhost")
        .await;
    assert!(
        matches!(error, ConnectError::Tls { .. }) && !error.is_permanent(),
        "{error:?}"
    );
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn a_server_with_another_name_is_not_trusted() {
    let error = TlsSockets::new()
        .await
        .judged_by(&trusting(), "127.0.0.1")
        .await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
        stream
    };
    let transport = WebSocketTransport::new();
    let (made, _stream) = tokio::join!(transport.connect(ConnectRequest::new(url)), serve);
    let error = made.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("if the server has no TLS, use ws://"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_with_tls_is_told_apart_when_asked_without() {
    let server = TlsSockets::new().await;
    let url = format!("ws://localhost:{}/", server.port());
    let serve = async {
        let (stream, _) = server.listener.accept().await.unwrap();
        let (_, mut stream) = server
            .acceptor
            .accept(stream)
            .into_fallible()
            .await
            .unwrap_err();
        // Reads what is left, so that closing does not take the alert back.
        stream.shutdown().await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    };
    let transport = WebSocketTransport::new();
    let (made, ()) = tokio::join!(transport.connect(ConnectRequest::new(url)), serve);
    let error = made.unwrap_err();
    assert!(
        error.to_string().contains("the answer is TLS; use wss://"),
        "{error}"
    );
}
