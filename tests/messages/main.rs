//! Every message of an error is seen by a test: made by the code, and compared.
//!
//! The sources are read as Rust tokens. Of each message the longest piece between its placeholders, and any
//! that is long enough to tell it from others, must stand in what a test says, or what a test says in it,
//! where that means no other.
//! It cannot see whether the test compares it with what the code made: that is for the reader of the test.

mod exceptions;
mod finder;
mod literal;
#[path = "../sources/mod.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use exceptions::EXCEPTIONS;
use proc_macro2::TokenStream;

/// The least letters of a piece that says something.
const LEAST_LETTERS: usize = 4;
/// The least characters by which a part of a message means that one and no other.
const TELLING: usize = 20;

#[test]
fn every_message_of_an_error_is_seen_by_a_test() {
    let mut unseen = unseen();
    let mut problems: Vec<String> = Vec::new();
    for (piece, why) in EXCEPTIONS {
        if unseen.remove(*piece).is_none() {
            problems.push(format!(
                "tests/messages/exceptions.rs: {piece:?} is seen or made no more ({why})"
            ));
        }
    }
    problems.extend(unseen.values().cloned());
    assert!(
        problems.is_empty(),
        "{} messages that no test sees, or exceptions that are none:\n{}\n",
        problems.len(),
        problems.join("\n")
    );
}

/// The pieces of messages that no test sees, and where each stands.
fn unseen() -> BTreeMap<String, String> {
    let files = sources::rust_files(&sources::package().join("src"));
    let mut makers = BTreeSet::new();
    for file in &files {
        finder::makers_of(&parse(file), &mut makers);
    }
    let mut made = Vec::new();
    let mut said = Vec::new();
    let mut test_files = BTreeSet::new();
    for file in &files {
        let found = finder::of_source(parse(file), &makers);
        said.extend(found.said);
        test_files.extend(found.test_modules.iter().map(|name| module_of(file, name)));
        // one that stands elsewhere is named for it: `plan_tests.rs`
        if file.to_string_lossy().ends_with("tests.rs") {
            test_files.insert(file.clone());
        }
        made.push((file, found.messages));
    }
    made.retain(|(file, _)| !test_files.contains(*file));
    let tests = sources::package().join("tests");
    test_files.extend(sources::rust_files(&tests));
    for file in test_files {
        if !file.starts_with(tests.join("messages")) && file.exists() {
            finder::of_test(parse(&file), &mut said);
        }
    }
    let snapshots = sources::files(&sources::package().join("src"), "snap");
    said.extend(snapshots.iter().map(|file| sources::read(file)));

    let unescaped: Vec<String> = said.iter().flat_map(|text| literal::pieces(text)).collect();
    said.extend(unescaped);
    let telling: BTreeSet<String> = said.iter().flat_map(|text| telling(text)).collect();
    let mut wanted: Vec<(String, String)> = Vec::new();
    for (file, messages) in made {
        for message in messages {
            let place = format!("{}:{}", sources::relative(file), message.line);
            let told = format!("{place}: {:?}", message.text);
            wanted.extend(
                wanted_of(&message.text)
                    .into_iter()
                    .map(|piece| (piece, told.clone())),
            );
        }
    }
    let pieces: BTreeSet<&str> = wanted.iter().map(|(piece, _)| piece.as_str()).collect();
    // a part that stands in several messages says of none that it was seen
    let means = |part: &str| pieces.iter().filter(|piece| piece.contains(part)).count() == 1;
    let telling: BTreeSet<String> = telling.into_iter().filter(|part| means(part)).collect();
    let mut unseen = BTreeMap::new();
    for (piece, place) in &wanted {
        let is_seen = said.iter().any(|text| text.contains(piece))
            || telling.iter().any(|part| piece.contains(part));
        if !is_seen {
            unseen.insert(piece.clone(), place.clone());
        }
    }
    unseen
}

fn parse(file: &Path) -> TokenStream {
    TokenStream::from_str(&sources::read(file))
        .unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// The file of the module `name` that `file` declares.
fn module_of(file: &Path, name: &str) -> PathBuf {
    let is_root = file
        .file_stem()
        .is_some_and(|stem| stem == "mod" || stem == "lib" || stem == "main");
    let folder = if is_root {
        file.with_file_name("")
    } else {
        file.with_extension("")
    };
    folder.join(format!("{name}.rs"))
}

/// What tests must have said of a message: its longest piece, and each that tells it from others.
fn wanted_of(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = literal::pieces(text)
        .iter()
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| {
            piece.contains(' ')
                && piece.chars().filter(|c| c.is_alphabetic()).count() >= LEAST_LETTERS
        })
        .collect();
    let longest = pieces.iter().map(String::len).max().unwrap_or_default();
    pieces.retain(|piece| piece.len() == longest || piece.len() >= TELLING);
    pieces
}

/// The pieces of what a test says that mean one message and no other.
fn telling(text: &str) -> Vec<String> {
    literal::pieces(text)
        .iter()
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| piece.len() >= TELLING && piece.contains(' '))
        .collect()
}

#[test]
fn a_message_is_found_wherever_it_is_made() {
    let source = r#"
        const LATER: &str = "said by a constant";
        fn refused(n: u32) -> Error { Error::new(Kind::Data, format!("in a maker {n}")) }
        fn a() -> Result<()> {
            let message = format!("in a binding {x}");
            report.refuse("key", message);
            problems.push(format!("in a list {x}"));
            f().map_err(|e| wrong(&e, "in a mapping"))?;
            if error.contains("not a message") { return Err("in an Err".into()); }
            Err(Error::new(Kind::Usage, LATER).remedy("in a remedy"))
        }
        fn b() -> Result<()> { Err(Error::internal("a defect of ours")) }
        fn d() -> Result<()> { read().map_err(|e| Error::file("look into", "a path", e)) }
        fn c() -> &'static str { "no error at all" }
        #[cfg(test)]
        mod tests { fn t() { assert_eq!(refused(1), "said by a test"); } }
    "#;
    let found = finder::of_source(
        TokenStream::from_str(source).expect("Rust"),
        &BTreeSet::from(["refused".to_owned()]),
    );
    let mut texts: Vec<&str> = found.messages.iter().map(|m| m.text.as_str()).collect();
    texts.retain(|text| text.contains(' '));
    assert_eq!(
        texts,
        [
            "said by a constant",
            "in a maker {n}",
            "in a binding {x}",
            "in a list {x}",
            "in a mapping",
            "in an Err",
            "in a remedy",
            "cannot look into {}: {}"
        ]
    );
    assert_eq!(found.messages[0].line, 2);
    assert_eq!(found.said, ["said by a test"]);
}

#[test]
fn of_a_message_its_longest_piece_is_wanted_and_each_that_is_long_enough() {
    for (text, wanted) in [
        (
            "{} is not at {}: it went away some time ago",
            vec![": it went away some time ago"],
        ),
        (
            "the first of the two halves {a} and the second of them {b}, and",
            vec!["the first of the two halves", "and the second of them"],
        ),
        ("{a} in {b}", vec![]),
    ] {
        assert_eq!(wanted_of(text), wanted, "{text}");
    }
}
