//! `rb-bench profiles`: what can be benchmarked without a file.

use super::print_line;
use crate::bench::profile::Profile;
use crate::cli::{Format, ProfilesArgs};
use crate::error::Result;
use crate::report::{Paper, profiles};

/// Lists the shipped profiles.
pub(super) fn run(args: &ProfilesArgs) -> Result<u8> {
    let shipped = Profile::shipped()?;
    print_line(&match args.format {
        Format::Json => format!("{:#}", profiles::json(&shipped)),
        Format::Text => profiles::text(&shipped, Paper::stdout()),
    })?;
    Ok(0)
}
