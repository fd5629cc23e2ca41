//! `rb-bench history [prune]`: the saved sessions, their course, and deleting old ones.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};

use super::{confirm, print_line};
use crate::bench::archive::{Archive, Entry};
use crate::bench::trend;
use crate::cli::{Format, HistoryAction, HistoryArgs, HistoryFilter};
use crate::error::{Error, Kind, Result};
use crate::report::{self, Paper};

/// Does what was typed.
pub(super) fn run(args: &HistoryArgs) -> Result<u8> {
    let archive = Archive::open(&args.out)?;
    let now = Timestamp::now();
    match &args.action {
        None => list(&archive, &chosen(&archive, &args.filter, now)?, args.format)?,
        Some(HistoryAction::Prune {
            filter,
            keep,
            older_than,
            yes,
        }) => {
            let chosen = chosen(&archive, filter, now)?;
            // oldest first
            let count = match (keep, older_than) {
                (Some(keep), _) => chosen.len().saturating_sub(*keep),
                (None, Some(time)) => {
                    let limit = moment(time, now)?;
                    let young = |entry: &&Entry| began(entry).is_none_or(|at| at >= limit);
                    chosen.iter().position(young).unwrap_or(chosen.len())
                }
                (None, None) => return Err(Error::internal("prune without a limit")),
            };
            prune(&archive, &chosen[..count], *yes, args.format)?;
        }
    }
    Ok(0)
}

/// The sessions that pass the filters, oldest first.
fn chosen<'a>(
    archive: &'a Archive,
    filter: &HistoryFilter,
    now: Timestamp,
) -> Result<Vec<&'a Entry>> {
    let since = filter
        .since
        .as_deref()
        .map(|text| moment(text, now))
        .transpose()?;
    let asked = |wanted: &Option<String>, is: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
    };
    Ok(archive
        .entries()
        .iter()
        .filter(|e| asked(&filter.profile, Some(&e.profile)))
        .filter(|e| asked(&filter.label, e.label.as_deref()))
        .filter(|e| since.is_none_or(|since| began(e).is_some_and(|at| at >= since)))
        .collect())
}

fn began(entry: &Entry) -> Option<Timestamp> {
    entry.created_at.parse().ok()
}

/// The time that was typed: a time, a day (its beginning, UTC), or how long ago.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let utc = TimeZone::UTC;
    let day = text
        .parse::<civil::Date>()
        .and_then(|day| day.at(0, 0, 0, 0).to_zoned_datetime(utc.clone()));
    let ago = || {
        let span: Span = text.parse()?;
        now.to_zoned_datetime(utc.clone()).checked_sub(span.abs())
    };
    day.or_else(|_| ago()).map(|at| at.timestamp()).map_err(|_| {
        Error::new(Kind::Usage, format!("`{text}` is not a time"))
            .remedy("give a day (2026-11-01), a time (2026-11-01T12:00:00Z), or how long ago (30d, 12h)")
    })
}

fn list(archive: &Archive, chosen: &[&Entry], format: Format) -> Result<()> {
    let trends = trend::trends(chosen);
    match format {
        Format::Json => print_line(
            &serde_json::json!({
                "sessions": chosen,
                "trends": trends,
                "unreadable": archive.unreadable(),
            })
            .to_string(),
        ),
        Format::Text => {
            let text =
                report::history::text(chosen, &trends, archive.unreadable(), Paper::stdout());
            print_line(text.trim_end())
        }
    }
}

fn prune(archive: &Archive, old: &[&Entry], yes: bool, format: Format) -> Result<()> {
    let count = match old.len() {
        1 => "1 session".to_owned(),
        n => format!("{n} sessions"),
    };
    if let (Some(first), Some(last)) = (old.first(), old.last()) {
        let what = format!(
            "delete {count}, from {} to {}",
            first.created_at, last.created_at
        );
        if !yes && !confirm::asked(&what)? {
            return match format {
                Format::Json => print_line(&serde_json::json!({"deleted": []}).to_string()),
                Format::Text => print_line("nothing was deleted"),
            };
        }
    }
    for entry in old {
        archive.remove(entry)?;
    }
    match format {
        Format::Json => {
            let files: Vec<&str> = old.iter().map(|entry| entry.file.as_str()).collect();
            print_line(&serde_json::json!({"deleted": files}).to_string())
        }
        Format::Text => print_line(&format!("{count} deleted")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_day_a_moment_or_how_long_ago() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
            ("30d", "2026-10-25T12:00:00Z"),
            ("12h", "2026-11-24T00:00:00Z"),
            ("2 weeks", "2026-11-10T12:00:00Z"),
        ] {
            assert_eq!(moment(text, now).unwrap().to_string(), time, "{text}");
        }
        for text in ["", "yesterday", "30", "9999999999d"] {
            assert_eq!(moment(text, now).unwrap_err().kind(), Kind::Usage, "{text}");
        }
    }
}
