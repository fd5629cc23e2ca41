//! What the reader of a document sees: texts, positions, suggestions.

use std::fmt::Write as _;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::config::types::{PipelineParallelism, Secret, SourceConnector};
use crate::error::Kind;

const GOOD: &str = r#"version: "1.0"
pipeline: orders_copy
source:
  use: source-postgres
  config: { url: "postgres://app@db1/shop", schema: public }
  streams:
    - name: orders
      sync_mode: full_refresh
      columns: [id, total]
destination:
  use: dest-postgres
  config: { url: "postgres://app@db2/shop", schema: raw, load_method: copy }
  write_mode: append
  primary_key: [id]
resources:
  parallelism: auto
  max_retries: 3
"#;

fn parse(text: &str) -> Result<Pipeline> {
    let environment = |name: &str| match name {
        "N" => Some("4".to_owned()),
        "PORT" => Some("5433".to_owned()),
        "PW" => Some("hunter2".to_owned()),
        _ => None,
    };
    parse_pipeline(text, "orders.yaml", &environment)
}

fn message(text: &str) -> String {
    parse(text)
        .expect_err("the document is wrong")
        .message()
        .to_owned()
}

#[test]
fn a_good_document_becomes_a_pipeline() {
    let pipeline = parse(GOOD).unwrap();
    assert_eq!(pipeline.pipeline, "orders_copy");
    assert_eq!(
        pipeline.source.streams[0].columns.as_ref().unwrap().len(),
        2
    );
    assert_eq!(pipeline.destination.primary_key, ["id"]);
    assert_eq!(pipeline.resources.max_retries, 3);
}

#[test]
fn a_document_with_five_mistakes_gets_five_reports() {
    let text = r#"version: "1.0"
pipeline: orders_copy
source:
  use: source-postgres
  config: { url: "postgres://app@db1/shop", prot: 5432 }
  streams:
    - name: orders
      sync_mode: full
destination:
  use: dest-postgres
  config: { url: "postgres://app@db2/shop" }
  write_mode: apend
resources:
  parallelism: 0
  max_retries: lots
"#;
    let error = parse(text).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(error.exit_code(), 1);
    insta::assert_snapshot!(error.message(), @r#"
    orders.yaml:5:45: source.config.prot: unknown key; did you mean source.config.port? known here: url, host, port, user, password, database, schema, hostaddr, service, sslmode, sslrootcert, sslcert, sslkey, sslnegotiation, ssl_min_protocol_version, ssl_max_protocol_version, channel_binding, target_session_attrs, load_balance_hosts, connect_timeout, keepalives, keepalives_idle, keepalives_interval, keepalives_count, tcp_user_timeout, options, passfile
    orders.yaml:8:18: source.streams.0.sync_mode: unknown word (`full`); accepted: full_refresh, incremental, cdc
    orders.yaml:12:15: destination.write_mode: unknown word (`apend`); did you mean append? accepted: append, replace, upsert
    orders.yaml:14:16: resources.parallelism: a run needs a worker (`0`); accepted: `auto` or a whole number from 1 to 4294967295
    orders.yaml:15:16: resources.max_retries: not a number (`lots`); accepted: a whole number from 0 to 100
    5 problems in orders.yaml
    "#);
}

#[test]
fn a_file_is_read_and_a_missing_one_is_told() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(GOOD.as_bytes()).unwrap();
    assert!(load_pipeline(file.path()).is_ok());
    let error = load_pipeline(Path::new("no/such/file.yaml")).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.message().contains("no/such/file.yaml"));
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_its_position() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"version: \"1.0\"\npipeline: caf\xe9\n")
        .unwrap();
    let error = load_pipeline(file.path()).unwrap_err();
    let expected = ":2:14: not UTF-8 text (byte 0xe9); accepted: UTF-8\n1 problem in ";
    assert!(error.message().contains(expected), "{error}");
}

#[test]
fn a_file_over_eight_mebibytes_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'#'; (8 << 20) + 1]).unwrap();
    let error = load_pipeline(file.path()).unwrap_err();
    assert!(
        error
            .message()
            .contains("the document is too big; accepted: at most 8 MiB"),
        "{error}"
    );
    let mut text = GOOD.to_owned();
    text.push_str(&" ".repeat((8 << 20) - GOOD.len()));
    assert!(parse(&text).is_ok());
}

#[test]
fn variables_take_the_type_of_their_text() {
    let text = GOOD
        .replace("parallelism: auto", "parallelism: ${N}")
        .replace(
            "schema: public",
            "port: \"${PORT}\", password: \"${PW}\", user: \"${NONE:-app}\"",
        );
    let pipeline = parse(&text).unwrap();
    assert_eq!(
        pipeline.resources.parallelism,
        PipelineParallelism::Manual(4)
    );
    let SourceConnector::Postgres(endpoint) = pipeline.source.connector else {
        panic!("a Postgres source")
    };
    assert_eq!(endpoint.port, Some(5433));
    assert_eq!(endpoint.user.as_deref(), Some("app"));
    assert_eq!(endpoint.password, Some(Secret::new("hunter2")));
}

#[test]
fn all_missing_variables_are_named_with_the_other_problems() {
    let text = GOOD
        .replace("postgres://app@db1/shop", "${SOURCE_URL}")
        .replace(
            "postgres://app@db2/shop",
            "postgres://${USER_}:${PASS}@db2/shop",
        )
        .replace("max_retries: 3", "max_retries: 300");
    insta::assert_snapshot!(message(&text), @r#"
    orders.yaml:5:18: source.config.url: the environment variable SOURCE_URL is not set (`${SOURCE_URL}`); set it, or give a default: ${SOURCE_URL:-...}
    orders.yaml:12:18: destination.config.url: the environment variable USER_ is not set (`${USER_}`); set it, or give a default: ${USER_:-...}
    orders.yaml:12:18: destination.config.url: the environment variable PASS is not set (`${PASS}`); set it, or give a default: ${PASS:-...}
    orders.yaml:17:16: resources.max_retries: out of range (`300`); accepted: a whole number from 0 to 100
    4 problems in orders.yaml
    "#);
}

#[test]
fn a_variable_in_braces_without_quotes_gets_a_hint() {
    let text = GOOD.replace("\"postgres://app@db1/shop\"", "${URL}");
    insta::assert_snapshot!(message(&text), @r#"
    orders.yaml:5:19: not YAML: while parsing a flow mapping, did not find expected ',' or '}'; inside { } and [ ], quote it: "${VAR}"
    1 problem in orders.yaml
    "#);
}

#[test]
fn no_message_shows_a_secret() {
    for (from, to) in [
        (
            "url: \"postgres://app@db1/shop\"",
            "url: \"mysql://app:hunter2@db1/shop\"",
        ),
        (
            "url: \"postgres://app@db1/shop\"",
            "url: \"mysql://app:${PW}@db1/shop\"",
        ),
        ("url: \"postgres://app@db1/shop\"", "url: \"${PW}\""),
        ("url: \"postgres://app@db1/shop\"", "url: [hunter2]"),
        (
            "url: \"postgres://app@db1/shop\"",
            "url: \"postgres://app:hunter2@db1/shop\", port: x",
        ),
        (
            "url: \"postgres://app@db1/shop\"",
            "port: \"${PW}\", host: db",
        ),
        (
            "url: \"postgres://app@db1/shop\"",
            "pasword: hunter2, host: db",
        ),
        ("parallelism: auto", "parallelism: \"${PW}\""),
        (
            "parallelism: auto",
            "parallelism: postgres://app:hunter2@db1/shop",
        ),
        ("write_mode: append", "write_mode: ${PW}"),
        ("name: orders", "name: orders\n      target: a.b.${PW}"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        let error = parse(&text).expect_err(to);
        let all = format!("{error} {error:?} {}", error.to_json());
        assert!(!all.contains("hunter2"), "{to}: {all}");
    }
    let document = Document::read(
        &GOOD.replace("schema: public", "password: \"${PW}\""),
        "orders.yaml",
        &|_| Some("hunter2".into()),
    )
    .unwrap();
    let pipeline = document.pipeline(Connections::Required).unwrap();
    assert!(!format!("{document:?} {pipeline:?}").contains("hunter2"));
}

#[test]
fn unknown_keys_are_told_with_the_key_that_was_meant() {
    for (from, to, expected) in [
        (
            "parallelism: auto",
            "paralelism: 4",
            "16:3: resources.paralelism: unknown key; did you mean resources.parallelism? known here: parallelism, max_retries, chunk_bytes, buffer_bytes",
        ),
        (
            "write_mode: append",
            "write-mode: append",
            "13:3: destination.write-mode: unknown key; did you mean destination.write_mode?",
        ),
        (
            "write_mode: append",
            "load_method: copy",
            "13:3: destination.load_method: unknown key; did you mean destination.config.load_method?",
        ),
        (
            "resources:",
            "recources:",
            "15:1: recources: unknown key; did you mean resources?",
        ),
        (
            "write_mode: append",
            "colour: red",
            "13:3: destination.colour: unknown key; known here: use, config, write_mode, primary_key, commit",
        ),
        (
            "pipeline: orders_copy",
            "pipelin: orders_copy",
            "2:1: pipelin: unknown key; did you mean pipeline?",
        ),
    ] {
        let found = message(&GOOD.replacen(from, to, 1));
        assert!(
            found.starts_with(&format!("orders.yaml:{expected}")),
            "{found}"
        );
        assert!(found.ends_with("\n1 problem in orders.yaml"), "{found}");
    }
}

#[test]
fn whatever_else_is_wrong_the_rest_is_judged() {
    let good = GOOD.replace("parallelism: auto", "parallelism: 0");
    for broken in [
        "version: \"1.0\"\n",
        "pipeline: orders_copy\n",
        "  use: source-postgres\n",
        "  use: dest-postgres\n",
        "name: orders\n      ",
        "  config: { url: \"postgres://app@db1/shop\", schema: public }\n",
    ] {
        let text = good.replacen(broken, "", 1);
        assert_ne!(text, good);
        let found = message(&text);
        assert!(
            found.contains("resources.parallelism: a run needs a worker"),
            "{found}"
        );
        assert!(found.ends_with("2 problems in orders.yaml"), "{found}");
    }
    let text = good.replacen(
        "source:\n  use: source-postgres\n  config",
        "source: 5\nsauce:\n  config",
        1,
    );
    let found = message(&text);
    assert!(found.ends_with("3 problems in orders.yaml"), "{found}");
}

#[test]
fn endless_problems_are_not_told_endlessly() {
    let mut text = GOOD.to_owned();
    for n in 0..1000 {
        writeln!(text, "unknown{n}: 1").unwrap();
    }
    let found = message(&text);
    assert!(
        found.ends_with("\nand 800 more\n1000 problems in orders.yaml"),
        "{found}"
    );
}

#[test]
fn a_document_of_another_kind_is_told_once() {
    assert!(message("- a\n- b\n").starts_with(
        "orders.yaml:1:1: a list; accepted: a map with the keys version, pipeline, source,"
    ));
    assert!(message("hello").starts_with("orders.yaml:1:1: not a map (`hello`)"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn any_yaml_like_text_is_read_or_refused(text in "[-a-z0-9:#&*!|>'\"%@{}\\[\\],?~$. \t\n<\u{feff}]{0,60}") {
        let _ = parse(&text);
    }

    #[test]
    fn any_damage_to_a_good_document_is_read_or_refused(at in 0..GOOD.len(), length in 0usize..20, put in "[-a:#&*!|>'\"{}\\[\\],?$ \t\n<]{0,6}") {
        let end = (at + length).min(GOOD.len());
        let _ = parse(&format!("{}{put}{}", &GOOD[..at], &GOOD[end..]));
    }
}
