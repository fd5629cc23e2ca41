//! Time-outs that somebody has set for our role: a run that takes its time at every step outlives
//! them all, for its sessions set their own.

use std::path::Path;

use rb_bench::engine::fail_point::Point;

use crate::mode::{DROP_SLOTS, MODES};
use crate::running::Running;
use crate::support;

/// What a role may have inherited; each shorter than the run rests at any point.
const SETTINGS: [(&str, &str); 5] = [
    ("statement_timeout", "250ms"),
    ("idle_in_transaction_session_timeout", "250ms"),
    ("idle_session_timeout", "250ms"),
    ("lock_timeout", "100ms"),
    ("tcp_user_timeout", "250ms"),
];
/// How long it rests at each point, milliseconds.
const REST: u32 = 400;

#[test]
fn a_run_that_rests_everywhere_outlives_the_time_outs_of_its_role() {
    for (n, mode) in MODES.iter().enumerate() {
        let source = support::fresh_database("rest_source");
        let dest = support::fresh_database("rest_dest");
        let role = format!("impatient_{n}");
        support::sql(
            &source,
            &format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'x'"),
        );
        for (name, value) in SETTINGS {
            support::sql(
                &source,
                &format!("ALTER ROLE {role} SET {name} = '{value}'"),
            );
        }
        support::sql(&source, &mode.source_begins());
        support::sql(&dest, &mode.dest_begins());
        let as_role = |url: &str| {
            let (_, address) = url.rsplit_once('@').expect("a URL with a password");
            format!("postgres://{role}:x@{address}")
        };
        let files = tempfile::tempdir().expect("a directory");
        let path = files.path().join("pipeline.json");
        let document = mode.document(&as_role(&source), &as_role(&dest));
        std::fs::write(&path, document.to_string()).expect("the document can be written");
        for words in mode.commands_before() {
            let mut command = support::command(Path::new(support::BINARY));
            command.args(*words).arg(&path);
            let outcome = Running::start(command, &files.path().join("before")).finish();
            assert!(outcome.status.success(), "{}: {outcome:#?}", mode.name);
        }
        support::sql(&source, &mode.source_changes());
        let rests: Vec<String> = Point::ALL
            .iter()
            .map(|point| format!("{}=delay:{REST}", point.name()))
            .collect();
        let mut command = support::command(Path::new(support::BINARY));
        command
            .arg("run")
            .arg(&path)
            .env("RB_BENCH_FAIL_POINTS", rests.join(";"));
        let outcome = Running::start(command, &files.path().join("run")).finish();
        assert!(outcome.status.success(), "{}: {outcome:#?}", mode.name);
        assert_eq!(
            outcome.number("retry_count"),
            0,
            "{}: {outcome:#?}",
            mode.name
        );
        assert_eq!(
            support::sql(&source, &mode.agreement()),
            support::sql(&dest, &mode.agreement_at_dest()),
            "{}",
            mode.name
        );
        support::sql(&source, DROP_SLOTS);
    }
}
