//! Pages, as a browser shows them: light and dark, on a wide and on a narrow screen.

use std::fs;
use std::path::{Path, PathBuf};

use crate::browser::{Scheme, look};
use crate::sessions::{Measured, measured};
use crate::support::rb_bench;

/// A screen of a desk, and one of a hand.
const WIDTHS: [u32; 2] = [1200, 400];

/// A page of everything that was measured.
fn page_of(measured: &Measured, place: &Path) -> PathBuf {
    let file = place.join("report.html");
    rb_bench()
        .arg("report")
        .args(&measured.sessions)
        .arg(&measured.tuning)
        .arg("--html")
        .arg(&file)
        .assert()
        .success();
    file
}

/// The comparison of both sessions.
fn compared(measured: &Measured, place: &Path) -> PathBuf {
    let output = rb_bench()
        .arg("compare")
        .args(&measured.sessions)
        .args(["--format", "html"])
        .assert()
        .success();
    let file = place.join("compared.html");
    fs::write(&file, &output.get_output().stdout).unwrap();
    file
}

fn assert_readable(page: &Path, least_drawings: u32) {
    for scheme in [Scheme::Light, Scheme::Dark] {
        let frames = look(page, scheme, &WIDTHS);
        assert_eq!(frames.len(), WIDTHS.len());
        for seen in frames {
            assert!(
                seen.problems.is_empty(),
                "{scheme:?}, {} wide:\n{}",
                seen.width,
                seen.problems.join("\n")
            );
            assert!(seen.drawings >= least_drawings, "{seen:?}");
            assert!(seen.texts > 50, "{seen:?}");
            let dark = seen.background < 0.1;
            assert!(dark || seen.background > 0.8, "{seen:?}");
            assert_eq!(dark, scheme == Scheme::Dark, "{seen:?}");
        }
    }
}

#[test]
fn a_page_is_readable_light_and_dark_wide_and_narrow() {
    let place = tempfile::tempdir().unwrap();
    // of each session: pairs, iterations, chunks and waits, shards and CPU of two arms; then the curve
    assert_readable(&page_of(measured(), place.path()), 2 * 8 + 1);
}

#[test]
fn a_comparison_of_two_sessions_is_such_a_page() {
    let place = tempfile::tempdir().unwrap();
    let page = compared(measured(), place.path());
    assert!(
        fs::read_to_string(&page)
            .unwrap()
            .contains("unpaired: drift")
    );
    assert_readable(&page, 3);
}

#[test]
fn what_is_wrong_with_a_page_is_seen() {
    let place = tempfile::tempdir().unwrap();
    let page = page_of(measured(), place.path());
    let good = fs::read_to_string(&page).unwrap();
    for (style, problem) in [
        ("td { color: var(--paper) }", "has a contrast of 1.00"),
        ("svg text { fill: var(--panel) }", "has a contrast of 1.00"),
        ("svg { width: 20px }", ": 20 x "),
        ("svg text { font-size: 30px }", " lies on "),
        ("svg text { font-size: 30px }", " is cut off"),
        ("svg text { font-size: 6px }", " high"),
        ("svg rect { fill: var(--panel) }", "a rect cannot be seen"),
        (
            "svg circle { transform: translateX(600px) }",
            "reaches out of the drawing",
        ),
        ("h1 { width: 1300px }", "the page is "),
        ("p { margin-left: -40px }", "reaches out of the page"),
        (".scrolls { overflow: hidden; width: 90px }", "is cut off"),
    ] {
        fs::write(&page, good.replace("</style>", &format!("{style}</style>"))).unwrap();
        let seen = look(&page, Scheme::Light, &WIDTHS[..1]).remove(0);
        assert!(
            seen.problems.iter().any(|p| p.contains(problem)),
            "{style}: {:#?}",
            seen.problems
        );
    }
}

#[test]
fn nothing_in_an_artifact_is_markup() {
    let place = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(page_of(measured(), place.path())).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script"));
    assert!(page.contains("tiny &lt;b&gt;&amp;amp;|*_"));
}
