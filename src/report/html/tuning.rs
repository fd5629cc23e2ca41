//! A saved tuning, or a measurement of the sides, as a part of the page.

use maud::{Markup, html};

use super::{list, speedup, verdict};
use crate::bench::artifact::Status;
use crate::bench::tune::artifact::TuneArtifact;
use crate::report::figures;
use crate::report::tune::{name_of, rows};

/// The tuning's part of a page.
#[must_use]
pub fn section(artifact: &TuneArtifact) -> Markup {
    let (protocol, summary) = (&artifact.protocol, &artifact.summary);
    let name = name_of(artifact);
    html! {
        section {
            h2 { (artifact.profile.name) ": " (name) @if let Some(label) = &artifact.label { " “" (label) "”" } }
            p .facts {
                (figures::counted(u64::from(protocol.rounds), "round")) " of "
                (figures::counted(protocol.values.len() as u64, "value")) " · " (artifact.created_at)
                " · tuning " code { (artifact.id) } " · " (artifact.tool.name) " " (artifact.tool.version) ", "
                (artifact.tool.build) " build"
            }
            @if summary.status == Status::Invalid {
                p .state { "INVALID: rows did not arrive as they left; no figure below counts" }
            } @else if artifact.partial {
                p .state {
                    "partial: it was interrupted, or is under way; what follows is what it has"
                    @if let Some(error) = &summary.error { ": " (error) }
                }
            }
            @if let Some(choice) = &summary.choice { p .verdict { "choice: " (name) " " strong { (choice.setting) } } }
            @if let Some(confirmation) = &summary.confirmation { (verdict(&confirmation.verdict, &confirmation.text)) }
            @if let Some(limit) = &summary.limit { (verdict(&limit.verdict, &limit.text)) }
            @if summary.settings.is_empty() {
                p { "no measured iteration" }
            } @else {
                div .scrolls {
                    table {
                        thead {
                            tr {
                                @for heading in [name, "workers", "rounds", "wall time", "throughput", "of the best"] {
                                    th scope="col" { (heading) }
                                }
                            }
                        }
                        tbody {
                            @for row in rows(artifact) {
                                tr {
                                    th scope="row" { (row[0]) }
                                    @for cell in &row[1..] { td { (cell) } }
                                }
                            }
                        }
                    }
                }
                @if let Some(curve) = speedup::curve(artifact) { div .figures { (curve) } }
            }
            @if let Some(choice) = &summary.choice { h3 { "In the document" } pre { code { (choice.yaml) } } }
            (list("To know", &artifact.warnings))
            h3 { "Conditions" }
            dl {
                @if let Some(machine) = figures::machine(&artifact.host) { dt { "machine" } dd { (machine) } }
                dt { "servers" } dd { (figures::servers(&artifact.postgres)) }
                dt { "again" } dd { code { (artifact.invocation.repeat) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::examples::tuning;
    use crate::bench::tune::summary;

    #[test]
    fn a_tuning_shows_its_choice_in_its_own_words() {
        let mut artifact = tuning(&[("1", 1, &[3.0, 3.1, 3.2]), ("2", 2, &[1.7, 1.7, 1.8])]);
        artifact.label = Some("<b>".into());
        artifact.summary = summary::of(&artifact, Status::Complete, None);
        let drawn = section(&artifact).into_string();
        assert!(
            drawn.contains("choice: parallelism <strong>2</strong>"),
            "{drawn}"
        );
        assert!(drawn.contains("1.70 s (1.70 s .. 1.80 s)"), "{drawn}");
        assert!(drawn.contains("“&lt;b&gt;”"), "{drawn}");
    }
}
