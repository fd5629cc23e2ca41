//! Ctrl-C and SIGTERM: the first one cancels in good order, a second one leaves at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};

/// The exit code of an interrupted command: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// A token that the first signal cancels.
pub(super) fn token() -> Result<CancellationToken> {
    token_with(
        |line| super::print_error(&format!("rb-bench: {line}")),
        Vec::new,
    )
}

/// The same; `tell` prints a line on stderr, and before a second signal leaves at once it tells what
/// `left_behind` says.
pub(super) fn token_with(
    tell: impl Fn(&str) + Send + 'static,
    left_behind: impl Fn() -> Vec<String> + Send + 'static,
) -> Result<CancellationToken> {
    let cannot = |e| Error::new(Kind::Io, format!("cannot listen for signals: {e}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if cancelled.is_cancelled() {
                for line in left_behind() {
                    tell(&line);
                }
                std::process::exit(INTERRUPTED);
            }
            // before the word, for it may find nobody to read it
            cancelled.cancel();
            tell("stopping; once more to leave at once");
        }
    });
    Ok(token)
}
