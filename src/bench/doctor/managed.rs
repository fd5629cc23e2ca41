//! The throw-away Postgres: its programs, who it would run as, where it lives, what was left behind.

use super::{Finding, State};
use crate::cluster::{self, ClusterOptions, Programs, ServerStatus, readiness};
use crate::units::Bytes;

const AREA: &str = "postgres";

/// What there is. Where it is not needed, what is missing is no failure.
pub(super) fn findings(options: &ClusterOptions, needed: bool) -> Vec<Finding> {
    let missing = if needed { State::Fail } else { State::Warn };
    let mut findings = Vec::new();
    match Programs::find(options.pg_bin.as_deref()) {
        Ok(programs) => {
            findings.push(Finding::ok(
                AREA,
                "programs",
                format!(
                    "PostgreSQL {} in {}",
                    programs.version,
                    programs.directory.display()
                ),
            ));
            findings.push(match readiness::account(options, &programs) {
                Ok(name) => Finding::ok(AREA, "account", format!("the server runs as {name}")),
                Err(error) => Finding::of_error(AREA, "account", missing, &error),
            });
            findings.push(psql(&programs));
        }
        Err(error) => findings.push(Finding::of_error(AREA, "programs", missing, &error)),
    }
    match cluster::home(options) {
        Ok(home) => findings.push(match readiness::may_write(&home) {
            Ok(()) => Finding::ok(AREA, "directory", home.display().to_string()),
            Err(error) => Finding::of_error(AREA, "directory", missing, &error)
                .remedy("take another directory with --cluster-dir, or RB_BENCH_CLUSTER_DIR"),
        }),
        Err(error) => findings.push(Finding::of_error(AREA, "directory", missing, &error)),
    }
    match cluster::status(options) {
        Ok(status) if status.servers.is_empty() => findings.push(Finding::ok(
            AREA,
            "server",
            "none yet; the first benchmark makes one",
        )),
        Ok(status) => findings.extend(status.servers.iter().map(server)),
        // told as the directory's
        Err(_) => {}
    }
    findings
}

fn psql(programs: &Programs) -> Finding {
    let program = programs.program("psql");
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|directory| directory.join("psql"))
            .find(|psql| psql.is_file())
    };
    match program.is_file().then_some(program).or_else(on_path) {
        Some(found) => Finding::ok(AREA, "psql", found.display().to_string()),
        None => Finding::warn(
            AREA,
            "psql",
            "there is none; only `rb-bench cluster psql` needs it",
        )
        .remedy("install the PostgreSQL client"),
    }
}

fn server(server: &ServerStatus) -> Finding {
    let is = format!(
        "PostgreSQL {}, {} in {}",
        server.major,
        Bytes(server.bytes),
        server.directory.display()
    );
    match (server.pid, server.used_by) {
        (Some(_), Some(user)) => Finding::warn(
            AREA,
            "server",
            format!("{is}, in use by rb-bench (pid {user})"),
        )
        .remedy("a benchmark waits for it, or takes another directory with --cluster-dir"),
        (Some(pid), None) => Finding::warn(
            AREA,
            "server",
            format!("{is}, running (pid {pid}), left behind by an rb-bench that is gone"),
        )
        .remedy("`rb-bench cluster stop` stops it; the next benchmark does so too"),
        (None, _) => Finding::ok(AREA, "server", format!("{is}, not running")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn status(pid: Option<u32>, used_by: Option<u32>) -> ServerStatus {
        ServerStatus {
            major: 15,
            directory: PathBuf::from("/var/cache/rb-bench/pg15"),
            bytes: 1_000_000,
            running: pid.is_some(),
            pid,
            port: None,
            used_by,
            databases: Vec::new(),
        }
    }

    #[test]
    fn a_server_that_was_left_behind_is_told_with_the_way_to_stop_it() {
        assert_eq!(server(&status(None, None)).state, State::Ok);
        let left = server(&status(Some(7), None));
        assert_eq!(left.state, State::Warn);
        assert!(left.text.contains("left behind"), "{left:?}");
        assert_eq!(
            left.remedy.as_deref(),
            Some("`rb-bench cluster stop` stops it; the next benchmark does so too")
        );
        let used = server(&status(Some(7), Some(8)));
        assert!(used.text.contains("in use"));
        assert_eq!(
            used.remedy.as_deref(),
            Some("a benchmark waits for it, or takes another directory with --cluster-dir")
        );
    }

    #[test]
    fn programs_that_are_missing_fail_only_where_they_are_needed() {
        let nowhere = tempfile::tempdir().unwrap();
        let options = ClusterOptions {
            pg_bin: Some(nowhere.path().to_owned()),
            cluster_dir: Some(nowhere.path().to_owned()),
            ..ClusterOptions::default()
        };
        let state = |needed| findings(&options, needed)[0].state;
        assert_eq!((state(true), state(false)), (State::Fail, State::Warn));
    }

    #[test]
    fn a_directory_that_cannot_be_is_told_with_another() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        let options = ClusterOptions {
            cluster_dir: Some(place.path().join("file/below")),
            ..ClusterOptions::default()
        };
        let found = findings(&options, false);
        let directory = found.iter().find(|f| f.what == "directory").unwrap();
        assert_eq!(
            directory.remedy.as_deref(),
            Some("take another directory with --cluster-dir, or RB_BENCH_CLUSTER_DIR")
        );
    }
}
