//! Shapes: every kind of value, right and wrong.

use crate::config::{Document, Field, Shape, nearest};

fn wrong(text: &str, shape: Shape) -> Vec<String> {
    let shape = Shape::Map(vec![Field::required("k", shape)]);
    let document = Document::read(&format!("k: {text}"), "a.yaml", &|_| None).unwrap();
    let problems = document.check(&shape).problems();
    problems
        .list()
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn each_shape_takes_its_values_and_says_what_it_takes() {
    let word = || Shape::word(&["left", "right"]);
    let text_list = || Shape::list(Shape::Text);
    for (text, shape, expected) in [
        ("x", Shape::Text, ""),
        ("4", Shape::Text, ""),
        ("true", Shape::Text, ""),
        ("~", Shape::Text, "no value; accepted: a text"),
        ("[x]", Shape::Secret, "a list; accepted: a text"),
        ("true", Shape::Bool, ""),
        (
            "yes",
            Shape::Bool,
            "wrong value (`yes`); accepted: true or false",
        ),
        ("3", Shape::integer(1, 5), ""),
        (
            "6",
            Shape::integer(1, 5),
            "out of range (`6`); accepted: a whole number from 1 to 5",
        ),
        (
            "true",
            Shape::integer(1, 5),
            "wrong value (`true`); accepted: a whole number from 1 to 5",
        ),
        ("2.5", Shape::Number { min: 0.0, max: 3.0 }, ""),
        ("2", Shape::Number { min: 0.0, max: 3.0 }, ""),
        (
            ".nan",
            Shape::Number { min: 0.0, max: 3.0 },
            "out of range (`.nan`); accepted: a number from 0 to 3",
        ),
        ("right", word(), ""),
        (
            "rihgt",
            word(),
            "unknown word (`rihgt`); did you mean right? accepted: left, right",
        ),
        ("up", word(), "unknown word (`up`); accepted: left, right"),
        ("x", Shape::Scalar, ""),
        ("[x]", Shape::Scalar, "a list; accepted: a single value"),
        ("{a: [1]}", Shape::Raw, ""),
        ("", text_list(), ""),
        ("[a, b]", text_list(), ""),
        ("[a, ~]", text_list(), "no value; accepted: a text"),
        (
            "[]",
            Shape::nonempty_list(Shape::Text),
            "an empty list; accepted: a list of at least one item; each item: a text",
        ),
        ("{a: 1}", Shape::FreeMap(Box::new(Shape::integer(0, 1))), ""),
        (
            "{a: 2}",
            Shape::FreeMap(Box::new(Shape::integer(0, 1))),
            "out of range (`2`); accepted: a whole number from 0 to 1",
        ),
        ("", Shape::Map(vec![Field::optional("a", Shape::Text)]), ""),
        (
            "",
            Shape::Map(vec![Field::required("a", Shape::Text)]),
            "no value; accepted: a map with the keys a",
        ),
    ] {
        let expected: Vec<_> = [expected].into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(wrong(text, shape), expected, "{text}");
    }
}

#[test]
fn the_nearest_word_is_near() {
    let known = ["small", "medium", "large"];
    for (word, meant) in [
        ("Large", Some("large")),
        ("smal", Some("small")),
        ("huge", None),
        ("medum", Some("medium")),
    ] {
        assert_eq!(nearest(word, known.into_iter()), meant);
    }
}
