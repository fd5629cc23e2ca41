//! Keeps the house in order: which module may name which, and what every file must look like.
//!
//! The sources are read as Rust tokens, so that comments, doc links and strings do not count and
//! code inside macros does. Every rule is shown able to fail on a bad sample below.

mod sources;

use std::collections::BTreeSet;
use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use sources::{is_ident, package, read, relative, rust_files};

/// The floors of `src/lib.rs`, lowest first. A room may name rooms on lower floors and itself.
const FLOORS: &[&[&str]] = &[
    &["units", "error"],
    &["config"],
    &["telemetry", "postgres", "parallelism"],
    &["engine", "cluster"],
    &["bench"],
    &["report"],
    &["tui"],
    &["commands"],
    &["main"],
];

/// The command line as typed: `commands` and `main` name it, and it names these alone.
const CLI: &str = "cli";
const CLI_MAY_NAME: &[&str] = &["config", "units", "error"];
const MAY_NAME_CLI: &[&str] = &["commands", "main"];
/// The rooms that may know which argument parser there is.
const MAY_NAME_CLAP: &[&str] = &["cli", "commands", "main"];

const MOST_LINES: usize = 500;

#[test]
fn imports_point_downwards() {
    let mut problems = Vec::new();
    for file in rust_files(&package().join("src")) {
        let path = relative(&file);
        if path != "src/lib.rs" {
            problems.extend(import_problems(&path, &read(&file)));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_room_has_a_floor() {
    let library = read(&package().join("src/lib.rs"));
    let rooms: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(!rooms.is_empty());
    for room in rooms {
        assert!(
            room == CLI || floor(room).is_some(),
            "src/lib.rs has a module `{room}` that tests/house.rs gives no floor"
        );
    }
}

#[test]
fn every_file_says_why_it_exists_and_has_one_subject() {
    let mut problems = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for file in rust_files(&package().join(folder)) {
            problems.extend(file_problems(&relative(&file), &read(&file)));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

// ---- the checkers, pure ----

fn import_problems(path: &str, source: &str) -> Vec<String> {
    let room = room_of(path);
    let tokens = TokenStream::from_str(source).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut named = Named::default();
    named.walk(tokens, depth_of(path));
    let mut problems = Vec::new();
    for target in &named.rooms {
        if let Some(why) = forbidden(room, target) {
            problems.push(format!("{path}: `{room}` names `{target}`: {why}"));
        }
    }
    if named.clap && !MAY_NAME_CLAP.contains(&room) {
        problems.push(format!(
            "{path}: `{room}` names clap: only {MAY_NAME_CLAP:?} may"
        ));
    }
    problems
}

fn forbidden(room: &str, target: &str) -> Option<String> {
    if room == target {
        return None;
    }
    if target == CLI {
        return (!MAY_NAME_CLI.contains(&room)).then(|| format!("only {MAY_NAME_CLI:?} may"));
    }
    if room == CLI {
        return (!CLI_MAY_NAME.contains(&target)).then(|| format!("it may name {CLI_MAY_NAME:?}"));
    }
    match (floor(room), floor(target)) {
        (Some(own), Some(other)) if other < own => None,
        (Some(own), Some(other)) if other == own => Some("it is on the same floor".into()),
        (Some(_), Some(_)) => Some("it is on a higher floor".into()),
        _ => Some("tests/house.rs gives one of them no floor".into()),
    }
}

fn file_problems(path: &str, source: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !source.starts_with("//! ") {
        problems.push(format!(
            "{path}: does not open with `//!` and why it exists"
        ));
    }
    let lines = source.lines().count();
    if lines > MOST_LINES {
        problems.push(format!(
            "{path}: {lines} lines; past {MOST_LINES} it has two subjects"
        ));
    }
    problems
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// `src/engine/source/mod.rs` is in `engine`, `src/units.rs` in `units`.
fn room_of(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    let first = inside.split('/').next().unwrap_or(inside);
    first.trim_end_matches(".rs")
}

/// How many `super::` lead from this file's module to the crate's root.
fn depth_of(path: &str) -> usize {
    let steps = path.trim_start_matches("src/").split('/').count();
    if path.ends_with("/mod.rs") {
        steps - 1
    } else {
        steps
    }
}

/// What a file names: rooms of this crate, and clap.
#[derive(Default)]
struct Named {
    rooms: BTreeSet<String>,
    clap: bool,
}

impl Named {
    /// Collects from `tokens`, which stand in a module `depth` steps below the crate's root.
    fn walk(&mut self, tokens: TokenStream, depth: usize) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    let inline_module = group.delimiter() == Delimiter::Brace
                        && at >= 2
                        && is_ident(&tokens[at - 2], "mod");
                    self.walk(group.stream(), depth + usize::from(inline_module));
                }
                // the middle of a path is no path: `self::crate_name::x`, `a::clap`
                TokenTree::Ident(_) if at >= 2 && is_path_separator(&tokens[at - 2..at]) => {}
                TokenTree::Ident(ident) if ident == "crate" || ident == "rb_bench" => {
                    self.take_rooms(&tokens[at + 1..]);
                }
                TokenTree::Ident(ident) if ident == "super" => {
                    let rest = &tokens[at + 1..];
                    let more = rest
                        .chunks(3)
                        .take_while(|c| {
                            c.len() == 3 && is_path_separator(&c[..2]) && is_ident(&c[2], "super")
                        })
                        .count();
                    if more + 1 >= depth {
                        self.take_rooms(&rest[more * 3..]);
                    }
                }
                TokenTree::Ident(ident) if ident == "clap" => self.clap = true,
                _ => {}
            }
        }
    }

    /// Reads `::room` or `::{room::a, other}`, as they follow the crate's root.
    fn take_rooms(&mut self, rest: &[TokenTree]) {
        let [first, second, target, ..] = rest else {
            return;
        };
        if !is_path_separator(&[first.clone(), second.clone()]) {
            return;
        }
        match target {
            TokenTree::Ident(name) => self.take_room(&name.to_string()),
            TokenTree::Group(group) => {
                let mut starts = true;
                for token in group.stream() {
                    match &token {
                        TokenTree::Ident(name) if starts => self.take_room(&name.to_string()),
                        _ => {}
                    }
                    starts = matches!(&token, TokenTree::Punct(p) if p.as_char() == ',');
                }
            }
            _ => {}
        }
    }

    /// Types stand at the root only as re-exports of `error`.
    fn take_room(&mut self, name: &str) {
        let is_type = name.starts_with(char::is_uppercase);
        self.rooms.insert(if is_type {
            "error".into()
        } else {
            name.to_owned()
        });
    }
}

fn is_path_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [TokenTree::Punct(a), TokenTree::Punct(b)] if a.as_char() == ':' && b.as_char() == ':')
}

// ---- the checkers can fail ----

#[test]
fn a_lower_floor_that_names_a_higher_one_is_found() {
    for bad in [
        "use crate::bench::profile::Profile;",
        "use crate::{config::types::Stream, bench};",
        "fn f() { crate::bench::run(); }",
        "fn f() { println!(\"{}\", crate::bench::NAME); }",
        "use super::super::bench;",
        "mod tests { use super::super::super::bench::x; }",
        "use super::super::{bench::x, config};",
    ] {
        let problems = import_problems("src/engine/plan.rs", bad);
        assert_eq!(
            problems,
            ["src/engine/plan.rs: `engine` names `bench`: it is on a higher floor"],
            "{bad}"
        );
    }
}

#[test]
fn what_is_no_import_is_not_found() {
    for good in [
        "use crate::config::types::Stream; use crate::Result; use crate::engine::result;",
        "//! See [`crate::bench`].\n/// And crate::tui::x.\nfn f() {} // crate::bench::x",
        "const A: &str = \"crate::bench::x\"; const B: &str = r#\"use crate::tui;\"#;",
        "use super::bench; mod tests { use super::super::bench; }",
        "use super::result::{bench, tui}; fn f(bench: u32) -> u32 { self::clap::x(bench) }",
        "use crate::{config::{bench, tui}, units};",
    ] {
        assert_eq!(
            import_problems("src/engine/plan.rs", good),
            [""; 0],
            "{good}"
        );
    }
}

#[test]
fn siblings_on_a_floor_do_not_name_each_other() {
    let problems = import_problems("src/cluster/mod.rs", "use super::engine::run;");
    assert_eq!(
        problems,
        ["src/cluster/mod.rs: `cluster` names `engine`: it is on the same floor"]
    );
}

#[test]
fn the_command_line_stays_at_the_top() {
    assert_eq!(
        import_problems(
            "src/cli/run.rs",
            "use crate::config::types::X; use clap::Args;"
        ),
        [""; 0]
    );
    assert_eq!(
        import_problems("src/commands/run.rs", "use crate::cli::RunArgs;"),
        [""; 0]
    );
    assert_eq!(
        import_problems(
            "src/main.rs",
            "use clap::Parser; fn main() { rb_bench::cli::x() }"
        ),
        [""; 0]
    );
    for (path, bad) in [
        ("src/cli/run.rs", "use crate::engine::run;"),
        ("src/bench/runner.rs", "use crate::cli::BenchArgs;"),
        (
            "src/config/types.rs",
            "#[derive(clap::ValueEnum)] enum Mode { A }",
        ),
        ("src/report/mod.rs", "use crate::attic::x;"),
    ] {
        assert_eq!(import_problems(path, bad).len(), 1, "{path}: {bad}");
    }
}

#[test]
fn a_file_without_a_purpose_or_with_two_is_found() {
    assert_eq!(file_problems("src/a.rs", "//! Why.\n"), [""; 0]);
    assert_eq!(file_problems("src/a.rs", "use std::fs;\n").len(), 1);
    assert_eq!(
        file_problems("src/a.rs", &"//! Why.\n".repeat(MOST_LINES)),
        [""; 0]
    );
    assert_eq!(
        file_problems("src/a.rs", &"//! Why.\n".repeat(MOST_LINES + 1)).len(),
        1
    );
}
