//! One connection: queries on it, its line for a COPY, cancelling it from outside, closing it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::task::JoinHandle;
use tokio_postgres::{CancelToken, Client, SimpleQueryMessage, SimpleQueryRow};

use super::connect::{Chosen, Server};
use super::line::{Line, Socket};
use super::open::Negotiated;
use super::sqlstate;
use crate::error::{Error, Kind, Result};

/// How long a goodbye, or a cancel request, may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a pooler may take to find a connection for us.
const POOL_PATIENCE: Duration = Duration::from_secs(15);

/// One connection. Dropping it closes the socket; [`Session::close`] says goodbye first.
///
/// Queries go through the simple protocol: nothing is prepared by name, so a session is idle
/// between two calls and its line can be lent to a COPY.
pub struct Session {
    client: Option<Client>,
    cancel: CancelToken,
    driver: JoinHandle<Option<Error>>,
    line: Line,
    server: Server,
    /// Where exactly it goes, and whether encrypted.
    on: Chosen,
}

impl Session {
    pub(super) fn new(
        client: Client,
        driver: JoinHandle<Option<Error>>,
        line: Line,
        server: Server,
        on: Chosen,
    ) -> Self {
        Self {
            cancel: client.cancel_token(),
            client: Some(client),
            driver,
            line,
            server,
            on,
        }
    }

    /// The server this session is on.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The client, for queries with parameters and prepared statements.
    ///
    /// # Errors
    /// `Kind::Internal` after the session was closed.
    pub fn client(&self) -> Result<&Client> {
        self.client
            .as_ref()
            .ok_or_else(|| Error::internal("a closed session was used"))
    }

    pub(super) fn on(&self) -> &Chosen {
        &self.on
    }

    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Runs SQL that returns nothing of interest; several statements may be separated by `;`.
    pub async fn execute(&self, sql: &str, doing: &str) -> Result<()> {
        tracing::trace!("{}: {sql}", self.server);
        self.client()?
            .batch_execute(sql)
            .await
            .map_err(|e| sqlstate::from_client(e, doing))
    }

    /// Begins a transaction, which behind a pooler has to wait for a connection.
    ///
    /// # Errors
    /// `Kind::Space` where none comes free in time: what holds them may be waiting for this one.
    pub async fn begin(&self, sql: &str, doing: &str) -> Result<()> {
        self.in_time(doing, self.execute(sql, doing)).await
    }

    /// Waits for what takes no time on a server that listens.
    ///
    /// # Errors
    /// `Kind::Space` where it does: a pooler has no connection for it.
    pub async fn in_time<T>(
        &self,
        doing: &str,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::time::timeout(POOL_PATIENCE, answer)
            .await
            .unwrap_or_else(|_| {
                let text = format!(
                    "{doing}: {} has taken the connection, and not answered within {} s; a pooler \
                     without a free connection does that",
                    self.server,
                    POOL_PATIENCE.as_secs()
                );
                Err(Error::new(Kind::Space, text).remedy(sqlstate::POOL_IS_FULL))
            })
    }

    /// Runs SQL and returns its rows, every value as text.
    pub async fn rows(&self, sql: &str, doing: &str) -> Result<Vec<SimpleQueryRow>> {
        tracing::trace!("{}: {sql}", self.server);
        let messages = self
            .client()?
            .simple_query(sql)
            .await
            .map_err(|e| sqlstate::from_client(e, doing))?;
        Ok(messages
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .collect())
    }

    /// Runs one statement and returns how many rows it says it has written.
    pub async fn affected(&self, sql: &str, doing: &str) -> Result<u64> {
        tracing::trace!("{}: {sql}", self.server);
        let messages = self
            .client()?
            .simple_query(sql)
            .await
            .map_err(|e| sqlstate::from_client(e, doing))?;
        let complete = messages.into_iter().find_map(|message| match message {
            SimpleQueryMessage::CommandComplete(rows) => Some(rows),
            _ => None,
        });
        complete.ok_or_else(|| Error::internal(format!("{doing}: no command tag came back")))
    }

    /// Runs SQL that returns one row.
    pub async fn row(&self, sql: &str, doing: &str) -> Result<SimpleQueryRow> {
        self.rows(sql, doing)
            .await?
            .into_iter()
            .next_back()
            .ok_or_else(|| Error::internal(format!("{doing}: no row came back")))
    }

    /// Runs SQL that returns one value, as text.
    pub async fn value(&self, sql: &str, doing: &str) -> Result<Option<String>> {
        Ok(self
            .row(sql, doing)
            .await?
            .try_get(0)
            .ok()
            .flatten()
            .map(str::to_owned))
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished() || self.client.as_ref().is_none_or(Client::is_closed)
    }

    /// Returns when the connection ends, whoever ended it, with what the server said of it.
    pub async fn ended(&mut self) -> Option<Error> {
        // a driver that panicked has ended too
        (&mut self.driver).await.ok().flatten()
    }

    /// Asks the server to cancel what this session is doing. Best effort, within two seconds.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller {
            token: self.cancel.clone(),
            server: self.server.clone(),
            on: self.on.clone(),
        }
    }

    /// Says goodbye and waits until the connection is closed.
    pub async fn close(mut self) {
        self.client = None;
        let driver = &mut self.driver;
        if tokio::time::timeout(CLOSE_TIMEOUT, driver).await.is_err() {
            tracing::debug!("{}: the connection did not close in time", self.server);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Cancels what a session is doing, from outside of it.
#[derive(Clone)]
pub struct Canceller {
    token: CancelToken,
    server: Server,
    on: Chosen,
}

impl Canceller {
    /// Sends the cancel request (protocol: "Canceling Requests in Progress"), to where the session
    /// goes and encrypted if it is. Best effort.
    pub async fn cancel(&self) {
        let request = Box::pin(async {
            let mut socket = self.server.open_socket(&self.on).await.ok()?;
            let negotiated = Negotiated::on(&socket);
            let whole = WholeConnection(&mut socket);
            let sent = self.token.cancel_query_raw(whole, negotiated).await;
            sent.ok()?;
            // the server closes when it has passed it on: no later query is hit by it
            socket.read(&mut [0]).await.ok()
        });
        if !matches!(
            tokio::time::timeout(CLOSE_TIMEOUT, request).await,
            Ok(Some(_))
        ) {
            tracing::debug!("{}: the cancel request could not be delivered", self.server);
        }
    }
}

/// A connection of which no half is closed after the request: pgbouncer 1.18 takes that for the
/// client's end, and ends itself when it then passes the request on (tested).
struct WholeConnection<'a>(&'a mut Socket);

impl AsyncRead for WholeConnection<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WholeConnection<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
