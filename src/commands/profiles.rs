//! `rb-bench profiles`: what can be benchmarked without a file.

use crate::bench::profile::Profile;
use crate::cli::{Format, ProfilesArgs};
use crate::error::Result;
use crate::report::{Paper, profiles};

/// Lists the shipped profiles.
pub(super) fn run(args: &ProfilesArgs) -> Result<u8> {
    let shipped = Profile::shipped()?;
    match args.format {
        Format::Json => println!("{:#}", profiles::json(&shipped)),
        Format::Text => println!("{}", profiles::text(&shipped, Paper::stdout())),
    }
    Ok(0)
}
