//! What a connection was told, as types: which servers, as whom, how encrypted, how patient.
//!
//! If a value of [`Parameters`] exists, its parts go together. It connects to nothing and reads no
//! certificate. Defaults are libpq's; source: PostgreSQL manual, "Parameter Key Words".

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::ChannelBinding;

use super::candidates::{self, Candidate};
use super::layers::{Layers, Surroundings};
use super::tls::{Mode, Root, TlsSettings};
use crate::config::connection::{
    CHANNEL_BINDINGS, LOAD_BALANCING, SESSION_ATTRIBUTES, SSL_MODES, SSL_NEGOTIATIONS,
};
use crate::config::types::{Endpoint, Secret};
use crate::error::{Error, Kind, Result};

/// How long an address may take to answer where `connect_timeout` does not say.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Idle time before a TCP connection is probed, and between probes, where nothing else is said: a
/// copy must notice a lost server sooner than a system's two hours.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What a server must be to be chosen (`target_session_attrs`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum SessionAttributes {
    #[default]
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// What is asked of the system for a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TcpSettings {
    pub(super) keepalives: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<Duration>,
}

/// A connection, understood.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    /// In the order in which they are tried; at least one.
    pub(super) candidates: Vec<Candidate>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Option<Secret>,
    pub(super) passfile: Option<PathBuf>,
    pub(super) options: Option<String>,
    pub(super) tls: TlsSettings,
    pub(super) channel_binding: ChannelBinding,
    pub(super) attributes: SessionAttributes,
    /// Whether candidates and their addresses are tried in random order.
    pub(super) shuffle: bool,
    /// For each address; none waits for ever.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) tcp: TcpSettings,
}

impl Parameters {
    /// Understands an endpoint in these surroundings.
    ///
    /// # Errors
    /// `Kind::Config` for what cannot be read or does not go together, `Kind::Unsupported` for what
    /// we do not do, `Kind::NotFound` for a service.
    pub(super) fn of(endpoint: &Endpoint, around: &Surroundings<'_>) -> Result<Self> {
        let layers = Layers::gather(endpoint, around)?;
        let text = |name: &str| layers.get(name).map(str::to_owned);
        let user = text("user").unwrap_or_else(|| around.account.clone());
        if layers.get("gssencmode") == Some("require") {
            return Err(Error::new(
                Kind::Unsupported,
                format!(
                    "gssencmode=require{} is not supported: there is no Kerberos here",
                    layers.origin("gssencmode")
                ),
            )
            .remedy(
                "use gssencmode=disable, and sslmode=verify-full for an encrypted connection",
            ));
        }
        layers.word("gssencmode", &["disable", "prefer", "require"])?;
        Ok(Self {
            candidates: candidates::listed(&layers)?,
            database: text("dbname").unwrap_or_else(|| user.clone()),
            user,
            password: text("password").map(Secret::new),
            passfile: text("passfile").map(PathBuf::from),
            options: text("options"),
            tls: tls(&layers, around.home.as_deref())?,
            channel_binding: match layers.word("channel_binding", &CHANNEL_BINDINGS)? {
                Some("disable") => ChannelBinding::Disable,
                Some("require") => ChannelBinding::Require,
                _ => ChannelBinding::Prefer,
            },
            attributes: match layers.word("target_session_attrs", &SESSION_ATTRIBUTES)? {
                Some("read-write") => SessionAttributes::ReadWrite,
                Some("read-only") => SessionAttributes::ReadOnly,
                Some("primary") => SessionAttributes::Primary,
                Some("standby") => SessionAttributes::Standby,
                Some("prefer-standby") => SessionAttributes::PreferStandby,
                _ => SessionAttributes::Any,
            },
            shuffle: layers.word("load_balance_hosts", &LOAD_BALANCING)? == Some("random"),
            connect_timeout: match layers.number::<i32>("connect_timeout")? {
                None => Some(CONNECT_TIMEOUT),
                // as libpq: zero and less wait for ever
                Some(seconds) => u64::try_from(seconds)
                    .ok()
                    .filter(|seconds| *seconds > 0)
                    .map(Duration::from_secs),
            },
            tcp: tcp(&layers)?,
        })
    }

    /// As they are shown: `user@host:port,host:port/database`.
    pub(super) fn shown(&self) -> String {
        let hosts: Vec<String> = self.candidates.iter().map(Candidate::shown).collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.database)
    }

    /// The same with one of the candidates.
    pub(super) fn shown_at(&self, candidate: &Candidate) -> String {
        format!("{}@{}/{}", self.user, candidate.shown(), self.database)
    }
}

fn tcp(layers: &Layers) -> Result<TcpSettings> {
    let seconds = |name: &str| -> Result<Option<Duration>> {
        let given = layers.number::<u32>(name)?;
        Ok(match given {
            None => Some(KEEPALIVE),
            Some(0) => None,
            Some(seconds) => Some(Duration::from_secs(seconds.into())),
        })
    };
    Ok(TcpSettings {
        keepalives: layers.number::<u32>("keepalives")? != Some(0),
        idle: seconds("keepalives_idle")?,
        interval: seconds("keepalives_interval")?,
        count: layers
            .number("keepalives_count")?
            .filter(|count| *count > 0),
        user_timeout: layers
            .number::<u32>("tcp_user_timeout")?
            .filter(|milliseconds| *milliseconds > 0)
            .map(|milliseconds| Duration::from_millis(milliseconds.into())),
    })
}

fn tls(layers: &Layers, home: Option<&Path>) -> Result<TlsSettings> {
    let own = |name: &str| home.map(|home| home.join(".postgresql").join(name));
    let path = |name: &str| layers.get(name).map(PathBuf::from);
    let root = match layers.get("sslrootcert") {
        Some("system") => Root::System,
        Some(file) => Root::File(file.into()),
        None => own("root.crt").map_or(Root::Unknown, Root::Default),
    };
    let mode = match (layers.word("sslmode", &SSL_MODES)?, &root) {
        (Some("disable"), _) => Mode::Disable,
        (None, Root::System) | (Some("verify-full"), _) => Mode::VerifyFull,
        (given, Root::System) => {
            // anybody can have a certificate from one of the system's authorities
            let given = given.unwrap_or_default();
            return Err(conflict(format!(
                "sslmode={given}{} is too weak for sslrootcert=system{}",
                layers.origin("sslmode"),
                layers.origin("sslrootcert")
            ))
            .remedy("use sslmode=verify-full"));
        }
        (Some("allow"), _) => Mode::Allow,
        (Some("require"), _) => Mode::Require,
        (Some("verify-ca"), _) => Mode::VerifyCa,
        _ => Mode::Prefer,
    };
    let direct = layers.word("sslnegotiation", &SSL_NEGOTIATIONS)? == Some("direct");
    if direct && matches!(mode, Mode::Disable | Mode::Allow | Mode::Prefer) {
        return Err(conflict(format!(
            "sslnegotiation=direct{} does not go with an sslmode that allows unencrypted connections{}",
            layers.origin("sslnegotiation"),
            layers.origin("sslmode")
        ))
        .remedy("use sslmode=require, verify-ca or verify-full"));
    }
    let sends_certificate = match layers.get("sslcertmode") {
        None | Some("allow") => true,
        Some("disable") => false,
        Some("require") => {
            return Err(
                Error::new(Kind::Unsupported, "sslcertmode=require is not supported")
                    .remedy("leave it out: a certificate is sent where the server asks for one"),
            );
        }
        Some(_) => return Err(layers.wrong("sslcertmode", "disable or allow")),
    };
    let (oldest, newest) = (
        version(layers, "ssl_min_protocol_version")?.unwrap_or(2),
        version(layers, "ssl_max_protocol_version")?.unwrap_or(3),
    );
    if oldest > newest {
        return Err(
            conflict("ssl_min_protocol_version is above ssl_max_protocol_version".into())
                .remedy("leave one of them out"),
        );
    }
    Ok(TlsSettings {
        mode,
        root,
        certificate: path("sslcert"),
        default_certificate: own("postgresql.crt"),
        key: path("sslkey"),
        default_key: own("postgresql.key"),
        default_revocations: own("root.crl"),
        sends_certificate,
        direct,
        oldest,
        newest,
        sni: layers.number::<u32>("sslsni")? != Some(0),
    })
}

/// The minor version of a TLS version. Older ones than we have count as the oldest that we have,
/// where they are the least.
fn version(layers: &Layers, name: &str) -> Result<Option<u8>> {
    let accepted = "TLSv1.2 or TLSv1.3";
    match layers.get(name).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(None),
        Some("tlsv1" | "tlsv1.1") if name == "ssl_min_protocol_version" => Ok(Some(2)),
        Some("tlsv1.2") => Ok(Some(2)),
        Some("tlsv1.3") => Ok(Some(3)),
        Some(_) => Err(layers.wrong(name, accepted)),
    }
}

fn conflict(message: String) -> Error {
    Error::new(Kind::Config, message)
}

#[cfg(test)]
mod tests;
