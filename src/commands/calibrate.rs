//! `rb-bench calibrate`: a profile against itself, and what it differs by kept as its noise floor.

use super::{bench, print_line, subject};
use crate::bench::noise::Calibration;
use crate::bench::runner;
use crate::bench::store::Output;
use crate::bench::subject::Subject;
use crate::cli::{CalibrateArgs, Format};
use crate::error::{Error, Result};
use crate::report::{Paper, noise};

/// Measures, or lists what is known.
pub(super) async fn run(args: CalibrateArgs) -> Result<u8> {
    let subject = Subject {
        iters: Some(args.iters),
        warmup: args.warmup,
        after: args.after.clone(),
        seed: args.seed,
        guard: subject::guard(args.guard),
        ..subject::typed(&args.subject)
    };
    if args.list {
        return print(&args, &subject::floors(&subject)?.all());
    }
    let plan = subject.calibration(subject::typed_arguments())?;
    let floors = subject::floors_to_fill(&subject)?;
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

fn print(args: &CalibrateArgs, all: &[Calibration]) -> Result<u8> {
    let text = match args.format {
        Format::Json => noise::json(all).to_string(),
        Format::Text => noise::text(all, Paper::stdout()),
    };
    print_line(&text)?;
    Ok(0)
}
