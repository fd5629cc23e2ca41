//! Which value a connection parameter has: from the connection itself, its service, or the
//! environment, in libpq's order.
//!
//! It knows every name that libpq knows. What we do not do is refused by name: a setting that was
//! made to protect somebody must never be passed over. Source: PostgreSQL manual, "Parameter Key
//! Words" and "Environment Variables".

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{conninfo, service};
use crate::config::types::Endpoint;
use crate::config::{nearest, quote};
use crate::error::{Error, Kind, Result};

/// The parameters that have an effect here, and their variables.
const TAKEN: [(&str, &str); 29] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("options", "PGOPTIONS"),
    ("sslmode", "PGSSLMODE"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcertmode", "PGSSLCERTMODE"),
    ("sslsni", "PGSSLSNI"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("gssencmode", "PGGSSENCMODE"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("keepalives", ""),
    ("keepalives_idle", ""),
    ("keepalives_interval", ""),
    ("keepalives_count", ""),
    ("tcp_user_timeout", ""),
];

/// Parameters that are ours to decide, or that have no effect on any libpq of today.
const OURS: [&str; 4] = [
    "application_name",
    "fallback_application_name",
    "client_encoding",
    "sslcompression",
];

/// Parameters of libpq that we do not have; the variables are those that would protect somebody.
const REFUSED: [(&str, &str); 20] = [
    ("sslcrl", "PGSSLCRL"),
    ("sslcrldir", "PGSSLCRLDIR"),
    ("requirepeer", "PGREQUIREPEER"),
    ("require_auth", "PGREQUIREAUTH"),
    ("min_protocol_version", "PGMINPROTOCOLVERSION"),
    ("max_protocol_version", ""),
    ("sslpassword", ""),
    ("sslkeylogfile", ""),
    ("krbsrvname", ""),
    ("gsslib", ""),
    ("gssdelegation", ""),
    ("replication", ""),
    ("scram_client_key", ""),
    ("scram_server_key", ""),
    ("oauth_issuer", ""),
    ("oauth_client_id", ""),
    ("oauth_client_secret", ""),
    ("oauth_scope", ""),
    ("requiressl", ""),
    ("tty", ""),
];

/// Where it begins with 1, it asks for `sslmode=require` where nobody names an `sslmode`. Source:
/// libpq's `fe-connect.c`, `conninfo_add_defaults`.
const REQUIRE_SSL: &str = "PGREQUIRESSL";

/// What a connection string is understood with; handed in, so that tests have their own.
pub(super) struct Surroundings<'a> {
    /// The environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// The user's home directory.
    pub(super) home: Option<PathBuf>,
    /// The name of the account that we run as.
    pub(super) account: String,
}

/// Where a value was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The document, the URL, the command line.
    Given,
    /// The service file.
    Service,
    /// This environment variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => Ok(()),
            Self::Service => f.write_str(" (from the service file)"),
            Self::Variable(name) => write!(f, " (from {name})"),
        }
    }
}

/// Values by parameter, each from the first place that has one.
#[derive(Default)]
pub(super) struct Layers {
    values: BTreeMap<&'static str, Value>,
    /// How many layers were added.
    depth: usize,
}

struct Value {
    text: String,
    origin: Origin,
    layer: usize,
}

impl Layers {
    /// Looks everywhere.
    ///
    /// # Errors
    /// `Kind::Config` and `Kind::Unsupported` for parameters, by name; those of service files.
    pub(super) fn gather(endpoint: &Endpoint, around: &Surroundings<'_>) -> Result<Self> {
        let mut layers = Self::default();
        layers.add(parts_of(endpoint), Origin::Given)?;
        if let Some(url) = &endpoint.url {
            layers.add(conninfo::parse(url.reveal())?, Origin::Given)?;
        }
        if endpoint.is_managed {
            return Ok(layers);
        }
        let variable = |name: &str| (around.variable)(name).filter(|value| !value.is_empty());
        let service = layers.get("service").map(str::to_owned);
        if let Some(service) = service.or_else(|| variable("PGSERVICE")) {
            let named = layers.get("servicefile").map(PathBuf::from);
            let named = named.or_else(|| variable("PGSERVICEFILE").map(PathBuf::from));
            let files = service_files(named.as_deref(), around);
            let settings = service::find(&service, &files, named.as_deref())?;
            layers.add(settings, Origin::Service)?;
        }
        for (name, of_environment) in REFUSED {
            if !of_environment.is_empty() && variable(of_environment).is_some() {
                return Err(refused(name, Origin::Variable(of_environment)));
            }
        }
        layers.depth += 1;
        for (name, of_environment) in TAKEN {
            if let Some(value) = variable(of_environment) {
                layers.set(name, value, Origin::Variable(of_environment));
            }
        }
        // older than sslmode, and libpq still heeds it
        if variable(REQUIRE_SSL).is_some_and(|value| value.starts_with('1')) {
            layers.set("sslmode", "require".into(), Origin::Variable(REQUIRE_SSL));
        }
        Ok(layers)
    }

    /// The value of a parameter; none where it is empty or nowhere.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values
            .get(name)
            .map(|value| value.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// A value that is one of these words.
    pub(super) fn word(&self, name: &str, words: &[&str]) -> Result<Option<&str>> {
        match self.get(name) {
            Some(text) if !words.contains(&text) => Err(self.wrong(name, &words.join(", "))),
            found => Ok(found),
        }
    }

    /// A value that is a whole number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>> {
        self.get(name)
            .map(|text| {
                text.trim()
                    .parse()
                    .map_err(|_| self.wrong(name, "a whole number"))
            })
            .transpose()
    }

    /// The error for a value that is not what is accepted.
    pub(super) fn wrong(&self, name: &str, accepted: &str) -> Error {
        let value = match self.get(name) {
            // where a URL is not one, a piece of a password may stand in the port's place
            Some(value) if name != "port" => format!(" ({})", quote(value)),
            _ => String::new(),
        };
        Error::new(
            Kind::Config,
            format!(
                "{name} cannot be used{value}{}; accepted: {accepted}",
                self.origin(name)
            ),
        )
    }

    /// Where a parameter's value was found.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.values
            .get(name)
            .map_or(Origin::Given, |value| value.origin)
    }

    /// Adds what is not there yet. Within one layer the last value of a name counts.
    fn add(&mut self, settings: conninfo::Settings, origin: Origin) -> Result<()> {
        self.depth += 1;
        for (name, value) in settings.into_iter().rev() {
            if OURS.contains(&name.as_str()) {
                continue;
            }
            if let Some((known, _)) = TAKEN.iter().find(|(known, _)| *known == name) {
                self.set(known, value, origin);
            } else if let Some((known, _)) = REFUSED.iter().find(|(known, _)| *known == name) {
                return Err(refused(known, origin));
            } else {
                return Err(unknown(&name, origin));
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &'static str, text: String, origin: Origin) {
        let layer = self.depth;
        // an address belongs to its host: it must not lead the host of a higher layer astray
        let host = self.values.get("host").map(|host| host.layer);
        let astray = name == "hostaddr" && host.is_some_and(|of_host| of_host < layer);
        if !astray {
            let value = Value {
                text,
                origin,
                layer,
            };
            self.values.entry(name).or_insert(value);
        }
    }
}

fn parts_of(endpoint: &Endpoint) -> conninfo::Settings {
    let port = endpoint.port.map(|port| port.to_string());
    let password = endpoint.password.as_ref().map(|p| p.reveal().to_owned());
    let mut parts = endpoint.settings.as_parameters();
    for (name, part) in [
        ("host", &endpoint.host),
        ("port", &port),
        ("user", &endpoint.user),
        ("password", &password),
        ("dbname", &endpoint.database),
    ] {
        parts.extend(part.as_ref().map(|part| (name.to_owned(), part.clone())));
    }
    parts
}

fn service_files(named: Option<&Path>, around: &Surroundings<'_>) -> Vec<PathBuf> {
    const NAME: &str = "pg_service.conf";
    let own = named.map(Path::to_owned).or_else(|| {
        let home = around.home.as_ref()?;
        Some(home.join(".pg_service.conf"))
    });
    let mut files: Vec<PathBuf> = own.into_iter().collect();
    match (around.variable)("PGSYSCONFDIR") {
        Some(directory) => files.push(Path::new(&directory).join(NAME)),
        // where Debian's and Red Hat's libpq look
        None => files.extend(["/etc/postgresql-common", "/etc"].map(|d| Path::new(d).join(NAME))),
    }
    files
}

fn refused(name: &str, origin: Origin) -> Error {
    let remedy = match name {
        "sslcrl" | "sslcrldir" => {
            "leave it out; certificates that were revoked are not recognised then"
        }
        "sslpassword" => "decrypt the key: openssl pkey -in client.key -out plain.key",
        "requirepeer" => "leave it out, or connect by TCP with sslmode=verify-full",
        "require_auth" => "leave it out; channel_binding=require makes sure of SCRAM",
        "requiressl" => "use sslmode=require",
        _ => "leave it out",
    };
    Error::new(
        Kind::Unsupported,
        format!("the connection parameter {name}{origin} is not supported"),
    )
    .remedy(remedy)
}

fn unknown(name: &str, origin: Origin) -> Error {
    let names = || TAKEN.iter().map(|(name, _)| *name);
    let remedy = match nearest(name, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
    };
    // what stands in the place of a name may be a part of a password
    let shown = if name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && name.len() < 30 {
        format!(" `{name}`")
    } else {
        String::new()
    };
    Error::new(
        Kind::Config,
        format!("an unknown connection parameter{shown}{origin}"),
    )
    .remedy(remedy)
}
