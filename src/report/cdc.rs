//! How change data capture stands, for a person.

use std::fmt::Write as _;

use super::run::line;
use crate::config::types::{Pipeline, WriteMode};
use crate::engine::cdc::{Changes, SetUp, Slot, Status, Table};
use crate::units::{Bytes, Rows};

/// What setup made.
#[must_use]
pub fn set_up(pipeline: &Pipeline, done: &SetUp) -> String {
    let mut out = String::new();
    let verb = if done.made { "made" } else { "there already" };
    line(&mut out, "publication", &format!("{} {verb}", done.slot));
    line(
        &mut out,
        "slot",
        &format!("{} {verb}, from {}", done.slot, done.begins_at),
    );
    tables(&mut out, &done.tables);
    let next = match pipeline.destination.write_mode {
        WriteMode::Append => "run the document: each run writes down the changes since the last",
        _ => {
            "run the document: the first run copies the tables, each later one applies the changes"
        }
    };
    line(&mut out, "next", next);
    line(
        &mut out,
        "note",
        "from now on the source keeps its log until it is read: run often, or `rb-bench cdc drop` it",
    );
    out
}

/// The slot, what is published, and what the destination knows.
#[must_use]
pub fn status(status: &Status) -> String {
    let mut out = String::new();
    line(&mut out, "pipeline", &status.pipeline);
    match &status.slot {
        None => line(&mut out, "slot", &format!("{} does not exist", status.name)),
        Some(slot) => slot_lines(&mut out, slot),
    }
    let published = match &status.published {
        None => format!("{} does not exist", status.name),
        Some(tables) => format!("{} of {}", status.name, tables.join(", ")),
    };
    line(&mut out, "publication", &published);
    match &status.state {
        None => line(
            &mut out,
            "destination",
            "knows nothing: `rb-bench cdc setup` was not run",
        ),
        Some(known) => {
            line(&mut out, "applied", &format!("up to {}", known.applied));
            let copy = match (&known.initial_copy, known.write_mode.as_str()) {
                (Some(snapshot), _) => format!("done, at snapshot {snapshot}"),
                (None, "append") => "none: a change log begins with the slot".to_owned(),
                (None, _) => "to come, with the next run".to_owned(),
            };
            line(&mut out, "initial copy", &copy);
            tables(&mut out, &known.tables);
        }
    }
    out
}

fn slot_lines(out: &mut String, slot: &Slot) {
    let bytes =
        |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), |bytes| Bytes(bytes).to_string());
    let text = |lsn: &Option<String>| lsn.clone().unwrap_or_else(|| "none".to_owned());
    let read = match slot.active_pid {
        Some(pid) => format!("read now by pid {pid}"),
        None => "not read now".to_owned(),
    };
    line(
        out,
        "slot",
        &format!("{}, {read}, log {}", slot.name, slot.wal_status),
    );
    line(
        out,
        "position",
        &format!(
            "read up to {}, log kept from {}",
            text(&slot.confirmed_flush_lsn),
            text(&slot.restart_lsn)
        ),
    );
    let safe = match slot.safe_wal_bytes {
        None => "without limit (max_slot_wal_keep_size)".to_owned(),
        Some(left) => format!("lost after {} more", Bytes(left.max(0) as u64)),
    };
    line(
        out,
        "log kept",
        &format!(
            "{}, {} not read yet, {safe}",
            bytes(slot.wal_retained_bytes),
            bytes(slot.lag_bytes)
        ),
    );
}

fn tables(out: &mut String, tables: &[Table]) {
    for table in tables {
        line(
            out,
            "table",
            &format!("{} -> {}", table.source, table.target),
        );
    }
}

/// Changes by kind, in one sentence.
#[must_use]
pub fn changes(changes: &Changes) -> String {
    let mut text = format!(
        "{} inserts, {} updates, {} deletes, {} truncates in {} transactions",
        Rows(changes.inserted),
        Rows(changes.updated),
        Rows(changes.deleted),
        Rows(changes.truncated),
        Rows(changes.transactions)
    );
    if changes.skipped > 0 {
        let _ = write!(text, "; {} were in already", Rows(changes.skipped));
    }
    text
}
