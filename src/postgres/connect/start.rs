//! One start of one connection: socket, encryption, start-up, each within the time that the address
//! has.
//!
//! What is tried after a failure is decided above; here is only said how far it came.

use tokio::time::Instant;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, SslNegotiation};

use super::{Chosen, Server};
use crate::error::{Error, Kind, Result};
use crate::postgres::line::{Line, Socket};
use crate::postgres::open::{Encryption, Negotiated, Target};
use crate::postgres::password;
use crate::postgres::refusal::{self, Failure, Stage};
use crate::postgres::session::Session;
use crate::postgres::sqlstate;

impl Server {
    /// One start of one connection.
    pub(super) async fn start(
        &self,
        target: &Target,
        encryption: Encryption<'_>,
        name: &str,
    ) -> std::result::Result<Session, Failure> {
        let parameters = &self.inner.parameters;
        let shown = parameters.shown_at(&target.candidate);
        let doing = format!("connecting to {shown}");
        let failed = |error: Error, stage| Failure::new(error.context(&doing), stage);
        let deadline = parameters.connect_timeout.map(|t| Instant::now() + t);
        let opening = within(deadline, target.open(parameters.tcp)).await;
        let bare = opening
            .unwrap_or_else(|_| Err(self.no_answer()))
            .map_err(|error| failed(error, Stage::Opening))?;
        let securing = within(deadline, target.secure(bare, encryption)).await;
        let socket = securing
            .unwrap_or_else(|_| Err(self.no_answer()))
            .map_err(|error| failed(error, Stage::Securing))?;
        let encrypted = socket.is_encrypted();
        let negotiated = Negotiated::on(&socket);
        let (line, end) = Line::new(socket);
        let config = self.start_up(target, name);
        let starting = within(deadline, config.connect_raw(end, negotiated)).await;
        let stage = Stage::Starting { encrypted };
        let (client, connection) = match starting {
            Ok(Ok(started)) => started,
            Ok(Err(error)) => return Err(Failure::new(refusal::of_start_up(error, &doing), stage)),
            Err(_) => {
                let late = Error::new(Kind::Connection, "the server does not finish the start-up");
                return Err(failed(late, stage));
            }
        };
        let driver = tokio::spawn(async move {
            let error = connection.await.err()?;
            tracing::debug!("connection ended: {error}");
            Some(sqlstate::from_client(error, "the connection ended"))
        });
        let on = Chosen {
            target: target.clone(),
            encrypted,
            shown,
        };
        Ok(Session::new(client, driver, line, self.clone(), on))
    }

    /// What tokio-postgres says for us once there is a stream; for it that stream is TLS, whatever
    /// it is.
    fn start_up(&self, target: &Target, name: &str) -> Config {
        let parameters = &self.inner.parameters;
        let mut config = Config::new();
        config
            .user(&parameters.user)
            .dbname(&parameters.database)
            .application_name(name)
            .channel_binding(parameters.channel_binding)
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        if let Some(options) = &parameters.options {
            config.options(options);
        }
        let found = parameters.password.clone().or_else(|| {
            let lookup = password::Lookup {
                host: &target.candidate.password_host(),
                port: target.candidate.port,
                database: &parameters.database,
                user: &parameters.user,
            };
            password::find(lookup, parameters.passfile.as_deref())
        });
        if let Some(password) = found {
            config.password(password.reveal());
        }
        config
    }

    /// A further socket to where a session goes, for a cancel request.
    pub(in crate::postgres) async fn open_socket(&self, on: &Chosen) -> Result<Socket> {
        let socket = on.target.open(self.inner.parameters.tcp).await?;
        let encryption = if on.encrypted {
            self.required()?
        } else {
            Encryption::No
        };
        on.target.secure(socket, encryption).await
    }

    pub(super) fn no_answer(&self) -> Error {
        let seconds = self.inner.parameters.connect_timeout.unwrap_or_default();
        Error::new(
            Kind::Connection,
            format!("no answer within {} s", seconds.as_secs()),
        )
        .remedy("check host and port, and that nothing in between drops the connection; connect_timeout gives it longer")
    }
}

pub(super) async fn within<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = T>,
) -> std::result::Result<T, tokio::time::error::Elapsed> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, work).await,
        None => Ok(work.await),
    }
}
