//! The places where a server may be, as `host`, `hostaddr` and `port` list them.
//!
//! Nothing is looked up here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::layers::Layers;
use crate::error::{Error, Kind, Result};

/// The port of a server that names none.
const DEFAULT_PORT: u16 = 5432;
/// Where Debian's and Red Hat's servers have their socket.
const SOCKET_DIRECTORY: &str = "/var/run/postgresql";

/// One place where a server may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) place: Place,
    pub(super) port: u16,
}

/// How a candidate is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The directory of a Unix socket; `@` begins an abstract name.
    Socket(PathBuf),
    /// A name or an address, looked up unless the address is given. The name is what a certificate
    /// must be for.
    Network {
        name: Option<String>,
        address: Option<IpAddr>,
    },
}

impl Candidate {
    /// As it is shown: `host:port`.
    pub(super) fn shown(&self) -> String {
        let host = match &self.place {
            Place::Socket(directory) => directory.display().to_string(),
            Place::Network {
                name: Some(name), ..
            } if !name.contains(':') => name.clone(),
            Place::Network {
                name: Some(name), ..
            } => format!("[{name}]"),
            Place::Network {
                address: Some(IpAddr::V6(address)),
                ..
            } => format!("[{address}]"),
            Place::Network { address, .. } => address.map(|a| a.to_string()).unwrap_or_default(),
        };
        format!("{host}:{}", self.port)
    }

    /// The host under which a password file knows it.
    pub(super) fn password_host(&self) -> String {
        match &self.place {
            Place::Socket(_) => "localhost".into(),
            Place::Network {
                name: Some(name), ..
            } => name.clone(),
            Place::Network { address, .. } => address.map(|a| a.to_string()).unwrap_or_default(),
        }
    }

    /// Whether every connection to it goes to one address; a name may have several.
    pub(super) fn is_one_place(&self) -> bool {
        match &self.place {
            Place::Socket(_) => true,
            Place::Network { name, address } => {
                let name = name.as_deref().unwrap_or_default();
                address.is_some() || name.parse::<IpAddr>().is_ok()
            }
        }
    }

    /// Whether it is on this machine for certain.
    pub(super) fn is_local(&self) -> bool {
        match &self.place {
            Place::Socket(_) => true,
            Place::Network {
                address: Some(address),
                ..
            } => address.is_loopback(),
            Place::Network { name, .. } => name.as_deref().is_some_and(|name| {
                name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }),
        }
    }
}

/// The candidates that `host`, `hostaddr` and `port` list.
pub(super) fn listed(layers: &Layers) -> Result<Vec<Candidate>> {
    let list = |name: &str| -> Vec<&str> {
        layers
            .get(name)
            .map(|text| text.split(',').map(str::trim).collect())
            .unwrap_or_default()
    };
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let count = addresses.len().max(hosts.len()).max(1);
    for (name, given) in [("host", hosts.len()), ("hostaddr", addresses.len())] {
        if given != 0 && given != count {
            return Err(conflict(format!(
                "{given} values of {name} for {count} servers{}",
                layers.origin(name)
            ))
            .remedy("give host and hostaddr as many values, or one of them alone"));
        }
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(conflict(format!(
            "{} values of port for {count} servers{}",
            ports.len(),
            layers.origin("port")
        ))
        .remedy("give one port for all servers, or one for each"));
    }
    (0..count)
        .map(|n| {
            let port = match ports.get(n).or(ports.first()).filter(|p| !p.is_empty()) {
                None => DEFAULT_PORT,
                Some(port) => port
                    .parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| layers.wrong("port", "a whole number from 1 to 65535"))?,
            };
            let at = |list: &[&str]| {
                let item = list.get(n).copied().unwrap_or_default();
                (!item.is_empty()).then(|| item.to_owned())
            };
            let address = at(&addresses)
                .map(|address| {
                    address
                        .parse()
                        .map_err(|_| layers.wrong("hostaddr", "an IPv4 or IPv6 address"))
                })
                .transpose()?;
            let name = at(&hosts);
            let place = match (name, address) {
                (None, None) => nearby(),
                (Some(directory), None) if directory.starts_with(['/', '@']) => {
                    Place::Socket(directory.into())
                }
                (name, address) => Place::Network { name, address },
            };
            Ok(Candidate { place, port })
        })
        .collect()
}

/// Where a server is that nobody has said anything of.
fn nearby() -> Place {
    let directory = Path::new(SOCKET_DIRECTORY);
    if directory.is_dir() {
        return Place::Socket(directory.to_owned());
    }
    Place::Network {
        name: Some("localhost".into()),
        address: None,
    }
}

fn conflict(message: String) -> Error {
    Error::new(Kind::Config, message)
}
