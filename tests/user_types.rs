//! Types that users made arrive as they left, and only where the destination has the same ones.

mod support;

use serde_json::json;
use support::copies::{Databases, run, try_run};
use support::sql;

const USER_TYPES: &str = r#"
    CREATE SCHEMA shop;
    CREATE TYPE mood AS ENUM ('sad', 'it''s, ok', '"happy"', '');
    CREATE TYPE shop."Odd Name" AS ENUM ('ä', '\');
    CREATE DOMAIN percent AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);
    CREATE DOMAIN half AS percent CHECK (VALUE <= 50);
    CREATE DOMAIN names AS text[];
    CREATE TYPE inner_pair AS (a integer, b text[], c mood);
    CREATE TYPE outer_pair AS (p inner_pair, ps inner_pair[], d half, t timestamptz);
    CREATE TYPE moods AS RANGE (subtype = mood);
    CREATE TYPE percents AS RANGE (subtype = percent);
    CREATE DOMAIN pair_domain AS inner_pair;
"#;

const USER_TABLE: &str = r#"
    CREATE TABLE made (id integer, m mood, ms mood[], o shop."Odd Name", os shop."Odd Name"[], p percent, h half, hs half[],
      n names, i inner_pair, "is" inner_pair[], op outer_pair, ops outer_pair[], r moods, rs moods[], rm moods_multirange, rp percents,
      pd pair_domain, v varchar(5)[], x numeric(6, 2)[]);
"#;

#[test]
fn user_defined_types_travel_as_text_and_arrive_equal() {
    let databases = Databases::new("made");
    databases.both(USER_TYPES);
    sql(&databases.source, USER_TABLE);
    sql(
        &databases.source,
        r#"INSERT INTO made SELECT g, 'it''s, ok', '{sad,NULL,"\"happy\"",""}', 'ä', '{\\,ä}', 99.99, 0.10, '{50,0.01}',
             '{"a b",NULL}', (1, '{"x,y","\"z\"\\"}', 'sad')::inner_pair, ARRAY[(NULL, '{}', '')::inner_pair, NULL],
             ROW((g, '{1}', 'sad')::inner_pair, ARRAY[(1, NULL, NULL)::inner_pair], 12.5, 'infinity')::outer_pair,
             ARRAY[(NULL, NULL, NULL, '2024-01-01 BC')::outer_pair], '[sad,"""happy"""]', ARRAY['empty'::moods, '(,)'],
             '{[sad,sad],["""happy""",""]}', '[0.5,99)', (3, '{}', 'sad')::inner_pair, '{"  a  "}', '{1.50,NaN}'
           FROM generate_series(1, 50) g;
           INSERT INTO made (id) VALUES (0)"#,
    );
    for (workers, method) in [(1, "copy"), (4, "copy"), (4, "insert"), (1, "insert")] {
        for existing in [false, true] {
            sql(&databases.dest, "DROP TABLE IF EXISTS made");
            if existing {
                sql(&databases.dest, USER_TABLE);
            }
            let mut document = databases.sharded(&[json!("made")], workers);
            document["destination"]["config"]["load_method"] = json!(method);
            let json = run(&document);
            let stream = &json["plan"]["streams"][0];
            assert_eq!(stream["format"], "text");
            assert!(
                stream["why_text"]
                    .as_str()
                    .unwrap()
                    .contains("user-defined type public.mood"),
                "{stream}"
            );
            databases.assert_same("SELECT * FROM made ORDER BY id");
        }
    }
}

#[test]
fn a_missing_type_is_refused_with_what_creates_it() {
    let databases = Databases::new("missing_type");
    sql(&databases.source, USER_TYPES);
    sql(&databases.source, USER_TABLE);
    let error = try_run(&databases.document(&[json!("made")]), &[]).refused(&[
        "schema shop does not exist in the destination: CREATE SCHEMA shop",
        r#"CREATE TYPE public.mood AS ENUM ('sad', 'it''s, ok', '"happy"', '')"#,
        r"AS ENUM ('ä', ",
        "CREATE DOMAIN public.percent AS numeric(5,2) CHECK",
        "CREATE DOMAIN public.half AS public.percent CHECK",
        "CREATE TYPE public.inner_pair AS (a integer, b text[], c public.mood)",
        "CREATE TYPE public.outer_pair AS (p public.inner_pair, ps public.inner_pair[], d public.half, t timestamp with time zone)",
        "CREATE TYPE public.moods AS RANGE (subtype = public.mood",
    ]);
    // what it says, taken as it is and in its order, is what helps
    let statements: Vec<&str> = error
        .lines()
        .filter_map(|line| line.find("CREATE ").map(|at| line[at..].trim()))
        .collect();
    for statement in statements {
        sql(&databases.dest, statement);
    }
    run(&databases.document(&[json!("made")]));
    databases.assert_same("SELECT * FROM made");
}

#[test]
fn a_type_of_the_same_name_and_another_shape_is_refused() {
    let mut told = String::new();
    for (here, there, column) in [
        (
            "CREATE TYPE t AS (a integer, b integer)",
            "CREATE TYPE t AS (b integer, a integer)",
            "t",
        ),
        (
            "CREATE TYPE t AS (a integer, b integer)",
            "CREATE TYPE t AS (b integer, a integer)",
            "t[]",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE TYPE t AS (x n)",
            "CREATE TYPE n AS (b int, a int); CREATE TYPE t AS (x n)",
            "t",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE TYPE t AS (x n[])",
            "CREATE TYPE n AS (b int, a int); CREATE TYPE t AS (x n[])",
            "t",
        ),
        (
            "CREATE TYPE n AS (a int, b int); CREATE DOMAIN t AS n",
            "CREATE TYPE n AS (b int, a int); CREATE DOMAIN t AS n",
            "t",
        ),
        (
            "CREATE DOMAIN t AS timestamptz",
            "CREATE DOMAIN t AS timestamp",
            "t",
        ),
        (
            "CREATE DOMAIN t AS numeric",
            "CREATE DOMAIN t AS numeric(5, 1)",
            "t[]",
        ),
        (
            "CREATE DOMAIN n AS numeric; CREATE TYPE t AS (a n)",
            "CREATE DOMAIN n AS numeric(5, 1); CREATE TYPE t AS (a n)",
            "t",
        ),
        (
            "CREATE TYPE t AS ENUM ('a', 'b')",
            "CREATE TYPE t AS ENUM ('a')",
            "t",
        ),
        (
            "CREATE TYPE t AS RANGE (subtype = timestamptz)",
            "CREATE TYPE t AS RANGE (subtype = timestamp)",
            "t",
        ),
        (
            "CREATE TYPE t AS RANGE (subtype = timestamptz)",
            "CREATE TYPE t AS RANGE (subtype = timestamp)",
            "t_multirange",
        ),
        (
            "CREATE TYPE t AS ENUM ('a')",
            "CREATE DOMAIN t AS text",
            "t",
        ),
    ] {
        let databases = Databases::new("same_name");
        sql(
            &databases.source,
            &format!("{here}; CREATE TABLE c (v {column})"),
        );
        sql(&databases.dest, there);
        // the table missing, then there
        told += &try_run(&databases.document(&[json!("c")]), &[]).refused(&["column `v`"]);
        sql(&databases.dest, &format!("CREATE TABLE c (v {column})"));
        told += &try_run(&databases.document(&[json!("c")]), &[]).refused(&["column `v`"]);
    }
    for part in [
        ": type public.t is (",
        ") in the source and (",
        ") in the destination",
    ] {
        assert!(told.contains(part), "no `{part}` in {told}");
    }
}
