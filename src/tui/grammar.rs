//! The command line as the workbench knows it: names to complete, and who says whether a line can be run.
//!
//! Plain data that whoever starts the workbench makes from the command line's own definition: nothing here
//! knows how a line is parsed, and a line that was not judged is never run.

/// Every command, and who judges a line.
#[derive(Debug, Clone)]
pub struct Grammar {
    /// What can be typed first.
    pub root: Verb,
    /// Judges the words of a line; does nothing else.
    pub judge: fn(&[String]) -> Judged,
}

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// A command that can be run.
    Runs,
    /// Nothing to run but something to read: help, or what is wrong with the line.
    Said {
        /// What it is.
        title: String,
        /// The text, lines and all.
        text: String,
    },
}

/// A command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verb {
    /// Its name.
    pub name: String,
    /// What it does, in a line.
    pub about: String,
    /// The commands below it.
    pub verbs: Vec<Verb>,
    /// Its flags.
    pub flags: Vec<Flag>,
    /// What stands by itself.
    pub positionals: Vec<Value>,
}

/// A flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its long name, dashes and all.
    pub name: String,
    /// What it says, in a line.
    pub about: String,
    /// Its value; none where it has none.
    pub value: Option<Value>,
}

/// A value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// What help calls it.
    pub name: String,
    /// The words it can be; empty for anything.
    pub words: Vec<String>,
}

/// What the workbench knows that values can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Things {
    /// Saved sessions.
    pub sessions: Vec<String>,
    /// Pipeline documents.
    pub documents: Vec<String>,
    /// Profiles.
    pub profiles: Vec<String>,
}

/// A word that may come next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The word, whole.
    pub word: String,
    /// What it is, in a line; empty where the word says it.
    pub about: String,
}

impl Grammar {
    /// What the last word of a line may become; nothing where a quote is open.
    #[must_use]
    pub fn offers(&self, line: &str, things: &Things) -> Vec<Offer> {
        let (before, begun) = cut(line);
        let Some(words) = shlex::split(before) else {
            return Vec::new();
        };
        let mut verb = &self.root;
        let mut flag: Option<&Flag> = None;
        for word in &words {
            if flag.take().is_some() {
                continue;
            }
            if let Some(inner) = verb.verbs.iter().find(|inner| inner.name == *word) {
                verb = inner;
            } else if let Some(named) = verb.flags.iter().find(|named| named.name == *word) {
                flag = Some(named).filter(|flag| flag.value.is_some());
            }
        }
        let mut offers: Vec<Offer> = match flag.and_then(|flag| flag.value.as_ref()) {
            Some(value) => plain(value.words(things)).collect(),
            None if begun.starts_with('-') => {
                let flags = verb.flags.iter();
                flags.map(|flag| offer(&flag.name, &flag.about)).collect()
            }
            None => {
                let verbs = verb.verbs.iter();
                let values = verb.positionals.iter();
                let values = values.flat_map(|value| plain(value.words(things)));
                verbs
                    .map(|verb| offer(&verb.name, &verb.about))
                    .chain(values)
                    .collect()
            }
        };
        offers.retain(|offer| offer.word.starts_with(begun));
        offers
    }

    /// The line with its last word as far as there is no doubt about it; none where that changes nothing.
    #[must_use]
    pub fn completed(&self, line: &str, things: &Things) -> Option<String> {
        let offers = self.offers(line, things);
        let (before, begun) = cut(line);
        let first = offers.first()?;
        if offers.len() == 1 {
            let word = shlex::try_quote(&first.word).ok()?;
            return Some(format!("{before}{word} "));
        }
        let common = offers.iter().fold(first.word.as_str(), |common, offer| {
            let same = common.char_indices().zip(offer.word.chars());
            let end = same
                .take_while(|((_, a), b)| a == b)
                .last()
                .map_or(0, |((at, c), _)| at + c.len_utf8());
            &common[..end]
        });
        (common.len() > begun.len()).then(|| format!("{before}{common}"))
    }
}

impl Value {
    /// What it can be, as far as anybody knows.
    fn words<'a>(&'a self, things: &'a Things) -> &'a [String] {
        match self.name.as_str() {
            _ if !self.words.is_empty() => &self.words,
            "ARTIFACT" | "BEFORE" | "AFTER" => &things.sessions,
            "PROFILE" | "NAME|FILE" => &things.profiles,
            "PIPELINE.yaml" => &things.documents,
            _ => &[],
        }
    }
}

/// A line before its last word, and that word, which may be empty.
fn cut(line: &str) -> (&str, &str) {
    let at = line
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace())
        .map_or(0, |(at, c)| at + c.len_utf8());
    line.split_at(at)
}

fn offer(word: &str, about: &str) -> Offer {
    Offer {
        word: word.to_owned(),
        about: about.to_owned(),
    }
}

fn plain(words: &[String]) -> impl Iterator<Item = Offer> {
    words.iter().map(|word| offer(word, ""))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A grammar of a few words, in which every line but `wrong` can be run.
    pub(crate) fn example() -> Grammar {
        let value = |name: &str, words: &[&str]| Value {
            name: name.into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let flag = |name: &str, value| Flag {
            name: name.into(),
            about: "a flag".into(),
            value,
        };
        let verb = |name: &str| Verb {
            name: name.into(),
            about: format!("what {name} does"),
            ..Verb::default()
        };
        Grammar {
            root: Verb {
                verbs: vec![
                    Verb {
                        positionals: vec![value("ARTIFACT", &[])],
                        flags: vec![
                            flag("--print", None),
                            flag("--out", Some(value("DIR", &[]))),
                        ],
                        ..verb("repeat")
                    },
                    Verb {
                        flags: vec![flag("--format", Some(value("FORMAT", &["text", "json"])))],
                        ..verb("report")
                    },
                    Verb {
                        verbs: vec![verb("new"), verb("show")],
                        ..verb("profiles")
                    },
                ],
                ..Verb::default()
            },
            judge: |words| match words[0].as_str() {
                "wrong" => Judged::Said {
                    title: "Not run".into(),
                    text: "error: no such command".into(),
                },
                _ => Judged::Runs,
            },
        }
    }

    fn things() -> Things {
        Things {
            sessions: vec!["0f3a9c21".into()],
            ..Things::default()
        }
    }

    fn words(line: &str) -> Vec<String> {
        let offers = example().offers(line, &things());
        offers.into_iter().map(|offer| offer.word).collect()
    }

    #[test]
    fn commands_flags_and_values_are_offered_where_they_can_stand() {
        assert_eq!(words(""), ["repeat", "report", "profiles"]);
        assert_eq!(words("rep"), ["repeat", "report"]);
        assert_eq!(words("profiles "), ["new", "show"]);
        assert_eq!(words("repeat "), ["0f3a9c21"]);
        assert_eq!(words("repeat --"), ["--print", "--out"]);
        assert_eq!(words("report --format j"), ["json"]);
        // a value is no command
        assert_eq!(words("repeat --out repeat --p"), ["--print"]);
        assert!(words("repeat 'a b").is_empty());
    }

    #[test]
    fn a_word_is_completed_as_far_as_there_is_no_doubt() {
        let completed = |line| example().completed(line, &things());
        assert_eq!(completed("r").as_deref(), Some("rep"));
        assert_eq!(completed("rep"), None);
        assert_eq!(completed("repe").as_deref(), Some("repeat "));
        assert_eq!(completed("repeat ").as_deref(), Some("repeat 0f3a9c21 "));
        assert_eq!(completed("nothing"), None);
    }
}
