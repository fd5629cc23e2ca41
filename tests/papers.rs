//! The papers tell the truth: every link leads somewhere, and every command that a page shows is one
//! that the program takes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

/// A page that is made into one of the root's: its links are looked for from there.
const TEMPLATE: &str = "benches/evidence.md";

/// What a stranger reads in five minutes.
const LONGEST_README: usize = 240;

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    assert!(pages.contains_key("README.md") && pages.contains_key("docs/pipelines.md"));
    let mut problems = Vec::new();
    for (page, text) in &pages {
        let folder = match page.as_str() {
            TEMPLATE => Path::new(""),
            page => Path::new(page).parent().unwrap_or(Path::new("")),
        };
        for link in links(text) {
            if let Some(problem) = broken(&pages, page, folder, &link) {
                problems.push(format!("{page}: [..]({link}): {problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_command_that_a_page_shows_is_one_that_the_program_takes() {
    let mut shown = 0;
    let mut problems = Vec::new();
    for (page, text) in &pages() {
        for command in commands(text) {
            shown += 1;
            if let Some(problem) = refused(&command) {
                problems.push(format!("{page}: {command}: {problem}"));
            }
        }
    }
    assert!(shown > 40, "only {shown} commands were found");
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_page_is_named_in_the_readme_which_is_short() {
    let pages = pages();
    let readme = &pages["README.md"];
    let named = links(readme);
    for page in pages.keys().filter(|p| is_a_page_for_users(p)) {
        assert!(named.contains(page), "README.md does not name {page}");
    }
    assert!(readme.lines().count() <= LONGEST_README);
}

fn is_a_page_for_users(page: &str) -> bool {
    page.strip_prefix("docs/")
        .is_some_and(|inside| !inside.contains('/'))
}

// ---- links ----

/// The targets of the links in `text`, but not of those in code or to other places of the net.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for (at, _) in line.match_indices("](") {
            let rest = &line[at + 2..];
            let target = &rest[..rest.find(')').unwrap_or(rest.len())];
            if !target.contains("://") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// What is wrong with a link on a page in `folder`.
fn broken(
    pages: &BTreeMap<String, String>,
    page: &str,
    folder: &Path,
    link: &str,
) -> Option<String> {
    let (file, anchor) = match link.split_once('#') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (link, None),
    };
    let target = if file.is_empty() {
        page.to_owned()
    } else {
        plain(&folder.join(file))
    };
    if !root().join(&target).exists() {
        return Some(format!("there is no {target}"));
    }
    let anchor = anchor?;
    let headings: Vec<String> = pages
        .get(&target)
        .map(|text| prose(text).filter_map(|line| heading(&line)).collect())
        .unwrap_or_default();
    (!headings.iter().any(|heading| heading == anchor))
        .then(|| format!("{target} has no heading #{anchor}"))
}

/// The anchor that a heading gets on the sites where such pages are read.
fn heading(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim();
    Some(
        title
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect(),
    )
}

/// The lines of a page that are no code, with code in them blanked.
fn prose(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut fenced = false;
    text.lines().filter_map(move |line| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        if fenced || line.starts_with("    ") {
            return None;
        }
        let outside: Vec<&str> = line.split('`').step_by(2).collect();
        Some(outside.join("`"))
    })
}

/// `docs/../README.md` is `README.md`.
fn plain(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop();
            }
            part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
        }
    }
    parts.join("/")
}

// ---- commands ----

/// The indented lines of a page that begin with the program's name, as a shell would see them.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| line.starts_with("    "))
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("run: ");
            let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
            let name = program.rsplit('/').next()?;
            (name == "rb-bench").then(|| format!("{name} {arguments}"))
        })
        .collect()
}

/// Why the program does not take a command line; comments, pipes and redirections are the shell's.
fn refused(command: &str) -> Option<String> {
    let Some(words) = shlex::split(command) else {
        return Some("its quotes do not match".into());
    };
    let of_the_shell = ["|", ">", ">>", "&&", "2>"];
    let words = words
        .into_iter()
        .take_while(|word| !of_the_shell.contains(&word.as_str()));
    match rb_bench::cli::Cli::try_parse_from(words) {
        Ok(_) => None,
        Err(error) if error.exit_code() == 0 => None,
        Err(error) => Some(error.to_string()),
    }
}

// ---- the edges ----

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Markdown page of the repository, by its path.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("a readable directory") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type().expect("a type").is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "md") {
                let text = fs::read_to_string(root().join(&path)).expect("a readable page");
                pages.insert(plain(&path), text);
            }
        }
    }
    pages
}

// ---- the checks can fail ----

#[test]
fn a_broken_link_is_found() {
    let page = "# A title, or two\n\nSee [a](b.md), `[not](this)` and [c](#a-title-or-two).\n\n    [nor](that)\n";
    assert_eq!(links(page), ["b.md", "#a-title-or-two"]);
    let pages = BTreeMap::from([("README.md".to_owned(), page.to_owned())]);
    let check = |link: &str| broken(&pages, "README.md", Path::new(""), link);
    assert_eq!(check("b.md").unwrap(), "there is no b.md");
    assert_eq!(check("#a-title-or-two"), None);
    assert_eq!(check("docs/../README.md#a-title-or-two"), None);
    assert_eq!(check("#x").unwrap(), "README.md has no heading #x");
}

#[test]
fn a_command_that_the_program_does_not_take_is_found() {
    let page = "rb-bench is a program.\n\n    rb-bench run a.yaml   # a comment\n    rb-bench --profile \\\n      small | cat\n";
    let commands = commands(page);
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands.iter().all(|command| refused(command).is_none()));
    assert!(refused("rb-bench run a.yaml --verfy").is_some());
    assert!(refused("rb-bench copy 'a b").is_some());
}
