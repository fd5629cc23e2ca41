//! Comparisons of small sessions: what is compared, what is refused, and which way a ratio goes.

use std::collections::BTreeSet;

use super::*;
use crate::bench::examples::session_of;
use crate::bench::metric::Metric;

const SLOW: [f64; 6] = [2.0, 2.02, 2.01, 2.03, 1.99, 2.0];
const FAST: [f64; 6] = [1.6, 1.61, 1.62, 1.6, 1.59, 1.61];

fn rules() -> Rules {
    Rules::at(0.02)
}

fn between(before: &Artifact, after: &Artifact, allowed: &[Condition]) -> Compared {
    let side = |session| Side {
        session,
        arm: Arm::After,
    };
    let allowed: BTreeSet<Condition> = allowed.iter().copied().collect();
    Compared::between(side(before), side(after), &rules(), &allowed).unwrap()
}

#[test]
fn one_session_is_compared_in_pairs() {
    let compared = Compared::within(&session_of(&SLOW, &FAST), &rules()).unwrap();
    assert!(compared.paired);
    assert_eq!(compared.verdict, "IMPROVED");
    assert!(
        compared.verdicts[0].text.contains("6 pairs"),
        "{:?}",
        compared.verdicts
    );
    let measure = |name: &str| compared.measures.iter().find(|m| m.name == name).unwrap();
    // time fell, throughput rose, by the same ratio
    let (time, speed) = (
        measure("wall time").ratio.unwrap(),
        measure("throughput").ratio.unwrap(),
    );
    assert!(
        time < 0.81 && (time * speed - 1.0).abs() < 1e-9,
        "{time} {speed}"
    );
    let (low, high) = (
        measure("wall time").ci_low.unwrap(),
        measure("wall time").ci_high.unwrap(),
    );
    assert!(low <= time && time <= high);
    // 0.25 + 0.8 + 1.9 CPU seconds for 190 MB
    let cpu = measure("CPU, all").after.unwrap();
    assert!((cpu.median - 2.95 / 0.19).abs() < 1e-9, "{cpu:?}");
}

#[test]
fn two_sessions_are_compared_unpaired() {
    let (before, after) = (session_of(&SLOW, &SLOW), session_of(&SLOW, &FAST));
    let compared = between(&before, &after, &[]);
    assert!(!compared.paired && compared.is_comparable());
    assert_eq!(compared.verdict, "IMPROVED");
    assert!(compared.verdicts[0].text.contains("6 + 6 iterations"));
    assert_eq!(between(&after, &before, &[]).verdict, "REGRESSED");
    let few = session_of(&SLOW[..2], &FAST[..2]);
    let compared = between(&before, &few, &[]);
    assert_eq!(compared.verdict, "INSUFFICIENT DATA");
    assert!(compared.measures.iter().all(|m| m.ratio.is_none()));
}

#[test]
fn other_conditions_are_not_compared_until_each_is_waived() {
    let before = session_of(&SLOW, &SLOW);
    let mut after = session_of(&SLOW, &FAST);
    after.host.cores = 4;
    after.tool.build = "debug".into();
    let compared = between(&before, &after, &[Condition::Host]);
    assert_eq!(compared.verdict, "NOT COMPARABLE");
    assert_eq!(compared.differences.len(), 1);
    assert_eq!(compared.waived.len(), 1);
    assert!(compared.measures.is_empty() && compared.distributions.is_empty());
    let compared = between(&before, &after, &[Condition::Host, Condition::Build]);
    assert_eq!(
        (compared.verdict.as_str(), compared.waived.len()),
        ("IMPROVED", 2)
    );
}

#[test]
fn rows_that_did_not_arrive_leave_no_verdict() {
    let before = session_of(&SLOW, &SLOW);
    let mut after = session_of(&SLOW, &FAST);
    let wrong = after
        .iterations
        .iter_mut()
        .rfind(|i| i.arm == Arm::After)
        .unwrap();
    wrong.verify.checksum_ok = Some(false);
    assert_eq!(between(&before, &after, &[]).verdict, "INVALID");
    assert_eq!(
        Compared::within(&after, &rules()).unwrap().verdict,
        "INVALID"
    );
    // differences are told first: they are what the user can do something about
    after.tool.build = "debug".into();
    assert_eq!(between(&before, &after, &[]).verdict, "NOT COMPARABLE");
}

#[test]
fn every_gated_metric_gets_a_verdict() {
    let rules = rules().with_gates(&[Metric::RssPeak]);
    let compared = Compared::within(&session_of(&SLOW, &FAST), &rules).unwrap();
    let names: Vec<&str> = compared
        .verdicts
        .iter()
        .map(|v| v.metric.as_str())
        .collect();
    assert_eq!(names, ["duration_s", "rss_peak"]);
    // two gates need 7 pairs
    assert_eq!(compared.verdict, "INSUFFICIENT DATA");
}

#[test]
fn an_arm_that_was_not_measured_cannot_be_compared() {
    let mut one = session_of(&SLOW, &FAST);
    one.iterations.retain(|i| i.arm == Arm::After);
    one.summary.arms.remove(&Arm::Before);
    one.protocol.arms = "one".into();
    assert_eq!(
        Compared::within(&one, &rules()).unwrap_err().kind(),
        Kind::Usage
    );
    let side = Side {
        session: &one,
        arm: Arm::Before,
    };
    let error = Compared::between(side, side, &rules(), &BTreeSet::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("has no valid measurement of the before arm"),
        "{error}"
    );
}

#[test]
fn both_histograms_are_on_one_scale() {
    let compared = Compared::within(&session_of(&SLOW, &FAST), &rules()).unwrap();
    let chunks = &compared.distributions[0];
    // every chunk of the example took 100 ms: one class holds them all
    assert_eq!((chunks.name, chunks.classes.len()), ("chunk_us", 1));
    assert_eq!(
        (chunks.before.unwrap().count, chunks.after.unwrap().count),
        (6, 6)
    );
    for side in [chunks.classes[0].before, chunks.classes[0].after] {
        assert!((side - 1.0).abs() < 1e-9);
    }
}
