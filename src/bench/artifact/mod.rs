//! The saved form of a session, `rb-bench.run.v1`: what later versions and other programs read.
//!
//! These structs belong to the file format alone. They are not the command line's and not the
//! engine's: a field may be added, none may change its name or meaning within a major version. A
//! test pins the names. Nothing here may hold a password.

mod document;
mod iteration;
mod summary;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use document::Document;
pub use iteration::{
    CpuRecord, Flag, Iteration, IterationPhase, Series, ServerActivity, ShardRecord, VerifyRecord,
};
pub use summary::{ArmSummary, ComparisonRecord, Status, Summary};

use super::order::Arm;

/// The format's name and major version.
pub const SCHEMA: &str = "rb-bench.run.v1";

/// One session: everything measured, and under which conditions.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// [`SCHEMA`].
    pub schema: String,
    /// The session's id, eight hex digits.
    pub id: String,
    /// When the session began, UTC.
    pub created_at: String,
    /// The user's name for it.
    pub label: Option<String>,
    /// True until the session has ended as planned.
    pub partial: bool,
    /// What measured.
    pub tool: Tool,
    /// How it was called.
    pub invocation: Invocation,
    /// What was measured.
    pub profile: ProfileRecord,
    /// Where it ran.
    pub host: HostRecord,
    /// Both servers.
    pub postgres: PostgresRecord,
    /// How it was measured.
    pub protocol: Protocol,
    /// What the screen cost that showed it; null for a session without one.
    #[serde(default)]
    pub ui: Option<ScreenRecord>,
    /// Every iteration, warm-ups included, in the order they ran.
    pub iterations: Vec<Iteration>,
    /// What the measured iterations say together.
    pub summary: Summary,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
}

impl Artifact {
    /// The arguments that measure the same again: those that were typed, and the order's seed where
    /// it was not typed. Secrets are masked in them.
    #[must_use]
    pub fn repeating_arguments(&self) -> Vec<String> {
        self.invocation.repeating_arguments(self.protocol.seed)
    }

    /// The command of these arguments, as a shell reads it, whatever else the file says.
    #[must_use]
    pub fn command_of_arguments(&self) -> String {
        self.invocation.repeating_command(self.protocol.seed)
    }

    /// The command that measures the same again, as a shell reads it: the one that is written down, which is
    /// no call of rb-bench where several sessions were made one.
    #[must_use]
    pub fn repeating_command(&self) -> String {
        match self.invocation.repeat.as_str() {
            "" => self.command_of_arguments(),
            written => written.to_owned(),
        }
    }
}

impl Invocation {
    /// A call without a screen of its own.
    #[must_use]
    pub fn headless(args: Vec<String>, seed: u64) -> Self {
        let invocation = Self {
            args,
            ui: "headless".into(),
            repeat: String::new(),
        };
        Self {
            repeat: invocation.repeating_command(seed),
            ..invocation
        }
    }

    fn repeating_arguments(&self, seed: u64) -> Vec<String> {
        let mut arguments = self.args.clone();
        let seeded = |arg: &String| arg == "--seed" || arg.starts_with("--seed=");
        if !arguments.iter().any(seeded) {
            arguments.extend(["--seed".to_owned(), seed.to_string()]);
        }
        arguments
    }

    fn repeating_command(&self, seed: u64) -> String {
        let arguments = self.repeating_arguments(seed);
        let words = std::iter::once("rb-bench").chain(arguments.iter().map(String::as_str));
        // an argument that came from a command line holds no NUL, which alone cannot be quoted
        shlex::try_join(words.clone()).unwrap_or_else(|_| words.collect::<Vec<_>>().join(" "))
    }
}

/// The JSON Schema (draft 2020-12) of what is written: every field that this version writes is
/// required. Who reads should pass over fields it does not know: a minor version may add some.
#[must_use]
pub fn schema() -> schemars::Schema {
    schema_of::<Artifact>()
}

/// The same of another kind of artifact.
pub(super) fn schema_of<T: JsonSchema>() -> schemars::Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The program that measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// `rb-bench`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `release` or `debug`.
    pub build: String,
}

/// How it was called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invocation {
    /// The arguments, secrets masked.
    pub args: Vec<String>,
    /// `headless` or `tui`: what else used the machine on rb-bench's behalf.
    pub ui: String,
    /// The command that measures the same again, as a shell reads it; empty in artifacts of versions
    /// that did not tell.
    #[serde(default)]
    pub repeat: String,
}

/// What a screen cost that showed a session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScreenRecord {
    /// Frames drawn.
    pub frames: u64,
    /// Median time of drawing one, microseconds.
    pub draw_p50_us: u64,
    /// 99th percentile of that time, microseconds.
    pub draw_p99_us: u64,
    /// CPU seconds of the thread that draws.
    pub cpu_s: f64,
    /// The same as a share of one core, 0 to 1.
    pub cpu_share: f64,
    /// Events that came faster than they were shown, and were not.
    pub events_dropped: u64,
}

/// The profile or document that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileRecord {
    /// Its name.
    pub name: String,
    /// `shipped`, or the file it was read from.
    pub origin: String,
    /// What it says of itself.
    pub description: Option<String>,
    /// SHA-256 of the dataset's definition; null where the data are the user's own.
    pub data_digest: Option<String>,
    /// SHA-256 of the pipeline without connections, before overrides.
    pub pipeline_digest: String,
    /// The tables read.
    pub streams: Vec<String>,
    /// Rows of the dataset; null where the data are the user's own.
    pub rows: Option<u64>,
}

/// The machine that rb-bench ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostRecord {
    /// Its name.
    pub name: Option<String>,
    /// Operating system and version.
    pub os: Option<String>,
    /// Kernel version.
    pub kernel: Option<String>,
    /// CPU model.
    pub cpu: Option<String>,
    /// Logical cores.
    pub cores: u32,
    /// Cores that rb-bench may use.
    pub available_cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
}

/// Both servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PostgresRecord {
    /// The source's; null where rows are made in the process.
    pub source: Option<ServerRecord>,
    /// The destination's; null for `dest-null`.
    pub destination: Option<ServerRecord>,
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerRecord {
    /// `user@host:port/database`, without the password; null for the managed server, whose port
    /// differs from run to run.
    pub endpoint: Option<String>,
    /// As the server prints it.
    pub version: String,
    /// As `server_version_num`.
    pub version_num: u32,
    /// Whether rb-bench runs it.
    pub managed: bool,
    /// Whether its processes are on this host and can be looked at.
    pub local: bool,
    /// Settings that differ from the built-in ones; paths, ports and secrets left out.
    pub settings: BTreeMap<String, String>,
}

/// How the session measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Protocol {
    /// `both` or `one`.
    pub arms: String,
    /// Overrides of the before arm.
    pub before: BTreeMap<String, String>,
    /// Overrides of the after arm.
    pub after: BTreeMap<String, String>,
    /// Other programs that ran the arms; empty where this one did.
    #[serde(default)]
    pub binaries: BTreeMap<Arm, BinaryRecord>,
    /// Warm-up iterations of each arm.
    pub warmup: u32,
    /// Measured pairs planned; measured iterations with one arm.
    pub pairs: u32,
    /// The arms of each pair, in the order they run.
    pub order: Vec<Vec<Arm>>,
    /// The seed of that order.
    pub seed: u64,
    /// `existing` or `missing`: the target before the clock starts.
    pub target: String,
    /// Where rows are written: `managed`, `copies`, `in_place`, or `nowhere` (dest-null).
    pub writes_to: String,
    /// What is done before each iteration, in order.
    pub resets: Vec<String>,
    /// What of the source is in memory when the clock starts.
    pub cache_state: String,
    /// The metric a verdict is about.
    pub gate_metric: String,
    /// Further metrics that got a verdict, each interval at alpha divided by their number.
    #[serde(default)]
    pub gates: Vec<String>,
    /// At which pairs it was decided whether to go on, and what was seen there; empty where their
    /// number was fixed.
    #[serde(default)]
    pub looks: Vec<Look>,
    /// The smallest change that counts, percent: what was asked for, or the noise floor where that is
    /// larger.
    pub noise_threshold_pct: f64,
    /// The measured noise of this host and profile; null where none is known.
    #[serde(default)]
    pub noise_floor: Option<NoiseFloor>,
    /// Whether the machine was quiet before measuring; null where nobody looked.
    pub guard: Option<GuardRecord>,
}

/// One moment at which a session that runs until it is resolved is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Look {
    /// Pairs measured by then.
    pub pairs: u32,
    /// What each comparison said, as the summary prints it; empty where it was not reached.
    pub verdicts: Vec<String>,
}

/// What the guard found before anything was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GuardRecord {
    /// `warn`, `wait`, `fail` or `off`.
    pub mode: String,
    /// How long it was waited for a quiet machine, seconds.
    pub waited_s: f64,
    /// What spoke against measuring, and was let pass.
    pub waived: Vec<Flag>,
}

/// What two equal arms were found to differ by: the larger end of their interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NoiseFloor {
    /// The floor, percent.
    pub percent: f64,
    /// Pairs it was measured in.
    pub pairs: u32,
    /// When, UTC.
    pub measured_at: String,
    /// The session that measured it.
    pub session: String,
}

/// A program that ran an arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BinaryRecord {
    /// Where it was.
    pub path: String,
    /// What it says its version is.
    pub version: String,
    /// SHA-256 of the program.
    pub sha256: String,
}
