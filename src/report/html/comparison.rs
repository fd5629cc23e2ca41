//! Two arms of saved sessions side by side, as a part of the page.

use maud::{Markup, html};

use super::{histogram, list, strip, verdict};
use crate::bench::compared::Compared;
use crate::report::compared::{self, UNPAIRED};

/// The comparison's part of a page.
#[must_use]
pub fn section(compared: &Compared) -> Markup {
    let sides = [("before", &compared.before), ("after", &compared.after)];
    let waived: Vec<String> = compared.waived.iter().map(ToString::to_string).collect();
    html! {
        section {
            dl {
                @for (name, side) in sides {
                    dt { span .swatch.(name) {} (name) }
                    dd { (compared::side(side)) }
                }
            }
            @if !compared.paired { p { (UNPAIRED) } }
            (list("Waived", &waived))
            @if compared.is_comparable() {
                @for record in &compared.verdicts { (verdict(&record.verdict, &record.text)) }
                (measures(compared))
                div .figures {
                    (strip::of_sides(compared))
                    (histogram::all(&compared.distributions))
                }
                h3 { "Workers" }
                dl { @for (name, side) in sides { dt { (name) } dd { (compared::parallelism(side)) } } }
            } @else {
                (verdict(&compared.verdict, &compared.verdict))
                ul { @for difference in &compared.differences { li { (difference.to_string()) } } }
                p { "To compare them all the same: " code { (compared::waiver(compared)) } }
            }
        }
    }
}

/// Figures of both sides, with their ranges; their change is information.
pub(super) fn measures(compared: &Compared) -> Markup {
    html! {
        div .scrolls {
            table {
                thead {
                    tr {
                        th scope="col" { "median (least .. most)" }
                        @for (name, side) in [("before", &compared.before), ("after", &compared.after)] {
                            th scope="col" {
                                span .swatch.(name) {} (name)
                                @for setting in &side.settings { br; small { (setting) } }
                            }
                        }
                        th scope="col" { "change, %" br; small { "with its 95 % interval" } }
                    }
                }
                tbody {
                    @for measure in &compared.measures {
                        tr {
                            th scope="row" { (measure.name) }
                            td { (compared::figure(measure, measure.before)) }
                            td { (compared::figure(measure, measure.after)) }
                            td { (compared::change(measure).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bench::compared::Side;
    use crate::bench::examples;
    use crate::bench::order::Arm;
    use crate::bench::rules::Rules;

    fn between(before: &[f64], after: &[f64], other_host: bool) -> Compared {
        let before = examples::session_of(before, before);
        let mut after = examples::session_of(after, after);
        if other_host {
            after.host.name = Some("<elsewhere>".into());
        }
        let side = |session| Side {
            session,
            arm: Arm::After,
        };
        Compared::between(
            side(&before),
            side(&after),
            &Rules::at(0.02),
            &BTreeSet::new(),
        )
        .unwrap()
    }

    #[test]
    fn two_sessions_say_that_they_were_not_measured_in_pairs() {
        let times = [1.0, 1.01, 1.02, 1.03, 1.04];
        let faster = times.map(|t| t / 2.0);
        let drawn = section(&between(&times, &faster, false)).into_string();
        assert!(drawn.contains(UNPAIRED), "{drawn}");
        assert!(
            drawn.contains("<strong class=\"good\">IMPROVED</strong>"),
            "{drawn}"
        );
        assert!(drawn.contains("<svg"), "{drawn}");
    }

    #[test]
    fn what_is_not_comparable_has_no_figure() {
        let drawn = section(&between(&[1.0; 5], &[0.5; 5], true)).into_string();
        assert!(
            drawn.contains("NOT COMPARABLE") && drawn.contains("--allow host"),
            "{drawn}"
        );
        assert!(
            !drawn.contains("<svg") && !drawn.contains("<table"),
            "{drawn}"
        );
        assert!(!drawn.contains("<elsewhere>"), "{drawn}");
    }
}
