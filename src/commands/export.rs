//! `rb-bench export ARTIFACT`: a saved session in another program's format.

use crate::bench::archive;
use crate::cli::ExportArgs;
use crate::error::Result;
use crate::report::export;

/// Prints the session in the form that was asked for.
pub(super) fn run(args: &ExportArgs) -> Result<u8> {
    let (session, _) = archive::named(&args.artifact, &args.out)?;
    let text = if args.hlog {
        export::hlog(&session)?
    } else if args.csv {
        export::csv(&session)?
    } else {
        export::bmf(&session).to_string()
    };
    super::print_line(text.trim_end())?;
    Ok(0)
}
