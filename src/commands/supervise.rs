//! `rb-bench __supervise`: the parent of the managed server; started by rb-bench, never typed.

use crate::cli::SuperviseArgs;
use crate::cluster;
use crate::error::Result;

/// Runs until standard input ends and the server is gone. Never prints on standard output.
pub(super) fn run(args: &SuperviseArgs) -> Result<u8> {
    cluster::supervise(&args.pg_bin, &args.data).map(|()| 0)
}
