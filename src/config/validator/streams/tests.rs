//! The rules of streams.

use crate::config::validator::tests::{
    DESTINATION, HEAD, SOURCE, STREAMS, assert_only, parse, problems, with_modes, with_streams,
};

#[test]
fn mode_pairs_other_than_the_listed_are_refused_naming_what_goes() {
    let key = "  primary_key: [id]\n  write_mode:";
    for (stream, mode, pair_is_wrong) in [
        ("sync_mode: full_refresh", "replace", None),
        ("sync_mode: full_refresh", "upsert", None),
        ("sync_mode: incremental, cursor_field: at", "append", None),
        ("sync_mode: incremental, cursor_field: at", "upsert", None),
        (
            "sync_mode: incremental, cursor_field: at",
            "replace",
            Some(
                "incremental does not go with write_mode replace; accepted with incremental: append, upsert",
            ),
        ),
        ("sync_mode: cdc", "append", None),
        ("sync_mode: cdc", "upsert", None),
        (
            "sync_mode: cdc",
            "replace",
            Some("cdc does not go with write_mode replace; accepted with cdc: upsert, append"),
        ),
    ] {
        let result = with_modes(stream, &format!("{key} {mode}\n"));
        let found = if result.is_ok() {
            Vec::new()
        } else {
            problems(result)
        };
        match pair_is_wrong {
            None => assert!(found.is_empty(), "{found:#?}"),
            Some(wrong) => assert_eq!(
                found,
                [format!(
                    "orders.yaml:6:40: source.streams.0.sync_mode: {wrong}"
                )]
            ),
        }
    }
    assert!(with_modes("sync_mode: full_refresh", &format!("{key} append\n")).is_ok());
}

#[test]
fn cursors_belong_to_incremental_streams_and_keys_to_upserts() {
    let real = |stream: &str, destination: &str| -> Vec<String> {
        let result = with_modes(stream, destination);
        if result.is_ok() {
            Vec::new()
        } else {
            problems(result)
        }
    };
    let upsert = "  write_mode: upsert\n  primary_key: [id]\n";
    for (stream, destination, wrong) in [
        (
            "sync_mode: incremental",
            "",
            "source.streams.0.cursor_field: the key is missing; accepted with incremental: the column whose highest value is remembered",
        ),
        (
            "cursor_field: at",
            "",
            "source.streams.0.cursor_field: a cursor without meaning for full_refresh; accepted: with sync_mode incremental",
        ),
        (
            "sync_mode: cdc, cursor_field: at",
            "",
            "source.streams.0.cursor_field: a cursor without meaning for cdc",
        ),
        (
            "sync_mode: incremental, cursor_field: at, cursor_lag: 1 hour",
            "",
            "source.streams.0.cursor_lag: a cursor lag without meaning for incremental with append; accepted: with incremental and upsert, which may read a row twice",
        ),
        (
            "sync_mode: incremental, cursor_field: at, cursor_lag: \"\"",
            upsert,
            "source.streams.0.cursor_lag: an empty text; accepted: an interval such as 10 minutes, or a number",
        ),
        (
            "schema: a",
            "  write_mode: upsert\n",
            "destination.primary_key: no key columns; accepted with upsert: a list of at least one column",
        ),
        (
            "schema: a",
            "  write_mode: upsert\n  primary_key: [id, id]\n",
            "destination.primary_key.1: the column is listed twice (`id`)",
        ),
    ] {
        let found = real(stream, destination);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains(&format!(": {wrong}")), "{}", found[0]);
    }
    let lag = "sync_mode: incremental, cursor_field: at, cursor_lag: 1 hour";
    assert!(real(lag, upsert).is_empty());
}

#[test]
fn streams_and_their_targets_are_named_once() {
    let long = "x".repeat(64);
    for (streams, wrong) in [
        ("[]", "6:12: source.streams: an empty list"),
        (
            "[{ name: a }, { name: a }]",
            "6:34: source.streams.1.name: the stream is listed twice (`a`), first in line 6",
        ),
        (
            "[{ name: a }, { name: b, target: a }]",
            "6:45: source.streams.1.target: two streams for one table of the destination (`a`), the other in line 6; accepted: a target of its own for each",
        ),
        (
            "[{ name: a }, { name: a, schema: s }]",
            "6:34: source.streams.1.name: two streams for one table",
        ),
        (
            "[{ name: a }, { name: b, target: public.a }]",
            "6:45: source.streams.1.target: two streams for one table",
        ),
        (
            "[{ name: a, target: x.y.z }]",
            "6:32: source.streams.0.target: a name of 3 parts",
        ),
        (
            "[{ name: \"a_*\", target: x }]",
            "6:36: source.streams.0.target: a target for a pattern (`a_*`), which may name several tables; accepted: a target for one table",
        ),
        (
            "[{ name: \"\" }]",
            "6:21: source.streams.0.name: an empty name; accepted: a name",
        ),
        (
            "[{ name: a, columns: [] }]",
            "6:33: source.streams.0.columns: an empty list",
        ),
        (
            "[{ name: a, columns: [b, b] }]",
            "6:37: source.streams.0.columns.1: the column is listed twice (`b`)",
        ),
        (
            "[{ name: a, columns: b }]",
            "6:33: source.streams.0.columns: not a list (`b`)",
        ),
        (
            &format!("[{{ name: {long} }}]"),
            &format!(
                "6:21: source.streams.0.name: a name of 64 bytes (`{}...`); accepted: at most 63, Postgres would cut off the rest",
                &long[..60]
            ),
        ),
        (
            "[{ schema: a }]",
            "6:13: source.streams.0.name: the key is missing",
        ),
    ] {
        assert_only(with_streams(streams), &format!("orders.yaml:{wrong}"));
    }
    for streams in [
        "[{ name: a, schema: s }, { name: a, target: b }]",
        "[{ name: \"a_*\" }, { name: a_b }]",
        "[{ name: 2024 }]",
    ] {
        assert!(with_streams(streams).is_ok(), "{streams}");
    }
}

#[test]
fn streams_of_several_schemas_may_keep_their_own() {
    let to = |schema: &str, streams: &str| {
        parse(&format!(
            "{HEAD}{SOURCE}  streams: {streams}\ndestination:\n  use: dest-postgres\n  config: {{ host: db2, schema: \"{schema}\" }}\n"
        ))
    };
    let two = "[{ name: a }, { name: a, schema: s }]";
    assert!(to("*", two).is_ok());
    assert_only(
        to("raw", two),
        "orders.yaml:6:34: source.streams.1.name: two streams for one table",
    );
    assert_only(
        to("raw", "[{ name: a, schema: \"s_*\", target: b }]"),
        "orders.yaml:6:47: source.streams.0.target: a target for a pattern (`a`)",
    );
}

#[test]
fn what_is_wrong_in_one_place_is_not_told_again_in_another() {
    // A misspelt sync_mode leaves the cursor unjudged; a wrong `use` leaves `config` unjudged.
    assert_only(
        with_modes("sync_mode: incrementl, cursor_field: at", ""),
        "orders.yaml:6:40: source.streams.0.sync_mode: unknown word (`incrementl`); did you mean incremental?",
    );
    assert_only(
        with_modes("sync_mod: incremental, cursor_field: at", ""),
        "orders.yaml:6:29: source.streams.0.sync_mod: unknown key; did you mean source.streams.0.sync_mode?",
    );
    assert_only(
        parse(&format!(
            "{HEAD}source:\n  use: source-postgrs\n  config: {{ rows: 1 }}\n{STREAMS}{DESTINATION}"
        )),
        "orders.yaml:4:8: source.use: unknown word (`source-postgrs`); did you mean source-postgres?",
    );
}
