//! What becomes one statement, and what must not.

use super::*;
use crate::engine::cdc::route::Column;
use crate::postgres::catalog::Name;

fn route(key: Option<Vec<usize>>) -> Arc<Route> {
    let column = |name: &str, cast: &str| {
        Some(Column {
            name: format!("\"{name}\""),
            cast: cast.to_owned(),
            type_name: cast.to_owned(),
        })
    };
    Arc::new(Route {
        source: Name::new("s", "t"),
        target: Name::new("d", "t"),
        columns: vec![column("id", "integer"), None, column("v", "text")],
        key,
    })
}

fn tuple(values: &[&str]) -> Tuple {
    let value = |text: &&str| match *text {
        "-" => Value::Unchanged,
        "NULL" => Value::Null,
        text => Value::Text(text.to_owned()),
    };
    values.iter().map(value).collect()
}

fn sql(statements: &mut Statements) -> Vec<String> {
    statements.take().into_iter().map(|s| s.sql).collect()
}

#[test]
fn neighbours_of_one_kind_are_one_statement() {
    let (mut statements, route) = (Statements::default(), route(Some(vec![0])));
    statements.insert(&route, &tuple(&["1", "x", "a"])).unwrap();
    statements
        .insert(&route, &tuple(&["2", "x", "NULL"]))
        .unwrap();
    statements
        .update(&route, None, &tuple(&["1", "x", "it's"]))
        .unwrap();
    statements
        .update(&route, None, &tuple(&["2", "x", "b"]))
        .unwrap();
    let old = Old::Key(tuple(&["2", "NULL", "NULL"]));
    statements.delete(&route, &old).unwrap();
    let taken = statements.take();
    assert_eq!(
        taken.iter().map(|s| s.sql.as_str()).collect::<Vec<_>>(),
        [
            r#"INSERT INTO "d"."t" ("id", "v") OVERRIDING SYSTEM VALUE VALUES ('1', 'a'), ('2', NULL) ON CONFLICT ("id") DO UPDATE SET "v" = excluded."v""#,
            r#"UPDATE "d"."t" AS t SET "v" = v.c0 FROM (VALUES ('it''s'::text, '1'::integer), ('b'::text, '2'::integer)) AS v(c0, c1) WHERE t."id" = v.c1"#,
            r#"DELETE FROM "d"."t" AS t USING (VALUES ('2'::integer)) AS v(c0) WHERE t."id" = v.c0"#,
        ]
    );
    assert_eq!(taken[1].expected, Some(("d.t".to_owned(), 2)));
}

#[test]
fn a_row_that_changes_twice_changes_in_two_statements() {
    let (mut statements, route) = (Statements::default(), route(Some(vec![0])));
    statements
        .update(&route, None, &tuple(&["1", "x", "a"]))
        .unwrap();
    statements
        .update(&route, None, &tuple(&["1", "x", "b"]))
        .unwrap();
    assert_eq!(sql(&mut statements).len(), 2);
}

#[test]
fn a_key_that_changes_stands_alone() {
    let (mut statements, route) = (Statements::default(), route(Some(vec![0])));
    let old = |id| Old::Key(tuple(&[id, "NULL", "NULL"]));
    for (from, to) in [("1", "9"), ("2", "1"), ("9", "2")] {
        statements
            .update(&route, Some(&old(from)), &tuple(&[to, "x", "-"]))
            .unwrap();
    }
    assert_eq!(
        sql(&mut statements),
        [("9", "1"), ("1", "2"), ("2", "9")].map(|(to, from)| format!(
            r#"UPDATE "d"."t" AS t SET "id" = v.c0 FROM (VALUES ('{to}'::integer, '{from}'::integer)) AS v(c0, c1) WHERE t."id" = v.c1"#
        ))
    );
}

#[test]
fn large_values_that_were_not_sent_are_not_set() {
    let (mut statements, route) = (Statements::default(), route(Some(vec![0])));
    statements
        .update(&route, None, &tuple(&["1", "x", "-"]))
        .unwrap();
    statements
        .update(&route, None, &tuple(&["2", "x", "b"]))
        .unwrap();
    let sql = sql(&mut statements);
    assert_eq!(
        sql[0],
        r#"SELECT FROM "d"."t" AS t, (VALUES ('1'::integer)) AS v(c0) WHERE t."id" = v.c0"#
    );
    assert!(statements.insert(&route, &tuple(&["1", "x", "-"])).is_err());
}

#[test]
fn without_a_key_one_row_that_looks_the_same_is_taken() {
    let (mut statements, route) = (Statements::default(), route(None));
    let old = Old::Row(tuple(&["1", "x", "NULL"]));
    statements.delete(&route, &old).unwrap();
    statements.insert(&route, &tuple(&["1", "x", "a"])).unwrap();
    assert_eq!(
        sql(&mut statements),
        [
            r#"DELETE FROM "d"."t" AS t WHERE (t.tableoid, t.ctid) = (SELECT o.tableoid, o.ctid FROM "d"."t" AS o WHERE o."id"::text IS NOT DISTINCT FROM ('1'::integer)::text AND o."v"::text IS NOT DISTINCT FROM (NULL::text)::text LIMIT 1)"#,
            r#"INSERT INTO "d"."t" ("id", "v") OVERRIDING SYSTEM VALUE VALUES ('1', 'a')"#,
        ]
    );
    let key = Old::Key(tuple(&["1", "NULL", "NULL"]));
    assert!(statements.delete(&route, &key).is_err());
}
