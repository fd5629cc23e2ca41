//! `rb-bench calibrate`: a profile against itself, and what it differs by kept as its noise floor.

use std::collections::BTreeMap;

use super::{bench, print_line, subject};
use crate::bench::noise::Calibration;
use crate::bench::rules::Rules;
use crate::bench::runner;
use crate::bench::session::Plan;
use crate::bench::store::Output;
use crate::cli::{CalibrateArgs, Format};
use crate::config::mask_secrets;
use crate::error::{Error, Result};
use crate::report::{Paper, noise};

/// Measures, or lists what is known.
pub(super) async fn run(args: CalibrateArgs) -> Result<u8> {
    if args.list {
        return print(&args, &subject::floors(&args.subject)?.all());
    }
    let plan = plan(&args)?;
    let floors = subject::floors_to_fill(&args.subject)?;
    let output = Output::at(floors.directory())?;
    let outcome = bench::shown(async |progress, control, leftovers| {
        runner::run(&plan, &output, &progress, &control, &leftovers).await
    })
    .await?;
    if let Some(error) = outcome.error {
        // half a calibration is none
        if let Some(path) = &outcome.path {
            std::fs::remove_file(path).map_err(|e| Error::file("delete", path, e))?;
        }
        return Err(error);
    }
    print(&args, &[floors.keep(&outcome.artifact)?])
}

fn plan(args: &CalibrateArgs) -> Result<Plan> {
    let profile = subject::profile(&args.subject)?.with_equal_arms();
    Ok(Plan {
        id: format!("{:08x}", rand::random::<u32>()),
        label: None,
        both_arms: true,
        warmup: args.warmup.unwrap_or(profile.warmup),
        pairs: args.iters,
        seed: u64::from(rand::random::<u32>()),
        rules: Rules::at(0.0),
        binaries: BTreeMap::new(),
        guard: subject::guard(args.guard),
        floors: None,
        in_place: args.subject.in_place,
        arguments: std::env::args().skip(1).map(|a| mask_secrets(&a)).collect(),
        profile,
        databases: subject::databases(&args.subject, args.subject.pipeline.is_some()),
    })
}

fn print(args: &CalibrateArgs, all: &[Calibration]) -> Result<u8> {
    let text = match args.format {
        Format::Json => noise::json(all).to_string(),
        Format::Text => noise::text(all, Paper::stdout()),
    };
    print_line(&text)?;
    Ok(0)
}
