//! Whether a failed attempt may be tried again, and when.
//!
//! Two questions, both must be yes: could it end otherwise (`retryable`), and could it double a
//! row (`safe_to_retry`: nothing of the failed attempt can still commit).

use std::time::Duration;

use crate::error::{CommitState, Error, Kind};

/// The longest pause between attempts.
const LONGEST: Duration = Duration::from_mins(1);

/// What may be done after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The same run could succeed when tried again.
    pub retryable: bool,
    /// Nothing of the failed attempt can become visible any more.
    pub safe_to_retry: bool,
    /// The first pause; it doubles with each attempt.
    first_pause: Duration,
}

/// Judges an error by its kind and commit state.
#[must_use]
pub fn judge(error: &Error) -> Verdict {
    let pause = match error.kind() {
        Kind::Conflict | Kind::SiblingBlocked => Some(Duration::from_millis(100)),
        Kind::Lock => Some(Duration::from_secs(1)),
        // a refused or lost connection: the server may be restarting
        Kind::Connection => Some(Duration::from_secs(if error.sqlstate() == Some("53300") {
            5
        } else {
            1
        })),
        _ => None,
    };
    Verdict {
        retryable: pause.is_some(),
        safe_to_retry: error.commit_state() == CommitState::BeforeCommit,
        first_pause: pause.unwrap_or_default(),
    }
}

impl Verdict {
    /// Whether to try again.
    #[must_use]
    pub fn allows_retry(self) -> bool {
        self.retryable && self.safe_to_retry
    }

    /// The pause before retry number `retry`, from 0.
    #[must_use]
    pub fn pause(self, retry: u32) -> Duration {
        self.first_pause
            .saturating_mul(1 << retry.min(16))
            .min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_end_otherwise_is_tried_again() {
        for (kind, retryable) in [
            (Kind::Conflict, true),
            (Kind::Lock, true),
            (Kind::Connection, true),
            (Kind::SiblingBlocked, true),
            (Kind::Data, false),
            (Kind::Space, false),
            (Kind::Permission, false),
            (Kind::Authentication, false),
            (Kind::Verification, false),
            (Kind::Interrupted, false),
        ] {
            assert_eq!(
                judge(&Error::new(kind, "x")).allows_retry(),
                retryable,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn nothing_is_tried_again_that_may_have_committed() {
        for state in [
            CommitState::AfterCommitUnknown,
            CommitState::AfterCommitConfirmed,
        ] {
            assert!(
                !judge(&Error::new(Kind::Connection, "x").at_commit_state(state)).allows_retry()
            );
        }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let verdict = judge(&Error::new(Kind::Conflict, "x"));
        let pauses: Vec<u128> = [0, 1, 2, 20].map(|n| verdict.pause(n).as_millis()).to_vec();
        assert_eq!(pauses, [100, 200, 400, 60_000]);
    }
}
