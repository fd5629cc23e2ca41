//! Ctrl-C, SIGTERM and the end of the terminal cancel in good order; a second Ctrl-C or SIGTERM leaves at once.
//!
//! A terminal's end never counts, neither as the second nor as the first of two: the system tells it, whoever
//! began us passes it on, and nobody has asked twice. It is heard on Linux only.

use tokio::signal::unix::{Signal, SignalKind, signal};
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
    let mut hangup = match std::fs::read_to_string("/proc/self/status") {
        Ok(status) if !ignores_hangup(&status) => {
            Some(signal(SignalKind::hangup()).map_err(cannot)?)
        }
        // nohup(1), or nobody knows: then it is not ours to hear
        _ => None,
    };
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let mut asked = 0_u32;
        loop {
            tokio::select! {
                _ = interrupt.recv() => asked += 1,
                _ = terminate.recv() => asked += 1,
                () = next(&mut hangup) => {}
            }
            if asked > 1 {
                for line in left_behind() {
                    tell(&line);
                }
                std::process::exit(INTERRUPTED);
            }
            if cancelled.is_cancelled() {
                continue;
            }
            // before the word, for it may find nobody to read it
            cancelled.cancel();
            tell("stopping; once more to leave at once");
        }
    });
    Ok(token)
}

/// The next signal; never one where none is heard.
async fn next(signals: &mut Option<Signal>) {
    match signals {
        Some(signals) => {
            let _heard = signals.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP is ignored, as `SigIgn` of /proc/PID/status says (proc(5)): its bit is the lowest.
fn ignores_hangup(status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_signals_that_are_ignored() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup(
            "SigIgn:\t0000000000001000\nSigCgt:\t0000000000000001\n"
        ));
        assert!(!ignores_hangup(""));
    }
}
