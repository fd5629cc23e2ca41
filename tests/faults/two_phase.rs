//! Failures between the commits of prepared transactions.

use crate::proxy::{self, Fate};
use crate::rehearsal::Rehearsal;
use crate::session::Held;

/// Waits until both workers have prepared.
const BOTH_PREPARED: &str =
    "SELECT count(*) = 2 FROM pg_prepared_xacts WHERE database = current_database()";

/// A run of this id that was killed when both workers had prepared and nothing was decided.
pub(crate) fn killed_undecided(name: &str, run: &str) -> Rehearsal {
    let rehearsal = Rehearsal::with_table(name, 4000).commit("two_phase");
    // a first run makes the ledger, on which the leader of the second can be held
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest("TRUNCATE t");
    let held = Held::connect(&rehearsal.dest);
    held.sql("BEGIN; LOCK TABLE rb_bench.runs IN SHARE MODE");
    let running = rehearsal.start(&["--run-id", run]);
    rehearsal.until_dest(BOTH_PREPARED);
    running.kill();
    held.sql("ROLLBACK");
    rehearsal
}

#[test]
fn a_run_killed_before_the_decision_is_rolled_back_by_the_next() {
    let rehearsal = killed_undecided("undecided", "second");
    rehearsal
        .run(&["--run-id", "third"])
        .assert_ok()
        .assert_says(&["run `second` died; its 2 prepared transactions were rolled back"]);
    rehearsal.assert_complete();
}

#[test]
fn a_run_killed_after_the_decision_is_committed_by_the_next() {
    let rehearsal = Rehearsal::with_table("decided", 4000).commit("two_phase");
    let vanishes = proxy::always(Fate::Vanishes, |sent| {
        sent.text.starts_with("COMMIT PREPARED")
    });
    let direct = rehearsal.dest.clone();
    let through = proxy::before(&rehearsal.dest, vanishes);
    let rehearsal = rehearsal.dest_through(through);
    let running = rehearsal.start(&["--run-id", "r"]);
    rehearsal.until_dest("SELECT to_regclass('rb_bench.runs') IS NOT NULL");
    rehearsal.until_dest("SELECT count(*) = 1 FROM rb_bench.runs WHERE state = 'committed'");
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), "0");
    running.kill();
    let rehearsal = rehearsal.dest_through(direct);
    let outcome = rehearsal.run(&["--run-id", "r"]);
    outcome
        .assert_ok()
        .assert_says(&["its 2 prepared transactions were committed"]);
    assert_eq!(outcome.number("records_written"), 4000);
    rehearsal.assert_complete();
}

#[test]
fn a_worker_that_cannot_prepare_undoes_the_run_and_is_the_error() {
    let rehearsal = Rehearsal::with_table("refuses", 4000).commit("two_phase");
    rehearsal.fail_at_commit("NEW.id = 4000");
    rehearsal
        .run(&[])
        .assert_failed(&["row 4000 is refused at the end", "23514"]);
    rehearsal.assert_untouched();
}

#[test]
fn a_prepare_whose_answer_is_lost_is_rolled_back_and_tried_again() {
    for fate in [Fate::LosesAnswer, Fate::Breaks] {
        let rehearsal = Rehearsal::with_table("prepare", 4000)
            .commit("two_phase")
            .max_retries(1);
        let rule = proxy::once(fate, |sent| sent.text.starts_with("PREPARE TRANSACTION"));
        let through = proxy::before(&rehearsal.dest, rule);
        let rehearsal = rehearsal.dest_through(through);
        let outcome = rehearsal.run(&[]);
        outcome.assert_ok();
        assert_eq!(outcome.number("retry_count"), 1);
        rehearsal.assert_complete();
    }
}

#[test]
fn a_decided_run_that_loses_its_connection_is_finished_on_another() {
    for fate in [Fate::LosesAnswer, Fate::Breaks] {
        let rehearsal = Rehearsal::with_table("finish", 4000).commit("two_phase");
        let rule = proxy::once(fate, |sent| sent.text.starts_with("COMMIT PREPARED"));
        let through = proxy::before(&rehearsal.dest, rule);
        let rehearsal = rehearsal.dest_through(through);
        rehearsal.run(&[]).assert_ok();
        rehearsal.assert_complete();
    }
}

#[test]
fn a_worker_whose_transaction_cannot_be_prepared_says_what_keeps_it() {
    let rehearsal = Rehearsal::with_table("temporary", 4000).commit("two_phase");
    rehearsal.at_dest(
        "CREATE FUNCTION aside() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           CREATE TEMPORARY TABLE IF NOT EXISTS aside (id int); RETURN NEW; END $$; \
         CREATE TRIGGER aside BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION aside()",
    );
    rehearsal.run(&[]).assert_failed(&[
        "0A000",
        "something in this transaction (a trigger's temporary table?) cannot be prepared; use commit: ledger",
    ]);
    rehearsal.assert_untouched();
}

#[test]
fn a_runs_name_is_its_databases_own() {
    let first = killed_undecided("same_name", "same");
    let second = Rehearsal::with_table("same_name_again", 4000).commit("two_phase");
    second.run(&["--run-id", "same"]).assert_ok();
    second.assert_complete();
    first.until_dest(BOTH_PREPARED);
    first.run(&["--run-id", "same"]).assert_ok();
    first.assert_complete();
}

#[test]
fn a_decided_run_that_cannot_be_finished_now_says_that_it_is_committed() {
    let rehearsal = Rehearsal::with_table("unfinished", 4000).commit("two_phase");
    let direct = rehearsal.dest.clone();
    let rule = proxy::always(Fate::Breaks, |sent| {
        sent.text.starts_with("COMMIT PREPARED")
    });
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&["--run-id", "unfinished"]).assert_failed(&[
        "the run is committed, but not all of it is visible yet",
        "run rb-bench against this database again: it finishes the commit",
    ]);
    let rehearsal = rehearsal.dest_through(direct);
    rehearsal.run(&["--run-id", "unfinished"]).assert_ok();
    rehearsal.assert_complete();
}

/// Breaks at the leader's COMMIT and at everything after it, so that nobody can be asked.
fn cut_off_at_the_decision() -> impl Fn(&proxy::Sent<'_>) -> Fate + Send + Sync + 'static {
    let over = std::sync::atomic::AtomicBool::new(false);
    move |sent| {
        let decides = sent.by == "rb-bench leader" && sent.text == "COMMIT";
        if over.load(std::sync::atomic::Ordering::SeqCst) || decides {
            over.store(true, std::sync::atomic::Ordering::SeqCst);
            return Fate::Breaks;
        }
        Fate::Arrives
    }
}

#[test]
fn a_run_whose_decision_nobody_can_be_asked_about_is_not_settled() {
    let rehearsal = Rehearsal::with_table("cut_off", 4000).commit("two_phase");
    let direct = rehearsal.dest.clone();
    let through = proxy::before(&rehearsal.dest, cut_off_at_the_decision());
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        ", and what has become of the run is not settled",
        "the next run against this database settles it by the ledger",
    ]);
    let rehearsal = rehearsal.dest_through(direct);
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal.assert_complete();
}

#[test]
fn a_run_whose_lock_another_session_took_at_its_decision_is_not_settled() {
    let rehearsal = Rehearsal::with_table("held", 4000).commit("two_phase");
    rehearsal.run(&["--run-id", "first"]).assert_ok();
    rehearsal.at_dest("TRUNCATE t");
    let direct = rehearsal.dest.clone();
    let lock =
        "SELECT pg_advisory_lock(hashtextextended('rb_bench run r', 0)); SELECT pg_sleep(600)";
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                   AND query LIKE 'SELECT pg_advisory_lock(hashtextextended(''rb_bench run r''%' AND wait_event = 'advisory'";
    let taker = std::sync::Mutex::new(None);
    let rule = {
        let direct = direct.clone();
        proxy::once(Fate::Breaks, move |sent| {
            let decides = sent.by == "rb-bench leader" && sent.text == "COMMIT";
            if decides {
                // it waits for the lock, and has it as soon as the leader's session is gone
                let task = Held::connect(&direct).begin(lock);
                while crate::support::sql(&direct, waiting) != "t" {}
                *taker
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(task);
            }
            decides
        })
    };
    let through = proxy::before(&rehearsal.dest, rule);
    let rehearsal = rehearsal.dest_through(through);
    rehearsal.run(&["--run-id", "r"]).assert_failed(&[
        "another session holds the run's lock, and what has become of the run is not settled",
        "the next run against this database settles it by the ledger",
    ]);
    let rehearsal = rehearsal.dest_through(direct);
    let taker = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
    rehearsal.at_dest(&format!("SELECT pg_terminate_backend(pid) {taker}"));
    rehearsal.until_dest(&format!("SELECT count(*) = 0 {taker}"));
    rehearsal.run(&["--run-id", "r"]).assert_ok();
    rehearsal.assert_complete();
}
