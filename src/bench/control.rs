//! What may be asked of a session while it runs: to wait after a pair, to end after it, to end at once.
//!
//! Who measures looks at it between two pairs, so that no pair is cut in half; only the cancellation
//! is heard everywhere. Who asks never waits. A session that nobody asks anything of has one too.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use crate::error::{Error, Kind, Result};

/// What is asked of a session at the end of a pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: the next pair begins.
    #[default]
    GoOn,
    /// To wait until something else is asked.
    Pause,
    /// To end; what was measured is kept.
    Stop,
}

/// A handle on a session, shared by whoever runs it and whoever watches it.
#[derive(Debug, Clone)]
pub struct Control {
    cancel: CancellationToken,
    wish: Arc<watch::Sender<Wish>>,
}

impl Control {
    /// A handle that asks nothing yet; this token ends the session at once.
    #[must_use]
    pub fn new(cancel: CancellationToken) -> Self {
        Self {
            cancel,
            wish: Arc::default(),
        }
    }

    /// The token that ends the session at once.
    #[must_use]
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Asks; the last one counts.
    pub fn ask(&self, wish: Wish) {
        self.wish.send_replace(wish);
    }

    /// What is asked now.
    #[must_use]
    pub fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Does what is asked, between two pairs: returns when the next one may begin.
    ///
    /// # Errors
    /// `Kind::Interrupted` where the session is to end.
    pub(super) async fn between_pairs(&self, progress: &Arc<dyn Progress>) -> Result<()> {
        let mut wishes = self.wish.subscribe();
        let mut told = false;
        loop {
            let wish = *wishes.borrow_and_update();
            match wish {
                Wish::GoOn => return Ok(()),
                Wish::Stop => {
                    return Err(Error::new(
                        Kind::Interrupted,
                        "stopped after a pair, as was asked",
                    ));
                }
                Wish::Pause => {}
            }
            if !told {
                progress.step("paused after a pair");
                told = true;
            }
            tokio::select! {
                () = self.cancel.cancelled() => return Err(Error::new(Kind::Interrupted, "interrupted")),
                // the sender is ours, so that it cannot be gone
                _ = wishes.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::progress::Silent;

    fn silent() -> Arc<dyn Progress> {
        Arc::new(Silent)
    }

    #[tokio::test]
    async fn a_session_that_nobody_asks_anything_of_goes_on() {
        let control = Control::new(CancellationToken::new());
        control.between_pairs(&silent()).await.unwrap();
    }

    #[tokio::test]
    async fn a_paused_session_goes_on_when_asked_and_ends_when_cancelled() {
        let control = Control::new(CancellationToken::new());
        control.ask(Wish::Pause);
        let teller = silent();
        let mut waiting = Box::pin(control.between_pairs(&teller));
        // no time at all: it is asked once whether it is done
        let early = tokio::time::timeout(std::time::Duration::ZERO, &mut waiting).await;
        assert!(early.is_err());
        control.ask(Wish::GoOn);
        waiting.await.unwrap();
        control.ask(Wish::Pause);
        control.cancel().cancel();
        let error = control.between_pairs(&teller).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
    }

    #[tokio::test]
    async fn a_session_that_is_to_stop_is_interrupted() {
        let control = Control::new(CancellationToken::new());
        control.ask(Wish::Stop);
        let error = control.between_pairs(&silent()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted);
        assert_eq!(error.message(), "stopped after a pair, as was asked");
    }
}
