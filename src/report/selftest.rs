//! What `rb-bench selftest` found, a line a promise.

use std::fmt::Write as _;

use super::Paper;
use super::paper::Ink;
use crate::bench::selftest::{Gate, Selftest};

/// Every promise with what was found, and how it ended.
#[must_use]
pub fn text(selftest: &Selftest, paper: Paper) -> String {
    let mut text = format!(
        "{} simulated sessions of each kind, seed {:#x}\n",
        selftest.sessions, selftest.seed
    );
    for gate in &selftest.gates {
        let word = if gate.passed {
            paper.paint(Ink::Good, "kept") + "  "
        } else {
            paper.paint(Ink::Bad, "BROKEN")
        };
        let _ = writeln!(text, "  {word}  {}", line(gate));
    }
    text.push_str(if selftest.passed() {
        "the statistics keep their promises\n"
    } else {
        "the statistics do NOT keep their promises; please report this\n"
    });
    text
}

fn line(gate: &Gate) -> String {
    let (found, limit) = if gate.is_share {
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        (percent(gate.found), format!("{:.1} %", gate.limit * 100.0))
    } else {
        (format!("{:.2}", gate.found), format!("{:.0}", gate.limit))
    };
    format!("{} {limit}: {found}", gate.promise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_promise_stands_out() {
        let gate = |found: f64, is_share| Gate {
            promise: "A/A, 6 pairs: at most".into(),
            found,
            limit: if is_share { 0.057 } else { 3.0 },
            is_share,
            passed: found < 0.05,
        };
        let selftest = Selftest {
            sessions: 10_000,
            seed: 1,
            gates: vec![gate(0.0312, true), gate(4.2, false)],
        };
        insta::assert_snapshot!(text(&selftest, Paper::PLAIN), @"
        10000 simulated sessions of each kind, seed 0x1
          kept    A/A, 6 pairs: at most 5.7 %: 3.12 %
          BROKEN  A/A, 6 pairs: at most 3: 4.20
        the statistics do NOT keep their promises; please report this
        ");
    }
}
