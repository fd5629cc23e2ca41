//! What other tools reached, from the file that `benches/peers/peers.py --json` writes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use crate::bench::stats::Spread;
use crate::error::{self, Error, Result};
use crate::report::compared::escaped;
use crate::report::figures::spread;
use crate::units::{ByteRate, Bytes, Rows, Seconds};

/// One profile over all arms.
#[derive(Debug, Deserialize)]
struct Profile {
    #[serde(rename = "profile")]
    name: String,
    rows: u64,
    /// Of the table in COPY's binary format.
    bytes: u64,
    /// Runs by arm.
    res: BTreeMap<String, Vec<Run>>,
    /// Whether the rows of an arm, written as text, have the source's hash sum; none where it was not asked
    /// for, or no rows land. Files of before it was kept have none at all.
    #[serde(default)]
    same_checksum: BTreeMap<String, bool>,
    /// Why an arm has none, or no more.
    failed: BTreeMap<String, String>,
}

/// One run of an arm.
#[derive(Debug, Deserialize)]
struct Run {
    /// Seconds.
    wall: f64,
    /// Wall time as a multiple of `psql | psql` in the same round.
    ratio: Option<f64>,
    /// CPU seconds of the client.
    cli: f64,
    /// CPU seconds of the servers.
    srv: f64,
    /// Peak memory of the client's largest process, in MB; not in files of before it was measured apart
    /// from the script that starts the client.
    rss_mb: Option<f64>,
}

/// A table for each profile, fastest arm first.
///
/// # Errors
/// A file that cannot be read, or is none of that script's.
pub(super) fn table(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::file("read", path, e))?;
    let profiles: Vec<Profile> = serde_json::from_str(&text).map_err(|e| {
        let what = format!("{} is not what peers.py --json writes: {e}", path.display());
        Error::new(error::Kind::Data, what)
    })?;
    Ok(profiles
        .iter()
        .map(of_profile)
        .collect::<Vec<_>>()
        .join("\n"))
}

fn of_profile(profile: &Profile) -> String {
    let mut text = format!(
        "{}: {} rows, {} in COPY's binary format\n\n\
         | arm | rounds | wall time | throughput | wall time / base | CPU client | CPU servers | peak memory client | same checksum |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n",
        escaped(&profile.name),
        Rows(profile.rows),
        Bytes(profile.bytes)
    );
    let of = |runs: &[Run], value: fn(&Run) -> Option<f64>| {
        Spread::of(&runs.iter().filter_map(value).collect::<Vec<_>>())
    };
    let mut arms: Vec<(&String, &Vec<Run>, Spread)> = profile
        .res
        .iter()
        .filter_map(|(arm, runs)| Some((arm, runs, of(runs, |run| Some(run.wall))?)))
        .collect();
    arms.sort_by(|a, b| a.2.median.total_cmp(&b.2.median));
    for (arm, runs, wall) in arms {
        let seconds = |s: Spread| spread(s, |s| Seconds(s).to_string());
        let cell = |s: Option<Spread>| s.map(seconds).unwrap_or_default();
        let rate = |seconds: f64| ByteRate(profile.bytes as f64 / seconds);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} ({} .. {}) | {} | {} | {} | {} | {} |",
            escaped(arm),
            runs.len(),
            seconds(wall),
            rate(wall.median),
            rate(wall.max),
            rate(wall.min),
            of(runs, |run| run.ratio)
                .map(|ratios| spread(ratios, |ratio| format!("{ratio:.2}")))
                .unwrap_or_default(),
            cell(of(runs, |run| Some(run.cli))),
            cell(of(runs, |run| Some(run.srv))),
            of(runs, |run| run.rss_mb).map_or_else(
                || "-".to_owned(),
                |peak| spread(peak, |mb| Bytes((mb * 1e6) as u64).to_string())
            ),
            match profile.same_checksum.get(arm) {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            },
        );
    }
    for (arm, why) in &profile.failed {
        let _ = writeln!(text, "\n- {}: {}", escaped(arm), escaped(why));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_listed_fastest_first_with_their_ranges() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("peers.json");
        let run = |wall, ratio, rss| {
            format!(
                r#"{{"wall": {wall}, "cli": 0.2, "srv": 1.5, "rss_mb": {rss}, "ratio": {ratio}}}"#
            )
        };
        let text = format!(
            r#"[{{"profile": "small", "rows": 1000, "bytes": 500000, "dest": "pk",
                 "res": {{"base": [{}, {}], "auto": [{}], "read": [{}], "sling": []}},
                 "same_checksum": {{"base": true, "auto": false}}, "failed": {{"sling": "not installed"}}}}]"#,
            run(2.0, 1.0, 8.4),
            run(2.2, 1.0, 9.6),
            run(1.0, 0.5, 21.0),
            run(0.5, 0.25, 8.0)
        );
        std::fs::write(&path, text).unwrap();
        insta::assert_snapshot!(table(&path).unwrap(), @"
        small: 1,000 rows, 500 kB in COPY's binary format

        | arm | rounds | wall time | throughput | wall time / base | CPU client | CPU servers | peak memory client | same checksum |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
        | read | 1 | 500 ms (500 ms .. 500 ms) | 1.00 MB/s (1.00 MB/s .. 1.00 MB/s) | 0.25 (0.25 .. 0.25) | 200 ms (200 ms .. 200 ms) | 1.50 s (1.50 s .. 1.50 s) | 8.00 MB (8.00 MB .. 8.00 MB) | - |
        | auto | 1 | 1.00 s (1.00 s .. 1.00 s) | 500 kB/s (500 kB/s .. 500 kB/s) | 0.50 (0.50 .. 0.50) | 200 ms (200 ms .. 200 ms) | 1.50 s (1.50 s .. 1.50 s) | 21.0 MB (21.0 MB .. 21.0 MB) | no |
        | base | 2 | 2.10 s (2.00 s .. 2.20 s) | 238 kB/s (227 kB/s .. 250 kB/s) | 1.00 (1.00 .. 1.00) | 200 ms (200 ms .. 200 ms) | 1.50 s (1.50 s .. 1.50 s) | 9.00 MB (8.40 MB .. 9.60 MB) | yes |

        - sling: not installed
        ");
        std::fs::write(&path, "{}").unwrap();
        let error = table(&path).unwrap_err();
        assert_eq!(error.kind(), error::Kind::Data);
        assert!(
            error
                .message()
                .contains(" is not what peers.py --json writes: "),
            "{error}"
        );
    }

    #[test]
    fn rounds_of_before_memory_and_checksums_were_kept_show_a_dash() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("peers.json");
        let text = r#"[{"profile": "small", "rows": 1000, "bytes": 500000, "dest": "pk", "failed": {},
            "res": {"base": [{"wall": 2.0, "cli": 0.2, "srv": 1.5, "rss": 17260, "ratio": 1.0}]}}]"#;
        std::fs::write(&path, text).unwrap();
        let table = table(&path).unwrap();
        let row = table.lines().last().unwrap();
        assert!(row.ends_with(" | - | - |"), "{table}");
    }
}
