//! The JSON Schemas that editors get: as published, right about documents that are right, and no stricter
//! than the reader about those that are not.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use rb_bench::bench::profile::{self, Profile};
use rb_bench::config::types::Pipeline;
use rb_bench::config::{json_schema, parse_pipeline};
use serde_json::Value;

/// A schema, ready to be asked.
struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn new(schema: Value) -> Self {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler
            .add_resource("rb-bench.json", schema)
            .expect("a resource");
        let index = compiler
            .compile("rb-bench.json", &mut schemas)
            .expect("a schema that holds to its draft");
        Self { schemas, index }
    }

    fn pipeline() -> Self {
        Self::new(json_schema::pipeline())
    }

    fn profile() -> Self {
        Self::new(profile::schema())
    }

    /// What an editor would underline; nothing for a document that is right.
    fn problem(&self, document: &str) -> Option<String> {
        let value: Value = serde_yaml::from_str(document).expect("YAML");
        let outcome = self.schemas.validate(&value, self.index);
        outcome.err().map(|error| error.to_string())
    }
}

/// What the program makes of a document.
fn read(document: &str) -> rb_bench::Result<Pipeline> {
    parse_pipeline(document, "a document", &|_| None)
}

const ORDERS: &str = r#"
version: "1.0"
pipeline: orders_copy
source:
  use: source-postgres
  config: { host: db1, port: 5432, database: shop }
  streams:
    - { name: orders, columns: [id, total] }
destination:
  use: dest-postgres
  config: { host: db2, database: warehouse }
  write_mode: append
resources:
  parallelism: 4
"#;

#[test]
fn the_published_schemas_are_those_that_the_program_prints() {
    for (name, schema) in [
        ("pipeline", json_schema::pipeline()),
        ("profile", profile::schema()),
    ] {
        let path = root().join(format!("docs/schema/rb-bench.{name}.v1.json"));
        let published = fs::read_to_string(&path).unwrap_or_default();
        let printed = serde_json::to_string_pretty(&schema).expect("JSON");
        assert!(
            published.trim_end() == printed,
            "the document has changed: rb-bench schema {name} > {}",
            path.display()
        );
    }
}

#[test]
fn the_shipped_profiles_hold_to_their_schema() {
    let schema = Schema::profile();
    let mut profiles = yaml_files(&root().join("profiles"));
    profiles.push(root().join("src/bench/profile/template.yaml"));
    assert!(profiles.len() > 7);
    for path in profiles {
        let text = fs::read_to_string(&path).expect("a profile");
        assert_eq!(schema.problem(&text), None, "{}", path.display());
    }
}

#[test]
fn the_documents_that_the_pages_show_are_right() {
    let (pipeline, profile) = (Schema::pipeline(), Schema::profile());
    let place = tempfile::tempdir().expect("a directory");
    let mut shown = 0;
    for page in ["README.md", "docs/pipelines.md", "docs/benchmarking.md"] {
        let text = fs::read_to_string(root().join(page)).expect("a page");
        for block in indented_blocks(&text) {
            if block.starts_with("version:") {
                assert_eq!(pipeline.problem(&block), None, "{page}:\n{block}");
                read(&block).unwrap_or_else(|e| panic!("{page}: {e}\n{block}"));
                shown += 1;
            } else if block.starts_with("profile:") {
                assert_eq!(profile.problem(&block), None, "{page}:\n{block}");
                let file = place.path().join("shown.yaml");
                fs::write(&file, &block).expect("written");
                Profile::find(&file.display().to_string())
                    .unwrap_or_else(|e| panic!("{page}: {e}\n{block}"));
                shown += 1;
            }
        }
    }
    assert!(shown >= 3, "only {shown} documents were found");
}

#[test]
fn a_pipeline_that_the_schema_refuses_is_refused_by_the_reader_too() {
    let schema = Schema::pipeline();
    assert_eq!(schema.problem(ORDERS), None);
    read(ORDERS).expect("a pipeline");
    for (from, to, named) in [
        ("write_mode: append", "write_mod: append", "write_mod"),
        (
            "write_mode: append",
            "write_mode: appendix",
            "/destination/write_mode",
        ),
        ("port: 5432", "port: 70000", "/source/config/port"),
        ("port: 5432", "port: [1]", "/source/config/port"),
        ("use: dest-postgres", "use: dest-sqlite", "/destination/use"),
        (
            "use: dest-postgres",
            "use: dest-null",
            "/destination/config",
        ),
        (
            "columns: [id, total]",
            "columns: []",
            "/source/streams/0/columns",
        ),
        ("name: orders, ", "", "name"),
        ("pipeline: orders_copy\n", "", "pipeline"),
        (
            "parallelism: 4",
            "parallelism: many",
            "/resources/parallelism",
        ),
        (
            "parallelism: 4",
            "parallelism: 1.5",
            "/resources/parallelism",
        ),
        (
            "parallelism: 4",
            "max_retries: 101",
            "/resources/max_retries",
        ),
    ] {
        assert!(ORDERS.contains(from), "{from}");
        let broken = ORDERS.replace(from, to);
        let problem = schema.problem(&broken);
        let problem = problem.unwrap_or_else(|| panic!("nothing wrong with:{broken}"));
        assert!(problem.contains(named), "{named} is not in: {problem}");
        assert!(read(&broken).is_err(), "{broken}");
    }
}

#[test]
fn what_the_reader_takes_the_schema_takes() {
    let schema = Schema::pipeline();
    for (from, to) in [
        ("parallelism: 4", "parallelism: auto"),
        ("parallelism: 4", ""),
        ("pipeline: orders_copy", "pipeline: 2026"),
        ("columns: [id, total]", "columns: [id, true, 7]"),
        ("database: shop", "database: shop, password: 1234"),
        ("write_mode: append", "write_mode: append\n  primary_key:"),
    ] {
        assert!(ORDERS.contains(from), "{from}");
        let document = ORDERS.replace(from, to);
        read(&document).unwrap_or_else(|e| panic!("{e}:{document}"));
        assert_eq!(schema.problem(&document), None, "{document}");
    }
    // filled in from the environment, which an editor does not know
    let document = ORDERS.replace("port: 5432", "port: \"${PORT}\"");
    parse_pipeline(&document, "a document", &|_| Some("5433".into())).expect("a pipeline");
    assert_eq!(schema.problem(&document), None, "{document}");
}

#[test]
fn a_profile_that_is_wrong_is_refused() {
    let schema = Schema::profile();
    let right = profile::new_document("mine", None).expect("a template");
    assert_eq!(schema.problem(&right), None);
    for (from, to, named) in [
        ("table: readings", "tabel: readings", "tabel"),
        ("rows: 200000", "rows: 0", "/dataset/rows"),
        ("target: existing", "target: there", "/bench/target"),
        (
            "use: source-postgres",
            "use: source-mysql",
            "/pipeline/source/use",
        ),
        ("expr: \"i\" ", "", "expr"),
    ] {
        assert!(right.contains(from), "{from}");
        let problem = schema.problem(&right.replace(from, to));
        let problem = problem.unwrap_or_else(|| panic!("{to} is not refused"));
        assert!(problem.contains(named), "{named} is not in: {problem}");
    }
}

// ---- the edges ----

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect()
}

/// The indented code of a page, block by block, its indentation taken off.
fn indented_blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(code), Some(block)) => {
                block.push_str(code);
                block.push('\n');
            }
            _ => blocks.push(String::new()),
        }
    }
    blocks
}
