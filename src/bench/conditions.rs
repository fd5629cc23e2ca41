//! The conditions that two sessions must share before their figures may be compared.
//!
//! A session's conditions are a list of facts, each of one [`Condition`]. What differs is named, one
//! [`Difference`] a fact, and may be waived by its condition's name, never all at once. The settings
//! of the arms are no condition: they are what one compares.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::artifact::{Artifact, ServerRecord};
use crate::config::nearest;
use crate::error::{Error, Kind};
use crate::units::{Bytes, Hex};

/// Something that must be the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The profile's name and its pipeline.
    Profile,
    /// The rows that were moved.
    Data,
    /// The machine that rb-bench ran on.
    Host,
    /// Which servers they were, where rb-bench does not run them.
    Server,
    /// The servers' versions.
    PostgresVersion,
    /// The servers' settings.
    PostgresSettings,
    /// `release` or `debug`.
    Build,
    /// What else used the machine on rb-bench's behalf.
    Ui,
    /// What the target was before the clock started, and where rows were written.
    Target,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 9] = [
        Self::Profile,
        Self::Data,
        Self::Host,
        Self::Server,
        Self::PostgresVersion,
        Self::PostgresSettings,
        Self::Build,
        Self::Ui,
        Self::Target,
    ];

    /// The condition as flags and documents name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Data => "data",
            Self::Host => "host",
            Self::Server => "server",
            Self::PostgresVersion => "postgres-version",
            Self::PostgresSettings => "postgres-settings",
            Self::Build => "build",
            Self::Ui => "ui",
            Self::Target => "target",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Condition {
    type Err = Error;

    /// The condition of this name.
    ///
    /// # Errors
    /// `Kind::Usage` for an unknown one, with the nearest and all there are.
    fn from_str(text: &str) -> Result<Self, Error> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|condition| condition.name() == text)
            .ok_or_else(|| {
                let meant = nearest(text, names.into_iter())
                    .map(|meant| format!("; did you mean `{meant}`?"))
                    .unwrap_or_default();
                Error::new(Kind::Usage, format!("unknown difference `{text}`{meant}"))
                    .remedy(format!("use one of {}", names.join(", ")))
            })
    }
}

/// A fact that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The condition it is about; its name waives it.
    pub condition: Condition,
    /// What differs: `CPU`, `destination shared_buffers`.
    pub what: String,
    /// On the before side.
    pub before: String,
    /// On the after side.
    pub after: String,
}

/// `host: cores 2 -> 4`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            condition,
            what,
            before,
            after,
        } = self;
        write!(f, "{condition}: {what} {before} -> {after}")
    }
}

/// Everything that must be the same, of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions(BTreeMap<(Condition, String), String>);

impl Conditions {
    /// The conditions that a session was measured under.
    #[must_use]
    pub fn of(session: &Artifact) -> Self {
        let mut facts = Self(BTreeMap::new());
        let profile = &session.profile;
        facts.add(Condition::Profile, "name", &profile.name);
        facts.add(
            Condition::Profile,
            "pipeline",
            short(&profile.pipeline_digest),
        );
        match &profile.data_digest {
            Some(digest) => facts.add(Condition::Data, "digest", short(digest)),
            // the user's own data have no digest: what was counted must do
            None => facts.add(Condition::Data, "tables", profile.streams.join(", ")),
        }
        if let Some(iteration) = session.iterations.iter().rfind(|i| i.is_measured()) {
            facts.add(Condition::Data, "rows", iteration.rows);
        }
        let host = &session.host;
        let unknown = || "unknown".to_owned();
        facts.add(
            Condition::Host,
            "name",
            host.name.clone().unwrap_or_else(unknown),
        );
        facts.add(
            Condition::Host,
            "system",
            host.os.clone().unwrap_or_else(unknown),
        );
        facts.add(
            Condition::Host,
            "kernel",
            host.kernel.clone().unwrap_or_else(unknown),
        );
        facts.add(
            Condition::Host,
            "CPU",
            host.cpu.clone().unwrap_or_else(unknown),
        );
        facts.add(Condition::Host, "cores", host.cores);
        facts.add(
            Condition::Host,
            "cores that may be used",
            host.available_cores,
        );
        facts.add(Condition::Host, "memory", Bytes(host.memory_bytes));
        for (side, server) in [
            ("source", &session.postgres.source),
            ("destination", &session.postgres.destination),
        ] {
            facts.add_server(side, server.as_ref());
        }
        facts.add(Condition::Build, "build", &session.tool.build);
        facts.add(Condition::Ui, "mode", &session.invocation.ui);
        facts.add(
            Condition::Target,
            "before each run",
            &session.protocol.target,
        );
        facts.add(Condition::Target, "written to", &session.protocol.writes_to);
        facts
    }

    fn add_server(&mut self, side: &str, server: Option<&ServerRecord>) {
        let Some(server) = server else {
            return self.add(Condition::Server, side, "none");
        };
        let endpoint = server.endpoint.as_deref().unwrap_or("managed");
        self.add(Condition::Server, side, endpoint);
        self.add(Condition::PostgresVersion, side, &server.version);
        for (name, value) in &server.settings {
            self.add(
                Condition::PostgresSettings,
                &format!("{side} {name}"),
                value,
            );
        }
    }

    fn add(&mut self, condition: Condition, what: &str, value: impl fmt::Display) {
        self.0
            .insert((condition, what.to_owned()), value.to_string());
    }

    /// What is not the same under other conditions, in the order of [`Condition`].
    #[must_use]
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let facts: BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        let value = |of: &Self, fact| of.0.get(fact).map_or("not set", String::as_str).to_owned();
        facts
            .into_iter()
            .map(|fact| Difference {
                condition: fact.0,
                what: fact.1.clone(),
                before: value(self, fact),
                after: value(after, fact),
            })
            .filter(|difference| difference.before != difference.after)
            .collect()
    }

    /// A short name of these conditions: sessions with the same one were measured under the same.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for ((condition, what), value) in &self.0 {
            hash.update(format!("{condition}\0{what}\0{value}\0"));
        }
        Hex(&hash.finalize()[..4]).to_string()
    }
}

/// Enough of a digest to tell it from others.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    fn told(change: impl FnOnce(&mut Artifact)) -> Vec<String> {
        let before = examples::session();
        let mut after = before.clone();
        change(&mut after);
        let (before, after) = (Conditions::of(&before), Conditions::of(&after));
        let differences = before.differences(&after);
        assert_eq!(differences.is_empty(), before.digest() == after.digest());
        differences.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_session_differs_from_itself_in_nothing() {
        assert_eq!(told(|_| {}), [""; 0]);
        // what one compares is no condition
        assert_eq!(
            told(|s| {
                s.protocol
                    .after
                    .insert("resources.parallelism".into(), "4".into());
                s.tool.version = "9.9.9".into();
                s.label = Some("other".into());
            }),
            [""; 0]
        );
    }

    #[test]
    fn every_condition_is_told_by_its_own_name() {
        let all = told(|s| {
            s.profile.name = "large".into();
            s.profile.data_digest = Some("ef".repeat(32));
            s.host.available_cores = 1;
            s.tool.build = "debug".into();
            s.invocation.ui = "tui".into();
            s.protocol.target = "missing".into();
            let server = s.postgres.destination.as_mut().unwrap();
            server.version = "16.1".into();
            server.endpoint = Some("app@db2/shop".into());
            server.settings = BTreeMap::from([("fsync".into(), "off".into())]);
        });
        insta::assert_snapshot!(all.join("\n"), @"
        profile: name medium -> large
        data: digest abababababab -> efefefefefef
        host: cores that may be used 2 -> 1
        server: destination managed -> app@db2/shop
        postgres-version: destination 15.8 -> 16.1
        postgres-settings: destination fsync not set -> off
        postgres-settings: destination wal_level logical -> not set
        build: build release -> debug
        ui: mode headless -> tui
        target: before each run existing -> missing
        ");
        let named: BTreeSet<&str> = all
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(named, Condition::ALL.map(Condition::name).into());
    }

    #[test]
    fn data_without_a_digest_are_told_by_what_was_counted() {
        let of = |rows: u64| {
            let mut session = examples::session();
            session.profile.data_digest = None;
            for iteration in &mut session.iterations {
                iteration.rows = rows;
            }
            Conditions::of(&session)
        };
        let differences = of(10).differences(&of(11));
        assert_eq!(differences.len(), 1, "{differences:?}");
        assert_eq!(differences[0].to_string(), "data: rows 10 -> 11");
    }

    #[test]
    fn an_unknown_difference_names_the_nearest() {
        for condition in Condition::ALL {
            assert_eq!(condition.name().parse::<Condition>().unwrap(), condition);
        }
        let error = "postgres_version".parse::<Condition>().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("did you mean `postgres-version`?"),
            "{error}"
        );
    }
}
