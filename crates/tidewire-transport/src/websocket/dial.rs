//! From an address to a stream of bytes: name lookup, TCP, TLS.
//! Holds nothing. Never waits for one of several addresses longer than its share of the time.

use std::{io, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::MaybeTlsStream;

use super::address::{Address, Scheme};
use crate::ConnectError;

/// A TCP connection to the first of the host's addresses that answers.
pub(super) async fn tcp(address: &Address, timeout_ms: u64) -> Result<TcpStream, ConnectError> {
    let unreachable = |detail: String| ConnectError::Unreachable {
        address: address.to_string(),
        detail,
    };
    let found = lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    let found: Vec<_> = found.collect();
    // So that one address that swallows packets does not use up the time of the others.
    let share = Duration::from_millis(timeout_ms / found.len().max(1) as u64);
    let mut last = "the name has no address".to_owned();
    for address in found {
        match tokio::time::timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream
                    .set_nodelay(true)
                    .map_err(|error| unreachable(error.to_string()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("{address} does not answer"),
        }
    }
    Err(unreachable(last))
}

/// The TCP connection, inside TLS where the address asks for it.
pub(super) async fn secure(
    address: &Address,
    tcp: TcpStream,
    config: &Arc<ClientConfig>,
) -> Result<MaybeTlsStream<TcpStream>, ConnectError> {
    if address.scheme == Scheme::Plain {
        return Ok(MaybeTlsStream::Plain(tcp));
    }
    let name = ServerName::try_from(address.host.clone()).map_err(|_| ConnectError::BadUrl {
        detail: "the host is neither a name nor an address".to_owned(),
    })?;
    match TlsConnector::from(config.clone()).connect(name, tcp).await {
        Ok(stream) => Ok(MaybeTlsStream::Rustls(stream)),
        Err(error) => Err(tls_error(address, &error)),
    }
}

fn tls_error(address: &Address, error: &io::Error) -> ConnectError {
    let address = address.to_string();
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidMessage(_)) => ConnectError::Tls {
            address,
            detail: format!("{error}; if the server has no TLS, use ws://"),
        },
        Some(_) => ConnectError::Tls {
            address,
            detail: error.to_string(),
        },
        None => ConnectError::Unreachable {
            address,
            detail: error.to_string(),
        },
    }
}
