//! One connected socket to one place, encrypted or not, and how tokio-postgres is given it.
//!
//! It says what could not be done and never tries anything else: which places and which modes come
//! next is `connect`'s business. Protocol: PostgreSQL manual, "SSL Session Encryption".

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsConnect};

use super::candidates::{Candidate, Place};
use super::line::Socket;
use super::parameters::TcpSettings;
use super::tls::Tls;
use crate::error::{Error, Kind, Result};

/// One address of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) candidate: Candidate,
    pub(super) address: Address,
}

/// Where a socket is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Whether and how a socket is encrypted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Encryption<'t> {
    /// It is not.
    No,
    /// If the server can.
    IfOffered(&'t Tls),
    /// It is, or there is no socket. The server is asked first, unless `direct`.
    Yes {
        /// With what.
        tls: &'t Tls,
        /// Whether the handshake begins unasked.
        direct: bool,
    },
}

/// The addresses of a candidate, in the system's order.
pub(super) async fn resolve(candidate: &Candidate) -> io::Result<Vec<Target>> {
    let port = candidate.port;
    let addresses = match &candidate.place {
        Place::Socket(directory) => {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            // an abstract name is shown with an @ and begins with a zero
            let path = match path.to_str().and_then(|text| text.strip_prefix('@')) {
                Some(name) => PathBuf::from(format!("\0{name}")),
                None => path,
            };
            vec![Address::Unix(path)]
        }
        Place::Network {
            address: Some(address),
            ..
        } => vec![Address::Tcp(SocketAddr::new(*address, port))],
        Place::Network { name, .. } => {
            let name = name.as_deref().unwrap_or("localhost");
            let found = tokio::net::lookup_host((name, port)).await?;
            found.map(Address::Tcp).collect()
        }
    };
    Ok(addresses
        .into_iter()
        .map(|address| Target {
            candidate: candidate.clone(),
            address,
        })
        .collect())
}

impl Target {
    /// Connects, unencrypted.
    ///
    /// # Errors
    /// `Kind::Connection`.
    pub(super) async fn open(&self, settings: TcpSettings) -> Result<Socket> {
        match &self.address {
            Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
            Address::Tcp(address) => open_tcp(*address, settings).await.map(Socket::Tcp),
        }
        .map_err(|error| {
            Error::new(Kind::Connection, error.to_string())
                .caused_by(error)
                .remedy(
                    "check that the server runs there and accepts connections from this machine",
                )
        })
    }

    /// Encrypts an open socket to it; a Unix socket never is, as with libpq.
    ///
    /// # Errors
    /// `Kind::Connection`; `Kind::Unsupported` for a server without TLS; what TLS found wrong.
    pub(super) async fn secure(
        &self,
        socket: Socket,
        encryption: Encryption<'_>,
    ) -> Result<Socket> {
        let (tls, direct, required) = match encryption {
            Encryption::No => return Ok(socket),
            Encryption::IfOffered(tls) => (tls, false, false),
            Encryption::Yes { tls, direct } => (tls, direct, true),
        };
        let (mut stream, address) = match (socket, &self.address) {
            (Socket::Tcp(stream), Address::Tcp(address)) => (stream, address.ip()),
            (socket, _) => return Ok(socket),
        };
        if !direct && !offers_tls(&mut stream).await? {
            if required {
                return Err(Error::new(
                    Kind::Unsupported,
                    "the server has no TLS, and sslmode wants it",
                )
                .remedy("switch ssl on in the server's configuration; sslmode=prefer does without where there is none"));
            }
            return Ok(Socket::Tcp(stream));
        }
        let name = match &self.candidate.place {
            Place::Network { name, .. } => name.as_deref(),
            Place::Socket(_) => None,
        };
        let encrypted = tls.encrypt(&mut stream, name, address).await;
        let encrypted = encrypted.map_err(|error| {
            // a server that does not know direct TLS takes it for noise and closes
            if direct && error.kind() == Kind::Connection {
                error.remedy("sslnegotiation=direct needs PostgreSQL 17 with ssl on; leave it out")
            } else {
                error
            }
        })?;
        // without a question in plain text before it, this alone says that the handshake was meant
        // for Postgres (manual, "SSL Session Encryption")
        if direct && !encrypted.speaks_postgres() {
            return Err(Error::new(
                Kind::Unsupported,
                "the server did not agree in the TLS handshake to speak PostgreSQL (ALPN), and sslnegotiation=direct needs that",
            )
            .remedy("leave sslnegotiation out; something in between may end the encryption"));
        }
        Ok(Socket::Tls(stream, Box::new(encrypted)))
    }
}

async fn open_tcp(address: SocketAddr, settings: TcpSettings) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(&stream);
    if settings.keepalives {
        let mut keepalive = socket2::TcpKeepalive::new();
        if let Some(idle) = settings.idle {
            keepalive = keepalive.with_time(idle);
        }
        if let Some(interval) = settings.interval {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(count) = settings.count {
            keepalive = keepalive.with_retries(count);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    if settings.user_timeout.is_some() {
        socket.set_tcp_user_timeout(settings.user_timeout)?;
    }
    Ok(stream)
}

/// Asks the server for TLS (SSLRequest). One byte is read and no more: what followed it would not
/// be encrypted.
async fn offers_tls(stream: &mut TcpStream) -> Result<bool> {
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    let mut answer = [0];
    let asking = async {
        stream.write_all(&request).await?;
        stream.read_exact(&mut answer).await
    };
    asking.await.map_err(|error| {
        let text = if error.kind() == io::ErrorKind::UnexpectedEof {
            "the server closed the connection when it was asked for TLS".to_owned()
        } else {
            format!("asking the server for TLS: {error}")
        };
        Error::new(Kind::Connection, text).caused_by(error)
    })?;
    match answer[0] {
        b'S' => Ok(true),
        b'N' => Ok(false),
        // `E`: what it says after that is not authenticated and is not shown
        _ => Err(Error::new(
            Kind::Connection,
            "the server answered the question for TLS with an error",
        )
        .remedy("its log says why; too many connections, or something that is no Postgres server")),
    }
}

/// Gives tokio-postgres a stream on which everything is negotiated already, as its TLS.
pub(super) struct Negotiated {
    end_point: Option<Vec<u8>>,
}

impl Negotiated {
    pub(super) fn on(socket: &Socket) -> Self {
        Self {
            end_point: socket.end_point(),
        }
    }
}

/// A stream with what a password exchange on it can be bound to.
pub(super) struct Bound<S> {
    stream: S,
    end_point: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Negotiated {
    type Stream = Bound<S>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Bound<S>, Infallible>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(Bound {
            stream,
            end_point: self.end_point,
        }))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> tokio_postgres::tls::TlsStream for Bound<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
