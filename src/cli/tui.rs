//! The workbench as it was typed.

use clap::{Args, ValueEnum};

use super::MeasuredFlags;

/// `rb-bench tui`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench tui                              choose and change a profile, run it, compare
  rb-bench tui --profile large              starts the large profile at once
  rb-bench tui --pipeline pipeline.yaml     a document of yours, on its own databases
  rb-bench tui --profile small --after resources.parallelism=4
  rb-bench tui --profile large --until-resolved --gate cpu_rb_bench_s

Without --profile, --pipeline or databases it opens on the profile that was run last. `?` shows the keys, `!` runs any other command.
With --fail-on-regression or --require-conclusive it exits by the verdicts of the last
benchmark that was measured in it, as a benchmark without a screen does.")]
pub struct TuiArgs {
    /// What is measured, how often, and how it is judged.
    #[command(flatten)]
    pub measured: MeasuredFlags,
    /// Colours: unless NO_COLOR says otherwise, in any case, in no case
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Unless NO_COLOR says otherwise.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}
