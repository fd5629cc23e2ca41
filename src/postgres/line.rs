//! The socket of a connection, which tokio-postgres and our COPY code use in turn.
//!
//! tokio-postgres owns every connection: it starts it up, authenticates, runs queries. A COPY's
//! bytes go round it, for its 8 KB reads, a wake-up per read and a late view of errors cost more
//! than the copying itself. Between two queries the connection is idle, so the line can be lent:
//! while it is, tokio-postgres sees a socket on which nothing happens.
//!
//! Who borrows a line must leave it at the server's ReadyForQuery, or never give it back and
//! close the connection.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connected stream socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[derive(Debug)]
struct State {
    socket: Socket,
    lent: bool,
    /// The owner's task. Our reads take its place in the socket's readiness slot, so it has to be
    /// woken when the line comes back.
    owner: Option<Waker>,
}

/// A socket with two users: its owner (tokio-postgres) and, while lent, a COPY.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<Mutex<State>>);

/// The owner's end, which tokio-postgres takes for the socket.
#[derive(Debug)]
pub(super) struct OwnerEnd(Line);

/// The right to use the line until [`Loan::give_back`]; dropping it gives nothing back.
#[derive(Debug)]
pub(super) struct Loan(Line);

impl Line {
    pub(super) fn new(socket: Socket) -> (Self, OwnerEnd) {
        let line = Self(Arc::new(Mutex::new(State {
            socket,
            lent: false,
            owner: None,
        })));
        (line.clone(), OwnerEnd(line))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the line from its owner, which must be idle.
    pub(super) fn lend(&self) -> io::Result<Loan> {
        let mut state = self.state();
        if state.lent {
            return Err(io::Error::other(
                "the connection is in the middle of a COPY",
            ));
        }
        state.lent = true;
        Ok(Loan(self.clone()))
    }
}

impl Loan {
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.state().socket).poll_write(cx, bytes)
    }

    /// Returns the line, at the server's ReadyForQuery.
    pub(super) fn give_back(&self) {
        let mut state = self.0.state();
        state.lent = false;
        if let Some(owner) = state.owner.take() {
            owner.wake();
        }
    }
}

impl AsyncRead for Loan {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.state().socket).poll_read(cx, buf)
    }
}

impl OwnerEnd {
    fn poll_socket<T>(
        &self,
        cx: &mut Context<'_>,
        use_it: impl FnOnce(Pin<&mut Socket>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut state = self.0.state();
        match &mut state.owner {
            Some(owner) => owner.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        if state.lent {
            return Poll::Pending;
        }
        use_it(Pin::new(&mut state.socket), cx)
    }
}

impl AsyncRead for OwnerEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_socket(cx, |socket, cx| socket.poll_read(cx, buf))
    }
}

impl AsyncWrite for OwnerEnd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_socket(cx, |socket, cx| socket.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_socket(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_socket(cx, AsyncWrite::poll_shutdown)
    }
}
