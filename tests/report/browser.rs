//! A real browser, without a window, and what it sees of a page.
//!
//! The page is shown in frames of several widths. A script of ours, beside the page and not in it,
//! measures what was laid out and drawn, and tells all that is wrong with it.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use serde::Deserialize;

/// What `scripts/ensure-browser` looks for, in this order.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// A browser that takes longer hangs.
const LONGEST: Duration = Duration::from_mins(3);

/// What the browser's owner prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// Dark text on light.
    Light,
    /// Light text on dark.
    Dark,
}

/// What was seen of a page in one frame.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    /// The frame's width, CSS pixels.
    pub(crate) width: u32,
    /// Drawings.
    pub(crate) drawings: u32,
    /// Texts, in and out of drawings.
    pub(crate) texts: u32,
    /// Relative luminance of the page's background, 0 to 1.
    pub(crate) background: f64,
    /// Everything that is wrong.
    pub(crate) problems: Vec<String>,
}

/// Shows the page in frames of these widths.
pub(crate) fn look(page: &Path, scheme: Scheme, widths: &[u32]) -> Vec<Seen> {
    let place = tempfile::tempdir().unwrap();
    let mut frames = String::new();
    for width in widths {
        let _ = write!(
            frames,
            "<iframe src='page.html' width='{width}' height='4000' style='border:0'></iframe>"
        );
    }
    fs::copy(page, place.path().join("page.html")).unwrap();
    let look = include_str!("look.js");
    let wrapper =
        format!("<!DOCTYPE html><body>{frames}<pre id='seen'></pre><script>{look}</script>");
    fs::write(place.path().join("wrapper.html"), wrapper).unwrap();
    let dom = show(&place.path().join("wrapper.html"), scheme, place.path());
    let (_, rest) = dom.split_once("<pre id=\"seen\">").unwrap();
    let (json, _) = rest.split_once("</pre>").unwrap();
    let json = json
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}"))
}

/// The document after everything has been loaded and run.
fn show(page: &Path, scheme: Scheme, profile: &Path) -> String {
    let scheme = match scheme {
        Scheme::Light => "1",
        Scheme::Dark => "0",
    };
    let output = assert_cmd::Command::new(browser())
        .args([
            "--headless=new",
            // as root it refuses to run otherwise; the page is our own
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            // the script looks into the frames
            "--allow-file-access-from-files",
            "--no-first-run",
            // they would take width from the frames
            "--hide-scrollbars",
            "--disable-background-networking",
            "--window-size=1600,1200",
            "--dump-dom",
        ])
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ))
        .arg(format!("file://{}", page.display()))
        .timeout(LONGEST)
        .assert()
        .success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// The browser to look with: RB_BENCH_BROWSER, or the first that is found.
fn browser() -> OsString {
    if let Some(chosen) = env::var_os("RB_BENCH_BROWSER") {
        return chosen;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| places.iter().map(move |place| place.join(name)))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("no browser to look with: run scripts/ensure-browser, or name one in RB_BENCH_BROWSER")
        })
        .into()
}
