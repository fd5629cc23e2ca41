//! The parser's events, one at a time, into a tree.
//!
//! An alias is counted before it is expanded, and so is what is kept for aliases: a document of a few
//! lines must never fill the memory or the stack.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span, Tag};

use crate::config::masking::quote;
use crate::config::problems::{Place, Problem, Problems};
use crate::config::tree::{Content, Entry, Node, Scalar};

/// The most values a document may have, aliases expanded.
const MAX_VALUES: usize = 250_000;
/// The most bytes of text its values may have, aliases expanded.
const MAX_TEXT: usize = 16 << 20;
/// How deep values may lie in each other.
const MAX_DEPTH: usize = 64;

/// A map or list whose end has not come.
struct Open {
    place: Place,
    anchor: usize,
    collection: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// Every key so far, with its place.
    seen: HashMap<String, Place>,
    /// Maps to be merged in (`<<`), once the map's own keys are known.
    merged: Vec<Node>,
    key: Option<Key>,
}

/// A key whose value has not come.
enum Key {
    Named(String, Place),
    Merge(Place),
    /// Reported; its value is dropped.
    Unusable,
}

/// A tree that grows by events.
pub(super) struct Builder<'o> {
    origin: &'o Arc<str>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, Node>,
    values: usize,
    text: usize,
    problems: Vec<Problem>,
}

impl<'o> Builder<'o> {
    pub(super) fn new(origin: &'o Arc<str>) -> Self {
        Self {
            origin,
            open: Vec::new(),
            root: None,
            documents: 0,
            anchors: HashMap::new(),
            values: 0,
            text: 0,
            problems: Vec::new(),
        }
    }

    /// Takes one event; fails where reading cannot go on.
    pub(super) fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problems> {
        let place = Place::text(self.origin, span.start.line(), span.start.col() + 1);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.fatal(
                        place,
                        "a second document begins here; accepted: one document in a file",
                    ));
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(self.fatal(place, "an alias of a value that contains it"));
                };
                let node = node.clone();
                self.charge(&node, &place)?;
                self.attach(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let forced = self.tag(tag.as_deref(), &place);
                let empty = text.is_empty() && style == ScalarStyle::Plain;
                let quoted = forced || style != ScalarStyle::Plain;
                let place = if empty {
                    self.place_of_key(place)
                } else {
                    place
                };
                let node = Node {
                    content: Content::Scalar(Scalar::new(text.into_owned(), quoted)),
                    place,
                };
                self.complete(node, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.tag(tag.as_deref(), &place);
                self.open(place, anchor, Collection::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.tag(tag.as_deref(), &place);
                self.open(place, anchor, Collection::Map(OpenMap::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
        }
        Ok(())
    }

    /// The tree, where there was a document, and what is wrong with it.
    pub(super) fn finish(self) -> (Option<Node>, Vec<Problem>) {
        (self.root, self.problems)
    }

    fn open(
        &mut self,
        place: Place,
        anchor: usize,
        collection: Collection,
    ) -> Result<(), Problems> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.fatal(
                place,
                &format!("values nested too deeply; accepted: at most {MAX_DEPTH} levels"),
            ));
        }
        self.open.push(Open {
            place,
            anchor,
            collection,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problems> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let content = match open.collection {
            Collection::List(items) => Content::List(items),
            Collection::Map(map) => Content::Map(with_merged(map)),
        };
        let node = Node {
            place: open.place,
            content,
        };
        self.complete(node, open.anchor)
    }

    /// A finished value: counted, kept under its anchor, put where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Problems> {
        let own = match &node.content {
            Content::Scalar(scalar) => scalar.text.len(),
            Content::List(_) | Content::Map(_) => 0,
        };
        self.count(1, own, &node.place)?;
        if anchor != 0 {
            self.charge(&node, &node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.attach(node);
        Ok(())
    }

    /// Counts a copy of a value before it is made.
    fn charge(&mut self, node: &Node, place: &Place) -> Result<(), Problems> {
        let (values, text) = size(node);
        self.count(values, text, place)
    }

    fn count(&mut self, values: usize, text: usize, place: &Place) -> Result<(), Problems> {
        self.values += values;
        self.text += text;
        if self.values > MAX_VALUES {
            return Err(self.fatal(
                place.clone(),
                &format!("too many values, aliases expanded; accepted: at most {MAX_VALUES}"),
            ));
        }
        if self.text > MAX_TEXT {
            return Err(self.fatal(
                place.clone(),
                "too much text, aliases expanded; accepted: at most 16 MiB",
            ));
        }
        Ok(())
    }

    fn attach(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        let map = match &mut open.collection {
            Collection::List(items) => return items.push(node),
            Collection::Map(map) => map,
        };
        match map.key.take() {
            None => match &node.content {
                Content::Scalar(key) if key.text == "<<" && !key.quoted => {
                    map.key = Some(Key::Merge(node.place));
                }
                Content::Scalar(key) => {
                    map.key = Some(Key::Named(key.text.clone(), node.place));
                }
                Content::List(_) | Content::Map(_) => {
                    map.key = Some(Key::Unusable);
                    self.report(
                        node.place.clone(),
                        "",
                        format!("a key is {}; accepted: a text", node.shown()),
                    );
                }
            },
            Some(Key::Unusable) => {}
            Some(Key::Merge(place)) => {
                let (maps, others): (Vec<_>, Vec<_>) = match node.content {
                    Content::List(items) => items,
                    _ => vec![node],
                }
                .into_iter()
                .partition(|node| matches!(node.content, Content::Map(_)));
                map.merged.extend(maps);
                if !others.is_empty() {
                    self.report(place, "<<", "a merge of what is not a map; accepted: an alias of a map, or a list of them".into());
                }
            }
            Some(Key::Named(key, place)) => {
                if let Some(first) = map.seen.get(&key) {
                    let line = first.line().unwrap_or_default();
                    self.report(
                        place,
                        &key,
                        format!("the key is written twice, first in line {line}; accepted: once"),
                    );
                    return;
                }
                map.seen.insert(key.clone(), place.clone());
                map.entries.push(Entry {
                    key,
                    place,
                    value: node,
                });
            }
        }
    }

    /// `!!str` (or `!`) makes a text of a scalar; a tag that asks for anything else is refused.
    fn tag(&mut self, tag: Option<&Tag>, place: &Place) -> bool {
        let Some(tag) = tag else {
            return false;
        };
        let is_text = tag.is_yaml_core_schema() && tag.suffix == "str"
            || format!("{}{}", tag.handle, tag.suffix) == "!";
        if !is_text {
            let shown = if tag.is_yaml_core_schema() {
                format!("`!!{}`", tag.suffix)
            } else {
                quote(&tag.to_string())
            };
            self.report(
                place.clone(),
                "",
                format!("a tag that has no meaning here ({shown}); accepted: no tag, or !!str"),
            );
        }
        is_text
    }

    /// A value that was left out is told at its key, not at what happens to follow.
    fn place_of_key(&self, place: Place) -> Place {
        match self.open.last().map(|open| &open.collection) {
            Some(Collection::Map(OpenMap {
                key: Some(Key::Named(_, key)),
                ..
            })) => key.clone(),
            _ => place,
        }
    }

    /// The path of the map being read, with one more key.
    fn path(&self, key: &str) -> String {
        let mut parts: Vec<String> = Vec::new();
        for open in &self.open {
            match &open.collection {
                Collection::List(items) => parts.push(items.len().to_string()),
                Collection::Map(map) => {
                    if let Some(Key::Named(key, _)) = &map.key {
                        parts.push(key.clone());
                    }
                }
            }
        }
        if !key.is_empty() {
            parts.push(key.to_owned());
        }
        parts.join(".")
    }

    fn report(&mut self, place: Place, key: &str, message: String) {
        let path = self.path(key);
        self.problems.push(Problem {
            place,
            path,
            message,
        });
    }

    /// What ends the reading, together with what was found before.
    fn fatal(&mut self, place: Place, message: &str) -> Problems {
        self.report(place, "", message.to_owned());
        Problems::new(self.origin, std::mem::take(&mut self.problems))
    }
}

/// Values and bytes of text in a value, itself included.
fn size(node: &Node) -> (usize, usize) {
    let add = |(values, text): (usize, usize), node: &Node| {
        let (more_values, more_text) = size(node);
        (values + more_values, text + more_text)
    };
    match &node.content {
        Content::Scalar(scalar) => (1, scalar.text.len()),
        Content::List(items) => items.iter().fold((1, 0), add),
        Content::Map(entries) => entries.iter().fold((1, 0), |sum, entry| {
            let (values, text) = add(sum, &entry.value);
            (values + 1, text + entry.key.len())
        }),
    }
}

/// The map's own keys, then those of merged maps that it does not have.
fn with_merged(map: OpenMap) -> Vec<Entry> {
    let OpenMap {
        mut entries,
        mut seen,
        merged,
        ..
    } = map;
    for node in merged {
        let Content::Map(others) = node.content else {
            continue;
        };
        for entry in others {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.place.clone());
                entries.push(entry);
            }
        }
    }
    entries
}
