//! The managed server as its user meets it: started, shared, interrupted, killed, and gone after.
//!
//! Every server here is of the test's own, and is asked for by its process ids: a test must leave
//! no process behind, and must never signal one that it did not start.

mod support;

#[test]
fn the_shared_server_has_its_databases_and_settings() {
    let cluster = support::server();
    let database = support::fresh_database("shared");
    assert_eq!(support::sql(&database, "SHOW wal_level"), "logical");
    assert_eq!(
        support::sql(&cluster.url("source"), "SELECT current_database()"),
        "source"
    );
    assert_eq!(
        support::sql(&cluster.url("dest"), "SHOW max_prepared_transactions"),
        "64"
    );
}
