//! `rb-bench marks [reset NAME]`: how far incremental streams have been copied, and beginning anew.

use super::{confirm, runs};
use crate::cli::{Format, MarksAction, MarksArgs};
use crate::engine::cursors;
use crate::error::Result;
use crate::report;

/// Does what was typed.
pub(super) async fn run(args: MarksArgs) -> Result<u8> {
    let server = runs::destination(&args.at)?;
    match args.action {
        None => {
            let marks = cursors::list(&server).await?;
            let text = match args.at.format {
                Format::Json => serde_json::json!(marks).to_string(),
                Format::Text => report::marks::text(&marks, report::Paper::stdout()),
            };
            super::print_line(&text)?;
        }
        Some(MarksAction::Reset { name, stream, yes }) => {
            let of = stream
                .as_ref()
                .map_or_else(String::new, |s| format!(", stream `{s}`"));
            let what = format!("delete the marks of pipeline `{name}`{of} at {server}");
            if yes || confirm::asked(&what)? {
                let count = cursors::reset(&server, &name, stream.as_deref()).await?;
                let s = if count == 1 { "" } else { "s" };
                super::print_line(&format!(
                    "{count} mark{s} deleted; the next run copies from the beginning"
                ))?;
            } else {
                super::print_line("nothing was changed")?;
            }
        }
    }
    Ok(0)
}
