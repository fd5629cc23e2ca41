//! Where a source makes errors, and what its tests say: both found among Rust tokens.
//!
//! A literal is a message if it stands among the arguments of what makes an error, in the body of a
//! function that returns one, or in a constant or binding that is handed to such a call. Code under
//! `#[cfg(test)]` makes no messages: what stands there is what a test says.

use std::collections::{BTreeSet, HashMap};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use crate::literal;
use crate::sources::is_ident;

/// What a file makes and says.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) messages: Vec<Message>,
    /// The literals of tests.
    pub(crate) said: Vec<String>,
    /// Files that are modules of tests alone: `mod NAME;` under `#[cfg(test)]`.
    pub(crate) test_modules: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// The line, from 1.
    pub(crate) line: usize,
    /// The format string or text.
    pub(crate) text: String,
}

/// Types that are an error, or a part of one.
const ERROR_TYPES: &[&str] = &["Error", "Failure", "Problems", "Problem"];
/// What takes a message, by any receiver.
const MAKERS: &[&str] = &[
    "Err",
    "map_err",
    "ok_or",
    "ok_or_else",
    "remedy",
    "context",
    "refuse",
    "refuse_unless",
    "refuse_endpoint",
    "report",
    "fatal",
    "bail",
];
/// Lists of what is wrong, which become one error.
const LISTS: &[&str] = &["problems", "faults", "refusals", "wrong", "list"];
/// Calls whose arguments are looked for, not said.
const QUESTIONS: &[&str] = &[
    "contains",
    "starts_with",
    "ends_with",
    "strip_prefix",
    "strip_suffix",
    "find",
    "split",
    "join",
    "matches",
    "replace",
    "trim_start_matches",
    "trim_end_matches",
    "debug_assert",
    "expect",
    "debug",
    "info",
    "warn",
    "trace",
    "rows",
    "row",
    "execute",
    "query",
    "says",
];

/// Names of functions that return an error, as all sources together define them.
pub(crate) fn makers_of(tokens: &TokenStream, makers: &mut BTreeSet<String>) {
    let tokens = without_tests(tokens.clone(), &mut Found::default());
    for (name, _) in functions(&tokens) {
        makers.insert(name);
    }
    for token in &tokens {
        if let TokenTree::Group(group) = token {
            makers_of(&group.stream(), makers);
        }
    }
}

/// What a source file of the package makes and says.
pub(crate) fn of_source(tokens: TokenStream, makers: &BTreeSet<String>) -> Found {
    let mut found = Found::default();
    let code = without_tests_deep(tokens, &mut found);
    let mut walk = Walk {
        makers,
        messages: BTreeSet::new(),
        named: BTreeSet::new(),
        bound: HashMap::new(),
    };
    walk.bindings(&code);
    walk.walk(&code);
    for name in std::mem::take(&mut walk.named) {
        for (tokens, is_constant) in walk.bound.get(&name).cloned().unwrap_or_default() {
            if is_constant || BOUND_MESSAGES.contains(&name.as_str()) {
                walk.take_all(tokens);
            }
        }
    }
    found.messages = walk.messages.into_iter().collect();
    found
}

/// Bindings that hold a message until it is handed on.
const BOUND_MESSAGES: &[&str] = &[
    "message", "why", "text", "remedy", "hint", "advice", "what", "fault", "problem", "wrong",
];

/// All that a test file says.
pub(crate) fn of_test(tokens: TokenStream, said: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => of_test(group.stream(), said),
            TokenTree::Literal(text) => said.extend(literal::value(&text.to_string())),
            _ => {}
        }
    }
}

struct Walk<'m> {
    makers: &'m BTreeSet<String>,
    messages: BTreeSet<Message>,
    /// Constants and bindings that were handed to a maker.
    named: BTreeSet<String>,
    bound: HashMap<String, Vec<(Vec<TokenTree>, bool)>>,
}

impl Walk<'_> {
    /// Gathers `const NAME: T = ...;` and `let name = ...;`.
    fn bindings(&mut self, tokens: &[TokenTree]) {
        for (at, token) in tokens.iter().enumerate() {
            if let TokenTree::Group(group) = token {
                self.bindings(&list(group));
            }
            let is_constant = is_ident(token, "const");
            if !is_constant && !is_ident(token, "let") {
                continue;
            }
            let (Some(TokenTree::Ident(name)), rest) = (tokens.get(at + 1), &tokens[at + 1..])
            else {
                continue;
            };
            let end = rest
                .iter()
                .position(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ';'));
            let value = rest[..end.unwrap_or(rest.len())].to_vec();
            self.bound
                .entry(name.to_string())
                .or_default()
                .push((value, is_constant));
        }
    }

    fn walk(&mut self, tokens: &[TokenTree]) {
        for (_, body) in functions(tokens) {
            self.take_all(list(&body));
        }
        for (at, token) in tokens.iter().enumerate() {
            let TokenTree::Group(group) = token else {
                continue;
            };
            let inner = list(group);
            if is_of_file(&tokens[..at]) {
                self.take_doing(&inner);
            }
            if is_exempt(&tokens[..at]) {
                continue;
            }
            if group.delimiter() == Delimiter::Parenthesis && self.is_maker(&tokens[..at]) {
                self.take_all(inner.clone());
            }
            self.walk(&inner);
        }
    }

    /// Whether these tokens end with the name of what makes an error of its arguments.
    fn is_maker(&self, before: &[TokenTree]) -> bool {
        let Some(TokenTree::Ident(name)) = before.last() else {
            return false;
        };
        let name = name.to_string();
        let before = &before[..before.len() - 1];
        if before.last().is_some_and(|token| is_ident(token, "fn")) {
            return false;
        }
        let path = path_before(before);
        if let Some(owner) = &path
            && ERROR_TYPES.contains(&owner.as_str())
        {
            return true;
        }
        if name == "push" {
            let receiver = before.len().checked_sub(2).map(|at| &before[at]);
            return matches!(receiver, Some(TokenTree::Ident(list)) if LISTS.contains(&list.to_string().as_str()));
        }
        MAKERS.contains(&name.as_str()) || self.makers.contains(&name)
    }

    /// Takes what `Error::file` makes of its first argument.
    fn take_doing(&mut self, arguments: &[TokenTree]) {
        if let Some(TokenTree::Literal(text)) = arguments.first()
            && let Some(doing) = literal::value(&text.to_string())
        {
            self.messages.insert(Message {
                line: text.span().start().line,
                text: format!("cannot {doing} {{}}: {{}}"),
            });
        }
    }

    /// Takes every literal among these tokens, and the names that stand for one.
    #[expect(clippy::needless_pass_by_value, reason = "lists are made for it")]
    fn take_all(&mut self, tokens: Vec<TokenTree>) {
        let mut asks = false;
        for (at, token) in tokens.iter().cloned().enumerate() {
            match token {
                TokenTree::Group(group) => {
                    if is_of_file(&tokens[..at]) {
                        self.take_doing(&list(&group));
                    }
                    if !asks && !is_exempt(&tokens[..at]) {
                        self.take_all(list(&group));
                    }
                    asks = false;
                }
                TokenTree::Literal(text) => {
                    if let Some(said) = literal::value(&text.to_string()) {
                        self.messages.insert(Message {
                            line: text.span().start().line,
                            text: said,
                        });
                    }
                    asks = false;
                }
                TokenTree::Ident(name) => {
                    let name = name.to_string();
                    asks = QUESTIONS.contains(&name.as_str());
                    self.named.insert(name);
                }
                TokenTree::Punct(mark) => asks = asks && mark.as_char() == '!',
            }
        }
    }
}

/// Calls whose arguments are no messages of their own; `exceptions.rs` says why.
fn is_exempt(before: &[TokenTree]) -> bool {
    is_of_error(before, "internal")
        || is_of_file(before)
        || before
            .last()
            .is_some_and(|token| is_ident(token, "from_client") || is_ident(token, "from_report"))
}

/// Whether these tokens end with `Error::file`, which makes a message of what was being done.
fn is_of_file(before: &[TokenTree]) -> bool {
    is_of_error(before, "file")
}

fn is_of_error(before: &[TokenTree], maker: &str) -> bool {
    let [before @ .., name] = before else {
        return false;
    };
    is_ident(name, maker) && path_before(before).as_deref() == Some("Error")
}

/// `Owner` of `Owner::`.
fn path_before(before: &[TokenTree]) -> Option<String> {
    match before {
        [
            ..,
            TokenTree::Ident(owner),
            TokenTree::Punct(a),
            TokenTree::Punct(b),
        ] if a.as_char() == ':' && b.as_char() == ':' => Some(owner.to_string()),
        _ => None,
    }
}

/// Functions among these tokens that return an error: name and body.
fn functions(tokens: &[TokenTree]) -> Vec<(String, Group)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let (true, Some(TokenTree::Ident(name))) = (is_ident(token, "fn"), tokens.get(at + 1))
        else {
            continue;
        };
        let rest = &tokens[at + 2..];
        let Some(end) = rest
            .iter()
            .position(|t| matches!(t, TokenTree::Group(g) if g.delimiter() == Delimiter::Brace))
        else {
            continue;
        };
        let Some(arrow) = rest[..end].windows(2).position(|two| {
            matches!(two, [TokenTree::Punct(a), TokenTree::Punct(b)] if a.as_char() == '-' && b.as_char() == '>')
        }) else {
            continue;
        };
        let returned: String = rest[arrow + 2..end]
            .iter()
            .map(ToString::to_string)
            .collect();
        let returned = returned.split("where").next().unwrap_or_default();
        let is_error = ERROR_TYPES.iter().any(|name| {
            [
                (*name).to_owned(),
                format!("Option<{name}>"),
                format!("Vec<{name}>"),
                format!("implFn({returned})->{name}"),
                format!("implFnOnce(Error)->{name}"),
                format!("implFn(io::Error)->{name}"),
            ]
            .iter()
            .any(|one| one == returned)
        });
        if let (true, TokenTree::Group(body)) = (is_error, &rest[end]) {
            found.push((name.to_string(), body.clone()));
        }
    }
    found
}

fn list(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

/// The tokens without what stands under `#[cfg(test)]` and without attributes; what tests say goes to
/// `found`.
fn without_tests(tokens: TokenStream, found: &mut Found) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        if !matches!(&token, TokenTree::Punct(p) if p.as_char() == '#') {
            kept.push(token);
            continue;
        }
        let inner = rest
            .next_if(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == '!'))
            .is_some();
        let Some(attribute) = rest.next() else { break };
        let attribute = attribute.to_string().replace(' ', "");
        if inner || !(attribute == "[cfg(test)]" || attribute == "[test]") {
            continue;
        }
        let mut name = None;
        for token in rest.by_ref() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    of_test(group.stream(), &mut found.said);
                    name = None;
                    break;
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => break,
                TokenTree::Ident(ident) => name = Some(ident.to_string()),
                _ => {}
            }
        }
        found.test_modules.extend(name);
    }
    kept
}

fn without_tests_deep(tokens: TokenStream, found: &mut Found) -> Vec<TokenTree> {
    without_tests(tokens, found)
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let inner: TokenStream = without_tests_deep(group.stream(), found)
                    .into_iter()
                    .collect();
                let mut same = Group::new(group.delimiter(), inner);
                same.set_span(group.span());
                TokenTree::Group(same)
            }
            other => other,
        })
        .collect()
}
