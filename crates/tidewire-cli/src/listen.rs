//! The port a server listens on.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::failure::Failure;

/// Takes the port.
///
/// # Errors
/// It cannot be had; says why and what to do.
pub(crate) async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Failure::failed(format!(
            "{address} is in use by another program; stop that one, or choose another port with --listen"
        )),
        ErrorKind::InvalidInput => {
            Failure::misuse(format!("--listen {address:?} is no address; give it as host:port"))
        }
        _ => Failure::failed(format!(
            "{address} cannot be listened on: {error}; choose another address with --listen"
        )),
    })
}

/// An address this port can be reached at from this machine, which names the real port where a free
/// one was asked for. Listening everywhere is no address to connect to; this machine's own is.
pub(crate) fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    let mut address = listener.local_addr().map_err(|error| {
        Failure::failed(format!("the address of the port cannot be read: {error}"))
    })?;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}
