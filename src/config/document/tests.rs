//! Documents in parts, and with values from flags.

use super::*;
use crate::config::Field;
use crate::config::types::{DestinationConnector, LoadMethod, PipelineParallelism};

const PROFILE: &str = r#"profile: tiny
pipeline:
  version: "1.0"
  pipeline: tiny
  source:
    use: source-postgres
    streams: [{ name: events }]
  destination:
    use: dest-postgres
bench:
  iters: 3
  before: { resources.parallelism: 1 }
  after: { resources.paralelism: 2, destination.config.load_method: insert }
"#;

fn profile(text: &str) -> Document {
    Document::read(text, "tiny.yaml", &|_| None).unwrap()
}

fn flag(text: &str) -> Override {
    Override::flag("--after", text).unwrap()
}

fn tried(overrides: &[&str]) -> Result<Pipeline> {
    let overrides: Vec<_> = overrides.iter().map(|text| flag(text)).collect();
    profile(PROFILE)
        .at("pipeline")
        .unwrap()
        .with_overrides(&overrides)?
        .pipeline(Connections::Later)
}

fn profile_shape() -> Shape {
    Shape::Map(vec![
        Field::required("profile", Shape::Text),
        Field::required("pipeline", Shape::Pipeline(Connections::Later)),
        Field::optional(
            "bench",
            Shape::Map(vec![
                Field::optional("iters", Shape::integer(1, 1000)),
                Field::optional("before", Shape::FreeMap(Box::new(Shape::Scalar))),
                Field::optional("after", Shape::FreeMap(Box::new(Shape::Scalar))),
            ]),
        ),
    ])
}

#[test]
fn overrides_set_values_maps_and_items() {
    let pipeline = tried(&[
        "resources.parallelism=4",
        "destination.config.load_method=insert",
        "source.streams.0.name=orders",
        "source.streams.0.columns=[id, \"total\"]",
        "pipeline=\"4\"",
    ])
    .unwrap();
    assert_eq!(
        pipeline.resources.parallelism,
        PipelineParallelism::Manual(4)
    );
    assert_eq!(pipeline.source.streams[0].name, "orders");
    assert_eq!(
        pipeline.source.streams[0].columns.as_ref().unwrap(),
        &["id", "total"]
    );
    assert_eq!(pipeline.pipeline, "4");
    let DestinationConnector::Postgres(destination) = pipeline.destination.connector else {
        panic!("a Postgres destination")
    };
    assert_eq!(destination.load_method, LoadMethod::Insert);
    assert_eq!(
        tried(&[]).unwrap().resources.parallelism,
        PipelineParallelism::Auto
    );
}

#[test]
fn a_wrong_override_is_told_as_its_flag_and_is_wrong_usage() {
    for (text, expected) in [
        (
            "resources.paralelism=4",
            "unknown key; did you mean resources.parallelism? known here: parallelism, max_retries, chunk_bytes, buffer_bytes",
        ),
        (
            "resources.parallelism=0",
            "a run needs a worker (`0`); accepted: `auto` or a whole number from 1 to 4294967295",
        ),
        (
            "resources.parallelism=",
            "no value; accepted: `auto` or a whole number from 1 to 4294967295",
        ),
        (
            "resources.parallelism=\"4\"",
            "a text, because of its quotes (`\"4\"`); accepted: `auto` or a whole number from 1 to 4294967295",
        ),
        (
            "source.streams.1.name=x",
            "no item 1 in source.streams; accepted: an index from 0, below 1",
        ),
        ("version.x=1", "version holds a value, not keys"),
        (
            "source.streams=x",
            "not a list (`x`); accepted: a list of at least one item; each item: a map with the keys name, schema, target, sync_mode, cursor_field, cursor_lag, columns",
        ),
    ] {
        let error = tried(&[text]).unwrap_err();
        assert_eq!(error.message(), format!("--after {text}: {expected}"));
        assert_eq!(error.exit_code(), 2, "{text}");
    }
}

#[test]
fn several_wrong_overrides_are_told_together() {
    let error = tried(&["resources.paralelism=4", "resources.max_retries=x"]).unwrap_err();
    assert_eq!(error.message().lines().count(), 2, "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn what_is_not_an_override_is_wrong_usage() {
    for (text, why) in [
        ("resources.parallelism", "no value"),
        ("=4", "not a dotted key"),
        ("a..b=1", "not a dotted key"),
        ("a=[1", "the value is not YAML"),
        ("a=\"x", "the value is not YAML"),
    ] {
        let error = Override::flag("--before", text).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert_eq!(
            error.message(),
            format!("--before {text}: {why}; accepted: KEY=VALUE, such as resources.parallelism=4")
        );
    }
}

#[test]
fn a_flag_with_a_password_is_masked() {
    for text in [
        "source.config.password=hunter2",
        "source.config.url=mysql://app:hunter2@db/shop",
        "source.config.port=postgres://app:hunter2@db/shop",
        "source.config.pasword=hunter2",
    ] {
        let flag = flag(text);
        assert!(
            !format!("{flag:?} {}", flag.shown()).contains("hunter2"),
            "{flag:?}"
        );
        if let Err(error) = tried(&[text]) {
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn overrides_of_a_profile_are_told_by_their_line() {
    let document = profile(PROFILE);
    let arm = |name: &str| {
        document
            .at("pipeline")
            .unwrap()
            .with_overrides(&document.overrides_at(name))
            .unwrap()
            .pipeline(Connections::Later)
    };
    assert_eq!(
        arm("bench.before").unwrap().resources.parallelism,
        PipelineParallelism::Manual(1)
    );
    let error = arm("bench.after").unwrap_err();
    assert_eq!(
        error.message(),
        "tiny.yaml:13:12: resources.paralelism: unknown key; did you mean resources.parallelism? known here: parallelism, max_retries, chunk_bytes, buffer_bytes\n1 problem in tiny.yaml"
    );
    assert_eq!(error.exit_code(), 1);
    assert_eq!(document.overrides_at("bench.after")[1].shown(), "insert");
}

#[test]
fn an_override_whose_variable_is_missing_is_never_taken_for_a_value() {
    let text = PROFILE.replace(
        "resources.paralelism: 2",
        "resources.parallelism: \"${NONE}\"",
    );
    let document = profile(&text);
    let error = document
        .at("pipeline")
        .unwrap()
        .with_overrides(&document.overrides_at("bench.after"))
        .unwrap()
        .pipeline(Connections::Later)
        .unwrap_err();
    assert!(
        error.message().contains("variable NONE is not set"),
        "{error}"
    );
}

#[test]
fn another_kind_of_document_is_checked_with_its_own_shape() {
    let text = PROFILE
        .replace("iters: 3", "iters: 0\n  iterations: 1")
        .replace(
            "pipeline: tiny",
            "pipeline: tiny\n  resources: { parallelism: 0 }",
        )
        .replace("profile: tiny", "profile: ${NONE}");
    let document = profile(&text);
    let mut checked = document.check(&profile_shape());
    checked.refuse("bench.before", "not to my liking; accepted: nothing");
    checked.refuse("bench.iters", "not told: it was refused before");
    insta::assert_snapshot!(checked.problems(), @r#"
    tiny.yaml:1:10: profile: the environment variable NONE is not set (`${NONE}`); set it, or give a default: ${NONE:-...}
    tiny.yaml:5:29: pipeline.resources.parallelism: a run needs a worker (`0`); accepted: `auto` or a whole number from 1 to 4294967295
    tiny.yaml:12:10: bench.iters: out of range (`0`); accepted: a whole number from 1 to 1000
    tiny.yaml:13:3: bench.iterations: unknown key; known here: iters, before, after
    tiny.yaml:14:11: bench.before: not to my liking; accepted: nothing
    5 problems in tiny.yaml
    "#);
    assert!(checked.finish::<serde_yaml::Value>().is_err());

    let document = profile(PROFILE);
    let value: serde_yaml::Value = document.check(&profile_shape()).finish().unwrap();
    assert_eq!(value["bench"]["before"]["resources.parallelism"], 1);
    assert_eq!(value["pipeline"]["source"]["streams"][0]["name"], "events");
}

#[test]
fn a_part_of_a_document_brings_its_own_problems() {
    let text = PROFILE.replace("name: events", "name: events, name: events");
    let document = profile(&text);
    let error = document
        .at("pipeline")
        .unwrap()
        .pipeline(Connections::Later)
        .unwrap_err();
    assert!(
        error
            .message()
            .starts_with("tiny.yaml:7:31: source.streams.0.name: the key is written twice"),
        "{error}"
    );
    assert!(document.at("bench").unwrap().problems.is_empty());
    assert!(document.at("nowhere").is_none());
}
