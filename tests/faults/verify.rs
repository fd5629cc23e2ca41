//! Verification that fails.

use crate::rehearsal::Rehearsal;
use crate::session::Held;

#[test]
fn a_row_that_another_client_deletes_before_verification_fails_it() {
    let rehearsal = Rehearsal::with_table("deletes", 2000);
    let gate = rehearsal.gate_at_insert("NEW.id % 100 = 0");
    let running = rehearsal.start(&["--verify"]);
    gate.until_waiting(2);
    // granted when the run has committed, before verification comes to read
    let deleted = Held::connect(&rehearsal.dest)
        .begin("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE; DELETE FROM t WHERE id = 7; COMMIT");
    rehearsal.until_dest(
        "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'",
    );
    gate.open();
    running.finish().assert_failed(&[
        "verification failed: ",
        "public.t: 2000 rows in the source, 1999 arrived",
        "another client that writes to the target meanwhile does this; if there was none, report it",
    ]);
    rehearsal.assert_nothing_left();
    drop(deleted);
}

#[test]
fn a_row_that_arrives_changed_fails_verification() {
    let rehearsal = Rehearsal::with_table("changes", 2000);
    rehearsal.at_dest(
        "CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'changed'; RETURN NEW; END $$; \
         CREATE TRIGGER change BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION change()",
    );
    rehearsal.run(&["--verify"]).assert_failed(&[
        "public.t: 2000 rows in the source, 2000 arrived, and the contents differ",
    ]);
    rehearsal.assert_nothing_left();
}

#[test]
fn what_was_in_the_target_before_is_no_difference() {
    let rehearsal = Rehearsal::with_table("before", 2000);
    rehearsal.at_dest("INSERT INTO t VALUES (-1, 'was there before')");
    rehearsal.run(&["--verify"]).assert_ok();
    assert_eq!(rehearsal.at_dest("SELECT count(*) FROM t"), "2001");
    rehearsal.assert_nothing_left();
}
