//! Intervals that scipy's exact tests accept, to check ours against.
//!
//! `tests/data/intervals.py` made them, and says how.

use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

/// Two samples (one, where pairs were asked about), and what scipy says of them.
#[derive(Deserialize)]
pub(super) struct Case {
    test: String,
    pub(super) alpha: f64,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    point: f64,
    lower: f64,
    upper: f64,
}

impl Case {
    /// Fails unless this is scipy's answer.
    pub(super) fn assert_is(&self, (point, lower, upper): (f64, f64, f64)) {
        let differs = [point - self.point, lower - self.lower, upper - self.upper];
        assert!(
            differs.iter().all(|d| d.abs() < 1e-12),
            "{} of {} + {} at {}: {differs:?}",
            self.test,
            self.x.len(),
            self.y.len(),
            self.alpha
        );
    }
}

/// The cases of one test.
pub(super) fn cases(test: &str) -> Vec<Case> {
    let written = include_str!("../../../tests/data/intervals.json");
    let reference: Reference = serde_json::from_str(written).unwrap();
    let cases: Vec<Case> = reference
        .cases
        .into_iter()
        .filter(|case| case.test == test)
        .collect();
    assert!(cases.len() > 10, "{test}");
    cases
}
