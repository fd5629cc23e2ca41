//! The socket of a connection, which tokio-postgres and our COPY code use in turn.
//!
//! tokio-postgres owns every connection: it starts it up, authenticates, runs queries. A COPY's
//! bytes go round it, for its 8 KB reads, a wake-up per read and a late view of errors cost more
//! than the copying itself. Between two queries the connection is idle, so the line can be lent:
//! while it is, tokio-postgres sees a socket on which nothing happens.
//!
//! A lent socket leaves tokio's reactor, and is there again only while somebody waits for it. A
//! worker waits for its destination most of the time; if it listened to its source as well, every
//! 8 KB that the source sends meanwhile would wake it for nothing.
//!
//! What encrypts a line is lent with it: TLS lies below the line, and tokio-postgres takes the
//! decrypted stream for a socket (`open`).
//!
//! Who borrows a line must leave it at the server's ReadyForQuery, or never give it back and
//! close the connection.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::tls::TlsStream;

/// A connected stream socket, encrypted or bare.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(TcpStream, Box<TlsStream>),
}

impl Socket {
    /// What a password exchange can be bound to: a certificate, by its hash.
    pub(super) fn end_point(&self) -> Option<Vec<u8>> {
        match self {
            Self::Tls(_, tls) => tls.end_point(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// Whether what goes over it is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(..))
    }
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
            Self::Tls(stream, tls) => tls.poll_read(stream, cx, buf),
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
            Self::Tls(stream, tls) => tls.poll_write(stream, cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream, tls) => tls.poll_flush(stream, cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, tls) => tls.poll_shutdown(stream, cx),
        }
    }
}

#[derive(Debug)]
struct State {
    /// None while lent.
    socket: Option<Socket>,
    /// The owner's task, to be woken when the line comes back.
    owner: Option<Waker>,
}

/// A socket with two users: its owner (tokio-postgres) and, while lent, a COPY.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<Mutex<State>>);

/// The owner's end, which tokio-postgres takes for the socket.
#[derive(Debug)]
pub(super) struct OwnerEnd(Line);

/// The lent socket, non-blocking. Dropping it gives nothing back: it closes the connection.
#[derive(Debug)]
pub(super) struct Loan {
    line: Line,
    socket: socket2::Socket,
    tcp: bool,
    /// What encrypts it, where something does.
    tls: Option<Box<TlsStream>>,
}

impl Line {
    pub(super) fn new(socket: Socket) -> (Self, OwnerEnd) {
        let line = Self(Arc::new(Mutex::new(State {
            socket: Some(socket),
            owner: None,
        })));
        (line.clone(), OwnerEnd(line))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the line from its owner, which must be idle.
    pub(super) fn lend(&self) -> io::Result<Loan> {
        let socket = self.state().socket.take();
        let (socket, tcp, tls) = match socket {
            Some(Socket::Tcp(stream)) => (stream.into_std()?.into(), true, None),
            Some(Socket::Unix(stream)) => (stream.into_std()?.into(), false, None),
            Some(Socket::Tls(stream, tls)) => (stream.into_std()?.into(), true, Some(tls)),
            None => {
                return Err(io::Error::other("the connection is lent already"));
            }
        };
        Ok(Loan {
            line: self.clone(),
            socket,
            tcp,
            tls,
        })
    }
}

impl Loan {
    /// Reads what is there; none where nothing is.
    pub(super) fn read(&mut self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        let mut socket = &self.socket;
        match &mut self.tls {
            None => unless_blocked(|| socket.read(bytes)),
            Some(tls) => unless_blocked(|| tls.read(&mut socket, bytes)),
        }
    }

    /// Writes what fits; none where nothing does.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let mut socket = &self.socket;
        match &mut self.tls {
            None => unless_blocked(|| socket.write(bytes)),
            Some(tls) => unless_blocked(|| tls.write(&mut socket, bytes)),
        }
    }

    /// Whether all that was written has left us; an encrypted line may still hold the end of it.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let mut socket = &self.socket;
        match &mut self.tls {
            None => Ok(true),
            Some(tls) => Ok(unless_blocked(|| tls.flush(&mut socket))?.is_some()),
        }
    }

    /// Returns when the socket can do one of these, or has failed.
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<()> {
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for descriptors that may close meanwhile; a borrowed one cannot"
        )]
        let registered = AsyncFd::with_interest(self.socket.as_fd(), interest)?;
        let _ready = registered.ready(interest).await?;
        Ok(())
    }

    /// Returns the line, at the server's ReadyForQuery.
    pub(super) fn give_back(self) -> io::Result<()> {
        let socket = match self.tls {
            Some(tls) => Socket::Tls(TcpStream::from_std(self.socket.into())?, tls),
            None if self.tcp => Socket::Tcp(TcpStream::from_std(self.socket.into())?),
            None => Socket::Unix(UnixStream::from_std(self.socket.into())?),
        };
        let mut state = self.line.state();
        state.socket = Some(socket);
        if let Some(owner) = state.owner.take() {
            owner.wake();
        }
        Ok(())
    }
}

fn unless_blocked<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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
        match &mut state.socket {
            Some(socket) => use_it(Pin::new(socket), cx),
            None => Poll::Pending,
        }
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
