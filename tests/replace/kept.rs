//! What a target has is there afterwards.

use serde_json::json;

use crate::support::copies::{Databases, as_role, plan, run, try_run};
use crate::support::{self, sql, try_sql};
use crate::{assert_clean, replacing, schema_of};

/// Two tables with one of everything that comes along.
const DRESSED: &str = r#"
    CREATE ROLE replace_owner; CREATE ROLE replace_reader; CREATE ROLE "Replace Writer";
    GRANT ALL ON SCHEMA public TO replace_owner;
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'stamped'; RETURN NEW; END $$;
    CREATE TABLE kinds (kind text PRIMARY KEY); INSERT INTO kinds VALUES ('a'), ('b');
    CREATE TABLE "Odd ""name" (
        id bigint GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3 CACHE 2),
        counted serial, gone int, note text COLLATE "C" DEFAULT 'none' NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
        kind text, "Wide " text, span int4range, mother bigint, amount numeric(10,2))
        WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = false);
    ALTER TABLE "Odd ""name" DROP COLUMN gone;
    ALTER TABLE "Odd ""name" ADD CONSTRAINT "The key" PRIMARY KEY (id) WITH (fillfactor = 60),
        ADD CONSTRAINT counted_once UNIQUE (counted) INCLUDE (kind) DEFERRABLE INITIALLY DEFERRED,
        ADD CONSTRAINT apart EXCLUDE USING gist (span WITH &&) WHERE (amount > 0),
        ADD CONSTRAINT small CHECK (amount < 1000) NO INHERIT,
        ADD CONSTRAINT positive CHECK (amount > -100000) NOT VALID,
        ADD CONSTRAINT of_kind FOREIGN KEY (kind) REFERENCES kinds ON DELETE SET NULL ON UPDATE CASCADE,
        ADD CONSTRAINT of_mother FOREIGN KEY (mother) REFERENCES "Odd ""name" DEFERRABLE,
        ADD CONSTRAINT later FOREIGN KEY (note) REFERENCES kinds NOT VALID;
    CREATE UNIQUE INDEX by_note ON "Odd ""name" (lower(note) DESC NULLS LAST, (id + 1)) WHERE amount IS NOT NULL;
    ALTER INDEX by_note ALTER COLUMN 2 SET STATISTICS 50;
    CREATE UNIQUE INDEX for_replicas ON "Odd ""name" (note, id);
    CREATE INDEX spans ON "Odd ""name" USING gist (span);
    ALTER TABLE "Odd ""name" CLUSTER ON spans, REPLICA IDENTITY USING INDEX for_replicas,
        ALTER COLUMN note SET STATISTICS 300, ALTER COLUMN kind SET (n_distinct = -0.5), ALTER COLUMN "Wide " SET STORAGE EXTERNAL, ALTER COLUMN note SET COMPRESSION pglz;
    CREATE STATISTICS together (ndistinct, dependencies) ON note, kind FROM "Odd ""name"; ALTER STATISTICS together SET STATISTICS 20;
    CREATE TRIGGER stamps BEFORE INSERT ON "Odd ""name" FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION stamp();
    CREATE TRIGGER never BEFORE UPDATE OF note ON "Odd ""name" FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE "Odd ""name" DISABLE TRIGGER never;
    CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "Odd ""name" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stamp(); ALTER TABLE "Odd ""name" ENABLE ALWAYS TRIGGER late;
    CREATE POLICY own_rows ON "Odd ""name" AS RESTRICTIVE FOR SELECT TO replace_reader, "Replace Writer" USING (kind IN (SELECT k.kind FROM kinds k) AND id > (SELECT min(o.id) FROM "Odd ""name" o));
    CREATE POLICY all_rows ON "Odd ""name" WITH CHECK (amount > 0);
    ALTER TABLE "Odd ""name" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE "Odd ""name" OWNER TO replace_owner;
    GRANT SELECT ON "Odd ""name" TO PUBLIC; GRANT INSERT, UPDATE ON "Odd ""name" TO "Replace Writer" WITH GRANT OPTION; REVOKE TRUNCATE ON "Odd ""name" FROM replace_owner;
    GRANT UPDATE (note), REFERENCES (id) ON "Odd ""name" TO replace_reader;
    GRANT USAGE ON SEQUENCE "Odd ""name_id_seq", "Odd ""name_counted_seq" TO replace_reader;
    COMMENT ON TABLE "Odd ""name" IS 'it''s odd'; COMMENT ON COLUMN "Odd ""name"."Wide " IS 'wide'; COMMENT ON CONSTRAINT "The key" ON "Odd ""name" IS 'key';
    COMMENT ON CONSTRAINT of_mother ON "Odd ""name" IS 'mother'; COMMENT ON INDEX by_note IS 'index'; COMMENT ON TRIGGER stamps ON "Odd ""name" IS 'trigger';
    COMMENT ON POLICY own_rows ON "Odd ""name" IS 'policy'; COMMENT ON STATISTICS together IS 'statistics'; COMMENT ON SEQUENCE "Odd ""name_id_seq" IS 'sequence'; COMMENT ON INDEX "The key" IS 'key index';
    CREATE UNLOGGED TABLE scratch (id int); CREATE TABLE child (id int PRIMARY KEY, parent bigint CONSTRAINT of_parent REFERENCES "Odd ""name" ON DELETE CASCADE, friend int CONSTRAINT of_friend REFERENCES child);
    ALTER TABLE child REPLICA IDENTITY FULL; ALTER TABLE "Odd ""name" ADD first_child int CONSTRAINT of_child REFERENCES child DEFERRABLE;
    ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "Replace Writer";
"#;

const DRESSED_ROWS: &str = r#"
    CREATE TABLE "Odd ""name" (id bigint, counted int, note text COLLATE "C", kind text, "Wide " text, span int4range, mother bigint, amount numeric(10,2), first_child int);
    INSERT INTO "Odd ""name" SELECT g, g, 'a', CASE WHEN g % 2 = 0 THEN 'b' END, repeat('w', g), int4range(g, g + 1), nullif(g - 1, 0), g / 3.0, nullif(g % 50, 0) FROM generate_series(1, 900) g;
    CREATE TABLE scratch (id int); CREATE TABLE child (id int, parent bigint, friend int); INSERT INTO child SELECT g, g, 1 + g % 50 FROM generate_series(1, 50) g
"#;

fn with_roles_dropped<T>(test: impl FnOnce(&Databases) -> T) {
    let databases = Databases::new("dressed");
    for role in ["replace_owner", "replace_reader", "\"Replace Writer\""] {
        let _ = try_sql(&databases.dest, &format!("DROP ROLE IF EXISTS {role}"));
    }
    test(&databases);
    sql(
        &databases.dest,
        "DROP OWNED BY replace_owner, replace_reader, \"Replace Writer\" CASCADE; ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM \"Replace Writer\";
         DROP ROLE replace_owner, replace_reader, \"Replace Writer\"",
    );
}

#[test]
fn a_replaced_table_keeps_everything_it_had() {
    with_roles_dropped(|databases| {
        sql(&databases.dest, DRESSED);
        sql(&databases.source, DRESSED_ROWS);
        sql(
            &databases.dest,
            "SET session_replication_role = replica; INSERT INTO \"Odd \"\"name\" (note, kind) VALUES ('old', 'a'); SELECT nextval('\"Odd \"\"name_id_seq\"') FROM generate_series(1, 400)",
        );
        let before = schema_of(&databases.dest);
        assert!(before.contains("CREATE POLICY own_rows"), "{before}");
        let streams = ["Odd \"name", "child", "scratch"].map(|name| json!(name));
        for workers in [1, 2] {
            let mut document = replacing(databases, &streams);
            document["resources"]["parallelism"] = json!(workers);
            let result = run(&document);
            assert_eq!(result["plan"]["commit"], "built_aside", "{result}");
            assert_eq!(schema_of(&databases.dest), before);
            databases.assert_same("SELECT id, counted, note, kind, \"Wide \", span, mother, amount, first_child FROM \"Odd \"\"name\" ORDER BY id");
            databases.assert_same("SELECT * FROM child ORDER BY id");
            assert_clean(&databases.dest);
        }
        // a member of the owner who is no superuser can do the same
        sql(
            &databases.dest,
            "CREATE ROLE replace_member LOGIN PASSWORD 'x' IN ROLE replace_owner; GRANT CREATE ON SCHEMA public TO replace_member; ALTER SCHEMA rb_bench OWNER TO replace_member;
             ALTER TABLE rb_bench.runs OWNER TO replace_member; ALTER TABLE rb_bench.version OWNER TO replace_member; ALTER TABLE rb_bench.cursors OWNER TO replace_member",
        );
        let mut document = replacing(databases, &streams);
        document["destination"]["config"]["url"] =
            json!(as_role(&databases.dest, "replace_member", "x"));
        try_run(&document, &[]).refused(&[
            "public.child belongs to",
            "needs REFERENCES on public.kinds for its foreign key of_kind",
            "needs its statistics together to belong to a role",
        ]);
        sql(
            &databases.dest,
            "ALTER TABLE child OWNER TO replace_owner; ALTER TABLE scratch OWNER TO replace_owner; ALTER STATISTICS together OWNER TO replace_owner; GRANT REFERENCES ON kinds TO replace_owner",
        );
        let before = schema_of(&databases.dest);
        let outcome = try_run(&document, &["--format", "json"]);
        outcome.ok();
        assert_eq!(schema_of(&databases.dest), before);
        databases.assert_same("SELECT * FROM child ORDER BY id");
        sql(
            &databases.dest,
            "DROP OWNED BY replace_member CASCADE; DROP ROLE replace_member",
        );
        // both sequences go on where the furthest of table and rows is
        assert_eq!(
            sql(
                &databases.dest,
                "SELECT nextval('\"Odd \"\"name_id_seq\"') > 1200, nextval('\"Odd \"\"name_counted_seq\"')"
            ),
            "t|901"
        );
        // the planner knows the new rows
        assert_eq!(
            sql(
                &databases.dest,
                "SELECT reltuples FROM pg_class WHERE relname = 'child'"
            ),
            "50"
        );
    });
}

#[test]
fn tablespaces_odd_sequences_and_expressions_over_the_whole_row_come_along() {
    let server = support::own_server();
    let databases = Databases {
        source: server.fresh_database("odd_source"),
        dest: server.fresh_database("odd_dest"),
    };
    let in_place = format!(
        "{}?options=-c%20allow_in_place_tablespaces%3Don",
        databases.dest
    );
    sql(&in_place, "CREATE TABLESPACE elsewhere LOCATION ''");
    sql(
        &databases.dest,
        "CREATE SCHEMA \"Other\"; CREATE DOMAIN \"Other\".short AS varchar(9) CHECK (VALUE <> 'no'); CREATE TYPE mood AS ENUM ('a', 'b');
         CREATE FUNCTION \"Other\".low(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
         CREATE TABLE \"Other\".t (down int GENERATED BY DEFAULT AS IDENTITY (INCREMENT BY -5 MINVALUE -9000 MAXVALUE 90 START WITH 80 CYCLE), s \"Other\".short, m mood[], n bigserial) TABLESPACE elsewhere;
         ALTER SEQUENCE \"Other\".t_n_seq RESTART WITH 500; ALTER TABLE \"Other\".t ALTER down RESTART WITH 70;
         CREATE INDEX lows ON \"Other\".t (\"Other\".low(s), m) TABLESPACE elsewhere; ALTER TABLE \"Other\".t ADD CONSTRAINT k PRIMARY KEY (down) USING INDEX TABLESPACE elsewhere;
         CREATE INDEX here ON \"Other\".t (n); COMMENT ON TYPE \"Other\".t IS 'row'; GRANT USAGE ON SEQUENCE \"Other\".t_n_seq TO PUBLIC",
    );
    sql(
        &databases.source,
        "CREATE SCHEMA \"Other\"; CREATE DOMAIN \"Other\".short AS varchar(9); CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE \"Other\".t (down int, s \"Other\".short, m mood[], n bigint);
         INSERT INTO \"Other\".t SELECT 20 - g, 'S' || g, '{a}', g FROM generate_series(1, 100) g",
    );
    let before = schema_of(&databases.dest);
    let mut document = replacing(&databases, &[json!("t")]);
    document["source"]["config"]["schema"] = json!("Other");
    document["destination"]["config"]["schema"] = json!("Other");
    run(&document);
    assert_eq!(schema_of(&databases.dest), before);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT nextval('\"Other\".t_down_seq'), nextval('\"Other\".t_n_seq')"
        ),
        "-85|500"
    );
    // a sequence that is further than the rows, and one that nobody has used, stay where they are
    sql(&databases.source, "TRUNCATE \"Other\".t");
    sql(
        &databases.dest,
        "SELECT setval('\"Other\".t_down_seq', 60, false)",
    );
    run(&document);
    assert_eq!(
        sql(
            &databases.dest,
            "SELECT nextval('\"Other\".t_down_seq'), nextval('\"Other\".t_n_seq')"
        ),
        "60|501"
    );
    // what names the row as a whole cannot be said of a table with another name: known at once
    sql(
        &databases.dest,
        "CREATE INDEX whole ON \"Other\".t ((t IS NULL)); INSERT INTO \"Other\".t VALUES (1)",
    );
    try_run(&document, &[]).refused(&["making the tables of run"]);
    assert_eq!(
        sql(&databases.dest, "SELECT count(*) FROM \"Other\".t"),
        "1"
    );
    assert_clean(&databases.dest);
}

#[test]
fn a_missing_target_is_made_and_what_replaces_may_stand_beside_it() {
    let databases = Databases::new("beside");
    sql(
        &databases.source,
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 100); CREATE TABLE b (id serial PRIMARY KEY); INSERT INTO b SELECT generate_series(1, 200)",
    );
    sql(
        &databases.dest,
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)",
    );
    let mut document = replacing(&databases, &[json!("a"), json!("b")]);
    document["resources"]["parallelism"] = json!(2);
    assert_eq!(plan(&document)["commit"], "built_aside");
    for round in 1..=3 {
        run(&document);
        databases.assert_same("SELECT * FROM a ORDER BY id");
        databases.assert_same("SELECT * FROM b ORDER BY id");
        assert_eq!(
            sql(&databases.dest, "SELECT nextval('b_id_seq') - 200"),
            round.to_string()
        );
        assert_clean(&databases.dest);
    }
    document["destination"]["config"]["load_method"] = json!("insert");
    document["destination"]["commit"] = json!("single_writer");
    assert_eq!(run(&document)["plan"]["workers"], 1);
    databases.assert_same("SELECT * FROM b ORDER BY id");
}
