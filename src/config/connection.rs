//! The settings of a connection beside where it goes, under the names that libpq has for them.
//!
//! A document gives them as keys, a URL as parameters. What they mean, and where values come from
//! that neither gives, is `postgres::parameters`' business; nothing here holds a secret.

use serde::{Deserialize, Serialize};

use super::shape::{Field, Shape};

/// What `sslmode` may be.
pub const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];
/// What `sslnegotiation` may be.
pub const SSL_NEGOTIATIONS: [&str; 2] = ["postgres", "direct"];
/// What `channel_binding` may be.
pub const CHANNEL_BINDINGS: [&str; 3] = ["disable", "prefer", "require"];
/// What `target_session_attrs` may be.
pub const SESSION_ATTRIBUTES: [&str; 6] = [
    "any",
    "read-write",
    "read-only",
    "primary",
    "standby",
    "prefer-standby",
];
/// What `load_balance_hosts` may be.
pub const LOAD_BALANCING: [&str; 2] = ["disable", "random"];
/// The versions of TLS.
pub const TLS_VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// The settings of a connection; each is libpq's of the same name, unset when omitted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionSettings {
    /// Address, or addresses with commas, to connect to instead of looking the host up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostaddr: Option<String>,
    /// A section of the service file, which gives what is not set here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// One of [`SSL_MODES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslmode: Option<String>,
    /// Path of the trusted root certificates, or `system`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslrootcert: Option<String>,
    /// Path of our certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslcert: Option<String>,
    /// Path of our certificate's private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslkey: Option<String>,
    /// One of [`SSL_NEGOTIATIONS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sslnegotiation: Option<String>,
    /// One of [`TLS_VERSIONS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_min_protocol_version: Option<String>,
    /// One of [`TLS_VERSIONS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_max_protocol_version: Option<String>,
    /// One of [`CHANNEL_BINDINGS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_binding: Option<String>,
    /// One of [`SESSION_ATTRIBUTES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_session_attrs: Option<String>,
    /// One of [`LOAD_BALANCING`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balance_hosts: Option<String>,
    /// Seconds that each address may take to connect; 0 is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<u32>,
    /// Whether an idle TCP connection is probed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalives: Option<bool>,
    /// Idle seconds before the first probe; 0 is the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalives_idle: Option<u32>,
    /// Seconds between probes; 0 is the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalives_interval: Option<u32>,
    /// Probes that may be lost; 0 is the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalives_count: Option<u32>,
    /// Milliseconds that sent data may stay unacknowledged; 0 is the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_user_timeout: Option<u32>,
    /// Command-line options for the server's session (`-c work_mem=64MB`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Path of the password file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passfile: Option<String>,
}

impl ConnectionSettings {
    /// What is set, under libpq's names and in its spelling.
    #[must_use]
    pub fn as_parameters(&self) -> Vec<(String, String)> {
        let Ok(serde_json::Value::Object(map)) = serde_json::to_value(self) else {
            return Vec::new();
        };
        map.into_iter()
            .map(|(name, value)| match value {
                serde_json::Value::String(text) => (name, text),
                serde_json::Value::Bool(on) => (name, u8::from(on).to_string()),
                other => (name, other.to_string()),
            })
            .collect()
    }
}

/// The keys of [`ConnectionSettings`] in a document.
pub(super) fn fields() -> Vec<Field> {
    let seconds = || Shape::integer(0, i32::MAX);
    vec![
        Field::optional("hostaddr", Shape::Text).about("Address, or addresses with commas, to connect to instead of looking the host up."),
        Field::optional("service", Shape::Text).about("A section of the service file, which gives what is not set here."),
        Field::optional("sslmode", Shape::word(&SSL_MODES)).about("Whether the connection is encrypted and the server known, in libpq's words; prefer when omitted."),
        Field::optional("sslrootcert", Shape::Text).about("The file of the authorities that may sign the server's certificate, or system."),
        Field::optional("sslcert", Shape::Text).about("The file of our certificate."),
        Field::optional("sslkey", Shape::Text).about("The file of our certificate's private key."),
        Field::optional("sslnegotiation", Shape::word(&SSL_NEGOTIATIONS)).about("direct: TLS at once, for PostgreSQL 17 or newer."),
        Field::optional("ssl_min_protocol_version", Shape::word(&TLS_VERSIONS)).about("The oldest TLS that is accepted."),
        Field::optional("ssl_max_protocol_version", Shape::word(&TLS_VERSIONS)).about("The newest TLS that is accepted."),
        Field::optional("channel_binding", Shape::word(&CHANNEL_BINDINGS)).about("Whether the password exchange is bound to the server's certificate."),
        Field::optional("target_session_attrs", Shape::word(&SESSION_ATTRIBUTES)).about("Which of several hosts will do."),
        Field::optional("load_balance_hosts", Shape::word(&LOAD_BALANCING)).about("random: hosts are tried in random order."),
        Field::optional("connect_timeout", seconds()).about("Seconds that each address may take; 0 is for ever."),
        Field::optional("keepalives", Shape::Bool).about("Whether an idle connection is probed."),
        Field::optional("keepalives_idle", seconds()).about("Idle seconds before the first probe; 0 is the system's."),
        Field::optional("keepalives_interval", seconds()).about("Seconds between probes; 0 is the system's."),
        Field::optional("keepalives_count", seconds()).about("Probes that may be lost; 0 is the system's."),
        Field::optional("tcp_user_timeout", seconds()).about("Milliseconds that sent data may stay unacknowledged; 0 is the system's."),
        Field::optional("options", Shape::Text).about("Command-line options of the server's session, such as -c work_mem=64MB."),
        Field::optional("passfile", Shape::Text).about("A password file."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_key_of_a_document_and_has_libpqs_spelling() {
        let keys: Vec<&str> = fields().iter().map(|field| field.key).collect();
        let all = keys.iter().map(|key| match *key {
            "keepalives" => (*key, serde_json::json!(true)),
            "connect_timeout" | "tcp_user_timeout" => (*key, serde_json::json!(7)),
            key if key.starts_with("keepalives_") => (key, serde_json::json!(7)),
            key => (key, serde_json::json!("x")),
        });
        let all: serde_json::Map<_, _> = all.map(|(k, v)| (k.to_owned(), v)).collect();
        let settings: ConnectionSettings = serde_json::from_value(all.into()).unwrap();
        let mut parameters = settings.as_parameters();
        assert_eq!(parameters.len(), keys.len());
        parameters.retain(|(name, _)| name.starts_with("keepalives"));
        parameters.sort();
        assert_eq!(parameters[0], ("keepalives".into(), "1".into()));
        assert_eq!(parameters[1], ("keepalives_count".into(), "7".into()));
    }
}
