//! An encrypted stream as data: what of it has arrived, what is still to be sent.
//!
//! It owns no socket. Each call is given one that does not block, and `WouldBlock` means what it
//! means there; so the same stream works under tokio and, while it is lent, beside it.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::ClientConnection;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::{ALPN, certificate};

/// Bytes asked of the socket at once; rustls by itself would ask for 4 KiB.
const READ_BYTES: usize = 128 << 10;

/// The state of an encrypted stream.
#[derive(Debug)]
pub(in crate::postgres) struct TlsStream {
    connection: ClientConnection,
    /// What was read and not decrypted yet is `incoming[used..end]`.
    incoming: Vec<u8>,
    used: usize,
    end: usize,
}

impl TlsStream {
    pub(super) async fn handshake(
        connection: ClientConnection,
        socket: &mut TcpStream,
    ) -> io::Result<Self> {
        let mut stream = Self {
            connection,
            incoming: vec![0; READ_BYTES],
            used: 0,
            end: 0,
        };
        poll_fn(|cx| {
            let mut socket = Polled { socket, cx };
            poll(stream.shake_hands(&mut socket))
        })
        .await?;
        Ok(stream)
    }

    fn shake_hands(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            self.flush(socket)?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            if !self.receive(socket)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether the server has agreed to speak PostgreSQL on it.
    pub(in crate::postgres) fn speaks_postgres(&self) -> bool {
        self.connection.alpn_protocol() == Some(ALPN)
    }

    /// What a password exchange can be bound to.
    pub(in crate::postgres) fn end_point(&self) -> Option<Vec<u8>> {
        certificate::end_point(self.connection.peer_certificates()?.first()?)
    }

    /// Reads what there is; 0 at the end of the stream.
    pub(in crate::postgres) fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        bytes: &mut [u8],
    ) -> io::Result<usize> {
        loop {
            match self.connection.reader().read(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // the protocol has an end of its own: a stream that is cut off cannot pass for one
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                outcome => return outcome,
            }
            self.receive(socket)?;
        }
    }

    /// Reads from the socket where nothing is left, and decrypts; whether there was anything.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        if self.used == self.end {
            let read = socket.read(&mut self.incoming)?;
            (self.used, self.end) = (0, read);
        }
        let mut left = &self.incoming[self.used..self.end];
        // of an empty slice this is the end of the stream
        let taken = self.connection.read_tls(&mut left)?;
        self.used += taken;
        if let Err(error) = self.connection.process_new_packets() {
            // the server is told why, if it still listens
            let _told = self.flush(socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(taken > 0)
    }

    /// Takes as many of `bytes` as there is room for, and sends what it can. What remains is sent
    /// by the next call, or by [`TlsStream::flush`].
    pub(in crate::postgres) fn write(
        &mut self,
        socket: &mut impl Write,
        bytes: &[u8],
    ) -> io::Result<usize> {
        // only when the last bytes are out are there new ones: what is kept stays small
        self.flush(socket)?;
        let taken = self.connection.writer().write(bytes)?;
        match self.flush(socket).map_err(|error| (error.kind(), error)) {
            Ok(()) | Err((io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted, _)) => Ok(taken),
            Err((_, error)) => Err(error),
        }
    }

    /// Sends all that was written.
    pub(in crate::postgres) fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    pub(in crate::postgres) fn poll_read(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unfilled = buf.initialize_unfilled();
        let read = self.read(&mut Polled { socket, cx }, unfilled);
        poll(read).map_ok(|read| buf.advance(read))
    }

    pub(in crate::postgres) fn poll_write(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll(self.write(&mut Polled { socket, cx }, bytes))
    }

    pub(in crate::postgres) fn poll_flush(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        poll(self.flush(&mut Polled { socket, cx }))
    }

    /// Says goodbye, as far as the socket takes it at once, and closes our direction.
    pub(in crate::postgres) fn poll_shutdown(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.connection.send_close_notify();
        let said = poll(self.flush(&mut Polled { socket, cx }));
        if said.is_pending() {
            return Poll::Pending;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}

fn poll<T>(outcome: io::Result<T>) -> Poll<io::Result<T>> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        outcome => Poll::Ready(outcome),
    }
}

/// A socket of tokio's as one that does not block; who waits for it is woken.
struct Polled<'s, 'c, 'w> {
    socket: &'s mut TcpStream,
    cx: &'c mut Context<'w>,
}

fn blocking<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for Polled<'_, '_, '_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(bytes);
        blocking(Pin::new(&mut *self.socket).poll_read(self.cx, &mut buf))?;
        Ok(buf.filled().len())
    }
}

impl Write for Polled<'_, '_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.socket).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.socket).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
