//! Messages that no test can make happen, each by its longest piece and with the reason.
//!
//! What a test can make happen is never here. `not_yet_seen.txt` beside it is another list: messages
//! for which nobody has written the test yet. It may only become shorter.

pub(crate) const EXCEPTIONS: &[(&str, &str)] = &[];
