//! A server of the user's own: its version, what the role may do there, and what the settings allow.
//!
//! Reading only. What the server does not tell is left out.

use super::{Finding, State};
use crate::engine::{self, OLDEST_VERSION, Room, runs};
use crate::error::Result;
use crate::postgres::{Server, Session};

/// What the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is read.
    Source,
    /// It is written.
    Destination,
}

impl Side {
    fn area(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// What the server says of itself and of the role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Facts {
    version: u32,
    version_text: String,
    role: String,
    superuser: bool,
    replication: bool,
    may_create_schema: bool,
    has_our_schema: bool,
    may_checkpoint: bool,
    sees_all_activity: bool,
    wal_level: String,
    max_prepared: i64,
    in_recovery: bool,
    feedback: bool,
    /// `max_standby_streaming_delay`, milliseconds; -1 waits for ever.
    standby_delay: i64,
}

/// Asked in one query, so that everything is as of one moment. The role of PostgreSQL 15 that may
/// CHECKPOINT is not there before.
const QUESTION: &str = "SELECT
    pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
    r.rolname, r.rolsuper, r.rolreplication,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),
    pg_catalog.to_regnamespace('rb_bench') IS NOT NULL,
    r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles c WHERE c.rolname = 'pg_checkpoint'
        AND pg_catalog.pg_has_role(r.oid, c.oid, 'USAGE')),
    pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE'),
    pg_catalog.current_setting('wal_level'), pg_catalog.current_setting('max_prepared_transactions'),
    pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('hot_standby_feedback') = 'on',
    (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'max_standby_streaming_delay')
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// Connects, asks, and says goodbye.
pub(super) async fn findings(server: &Server, side: Side) -> Vec<Finding> {
    let area = side.area();
    let session = match server.connect("rb-bench doctor").await {
        Ok(session) => session,
        Err(error) => return vec![Finding::of_error(area, "connecting", State::Fail, &error)],
    };
    let mut findings = vec![Finding::ok(area, "connecting", server.to_string())];
    match Facts::of(&session).await {
        Ok(facts) => findings.extend(judge(&facts, side)),
        Err(error) => findings.push(Finding::of_error(area, "server", State::Warn, &error)),
    }
    match engine::room(&session).await {
        Ok(left) => findings.push(room(left, area)),
        Err(error) => findings.push(Finding::of_error(area, "connections", State::Warn, &error)),
    }
    session.close().await;
    if side == Side::Destination {
        findings.push(dead_runs(server).await);
    }
    findings
}

impl Facts {
    async fn of(session: &Session) -> Result<Self> {
        let row = session.row(QUESTION, "asking what the role may do").await?;
        let text = |n: usize| row.get(n).unwrap_or_default().to_owned();
        let yes = |n: usize| row.get(n) == Some("t");
        let number = |n: usize| row.get(n).and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
        Ok(Self {
            version: number(0) as u32,
            version_text: text(1),
            role: text(2),
            superuser: yes(3),
            replication: yes(4),
            may_create_schema: yes(5),
            has_our_schema: yes(6),
            may_checkpoint: yes(7),
            sees_all_activity: yes(8),
            wal_level: text(9),
            max_prepared: number(10),
            in_recovery: yes(11),
            feedback: yes(12),
            standby_delay: number(13),
        })
    }
}

fn judge(facts: &Facts, side: Side) -> Vec<Finding> {
    let area = side.area();
    let mut findings = vec![
        version(facts, area),
        role(facts, area),
        statistics(facts, area),
    ];
    match side {
        Side::Source => findings.extend([capture(facts), replica(facts)]),
        Side::Destination => findings.extend([
            writable(facts),
            schema(facts),
            checkpoint(facts),
            prepared(facts),
        ]),
    }
    findings
}

fn version(facts: &Facts, area: &'static str) -> Finding {
    let text = format!("PostgreSQL {}", facts.version_text);
    if facts.version < OLDEST_VERSION {
        let oldest = OLDEST_VERSION / 10_000;
        Finding::fail(area, "version", format!("{text} is too old"))
            .remedy(format!("rb-bench needs PostgreSQL {oldest} or newer"))
    } else {
        Finding::ok(area, "version", text)
    }
}

fn role(facts: &Facts, area: &'static str) -> Finding {
    let mut may = Vec::new();
    if facts.superuser {
        may.push("superuser");
    }
    if facts.replication {
        may.push("replication");
    }
    let may = if may.is_empty() {
        "an ordinary role".to_owned()
    } else {
        may.join(", ")
    };
    Finding::ok(area, "role", format!("{}: {may}", facts.role))
}

fn statistics(facts: &Facts, area: &'static str) -> Finding {
    if facts.sees_all_activity {
        Finding::ok(area, "activity", "the role sees what other sessions do")
    } else {
        Finding::warn(
            area,
            "activity",
            "the role does not see what other sessions do: nobody tells when they disturb",
        )
        .remedy(format!("GRANT pg_read_all_stats TO \"{}\"", facts.role))
    }
}

fn capture(facts: &Facts) -> Finding {
    let text = format!("wal_level is {}", facts.wal_level);
    if facts.wal_level != "logical" {
        Finding::ok("source", "changes", format!("{text}: no sync_mode cdc"))
    } else if facts.replication || facts.superuser {
        Finding::ok(
            "source",
            "changes",
            format!("{text}: sync_mode cdc can be set up"),
        )
    } else {
        Finding::ok(
            "source",
            "changes",
            format!("{text}, the role has no REPLICATION: no sync_mode cdc"),
        )
    }
}

fn replica(facts: &Facts) -> Finding {
    if !facts.in_recovery {
        return Finding::ok("source", "replica", "none: it is a primary");
    }
    if facts.feedback || facts.standby_delay < 0 {
        return Finding::ok(
            "source",
            "replica",
            "a read replica, which waits for its readers",
        );
    }
    Finding::warn(
        "source",
        "replica",
        format!(
            "a read replica, which ends what reads longer than max_standby_streaming_delay ({} s)",
            facts.standby_delay / 1000
        ),
    )
    .remedy("set hot_standby_feedback = on there, or max_standby_streaming_delay = -1")
}

fn writable(facts: &Facts) -> Finding {
    if facts.in_recovery {
        Finding::fail(
            "destination",
            "writing",
            "a read replica: nothing can be written",
        )
        .remedy("name its primary")
    } else {
        Finding::ok("destination", "writing", "it is a primary")
    }
}

fn schema(facts: &Facts) -> Finding {
    if facts.may_create_schema {
        Finding::ok(
            "destination",
            "schema",
            "the role may create schema rb_bench",
        )
    } else if facts.has_our_schema {
        Finding::ok("destination", "schema", "schema rb_bench is there")
    } else {
        Finding::warn(
            "destination",
            "schema",
            "the role may not create schema rb_bench: no missing or replaced tables, no run of several workers",
        )
        .remedy(format!(
            "CREATE SCHEMA rb_bench AUTHORIZATION \"{}\"",
            facts.role
        ))
    }
}

fn checkpoint(facts: &Facts) -> Finding {
    if facts.may_checkpoint {
        Finding::ok(
            "destination",
            "checkpoint",
            "each iteration begins after a CHECKPOINT",
        )
    } else {
        Finding::warn(
            "destination",
            "checkpoint",
            "the role may not CHECKPOINT: an iteration pays for what the one before it wrote",
        )
        .remedy(if facts.version >= 150_000 {
            format!("GRANT pg_checkpoint TO \"{}\"", facts.role)
        } else {
            "connect as a superuser (PostgreSQL 15 and newer have the role pg_checkpoint)"
                .to_owned()
        })
    }
}

fn prepared(facts: &Facts) -> Finding {
    let text = format!("max_prepared_transactions is {}", facts.max_prepared);
    if facts.max_prepared > 0 {
        Finding::ok(
            "destination",
            "commit",
            format!("{text}: workers commit in two phases"),
        )
    } else {
        Finding::warn(
            "destination",
            "commit",
            format!("{text}: workers commit one by one, through the ledger"),
        )
        .remedy("set max_prepared_transactions to 16 or more, and restart the server")
    }
}

fn room(room: Room, area: &'static str) -> Finding {
    let text = format!("{} are left for this role", room.connections);
    match room.connections {
        ..3 => Finding::fail(area, "connections", text)
            .remedy("end idle sessions, or raise max_connections"),
        // a worker has one, and the leader a few
        3..8 => Finding::warn(area, "connections", text)
            .remedy("raise max_connections, or keep resources.parallelism small"),
        _ => Finding::ok(area, "connections", text),
    }
}

async fn dead_runs(server: &Server) -> Finding {
    let known = match runs::list(server).await {
        Ok(known) => known,
        Err(error) => return Finding::of_error("destination", "runs", State::Warn, &error),
    };
    let dead: Vec<&str> = known
        .iter()
        .filter(|run| run.is_unfinished())
        .map(|run| run.run.as_str())
        .collect();
    match dead.first() {
        None => Finding::ok("destination", "runs", "none died"),
        Some(first) => Finding::warn(
            "destination",
            "runs",
            format!(
                "{} died and left something: {}",
                dead.len(),
                dead.join(", ")
            ),
        )
        .remedy(format!(
            "the next run settles it, or now: rb-bench runs resolve {first} --dest-url URL"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superuser() -> Facts {
        Facts {
            version: 150_018,
            version_text: "15.18".into(),
            role: "postgres".into(),
            superuser: true,
            replication: true,
            may_create_schema: true,
            may_checkpoint: true,
            sees_all_activity: true,
            wal_level: "logical".into(),
            max_prepared: 64,
            ..Facts::default()
        }
    }

    fn told(facts: &Facts, side: Side) -> Vec<(&'static str, State)> {
        judge(facts, side)
            .into_iter()
            .filter(|f| f.state != State::Ok)
            .inspect(|f| assert!(f.remedy.is_some(), "{f:?}"))
            .map(|f| (f.what, f.state))
            .collect()
    }

    #[test]
    fn a_superuser_on_a_server_that_is_set_up_has_nothing_to_do() {
        assert_eq!(told(&superuser(), Side::Source), []);
        assert_eq!(told(&superuser(), Side::Destination), []);
    }

    #[test]
    fn each_right_that_a_role_lacks_is_told() {
        let facts = Facts {
            superuser: false,
            may_create_schema: false,
            may_checkpoint: false,
            sees_all_activity: false,
            max_prepared: 0,
            ..superuser()
        };
        assert_eq!(
            told(&facts, Side::Destination),
            ["activity", "schema", "checkpoint", "commit"].map(|what| (what, State::Warn))
        );
        assert_eq!(told(&facts, Side::Source), [("activity", State::Warn)]);
    }

    #[test]
    fn a_replica_can_be_read_with_care_and_never_written() {
        let replica = Facts {
            in_recovery: true,
            standby_delay: 30_000,
            ..superuser()
        };
        assert_eq!(told(&replica, Side::Source), [("replica", State::Warn)]);
        assert_eq!(
            told(&replica, Side::Destination),
            [("writing", State::Fail)]
        );
        for patient in [
            Facts {
                feedback: true,
                ..replica.clone()
            },
            Facts {
                standby_delay: -1,
                ..replica
            },
        ] {
            assert_eq!(told(&patient, Side::Source), []);
        }
    }

    #[test]
    fn a_server_that_is_too_old_fails() {
        let old = Facts {
            version: 90_600,
            ..superuser()
        };
        assert_eq!(told(&old, Side::Source), [("version", State::Fail)]);
    }

    #[test]
    fn connections_that_run_out_are_told() {
        let state = |connections| {
            let left = Room {
                connections,
                prepared: 0,
            };
            room(left, "source").state
        };
        assert_eq!([2, 5, 50].map(state), [State::Fail, State::Warn, State::Ok]);
    }

    #[test]
    fn what_a_server_lacks_is_told_with_what_to_do() {
        let remedies = |facts: &Facts, side| -> Vec<String> {
            let found = judge(facts, side).into_iter();
            found.filter_map(|f| f.remedy).collect()
        };
        let with = |change: &dyn Fn(&mut Facts)| {
            let mut facts = superuser();
            change(&mut facts);
            remedies(&facts, Side::Destination).join("; ")
        };
        assert_eq!(
            with(&|f| f.max_prepared = 0),
            "set max_prepared_transactions to 16 or more, and restart the server"
        );
        assert_eq!(with(&|f| f.in_recovery = true), "name its primary");
        let replica = Facts {
            in_recovery: true,
            ..superuser()
        };
        assert_eq!(
            remedies(&replica, Side::Source),
            ["set hot_standby_feedback = on there, or max_standby_streaming_delay = -1"]
        );
        let old = with(&|f| f.version = 90_600);
        assert!(old.starts_with("rb-bench needs PostgreSQL "), "{old}");
        let stranger = |version| {
            with(&|f| {
                (f.superuser, f.may_checkpoint, f.version) = (false, false, version);
                f.role = "guest".into();
            })
        };
        assert!(
            stranger(150_000).contains("GRANT pg_checkpoint TO \"guest\""),
            "{}",
            stranger(150_000)
        );
        assert!(stranger(140_000).contains(
            "connect as a superuser (PostgreSQL 15 and newer have the role pg_checkpoint)"
        ));
        let left = |connections| {
            let room = room(
                Room {
                    connections,
                    prepared: 0,
                },
                "source",
            );
            room.remedy
        };
        assert_eq!(
            left(2).as_deref(),
            Some("end idle sessions, or raise max_connections")
        );
        assert_eq!(
            left(5).as_deref(),
            Some("raise max_connections, or keep resources.parallelism small")
        );
    }
}
