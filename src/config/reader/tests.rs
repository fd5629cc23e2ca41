//! From YAML to a tree with positions: what is read, and what is refused.

use std::fmt::Write as _;

use super::*;
use crate::config::tree::{Content, Plain};

fn read_text(text: &str) -> Result<(Node, Vec<Problem>), Problems> {
    read(text, &"a.yaml".into())
}

/// The lines of what ended the reading, or of what was found beside the tree.
fn wrong(text: &str) -> Vec<String> {
    match read_text(text) {
        Ok((_, problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.list().iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn assert_wrong(text: &str, start: &str) {
    let found = wrong(text);
    assert_eq!(found.len(), 1, "{text:?}: {found:#?}");
    assert!(
        found[0].starts_with(&format!("a.yaml:{start}")),
        "{text:?}: {}",
        found[0]
    );
}

#[test]
fn every_value_knows_its_place() {
    let (root, problems) = read_text("a:\n  - b: 1\n    ü: [x, \"y\"]\nc:\nd: 2\n").unwrap();
    assert!(problems.is_empty());
    for (path, place) in [
        ("a", "a.yaml:2:3"),
        ("a.0.b", "a.yaml:2:8"),
        ("a.0.ü.1", "a.yaml:3:12"),
        ("c", "a.yaml:4:1"),
        ("d", "a.yaml:5:4"),
        ("a.0.missing", "a.yaml:2:5"),
        ("e.f", "a.yaml:1:1"),
    ] {
        assert_eq!(root.place_of(path).to_string(), place, "{path}");
    }
}

#[test]
fn what_would_be_lost_is_refused() {
    assert_wrong("", "1:1: the document is empty");
    assert_wrong("# nothing\n", "1:1: the document is empty");
    assert_wrong("---\n", "1:1: the document is empty");
    assert_wrong(
        "a: 1\n---\nb: 2\n",
        "2:1: a second document begins here; accepted: one document in a file",
    );
    assert_wrong(
        "a: 1\nb: 2\na: 3\n",
        "3:1: a: the key is written twice, first in line 1",
    );
    assert_wrong(
        "x:\n  - {a: 1, a: 2}\n",
        "2:12: x.0.a: the key is written twice",
    );
    assert_wrong(
        "a: 1\nb: \u{0} 2\n",
        "2:4: a control character (0x00); accepted: text, tabs inside it, line ends",
    );
    assert_wrong("? [a]\n: 1\n", "1:3: a key is a list");
}

#[test]
fn what_is_not_yaml_is_told_with_its_position() {
    assert_wrong("a:\n\tb: 1\n", "2:2: not YAML: ");
    assert!(wrong("a:\n\tb: 1\n")[0].ends_with("; indent with spaces, tabs are not accepted"));
    assert_wrong("a: [1, 2\n", "");
    assert_wrong("a: \"x\n", "");
    assert_wrong("a: b: c\n", "1:5: not YAML: ");
    assert_wrong("a: *nobody\n", "1:4: not YAML: ");
    for text in [
        "{---",
        "[",
        "{",
        "\"",
        "%",
        "&",
        "*",
        "!",
        "- - -\n -",
        "a:\n b\n  c: 1",
    ] {
        let _ = wrong(text);
    }
}

#[test]
fn tags_other_than_text_are_refused() {
    let (root, problems) = read_text("a: !!str 4\nb: ! 5\n").unwrap();
    assert!(problems.is_empty());
    assert_eq!(root.at("a").unwrap().scalar().unwrap().plain(), Plain::Text);
    assert_eq!(root.at("b").unwrap().scalar().unwrap().plain(), Plain::Text);
    assert_wrong(
        "a: !!int 4\n",
        "1:4: a: a tag that has no meaning here (`!!int`); accepted: no tag, or !!str",
    );
    assert_wrong(
        "a: !secret x\n",
        "1:4: a: a tag that has no meaning here (`!secret`); accepted: no tag, or !!str",
    );
    assert_wrong(
        "a: !map {b: 1}\n",
        "1:4: a: a tag that has no meaning here (`!map`); accepted: no tag, or !!str",
    );
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    let (root, problems) = read_text(
        "base: &b {x: 1, y: 2}\nm:\n  <<: *b\n  y: 3\nn: *b\nl:\n  <<: [*b, {z: 4, x: 9}]\n",
    )
    .unwrap();
    assert!(problems.is_empty());
    for (path, text) in [
        ("m.x", "1"),
        ("m.y", "3"),
        ("n.y", "2"),
        ("l.z", "4"),
        ("l.x", "1"),
    ] {
        assert_eq!(
            root.at(path).unwrap().scalar().unwrap().text,
            text,
            "{path}"
        );
    }
    assert_wrong(
        "a:\n  <<: 1\n",
        "2:3: a.<<: a merge of what is not a map; accepted: an alias of a map, or a list of them",
    );
    assert_wrong(
        "a: &a [*a]\n",
        "1:8: a.0: an alias of a value that contains it",
    );
}

#[test]
fn aliases_that_explode_are_refused_before_they_do() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let alias = format!("*a{}", n - 1);
        writeln!(bomb, "a{n}: &a{n} [{}]", vec![alias; 10].join(", ")).unwrap();
    }
    let found = wrong(&bomb);
    assert!(
        found[0].contains("too many values, aliases expanded; accepted: at most 250000"),
        "{found:?}"
    );

    let long = "x".repeat(1 << 20);
    let copies = "- *a\n".repeat(100);
    let found = wrong(&format!("- &a {long}\n{copies}"));
    assert!(
        found[0].contains("too much text, aliases expanded"),
        "{found:?}"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let found = wrong(&"[".repeat(200));
    assert!(
        found[0].contains("values nested too deeply; accepted: at most 64 levels"),
        "{found:?}"
    );
    let found = wrong(&"- ".repeat(100_000));
    assert!(found[0].contains("values nested too deeply"), "{found:?}");
    let (root, _) = read_text(&format!("{}{}", "[".repeat(64), "]".repeat(64))).unwrap();
    assert!(matches!(root.content, Content::List(_)));
}

#[test]
fn scalars_have_the_types_of_yaml_1_2() {
    for (text, plain) in [
        ("4", Plain::Integer(4)),
        ("-4", Plain::Integer(-4)),
        ("+4", Plain::Integer(4)),
        ("0x1f", Plain::Integer(31)),
        ("0o17", Plain::Integer(15)),
        ("18446744073709551616", Plain::Integer(1 << 64)),
        ("1.5", Plain::Float(1.5)),
        ("1e3", Plain::Float(1000.0)),
        (".5", Plain::Float(0.5)),
        ("-.inf", Plain::Float(f64::NEG_INFINITY)),
        ("true", Plain::Bool(true)),
        ("~", Plain::Null),
        ("", Plain::Null),
        ("yes", Plain::Text),
        ("1_000", Plain::Text),
        ("inf", Plain::Text),
        ("nan", Plain::Text),
        ("-", Plain::Text),
        (".", Plain::Text),
        ("0x", Plain::Text),
        ("1.2.3", Plain::Text),
    ] {
        assert_eq!(crate::config::tree::resolve(text), plain, "{text}");
    }
}

#[test]
fn windows_line_ends_and_byte_order_marks_are_accepted() {
    let (root, problems) = read_text("\u{feff}a: 1\r\nb: 2\r\n").unwrap();
    assert!(problems.is_empty());
    assert_eq!(root.place_of("b").to_string(), "a.yaml:2:4");
    let error = decode(vec![0xff, 0xfe, b'a', 0], &"a.yaml".into()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the document is UTF-16; accepted: UTF-8")
    );
}
