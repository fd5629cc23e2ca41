//! `rb-bench selftest`: the statistics tried on sessions whose truth is known.

use super::print_line;
use crate::bench::selftest::{self, SESSIONS};
use crate::cli::{Format, SelftestArgs};
use crate::error::{Error, Result};
use crate::report;

/// Runs it; 1 where a promise is not kept.
pub(super) fn run(args: &SelftestArgs) -> Result<u8> {
    let selftest = selftest::run(SESSIONS, 0);
    let text = match args.format {
        Format::Json => {
            let mut value = serde_json::to_value(&selftest)
                .map_err(|e| Error::internal(format!("serializing the selftest: {e}")))?;
            value["passed"] = selftest.passed().into();
            value.to_string()
        }
        Format::Text => report::selftest::text(&selftest, report::Paper::stdout()),
    };
    print_line(text.trim_end())?;
    Ok(u8::from(!selftest.passed()))
}
