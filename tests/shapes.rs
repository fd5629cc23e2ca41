//! Relations of every shape: partitions, heirs, views, no key, no column, odd names, large values,
//! chosen columns, patterns.

mod support;

use serde_json::json;
use support::copies::{Databases, as_role, plan, run, try_run};
use support::sql;

#[test]
fn partitions_of_every_depth_are_copied_once() {
    let databases = Databases::new("partitions");
    let parted = "CREATE TABLE p (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu') PARTITION BY RANGE (id);
        CREATE TABLE p_eu_low PARTITION OF p_eu FOR VALUES FROM (0) TO (500);
        CREATE TABLE p_eu_rest PARTITION OF p_eu DEFAULT;
        CREATE TABLE p_rest (v text, region text NOT NULL, id int NOT NULL); ALTER TABLE p ATTACH PARTITION p_rest DEFAULT;";
    sql(&databases.source, parted);
    sql(
        &databases.source,
        "INSERT INTO p SELECT g, CASE g % 3 WHEN 0 THEN 'eu' WHEN 1 THEN 'us' ELSE 'asia' END, repeat('v', 100) FROM generate_series(1, 3000) g",
    );
    // by a pattern the leaves are not tables of their own
    let json = run(&databases.sharded(&[json!("p*")], 3));
    assert_eq!(json["plan"]["streams"].as_array().unwrap().len(), 1);
    assert_eq!(json["plan"]["streams"][0]["workers"], 3, "{json}");
    databases.assert_same("SELECT id, region, v FROM p ORDER BY 1");
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT relkind, relhasindex FROM pg_class WHERE oid = 'p'::regclass"
        ),
        "r|t"
    );

    sql(&databases.dest, &format!("DROP TABLE p; {parted}"));
    let json = run(&databases.sharded(&[json!("p")], 3));
    assert_eq!(json["plan"]["streams"][0]["workers"], 3);
    for leaf in ["p_eu_low", "p_eu_rest", "p_rest"] {
        databases.assert_same(&format!("SELECT id, region, v FROM {leaf} ORDER BY 1"));
    }
    // a leaf may be copied by its own name, but not beside the table it is a part of
    sql(&databases.dest, "TRUNCATE p");
    run(&databases.sharded(&[json!("p_rest")], 2));
    databases.assert_same("SELECT id, region, v FROM p_rest ORDER BY 1");
    try_run(&databases.document(&[json!("p"), json!("p_rest")]), &[])
        .refused(&["public.p_rest is a part of public.p"]);
}

#[test]
fn a_partition_that_cannot_be_cut_takes_the_stream_to_one_worker() {
    let databases = Databases::new("leaves");
    sql(
        &databases.source,
        "CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
         CREATE TABLE p (id int) PARTITION BY RANGE (id);
         CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
         CREATE FOREIGN TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000) SERVER elsewhere",
    );
    let mut document = databases.sharded(&[json!("p")], 4);
    let stream = &plan(&document)["streams"][0];
    assert_eq!(stream["workers"], 1);
    assert_eq!(
        stream["why_one_worker"],
        "partition public.p2 is not a heap table"
    );

    sql(
        &databases.source,
        "DROP FOREIGN TABLE p2; CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (1000) TO (2000);
         INSERT INTO p SELECT generate_series(0, 1999);
         DROP ROLE IF EXISTS leaves_reader; CREATE ROLE leaves_reader LOGIN PASSWORD 'x'; GRANT SELECT ON p, p1 TO leaves_reader",
    );
    let url = as_role(&databases.source, "leaves_reader", "x");
    document["source"]["config"]["url"] = json!(url);
    let json = run(&document);
    let stream = &json["plan"]["streams"][0];
    assert_eq!(
        stream["why_one_worker"],
        "this role may not SELECT from partition public.p2 by itself"
    );
    databases.assert_same("SELECT * FROM p ORDER BY 1");
}

#[test]
fn rows_of_inheriting_tables_are_there_exactly_once() {
    let databases = Databases::new("heirs");
    let tables =
        "CREATE TABLE parent (id int, v text); CREATE TABLE child (more int) INHERITS (parent);
         CREATE TABLE grandchild () INHERITS (child)";
    sql(
        &databases.source,
        &format!(
            "{tables}; INSERT INTO parent SELECT g, 'p' FROM generate_series(1, 1000) g;
             INSERT INTO child SELECT g, 'c', 1 FROM generate_series(1001, 2000) g;
             INSERT INTO grandchild SELECT g, 'g', 2 FROM generate_series(2001, 3000) g"
        ),
    );
    let json = run(&databases.sharded(&[json!("*")], 3));
    assert_eq!(json["plan"]["streams"].as_array().unwrap().len(), 1);
    assert_eq!(
        json["plan"]["streams"][0]["why_one_worker"],
        "other tables inherit from it"
    );
    databases.assert_same("SELECT id, v FROM parent ORDER BY 1");
    assert_eq!(sql(&databases.dest, "SELECT count(*) FROM parent"), "3000");

    sql(&databases.dest, &format!("DROP TABLE parent; {tables}"));
    run(&databases.sharded(&[json!("*")], 3));
    databases.assert_same("SELECT id, v FROM parent ORDER BY 1");
    // a child by its own name holds its own rows and its children's
    sql(&databases.dest, "DROP TABLE parent CASCADE");
    run(&databases.sharded(&[json!("child")], 3));
    databases.assert_same("SELECT * FROM child ORDER BY 1");
}

#[test]
fn views_and_materialised_views_become_tables() {
    let databases = Databases::new("views");
    sql(
        &databases.source,
        "CREATE TABLE t AS SELECT g AS id, repeat('x', 50) AS v FROM generate_series(1, 2000) g;
         CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql STABLE AS 'SELECT $1 * (SELECT min(id) + 1 FROM t)';
         CREATE VIEW v AS SELECT id, twice(id) AS xmin2, 'r' AS r FROM t; CREATE MATERIALIZED VIEW m AS SELECT * FROM v;
         CREATE UNIQUE INDEX ON m (id)",
    );
    for existing in [false, true] {
        sql(&databases.dest, "DROP TABLE IF EXISTS v, m");
        if existing {
            sql(
                &databases.dest,
                "CREATE TABLE v (r text, xmin2 int, id int PRIMARY KEY); CREATE TABLE m (id int UNIQUE, xmin2 int, r text)",
            );
        }
        let json = run(&databases.sharded(&[json!("v"), json!("m")], 3));
        let streams = &json["plan"]["streams"];
        assert_eq!(
            streams[0]["why_one_worker"],
            "it is a view, which has no row addresses"
        );
        assert_eq!(streams[1]["workers"], 3, "{streams}");
        for name in ["v", "m"] {
            databases.assert_same(&format!("SELECT id, xmin2, r FROM {name} ORDER BY 1"));
        }
    }
    // a target that is no table is refused
    sql(&databases.dest, "CREATE VIEW t AS SELECT 1 AS id");
    try_run(&databases.document(&[json!("t")]), &[])
        .refused(&["public.t is a view, which cannot be appended to"]);
}

#[test]
fn tables_without_key_rows_or_columns_are_copied() {
    let databases = Databases::new("bare");
    sql(
        &databases.source,
        "CREATE TABLE no_key AS SELECT g % 7 AS n FROM generate_series(1, 5000) g;
         CREATE TABLE no_rows (id int PRIMARY KEY, v text);
         CREATE TABLE no_columns (); INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES;
         INSERT INTO no_columns SELECT FROM generate_series(1, 3000);
         CREATE TABLE dropped (a int, gone text, b text, gone2 int, c int);
         INSERT INTO dropped SELECT g, 'x', 'b' || g, g, -g FROM generate_series(1, 500) g;
         ALTER TABLE dropped DROP gone, DROP gone2; ALTER TABLE dropped ADD d int DEFAULT 7",
    );
    let streams = ["no_key", "no_rows", "no_columns", "dropped"].map(|name| json!(name));
    for method in ["copy", "insert"] {
        for existing in [false, true] {
            sql(
                &databases.dest,
                "DROP TABLE IF EXISTS no_key, no_rows, no_columns, dropped",
            );
            if existing {
                sql(
                    &databases.dest,
                    "CREATE TABLE no_key (n int); CREATE TABLE no_rows (v text, id int); CREATE TABLE no_columns ();
                     CREATE TABLE dropped (d int, x int, c int, b text, a int); ALTER TABLE dropped DROP x",
                );
            }
            let mut document = databases.sharded(&streams, 3);
            document["destination"]["config"]["load_method"] = json!(method);
            run(&document);
            databases.assert_same("SELECT n, count(*) FROM no_key GROUP BY n ORDER BY n");
            databases.assert_same("SELECT count(*) FROM no_columns");
            databases.assert_same("SELECT id, v FROM no_rows");
            databases.assert_same("SELECT a, b, c, d FROM dropped ORDER BY a");
        }
    }
}

#[test]
fn odd_names_survive() {
    let databases = Databases::new("names");
    let long = "n".repeat(63);
    let names = [
        "select",
        "MiXed Case",
        "with.dot",
        "with\"quote",
        "with'apostrophe",
        "it's $1 :x \\ %s",
        "日本語 table",
        "a USING b",
        &long,
    ];
    let columns = "\"xmin2\" int PRIMARY KEY, \"Ctid\" text, r int, \"user\" text UNIQUE, \"a\"\"b\" int CHECK (\"a\"\"b\" > 0), \"c.d\" text DEFAULT 'x', \"\\N\" int";
    let (mut create, mut streams) = (Vec::new(), Vec::new());
    for schema in ["Odd \"schema\".x", "public"] {
        let quoted_schema = format!("\"{}\"", schema.replace('"', "\"\""));
        create.push(format!("CREATE SCHEMA IF NOT EXISTS {quoted_schema}"));
        for name in names {
            let table = format!("{quoted_schema}.\"{}\"", name.replace('"', "\"\""));
            create.push(format!(
                "CREATE TABLE {table} ({columns}); CREATE INDEX ON {table} (r) WHERE \"Ctid\" <> ' USING ';
                 INSERT INTO {table} SELECT g, 't', g, g, g, g, g FROM generate_series(1, 200) g"
            ));
            streams.push(json!({ "name": name, "schema": schema }));
        }
    }
    sql(&databases.source, &create.join("; "));
    for workers in [1, 2] {
        sql(
            &databases.dest,
            "DROP SCHEMA IF EXISTS \"Odd \"\"schema\"\".x\" CASCADE; CREATE SCHEMA \"Odd \"\"schema\"\".x\"; DROP SCHEMA public CASCADE; CREATE SCHEMA public",
        );
        let mut document = databases.sharded(&streams, workers);
        document["destination"]["config"]["schema"] = json!("*");
        let json = run(&document);
        let shards = json["result"]["stream_metrics"].as_array().unwrap();
        for stream in json["plan"]["streams"].as_array().unwrap() {
            let rows: u64 = shards
                .iter()
                .filter(|shard| shard["stream_name"] == stream["stream"])
                .map(|shard| shard["records_written"].as_u64().unwrap())
                .sum();
            assert_eq!(rows, 200, "{stream}");
        }
        for stream in &streams {
            let part = |key: &str| stream[key].as_str().unwrap().replace('"', "\"\"");
            let table = format!("\"{}\".\"{}\"", part("schema"), part("name"));
            databases.assert_same(&format!("SELECT * FROM {table} ORDER BY 1"));
        }
        let keys = "SELECT n.nspname, t.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
             JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname IN ('public', 'Odd \"schema\".x') ORDER BY 1, 2, 3";
        databases.assert_same(keys);
    }
}

#[test]
fn a_row_of_64_mb_goes_through() {
    let databases = Databases::new("toast");
    sql(
        &databases.source,
        "CREATE TABLE big (id int, v text, b bytea); ALTER TABLE big ALTER v SET STORAGE EXTERNAL;
         INSERT INTO big SELECT 1, repeat('0123456789abcdef', 4 << 20), NULL;
         INSERT INTO big SELECT g, 'x', '\\x00' FROM generate_series(2, 100) g",
    );
    run(&databases.sharded(&[json!("big")], 2));
    let summary = "SELECT id, length(v), md5(v), b FROM big ORDER BY id";
    databases.assert_same(summary);
    sql(&databases.dest, "TRUNCATE big");
    let mut document = databases.document(&[json!("big")]);
    document["destination"]["config"]["load_method"] = json!("insert");
    run(&document);
    databases.assert_same(summary);
}

#[test]
fn columns_are_matched_by_name_and_may_be_chosen() {
    let databases = Databases::new("columns");
    sql(
        &databases.source,
        "CREATE TABLE t (a int, r text, c date, d int NOT NULL DEFAULT 5, e text); INSERT INTO t SELECT g, 'r' || g, '2024-01-01', g, 'e' FROM generate_series(1, 100) g",
    );
    sql(
        &databases.dest,
        "CREATE TABLE t (x int DEFAULT 9, e text, r text, a int, c date, d int NOT NULL DEFAULT 5)",
    );
    run(&databases.sharded(&[json!("t")], 2));
    databases.assert_same("SELECT a, r, c, d, e FROM t ORDER BY a");
    sql(&databases.dest, "TRUNCATE t");
    run(&databases.sharded(&[json!({ "name": "t", "columns": ["r", "a"] })], 2));
    databases.assert_same("SELECT a, r FROM t ORDER BY a");
    assert_eq!(
        sql(&databases.dest, "SELECT DISTINCT x, d, e IS NULL FROM t"),
        "9|5|t"
    );
    sql(&databases.dest, "ALTER TABLE t ALTER d DROP DEFAULT");
    try_run(
        &databases.document(&[json!({ "name": "t", "columns": ["a", "nope"] })]),
        &[],
    )
    .refused(&[
        "column `nope` does not exist in public.t",
        "column `d` of public.t is NOT NULL without a default",
    ]);
    sql(&databases.dest, "ALTER TABLE t DROP c");
    let mut document = databases.document(&[json!("t")]);
    document["schema_evolution"] = json!({ "new_column": "refuse" });
    try_run(&document, &[]).refused(&["column `c` of public.t is missing in public.t"]);
}

#[test]
fn verification_sees_every_column() {
    let databases = Databases::new("blind");
    databases.both("CREATE TABLE t (a int, r int)");
    sql(
        &databases.source,
        "INSERT INTO t VALUES (1, NULL), (2, NULL)",
    );
    // a trigger that changes what arrives
    sql(
        &databases.dest,
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := 7; RETURN NEW; END';
         CREATE TRIGGER spoil BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION spoil()",
    );
    try_run(&databases.document(&[json!("t")]), &["--verify"]).refused(&["contents differ"]);
}

#[test]
fn patterns_exclusions_schemas_and_new_names() {
    let databases = Databases::new("patterns");
    sql(
        &databases.source,
        "CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE SCHEMA rb_bench; CREATE TABLE rb_bench.runs (id int);
         CREATE TABLE s1.orders (id int PRIMARY KEY); INSERT INTO s1.orders VALUES (1);
         CREATE TABLE s1.tmp_x (id int); CREATE TABLE s2.orders (id int PRIMARY KEY); INSERT INTO s2.orders VALUES (2);
         CREATE TABLE s2.\"Orders\" (id int); CREATE TABLE s2.order_items (id int); CREATE SEQUENCE s2.order_seq",
    );
    sql(
        &databases.dest,
        "CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE SCHEMA raw",
    );
    let mut document = databases.sharded(&[json!({ "name": "*", "schema": "*" })], 2);
    document["source"]["exclude"] = json!(["tmp_*", "s2.order_*"]);
    document["destination"]["config"]["schema"] = json!("*");
    run(&document);
    let tables = "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM (SELECT * FROM pg_tables ORDER BY schemaname, tablename COLLATE \"C\") t WHERE schemaname IN ('s1', 's2', 'raw')";
    assert_eq!(
        sql(&databases.dest, tables),
        "s1.orders s2.Orders s2.orders"
    );

    // keys of the same name meet in one schema; so do two streams of one target
    let mut document = databases.sharded(
        &[
            json!({ "name": "orders", "schema": "s1" }),
            json!({ "name": "orders", "schema": "s2", "target": "orders2" }),
            json!({ "name": "order_items", "schema": "s2", "target": "s1.items" }),
        ],
        2,
    );
    document["destination"]["config"]["schema"] = json!("raw");
    run(&document);
    databases.assert_equal("SELECT * FROM s1.orders", "SELECT * FROM raw.orders");
    databases.assert_equal("SELECT * FROM s2.orders", "SELECT * FROM raw.orders2");
    let keys = "SELECT string_agg(indexname, ' ' ORDER BY indexname) FROM pg_indexes WHERE schemaname = 'raw'";
    assert_eq!(
        sql(&databases.dest, keys),
        "orders2_orders_pkey orders_pkey"
    );
    document["source"]["streams"][0]["schema"] = json!("s?");
    document["source"]["streams"]
        .as_array_mut()
        .unwrap()
        .truncate(1);
    try_run(&document, &[]).refused(&["two streams go into raw.orders"]);
    document["source"]["streams"][0] = json!({ "name": "nothing_*", "schema": "s1" });
    try_run(&document, &[]).refused(&["no table or view of the source is named s1.nothing_*"]);
}
