//! The port a server listens on.

use std::io::ErrorKind;

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

/// The address a port was taken at, which names the real port where a free one was asked for.
pub(crate) fn local_address(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr();
    address.map(|address| address.to_string()).map_err(|error| {
        Failure::failed(format!("the address of the port cannot be read: {error}"))
    })
}
