//! A stream whose writing may break before its reading does.
//! Holds the stream and whether writing has failed. Never keeps anybody from reading what the peer said before it went.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads as the stream does. Once a write has failed, further ones wait for ever, as they would for a peer that does not
/// read: whoever reads answers pings on the way, and a failure there would hide the close code that comes behind. The
/// end shows when reading comes to it.
pub(super) struct Outlet<S> {
    stream: S,
    is_broken: bool,
}

impl<S> Outlet<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            is_broken: false,
        }
    }

    /// Whether a write has failed.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn write<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error)) if error.kind() != io::ErrorKind::Interrupted => {
                self.is_broken = true;
                Poll::Pending
            }
            written => written,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.write(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_broken {
            return Poll::Pending;
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.write(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
