//! A saved session as a part of the page: verdict first, then figures, then drawings.

use maud::{Markup, html};

use super::{comparison, histogram, list, pairs, strip, timeline, verdict};
use crate::bench::artifact::{Artifact, Status};
use crate::bench::compared::Compared;
use crate::report::figures::{self, FIGURES};

/// The session's part of a page.
#[must_use]
pub fn section(artifact: &Artifact) -> Markup {
    // none with one arm, or with no iteration that counts
    let compared = Compared::of_session(artifact).ok();
    let summary = &artifact.summary;
    html! {
        section {
            h2 {
                (artifact.profile.name)
                @if let Some(label) = &artifact.label { " “" (label) "”" }
            }
            p .facts {
                (figures::extent(artifact)) " · " (artifact.created_at) " · session " code { (artifact.id) }
                " · " (artifact.tool.name) " " (artifact.tool.version) ", " (artifact.tool.build) " build"
            }
            (state(artifact))
            @for record in summary.verdicts() { (verdict(&record.verdict, &record.text)) }
            @if let Some(ratio) = summary.comparison.as_ref().and_then(figures::ratio) { p { (ratio) } }
            @for line in figures::looks(artifact).iter().chain(&figures::threshold(artifact)) { p { (line) } }
            @match &compared {
                Some(compared) => (comparison::measures(compared)),
                None => (figures_of_arms(artifact)),
            }
            @if !summary.arms.is_empty() {
                div .figures {
                    @if let Some(comparison) = &summary.comparison {
                        @if let Some(figure) = pairs::ratios(artifact, comparison) { (figure) }
                    }
                    (strip::of_session(artifact))
                    @if let Some(compared) = &compared { (histogram::all(&compared.distributions)) }
                    @for figure in timeline::of_arms(artifact) { (figure) }
                }
            }
            (list("May have disturbed it", &figures::disturbances(artifact)))
            (list("Not quiet when it began", &figures::waived(artifact)))
            (list("Run by, timed from the program's start to its result line", &figures::programs(artifact)))
            (list("To know", &artifact.warnings))
            (conditions(artifact))
        }
    }
}

/// What keeps a session from counting; nothing for one that ended as planned.
fn state(artifact: &Artifact) -> Markup {
    let says = match artifact.summary.status {
        Status::Complete if !artifact.partial => return html! {},
        Status::Complete | Status::Partial => {
            "partial: it was interrupted, or is under way; what follows is what it has"
        }
        Status::Invalid => "INVALID: rows did not arrive as they left; no figure below counts",
        Status::Failed => "failed: it ended before all was measured",
    };
    html! {
        p .state {
            (says)
            @if let Some(error) = &artifact.summary.error { ": " (error) }
        }
    }
}

/// What the summary has of each arm, where there are no two to set side by side.
fn figures_of_arms(artifact: &Artifact) -> Markup {
    let arms = &artifact.summary.arms;
    html! {
        @if arms.is_empty() {
            p { "no measured iteration" }
        } @else {
            div .scrolls {
                table {
                    thead {
                        tr {
                            th scope="col" { "median (least .. most)" }
                            @for arm in arms.keys() {
                                th scope="col" {
                                    span .swatch.(arm) {} (arm)
                                    @for line in figures::overrides(artifact, *arm) { br; small { (line) } }
                                }
                            }
                        }
                    }
                    tbody {
                        @for (name, figure) in FIGURES {
                            tr {
                                th scope="row" { (name) }
                                @for arm in arms.values() { td { (figure(arm)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// On what, how and with which reservations it was measured.
fn conditions(artifact: &Artifact) -> Markup {
    let protocol = &artifact.protocol;
    html! {
        h3 { "Conditions" }
        dl {
            @for (name, line) in figures::setting(artifact) { dt { (name) } dd { (line) } }
            @if let Some(machine) = figures::machine(&artifact.host) { dt { "machine" } dd { (machine) } }
            @for (arm, summary) in &artifact.summary.arms {
                dt { "workers, " (arm) } dd { (summary.parallelism_reason) }
                dt { "verified, " (arm) } dd { (summary.verified) " of " (summary.iterations) " iterations" }
            }
            dt { "target" } dd { (protocol.target) ", written to: " (protocol.writes_to) }
            dt { "cache" } dd { (protocol.cache_state) }
            dt { "order" } dd { "balanced, shuffled from seed " (protocol.seed) }
            dt { "again" } dd { code { (artifact.repeating_command()) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::artifact::Flag;
    use crate::bench::examples;
    use crate::bench::order::Arm;

    #[test]
    fn the_verdict_is_the_one_of_the_statistics() {
        let drawn = section(&examples::session()).into_string();
        let says = "<strong class=\"open\">INSUFFICIENT DATA</strong> (2 pairs; a verdict needs 6)";
        assert!(drawn.contains(says), "{drawn}");
        assert!(
            drawn.contains("after ran at 1.71 x the speed of before (1.67 .. 1.75 over 2 pairs)")
        );
    }

    #[test]
    fn nothing_of_an_artifact_is_taken_for_markup() {
        let evil = "<script>alert(1)</script>\"'&";
        let mut session = examples::session();
        session.label = Some(evil.into());
        session.profile.name = evil.into();
        session.created_at = evil.into();
        session.id = evil.into();
        session.host.cpu = Some(evil.into());
        session.invocation.args = vec![evil.into()];
        session.protocol.after.insert(evil.into(), evil.into());
        session.protocol.cache_state = evil.into();
        session.warnings.push(evil.into());
        session.summary.error = Some(evil.into());
        session.summary.status = Status::Failed;
        for iteration in &mut session.iterations {
            iteration.shards[0].stream = evil.into();
            iteration.flags.push(Flag {
                kind: evil.into(),
                text: evil.into(),
            });
        }
        if let Some(comparison) = &mut session.summary.comparison {
            comparison.verdict = evil.into();
            comparison.text = evil.into();
        }
        for arm in session.summary.arms.values_mut() {
            arm.parallelism_mode = evil.into();
            arm.parallelism_reason = evil.into();
        }
        let drawn = section(&session).into_string();
        assert!(!drawn.contains("<script"), "{drawn}");
        // in an attribute a quotation mark would end it
        assert!(!drawn.contains("\"'&"), "{drawn}");
        // as often as it was put in, at least
        assert!(drawn.matches("&lt;script&gt;").count() >= 12, "{drawn}");
    }

    #[test]
    fn what_does_not_count_says_so() {
        let mut session = examples::session();
        session.partial = false;
        assert!(!section(&session).into_string().contains("class=\"state\""));
        session.summary.status = Status::Invalid;
        let drawn = section(&session).into_string();
        assert!(drawn.contains("INVALID: rows did not arrive"), "{drawn}");
        session.iterations.clear();
        session.summary.arms.clear();
        session.summary.comparison = None;
        let drawn = section(&session).into_string();
        assert!(drawn.contains("no measured iteration"), "{drawn}");
    }

    #[test]
    fn one_arm_has_figures_and_no_comparison() {
        let mut session = examples::session();
        session.iterations.retain(|i| i.arm == Arm::After);
        session.protocol.arms = "one".into();
        session.summary.arms.remove(&Arm::Before);
        session.summary.comparison = None;
        let drawn = section(&session).into_string();
        assert!(
            drawn.contains("waiting for source") && !drawn.contains("Each pair"),
            "{drawn}"
        );
    }
}
