//! `rb-bench __attend`: the parent of another rb-bench; started by rb-bench, never typed.

use crate::bench::attendant;
use crate::cli::AttendArgs;
use crate::error::Result;

/// Runs until the program or standard input ends.
pub(super) async fn run(args: AttendArgs) -> Result<u8> {
    attendant::attend(&args.program, &args.arguments).await
}
