//! What is done with saved sessions, as it was typed.
//!
//! A session is named everywhere alike: a file, or `latest`, `previous`, an id or a label in `--out`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::measured::percent;
use super::{Format, GateFlags};

/// `rb-bench compare BEFORE [AFTER]`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench compare previous latest             the after arms of two sessions
  rb-bench compare main.json branch.json --fail-on-regression
  rb-bench compare latest                      the two arms of one session, in pairs
  rb-bench compare 0f3a9c21 latest --allow host --explain
  rb-bench compare previous latest --format markdown >> summary.md
  rb-bench compare previous latest --format html > compared.html

Two sessions are compared where profile, data, host, servers, their versions and settings, build, user interface and
target are the same; else the differences are named, and the exit code is 5.")]
pub struct CompareArgs {
    /// What is compared with: a file, or `latest`, `previous`, an id or a label
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// What is in question; the other arm of BEFORE when omitted
    #[arg(value_name = "AFTER")]
    pub after: Option<String>,
    /// Which arm of either session
    #[arg(long, value_enum, default_value_t, requires = "after")]
    pub arm: ComparedArm,
    /// Compare although this differs (repeatable): profile, data, host, server, postgres-version,
    /// postgres-settings, build, ui, target
    #[arg(long, value_name = "DIFFERENCE", requires = "after")]
    pub allow: Vec<String>,
    /// Smallest change that counts, percent; the larger one of the sessions when omitted
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub noise_threshold: Option<f64>,
    /// What a verdict does.
    #[command(flatten)]
    pub gates: GateFlags,
    /// Say in words what was computed, and how
    #[arg(long)]
    pub explain: bool,
    /// Directory of the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// In which form
    #[arg(long, value_enum, default_value_t)]
    pub format: CompareFormat,
}

/// An arm of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ComparedArm {
    /// The setting things were compared with.
    Before,
    /// The setting in question.
    #[default]
    After,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// For a person.
    #[default]
    Text,
    /// One JSON document on stdout and nothing else.
    Json,
    /// For a pull request.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// One page for a browser, with the plots.
    Html,
}

/// `rb-bench history`
#[derive(Debug, Args)]
#[command(
    // a filter before `prune` would be passed over, and too much deleted
    args_conflicts_with_subcommands = true,
    after_help = "EXAMPLES:
  rb-bench history                              every session, and how throughput went
  rb-bench history --profile medium --since 30d
  rb-bench history --label nightly --format json
  rb-bench history prune --keep 50              delete all but the newest 50
  rb-bench history prune --profile small --older-than 90d --yes

Only sessions of one profile, under the same conditions and settings, are set against each other. Where their
level changed is found by E-divisive means with a permutation test; it takes 8 of them. It is information, not a
verdict: what else changed between two sessions is not controlled."
)]
pub struct HistoryArgs {
    /// What to do; list them when omitted
    #[command(subcommand)]
    pub action: Option<HistoryAction>,
    /// Which sessions.
    #[command(flatten)]
    pub filter: HistoryFilter,
    /// Directory of the artifacts
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "bench-results"
    )]
    pub out: PathBuf,
    /// Text for a person, or one JSON document
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
}

/// Which sessions are meant.
#[derive(Debug, Args)]
pub struct HistoryFilter {
    /// Of this profile alone
    #[arg(long, short, value_name = "NAME")]
    pub profile: Option<String>,
    /// With this label alone
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// From this time on: `2026-11-01`, `2026-11-01T12:00:00Z`, or so long ago: `30d`, `12h`
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
}

/// What `rb-bench history` can do beside listing.
#[derive(Debug, Subcommand)]
pub enum HistoryAction {
    /// Delete old sessions; the filters say among which
    #[command(group = clap::ArgGroup::new("which").required(true))]
    Prune {
        /// Among which sessions.
        #[command(flatten)]
        filter: HistoryFilter,
        /// Keep the newest N
        #[arg(long, value_name = "N", group = "which")]
        keep: Option<usize>,
        /// Delete those from before this time: `90d`, `2026-11-01`
        #[arg(long, value_name = "TIME", group = "which")]
        older_than: Option<String>,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}

/// `rb-bench export ARTIFACT`
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("form").required(true),
    after_help = "EXAMPLES:
  rb-bench export latest --hlog > session.hlog     for any HdrHistogram tool
  rb-bench export 0f3a9c21 --csv                   a line for each counted iteration
  rb-bench export latest --bmf | bencher run ..."
)]
pub struct ExportArgs {
    /// A file, or `latest`, `previous`, an id or a label
    #[arg(value_name = "ARTIFACT")]
    pub artifact: String,
    /// Latency distributions as an HdrHistogram interval log
    #[arg(long, group = "form")]
    pub hlog: bool,
    /// Iterations as comma-separated values
    #[arg(long, group = "form")]
    pub csv: bool,
    /// Medians and ranges in the Bencher Metric Format
    #[arg(long, group = "form")]
    pub bmf: bool,
    /// Directory of the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
}

/// `rb-bench report`
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true),
    after_help = "EXAMPLES:
  rb-bench report latest --html medium.html        one page with the plots of a session
  rb-bench report bench-results/*.json --html all.html
  rb-bench report --update PERF_ANALYSIS.md        its tables, from the artifacts that they cite
  rb-bench report --update PERF_ANALYSIS.md --check
                                                   changes nothing; exits with 1 if it would
  rb-bench report --profile-pages docs/benchmarks  a page for each profile with saved sessions, and an index

A page needs nothing else: no network, no script. A table stands between two lines of the document,
  <!-- rb-bench:table artifact=bench-results/X.json kind=comparison -->
  <!-- /rb-bench:table -->
where kind is comparison, verdicts, machine, tuning or peers, and the file is looked for from the document's directory
(several: artifact=A,B)."
)]
pub struct ReportArgs {
    /// Sessions and tunings: files, or `latest`, `previous`, ids or labels of sessions
    #[arg(value_name = "ARTIFACT", required_unless_present_any = ["update", "profile_pages"], conflicts_with_all = ["update", "profile_pages"])]
    pub artifacts: Vec<String>,
    /// Write them as one page to this file
    #[arg(long, value_name = "FILE", group = "what")]
    pub html: Option<PathBuf>,
    /// Rewrite the tables of this document
    #[arg(long, value_name = "FILE", group = "what")]
    pub update: Option<PathBuf>,
    /// Change nothing; exit with 1 where the document is not what its artifacts say
    #[arg(long, requires = "update")]
    pub check: bool,
    /// Write a page for each profile, and an index, into this directory
    #[arg(long, value_name = "DIR", group = "what")]
    pub profile_pages: Option<PathBuf>,
    /// Directory of the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
    /// Text for a person, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `rb-bench repeat ARTIFACT`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench repeat latest
  rb-bench repeat 0f3a9c21 --print       show the command, run nothing

The same arguments, the same order of arms. Passwords are in no artifact: they come from PGPASSWORD, PGPASSFILE or
~/.pgpass.")]
pub struct RepeatArgs {
    /// A file, or `latest`, `previous`, an id or a label
    #[arg(value_name = "ARTIFACT")]
    pub artifact: String,
    /// Print the command instead of running it
    #[arg(long)]
    pub print: bool,
    /// Directory of the artifacts
    #[arg(long, value_name = "DIR", default_value = "bench-results")]
    pub out: PathBuf,
}

/// `rb-bench schema`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench schema                 of a benchmark's artifact
  rb-bench schema run | jq .properties
  rb-bench schema pipeline > pipeline.schema.json

An editor with a YAML language server completes and checks a document that begins with
  # yaml-language-server: $schema=pipeline.schema.json")]
pub struct SchemaArgs {
    /// Of which document
    #[arg(value_enum, default_value_t)]
    pub document: Schema,
}

/// A document that has a schema.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Schema {
    /// A benchmark's artifact, `rb-bench.run.v1`.
    #[default]
    Run,
    /// A tuning's artifact, `rb-bench.tune.v1`.
    Tune,
    /// A pipeline document.
    Pipeline,
    /// A profile document.
    Profile,
}
