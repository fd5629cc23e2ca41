//! What the initial copy has seen: the transactions whose changes are in the targets already.
//!
//! Pure. The rule is the server's own (PostgreSQL manual, "Transaction ID and Snapshot
//! Information Functions", `pg_visible_in_snapshot`).

use crate::error::{Error, Kind, Result};

/// A snapshot as `txid_current_snapshot()` prints it: `xmin:xmax:xip,...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    xmin: u64,
    xmax: u64,
    in_progress: Vec<u64>,
}

impl Seen {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let mut number = || parts.next()?.parse().ok();
        let bounds = number().zip(number());
        let list = parts.next();
        bounds
            .zip(list)
            .and_then(|((xmin, xmax), list)| {
                let ids = list.split(',').filter(|id| !id.is_empty());
                let in_progress = ids.map(|id| id.parse().ok()).collect::<Option<_>>()?;
                Some(Self {
                    xmin,
                    xmax,
                    in_progress,
                })
            })
            .ok_or_else(|| Error::new(Kind::Incompatible, format!("`{text}` is not a snapshot")))
    }

    /// Whether it saw a committed transaction whose id came without its epoch.
    ///
    /// The caller asks only of transactions that committed before the snapshot's log position and
    /// after the slot began: a server keeps such ids within half a cycle of the snapshot's, so the
    /// nearest id is the one.
    pub(super) fn saw(&self, xid: u32) -> bool {
        let distance = xid.wrapping_sub(self.xmax as u32).cast_signed();
        let xid = self.xmax.wrapping_add_signed(i64::from(distance));
        xid < self.xmin || (xid < self.xmax && !self.in_progress.contains(&xid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_saw_what_had_ended_when_it_was_taken() {
        let seen = Seen::parse("10:20:10,14,19").unwrap();
        for (xid, saw) in [
            (9, true),
            (10, false),
            (11, true),
            (14, false),
            (18, true),
            (19, false),
            (20, false),
            (21, false),
        ] {
            assert_eq!(seen.saw(xid), saw, "{xid}");
        }
        assert!(Seen::parse("5:5:").unwrap().saw(4));
    }

    #[test]
    fn an_id_is_taken_for_the_nearest_across_the_end_of_a_cycle() {
        let cycle = 1_u64 << 32;
        // the snapshot is just after the ids began again; 4294967290 is just before
        let seen = Seen::parse(&format!("{}:{}:{}", cycle + 3, cycle + 5, cycle + 3)).unwrap();
        for (xid, saw) in [
            (4_294_967_290, true),
            (3, false),
            (4, true),
            (5, false),
            (100, false),
        ] {
            assert_eq!(seen.saw(xid), saw, "{xid}");
        }
        // and just before they do
        let seen = Seen::parse(&format!("{0}:{0}:", cycle - 2)).unwrap();
        assert!(seen.saw(4_294_967_293));
        assert!(!seen.saw(7));
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for bad in ["", "1", "1:2", "a:2:", "1:2:x"] {
            let Err(error) = Seen::parse(bad) else {
                panic!("{bad} is a snapshot")
            };
            assert_eq!(error.message(), format!("`{bad}` is not a snapshot"));
        }
    }
}
