//! Tests of profiles: what they may say, and what is told of those that may not.

use std::io::Write as _;

use super::*;
use crate::config::types::PipelineParallelism;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn find(text: &str) -> Result<Profile> {
    Profile::find(file(text).path().to_str().unwrap())
}

const TINY: &str = r#"
profile: tiny
dataset:
  table: t
  rows: 10
  columns:
    - { name: id, type: bigint, primary_key: true, expr: "i" }
pipeline:
  version: "1.0"
  pipeline: tiny
  source: { use: source-postgres, streams: [{ name: t }] }
  destination: { use: dest-postgres }
"#;

#[test]
fn the_shipped_profiles_compare_one_worker_with_auto() {
    let tables_and_columns = [
        ("small", 1, 15),
        ("medium", 1, 22),
        ("large", 1, 20),
        ("transform", 1, 22),
        ("transform-filter", 1, 22),
        ("many", 8, 41),
        ("skewed", 12, 37),
    ];
    let shipped = Profile::shipped().unwrap();
    assert_eq!(shipped.len(), tables_and_columns.len());
    for (profile, (name, tables, columns)) in shipped.iter().zip(tables_and_columns) {
        assert_eq!(profile.name, name);
        let dataset = profile.dataset.as_ref().unwrap();
        assert_eq!(dataset.tables.len(), tables, "{name}");
        let all: usize = dataset.tables.iter().map(|t| t.columns.len()).sum();
        assert_eq!(all, columns, "{name}");
        let streams = profile.pipeline(Arm::After).unwrap().source.streams;
        assert_eq!(streams.len(), tables, "{name}");
        let parallelism = |arm| profile.pipeline(arm).unwrap().resources.parallelism;
        assert_eq!(parallelism(Arm::Before), PipelineParallelism::Manual(1));
        assert_eq!(parallelism(Arm::After), PipelineParallelism::Auto);
    }
}

#[test]
fn a_profile_file_needs_no_bench_settings() {
    let profile = find(TINY).unwrap().with_rows(Some(99));
    assert_eq!((profile.warmup, profile.iters), (1, 3));
    assert_eq!(profile.dataset.unwrap().rows(), 99);
}

#[test]
fn an_unknown_profile_names_the_nearest_and_all() {
    let error = Profile::find("larg").unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    insta::assert_snapshot!(error, @"
    unknown profile `larg`; did you mean `large`?
      what to do: use one of small, medium, large, transform, transform-filter, many, skewed, or the path of a profile file
    ");
}

#[test]
fn flags_come_after_the_profiles_own_settings() {
    let flags = ["resources.parallelism=4".to_owned()];
    let profile = find(TINY).unwrap().with_flags(&[], &flags).unwrap();
    assert_eq!(
        profile.pipeline(Arm::After).unwrap().resources.parallelism,
        PipelineParallelism::Manual(4)
    );
    assert_eq!(profile.settings(Arm::After)["resources.parallelism"], "4");
}

#[test]
fn a_wrong_flag_is_wrong_use() {
    let flags = ["resources.parallelism=0".to_owned()];
    let error = find(TINY).unwrap().with_flags(&[], &flags).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(
        error
            .to_string()
            .contains("--after resources.parallelism=0"),
        "{error}"
    );
}

#[test]
fn every_problem_of_a_profile_is_told_at_once() {
    let wrong = TINY
        .replace("rows: 10", "rows: 0")
        .replace(
            "expr: \"i\" }",
            "expr: \"i\" }\n    - { name: id, type: int, exp: \"1\" }",
        )
        .replace("{ name: t }", "{ name: u }")
        + "bench:\n  target: gone\n  before: { resources.paralelism: 1 }\n";
    let error = find(&wrong).unwrap_err().to_string();
    for part in ["rows", "exp", "streams.0.name", "target"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn the_pipeline_digest_knows_no_connection() {
    let pipeline = |url: &str| {
        let text = format!(
            "version: \"1.0\"\npipeline: p\nsource: {{ use: source-postgres, config: {{ url: \"{url}\" }}, streams: [{{ name: t }}] }}\ndestination: {{ use: dest-null }}\n"
        );
        Profile::of_pipeline(file(&text).path())
            .unwrap()
            .pipeline_digest()
            .unwrap()
    };
    assert_eq!(pipeline("postgres://a@h/x"), pipeline("postgres://b@i/y"));
}

#[test]
fn a_profile_may_take_the_rows_of_a_shipped_one() {
    let text = TINY.replace("{ name: t }", "{ name: bench_orders }");
    let start = text.find("dataset:").unwrap();
    let end = text.find("pipeline:\n").unwrap();
    let of = |name: &str| {
        format!(
            "{}dataset: {{ of: {name} }}\n{}",
            &text[..start],
            &text[end..]
        )
    };
    let medium = Profile::find("medium").unwrap();
    let taken = find(&of("medium")).unwrap();
    assert_eq!(taken.dataset, medium.dataset);
    let error = find(&of("mine")).unwrap_err().to_string();
    assert!(
        error.contains("dataset.of") && error.contains("medium"),
        "{error}"
    );
}

#[test]
fn rows_asked_for_are_spread_over_all_tables() {
    let many = Profile::find("many").unwrap().with_rows(Some(1000));
    let dataset = many.dataset.unwrap();
    assert!((1000..1008).contains(&dataset.rows()), "{}", dataset.rows());
    assert!(dataset.tables.iter().all(|table| table.rows >= 1));
}

#[test]
fn every_table_of_several_is_judged() {
    let text = r#"
profile: two
dataset:
  tables:
    - { table: a, rows: 1, columns: [{ name: id, type: bigint, expr: "i" }] }
    - { table: a, rows: 1, columns: [{ name: id, type: bigint, expr: "i" }, { name: id, type: bigint, expr: "i" }] }
pipeline:
  version: "1.0"
  pipeline: two
  source: { use: source-postgres, streams: [{ name: a }, { name: b }] }
  destination: { use: dest-postgres }
"#;
    let error = find(text).unwrap_err().to_string();
    for part in [
        "dataset.tables.1.table: `a` is there already; accepted: each name once",
        "dataset.tables.1.columns.1.name",
        "streams.1.name: the dataset has no table `b`; accepted: ",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_new_profile_is_a_profile() {
    let template = new_document("mine", None).unwrap();
    let profile = find(&template).unwrap();
    assert_eq!(profile.name, "mine");
    assert!(template.contains("# "), "{template}");
    for shipped in Profile::shipped().unwrap() {
        let copy = new_document("mine", Some(&shipped.name)).unwrap();
        let copied = find(&copy).unwrap();
        assert_eq!(
            (copied.name.as_str(), copied.dataset),
            ("mine", shipped.dataset)
        );
    }
}

#[test]
fn a_shown_line_keeps_no_password() {
    for (line, shown) in [
        (
            "  before: { destination.config.password: hush, x: 1 }\n",
            "  before: { destination.config.password: \"***\", x: 1 }\n",
        ),
        (
            "# once postgres://me:hush@db/x\n",
            "# once postgres://me:***@db/x\n",
        ),
        (
            "  - { name: mail, expr: \"'user' || i || '@example.com'\" }\n",
            "  - { name: mail, expr: \"'user' || i || '@example.com'\" }\n",
        ),
    ] {
        assert_eq!(without_secrets(line), shown);
    }
}

#[test]
fn names_that_a_server_cannot_have_are_told() {
    let text = r#"
profile: odd
dataset: { table: "", rows: 1, columns: [{ name: "", type: bigint, expr: "i" }] }
pipeline:
  version: "1.0"
  pipeline: odd
  source: { use: source-postgres, streams: [{ name: "a*" }] }
  destination: { use: dest-postgres }
"#;
    let error = find(text).unwrap_err().to_string();
    for part in [
        "not a table's name; accepted: 1 to 63 bytes",
        "not a column's name; accepted: 1 to 63 bytes",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}
