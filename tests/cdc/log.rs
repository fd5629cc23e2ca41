//! The change log: every change a row, complete and in order.

use crate::capture::Capture;

#[test]
fn every_change_is_a_row_of_its_own_in_the_order_of_commits() {
    let capture = Capture::logged("log", &["t"]).of(
        "CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL DEFAULT 'n', big text); \
         ALTER TABLE t ALTER big SET STORAGE EXTERNAL",
    );
    capture.each(&[
        "INSERT INTO t VALUES (1, 'a', repeat('x', 9000))",
        "UPDATE t SET note = 'b'",
        "UPDATE t SET id = 2",
        "INSERT INTO t VALUES (3); DELETE FROM t WHERE id = 2",
        "TRUNCATE t",
    ]);
    let json = capture.run();
    assert_eq!(json["changes"]["transactions"], 5, "{json}");
    let log = "SELECT _rb_op, id, note, length(big), _rb_unchanged, _rb_old, _rb_seq FROM t ORDER BY _rb_lsn, _rb_seq";
    assert_eq!(
        capture.at_dest(log).lines().collect::<Vec<_>>(),
        [
            "I|1|a|9000|||1",
            "U|1|b||{big}||1",
            "U|2|b||{big}|{\"id\": \"1\"}|1",
            "I|3|n||||1",
            "D|2|||||2",
            "T||||||1",
        ]
    );
    // a change without its row as it was says so; nothing is written twice
    capture.run();
    capture.at_source("INSERT INTO t VALUES (9)");
    capture.run();
    assert_eq!(capture.at_dest("SELECT count(*) FROM t"), "7");
}

#[test]
fn a_log_of_whole_rows_has_what_they_were() {
    let capture = Capture::logged("log_full", &["t", "u"]).of("CREATE TABLE t (a int, big text); ALTER TABLE t REPLICA IDENTITY FULL, ALTER big SET STORAGE EXTERNAL; \
         CREATE TABLE u (id int PRIMARY KEY)");
    capture.each(&[
        "INSERT INTO t VALUES (1, repeat('x', 5000))",
        "UPDATE t SET a = 2",
        "DELETE FROM t",
        "TRUNCATE t, u",
    ]);
    capture.run();
    assert_eq!(
        capture
            .at_dest("SELECT _rb_op, a, length(big), _rb_unchanged, _rb_old ->> 'a', length(_rb_old ->> 'big') FROM t ORDER BY _rb_lsn, _rb_seq")
            .lines()
            .collect::<Vec<_>>(),
        ["I|1|5000|||", "U|2|5000||1|5000", "D|2|5000|||", "T|||||"]
    );
    assert_eq!(capture.at_dest("SELECT _rb_op, _rb_seq FROM u"), "T|2");
}

#[test]
fn a_log_replayed_is_the_table() {
    let capture =
        Capture::logged("replay", &["t"]).of("CREATE TABLE t (id int PRIMARY KEY, v int)");
    for round in 0..5 {
        capture.at_source(&format!(
            "INSERT INTO t SELECT i, {round} FROM generate_series({round} * 100, {round} * 100 + 99) i; \
             UPDATE t SET v = v + 10 WHERE id % 5 = {round}; DELETE FROM t WHERE id % 11 = {round}"
        ));
        capture.run();
    }
    // the last word on each key
    capture.databases.assert_equal(
        "SELECT id, v FROM t ORDER BY id",
        "SELECT id, v FROM (SELECT DISTINCT ON (id) id, v, _rb_op FROM t ORDER BY id, _rb_lsn DESC, _rb_seq DESC) last \
          WHERE _rb_op <> 'D' ORDER BY id",
    );
}
