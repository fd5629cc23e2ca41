//! What a document may say that this version does not do yet.
//!
//! This file is all there is of that refusal: deleting it, its `mod` line and its one call in the
//! validator allows everything it names.

use super::report::Checked;
use super::types::{Pipeline, SyncMode};

/// Refuses what a later version brings; the rest of the validator judges it as if it were here.
pub(super) fn judge(pipeline: &Pipeline, report: &mut Checked<'_>) {
    for (n, stream) in pipeline.source.streams.iter().enumerate() {
        if stream.sync_mode == SyncMode::Cdc {
            let path = format!("source.streams.{n}.sync_mode");
            let shown = report.shown(&path, "");
            report.refuse(
                &path,
                format!(
                    "not in this version of rb-bench ({shown}); accepted: full_refresh, incremental"
                ),
            );
        }
    }
}
