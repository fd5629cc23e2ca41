//! What is refused, and how it is told, before anything is made.

use serde_json::json;

use crate::support::copies::{Databases, try_run};
use crate::support::sql;
use crate::{ROWS, through};

#[test]
fn a_wrong_query_is_named_and_placed_before_anything_is_made() {
    let databases = Databases::new("wrong");
    sql(&databases.source, ROWS);
    sql(
        &databases.source,
        "CREATE TABLE input (only_here int); CREATE TABLE other (id int)",
    );
    let one_select = "a transform is one SELECT over `input`, without a semicolon";
    for (query, parts) in [
        (
            "SELEC id FROM input",
            ["transform 2 (line 1, column 1)", "syntax error", one_select],
        ),
        (
            "SELECT id,\n  FROM input",
            ["transform 2 (line 2, column 3)", "syntax error", one_select],
        ),
        (
            "SELECT id FROM input; DELETE FROM other",
            ["transform 2", "multiple commands", one_select],
        ),
        (
            "SELECT id FROM input;",
            [
                "transform 2 (line 1, column 21)",
                "syntax error",
                one_select,
            ],
        ),
        (
            "SELECT id FROM input) q, (SELECT 1 AS b",
            [
                "transform 2 (line 1, column 21)",
                "syntax error",
                one_select,
            ],
        ),
        (
            "DELETE FROM other",
            ["transform 2", "syntax error", one_select],
        ),
        (
            "INSERT INTO other SELECT 1",
            ["transform 2", "syntax error", one_select],
        ),
        ("-- nothing", ["transform 2", "syntax error", one_select]),
        (
            "WITH gone AS (DELETE FROM other RETURNING id) SELECT * FROM gone",
            ["transform 2", "data-modifying", "top level"],
        ),
        (
            "SELECT * INTO made FROM input",
            ["transform 2", "INTO", "not allowed"],
        ),
        (
            "SELECT id FROM other FOR UPDATE",
            ["transform 2", "FOR UPDATE", "read-only transaction"],
        ),
        (
            "SELECT id, absent FROM input",
            [
                "transform 2 (line 1, column 12)",
                "column \"absent\" does not exist",
                "`input` has the columns id, word",
            ],
        ),
        (
            "SELECT only_here FROM input",
            [
                "transform 2",
                "column \"only_here\" does not exist",
                "id, word",
            ],
        ),
        (
            "SELECT id FROM nowhere",
            [
                "transform 2 (line 1, column 16)",
                "relation \"nowhere\" does not exist",
                "its rows are called `input`; other names are looked for along the role's own search_path",
            ],
        ),
        (
            "SELECT absent(id) AS a FROM input",
            [
                "transform 2",
                "function absent(integer) does not exist",
                "its rows are called `input`; other names are looked for along the role's own search_path",
            ],
        ),
        (
            "SELECT id + word AS a FROM input",
            [
                "transform 2",
                "operator does not exist",
                "its rows are called `input`; other names are looked for along the role's own search_path",
            ],
        ),
        (
            "SELECT id, $1 AS a FROM input",
            ["transform 2", "there is no parameter $1", ""],
        ),
        (
            "SELECT id, id + 1 FROM input",
            [
                "transform 2: its column 2 has no name",
                "give every column of its SELECT a name of its own, with AS",
                "",
            ],
        ),
        (
            "SELECT id, word AS id FROM input",
            [
                "transform 2: two of its columns are called `id`",
                "give every column of its SELECT a name of its own, with AS",
                "",
            ],
        ),
        (
            "SELECT FROM input",
            ["transform 2: it has no columns", "", ""],
        ),
        (
            "SELECT ROW(id, word) AS r FROM input",
            [
                "column `r` of the transforms has the pseudo-type record",
                "cast it in the query to a type that a column can be copied as, such as text",
                "public.t",
            ],
        ),
        (
            "SELECT id::regclass AS r FROM input",
            [
                "column `r` of the transforms has the type regclass, which names objects of the source",
                "cast it",
                "",
            ],
        ),
        (
            "SELECT ARRAY['t'::regclass] AS r FROM input",
            ["has the type regclass[]", "cast it", ""],
        ),
    ] {
        let queries = ["SELECT id, note AS word FROM input", query];
        let stream = json!({ "name": "t", "target": "made" });
        let outcome = try_run(&through(&databases, &stream, &queries), &[]);
        outcome.refused(&parts);
        let left = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'rb_bench')";
        assert_eq!(sql(&databases.dest, left), "0", "{query}");
    }
    // a sequence is only refused where it would be moved: the source is read only
    let stream = json!({ "name": "t", "target": "made" });
    sql(&databases.source, "CREATE SEQUENCE s");
    let query = ["SELECT nextval('s') AS n FROM input"];
    try_run(&through(&databases, &stream, &query), &[])
        .refused(&["nextval", "read-only transaction"]);
    assert_eq!(sql(&databases.source, "SELECT is_called FROM s"), "f");
}

#[test]
fn columns_of_the_query_must_fit_the_target() {
    let databases = Databases::new("fits");
    sql(&databases.source, ROWS);
    sql(
        &databases.dest,
        "CREATE TABLE t (id int, total int, must text NOT NULL)",
    );
    let mut document = through(
        &databases,
        &json!("t"),
        &["SELECT id, amount AS total, note AS extra FROM input"],
    );
    document["schema_evolution"] = json!({ "new_column": "refuse" });
    try_run(&document, &[]).refused(&[
        "column `total`: type numeric(10,2) cannot go into integer without possible loss; change the column to ",
        "in the destination, or select a fitting expression through a view",
        "column `extra` of public.t is missing in public.t",
        "column `must` of public.t is NOT NULL without a default, and the source does not fill it",
    ]);
}

#[test]
fn what_is_another_each_time_is_copied_and_not_verified() {
    let databases = Databases::new("unrepeatable");
    sql(&databases.source, ROWS);
    let document = through(
        &databases,
        &json!("t"),
        &["SELECT id, now() AS at FROM input"],
    );
    try_run(&document, &["--verify"]).refused(&[
        "public.t cannot be verified: its transforms give other rows each time (the function now is the clock)",
        "run it without verification, or take that out of the query",
    ]);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*) FROM pg_class WHERE relname = 't'"
        ),
        "0"
    );
    assert_eq!(try_run(&document, &[]).code, Some(0));
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT count(*), count(DISTINCT at) FROM t"
        ),
        "2000|1"
    );
}
