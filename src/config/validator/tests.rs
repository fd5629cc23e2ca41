//! What a document may mean.

use crate::config::types::*;
use crate::config::{Connections, Document, parse_pipeline};
use crate::error::{Kind, Result};

use super::validate;

pub(super) const HEAD: &str = "version: \"1.0\"\npipeline: orders\n";
pub(super) const SOURCE: &str =
    "source:\n  use: source-postgres\n  config: { url: \"postgres://app@db1/shop\" }\n";
pub(super) const STREAMS: &str = "  streams: [{ name: orders }]\n";
pub(super) const DESTINATION: &str =
    "destination:\n  use: dest-postgres\n  config: { url: \"postgres://app@db2/shop\" }\n";

/// A document whose resources are these lines (indented by two), the first on line 11.
fn with_resources(lines: &str) -> Result<Pipeline> {
    parse(&format!(
        "{HEAD}{SOURCE}{STREAMS}{DESTINATION}resources:\n{lines}\n"
    ))
}

pub(super) fn with_streams(streams: &str) -> Result<Pipeline> {
    parse(&format!(
        "{HEAD}{SOURCE}  streams: {streams}\n{DESTINATION}"
    ))
}

/// The first stream has these keys, the destination these lines.
pub(super) fn with_modes(stream: &str, destination: &str) -> Result<Pipeline> {
    parse(&format!(
        "{HEAD}{SOURCE}  streams: [{{ name: orders, {stream} }}]\n{DESTINATION}{destination}"
    ))
}

pub(super) fn parse(text: &str) -> Result<Pipeline> {
    parse_pipeline(text, "orders.yaml", &|_| None)
}

/// The messages of a refused document, without the last line.
pub(super) fn problems(result: Result<Pipeline>) -> Vec<String> {
    let error = result.expect_err("the document is wrong");
    assert_eq!(error.kind(), Kind::Config);
    let mut lines: Vec<String> = error.message().lines().map(ToOwned::to_owned).collect();
    lines.pop();
    lines
}

/// Asserts that there is one problem and that it starts so.
#[track_caller]
pub(super) fn assert_only(result: Result<Pipeline>, start: &str) {
    let problems = problems(result);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with(start), "{}", problems[0]);
}

#[track_caller]
fn parallelism_refused(value: &str, why: &str) {
    assert_eq!(
        problems(with_resources(&format!("  parallelism: {value}"))),
        [format!(
            "orders.yaml:11:{}: resources.parallelism: {why}; accepted: `auto` or a whole number from 1 to 4294967295",
            if value.is_empty() { 3 } else { 16 }
        )]
    );
}

fn parallelism(lines: &str) -> PipelineParallelism {
    with_resources(lines).unwrap().resources.parallelism
}

#[test]
fn test_parallelism_auto_is_accepted() {
    assert_eq!(
        parallelism("  parallelism: auto"),
        PipelineParallelism::Auto
    );
    assert_eq!(
        parallelism("  parallelism: \"auto\""),
        PipelineParallelism::Auto
    );
}

#[test]
fn test_parallelism_omitted_is_auto() {
    assert_eq!(parallelism("  max_retries: 1"), PipelineParallelism::Auto);
    assert_eq!(parallelism("  # nothing"), PipelineParallelism::Auto);
    let without = parse(&format!("{HEAD}{SOURCE}{STREAMS}{DESTINATION}")).unwrap();
    assert_eq!(without.resources, Resources::default());
}

#[test]
fn test_parallelism_one_is_accepted() {
    assert_eq!(
        parallelism("  parallelism: 1"),
        PipelineParallelism::Manual(1)
    );
}

#[test]
fn test_parallelism_four_is_manual() {
    assert_eq!(
        parallelism("  parallelism: 4"),
        PipelineParallelism::Manual(4)
    );
}

#[test]
fn test_parallelism_the_greatest_is_accepted() {
    assert_eq!(
        parallelism("  parallelism: 4294967295"),
        PipelineParallelism::Manual(u32::MAX)
    );
}

#[test]
fn test_parallelism_zero_is_refused_with_its_position() {
    parallelism_refused("0", "a run needs a worker (`0`)");
}

#[test]
fn test_parallelism_zero_is_refused_without_a_document() {
    let mut pipeline = with_resources("  parallelism: 1").unwrap();
    pipeline.resources.parallelism = PipelineParallelism::Manual(0);
    let error = validate(&pipeline, "copy", Connections::Required).unwrap_err();
    assert_eq!(
        error.message(),
        "copy: resources.parallelism: a run needs a worker (`0`); accepted: `auto` or a whole number from 1 to 4294967295\n1 problem in copy"
    );
}

#[test]
fn test_parallelism_negative_is_refused() {
    parallelism_refused("-1", "out of range (`-1`)");
}

#[test]
fn test_parallelism_beyond_u32_is_refused() {
    parallelism_refused("4294967296", "out of range (`4294967296`)");
    let endless = "9".repeat(50);
    parallelism_refused(&endless, &format!("out of range (`{endless}`)"));
}

#[test]
fn test_parallelism_other_words_are_refused() {
    parallelism_refused("many", "not a number (`many`)");
    parallelism_refused("Auto", "not a number (`Auto`)");
}

#[test]
fn test_parallelism_float_is_refused() {
    parallelism_refused("2.5", "not a whole number (`2.5`)");
    parallelism_refused("4.0", "not a whole number (`4.0`)");
}

#[test]
fn test_parallelism_bool_is_refused() {
    parallelism_refused("true", "wrong value (`true`)");
}

#[test]
fn test_parallelism_quoted_number_is_refused() {
    parallelism_refused("\"4\"", "a text, because of its quotes (`\"4\"`)");
}

#[test]
fn test_parallelism_without_a_value_is_refused() {
    parallelism_refused("", "no value");
    parallelism_refused("null", "no value");
}

#[test]
fn test_parallelism_list_and_map_are_refused() {
    parallelism_refused("[1]", "a list");
    parallelism_refused("{ auto: 1 }", "a map");
}

#[test]
fn test_parallelism_is_judged_together_with_everything_else() {
    let found = problems(parse(&format!(
        "version: \"2.0\"\npipeline: orders\n{SOURCE}{STREAMS}{DESTINATION}resources:\n  parallelism: 0\n  max_retry: 1\n"
    )));
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[1].starts_with("orders.yaml:11:16: resources.parallelism: a run needs a worker"));
}

#[test]
fn resources_have_bounds() {
    for (line, wrong) in [
        (
            "max_retries: 101",
            "max_retries: out of range (`101`); accepted: a whole number from 0 to 100",
        ),
        ("max_retries: -1", "max_retries: out of range (`-1`)"),
        (
            "chunk_bytes: 8191",
            "chunk_bytes: out of range (`8191`); accepted: a whole number from 8192 to",
        ),
        ("buffer_bytes: 4095", "buffer_bytes: out of range"),
        ("buffer_bytes: 16777217", "buffer_bytes: out of range"),
        ("buffer_bytes: 64k", "buffer_bytes: not a number (`64k`)"),
    ] {
        let column = line.find(':').unwrap() + 5;
        assert_only(
            with_resources(&format!("  {line}")),
            &format!("orders.yaml:11:{column}: resources.{wrong}"),
        );
    }
    let accepted = "  max_retries: 0\n  chunk_bytes: 8192\n  buffer_bytes: 4096";
    assert!(with_resources(accepted).is_ok());
}

#[test]
fn the_version_is_one_point_zero_quoted_or_not() {
    let rest = format!("pipeline: orders\n{SOURCE}{STREAMS}{DESTINATION}");
    assert_eq!(
        parse(&format!("version: 1.0\n{rest}")).unwrap().version,
        "1.0"
    );
    for wrong in ["1", "2.0", "\"1.1\"", "one"] {
        assert_only(
            parse(&format!("version: {wrong}\n{rest}")),
            "orders.yaml:1:10: version: unknown version (`",
        );
    }
    assert_only(parse(&rest), "orders.yaml:1:1: version: the key is missing");
}

#[test]
fn transforms_are_queries_that_a_servers_rows_pass_through() {
    let through = |source: &str, streams: &str, query: &str| {
        let transforms =
            format!("transforms:\n  - use: transform-sql\n    config: {{ query: \"{query}\" }}\n");
        parse(&format!("{HEAD}{source}{streams}{transforms}{DESTINATION}"))
    };
    assert!(through(SOURCE, STREAMS, "SELECT * FROM input").is_ok());
    assert_only(
        through(SOURCE, STREAMS, " "),
        "orders.yaml:9:22: transforms.0.config.query: an empty query; accepted: a SELECT over input",
    );
    let cdc = "  streams: [{ name: orders, sync_mode: cdc }]\n";
    let found = problems(through(SOURCE, cdc, "SELECT * FROM input"));
    let wrong = "transforms: the changes of a cdc stream do not pass through SQL; accepted with cdc: no transforms";
    assert!(
        found.iter().any(|problem| problem.contains(wrong)),
        "{found:#?}"
    );
}

#[test]
fn endpoints_say_how_to_connect() {
    let source = |config: &str| {
        parse(&format!(
            "{HEAD}source:\n  use: source-postgres\n  config: {config}\n{STREAMS}{DESTINATION}"
        ))
    };
    for (config, wrong) in [
        (
            "{ schema: a }",
            "5:11: source.config: no database to connect to; accepted: url, or host with port, user, database, or service",
        ),
        ("", "5:3: source.config: no database to connect to"),
        (
            "{ host: \"\" }",
            "5:19: source.config.host: an empty text; accepted: a text, or no such key",
        ),
        (
            "{ host: db, port: 0 }",
            "5:29: source.config.port: out of range (`0`); accepted: a whole number from 1 to 65535",
        ),
        (
            "{ host: db, port: \"5432\" }",
            "5:29: source.config.port: a text, because of its quotes (`\"5432\"`)",
        ),
        (
            "{ host: db, sslmode: required }",
            "5:32: source.config.sslmode: unknown word (`required`); did you mean require?",
        ),
        (
            "{ host: db, connect_timeout: soon }",
            "5:40: source.config.connect_timeout: not a number (`soon`)",
        ),
        (
            "{ hostaddr: 127.0.0.1, channel_binding: prefere }",
            "5:51: source.config.channel_binding: unknown word (`prefere`); did you mean prefer?",
        ),
        (
            "{ service: \"\" }",
            "5:22: source.config.service: an empty text",
        ),
        (
            "{ url: \"mysql://app:hunter2@db/shop\" }",
            "5:18: source.config.url: not a Postgres URL (`mysql://app:***@db/shop`)",
        ),
        (
            "{ url: db1 }",
            "5:18: source.config.url: not a Postgres URL (`db1`); accepted: postgres://user@host:port/database, or settings such as host=db1 dbname=shop",
        ),
        (
            "{ host: db, load_method: copy }",
            "5:23: source.config.load_method: unknown key; known here: url,",
        ),
    ] {
        assert_only(source(config), &format!("orders.yaml:{wrong}"));
    }
    let parts = source(
        "{ host: db, port: 5433, user: app, password: 0123, database: shop, sslmode: verify-full, \
         sslrootcert: system, connect_timeout: 5, keepalives: false }",
    )
    .unwrap();
    let SourceConnector::Postgres(endpoint) = parts.source.connector else {
        panic!("a Postgres source")
    };
    assert_eq!(endpoint.port, Some(5433));
    assert_eq!(endpoint.password.unwrap().reveal(), "0123");
    assert_eq!(endpoint.settings.sslmode.as_deref(), Some("verify-full"));
    assert_eq!(endpoint.settings.connect_timeout, Some(5));
    assert_eq!(endpoint.settings.keepalives, Some(false));
    assert!(source("{ service: shop }").is_ok());
    assert!(source("{ url: \"host=db1 dbname=shop\" }").is_ok());
}

#[test]
fn connections_may_be_left_out_where_they_are_filled_in_later() {
    let text = format!(
        "{HEAD}source:\n  use: source-postgres\n{STREAMS}destination:\n  use: dest-postgres\n"
    );
    let document = Document::read(&text, "small", &|_| None).unwrap();
    let pipeline = document.pipeline(Connections::Later).unwrap();
    assert!(
        matches!(pipeline.source.connector, SourceConnector::Postgres(e) if e.url.is_none() && e.schema == "public")
    );
    let error = document.pipeline(Connections::Required).unwrap_err();
    assert!(error.message().ends_with("2 problems in small"), "{error}");
}

#[test]
fn generated_rows_and_dropped_rows_have_their_own_rules() {
    let generate = |config: &str, stream: &str| {
        parse(&format!(
            "{HEAD}source:\n  use: source-generate\n  config: {config}\n  streams: [{{ name: {stream} }}]\ndestination:\n  use: dest-null\n"
        ))
    };
    let pipeline = generate("{ rows: 10 }", "a").unwrap();
    assert_eq!(pipeline.destination.connector, DestinationConnector::Null);
    for (config, stream, wrong) in [
        (
            "{ row_bytes: 10 }",
            "a",
            "5:3: source.config.rows: the key is missing; accepted: ",
        ),
        (
            "{ rows: 1, row_bytes: 0 }",
            "a",
            "5:33: source.config.row_bytes: out of range (`0`); accepted: a whole number from 1 to 16777216",
        ),
        (
            "{ rows: 1, rows_per_second: 0 }",
            "a",
            "5:39: source.config.rows_per_second: out of range (`0`)",
        ),
        (
            "{ rows: 1 }",
            "a*",
            "6:21: source.streams.0.name: a pattern (`a*`), and source-generate has no tables to match; accepted: a name",
        ),
        (
            "{ rows: 1 }",
            "a, columns: [id, total]",
            "6:38: source.streams.0.columns.1: source-generate has no such column (`total`); accepted: id, payload",
        ),
        (
            "{ rows: 1, url: x }",
            "a",
            "5:22: source.config.url: unknown key; known here: rows, row_bytes",
        ),
    ] {
        assert_only(generate(config, stream), &format!("orders.yaml:{wrong}"));
    }
    let repeated = generate("{ rows: 1 }", "a, sync_mode: incremental, cursor_field: id");
    assert_only(
        repeated,
        "orders.yaml:6:35: source.streams.0.sync_mode: source-generate makes the same rows every time (`incremental`); accepted: full_refresh",
    );
    let transformed = parse(&format!(
        "{HEAD}source:\n  use: source-generate\n  config: {{ rows: 1 }}\n{STREAMS}transforms:\n  - use: transform-sql\n    config: {{ query: SELECT 1 }}\ndestination:\n  use: dest-null\n"
    ));
    assert_only(
        transformed,
        "orders.yaml:8:3: transforms: source-generate has no server to run SQL in; accepted: no transforms, or source-postgres",
    );
    let replaced = parse(&format!(
        "{HEAD}{SOURCE}{STREAMS}destination:\n  use: dest-null\n  write_mode: replace\n"
    ));
    assert_only(
        replaced,
        "orders.yaml:9:15: destination.write_mode: dest-null keeps no rows to replace; accepted: append",
    );
    let null = parse(&format!(
        "{HEAD}{SOURCE}{STREAMS}destination:\n  use: dest-null\n  config: {{ url: x }}\n"
    ));
    assert_only(
        null,
        "orders.yaml:9:13: destination.config.url: unknown key; no keys are accepted here",
    );
}

#[test]
fn what_no_document_can_say_is_refused_of_values_too() {
    let refused = |change: &dyn Fn(&mut Pipeline)| {
        let mut pipeline = with_streams("[{ name: orders }]").unwrap();
        change(&mut pipeline);
        let error = validate(&pipeline, "copy", Connections::Required).unwrap_err();
        error
            .message()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(
        refused(&|pipeline| pipeline.source.streams.clear()),
        "copy: source.streams: no streams; accepted: at least one"
    );
    assert_eq!(
        refused(&|pipeline| pipeline.source.streams[0].columns = Some(Vec::new())),
        "copy: source.streams.0.columns: no columns; accepted: at least one, or no such key"
    );
}
