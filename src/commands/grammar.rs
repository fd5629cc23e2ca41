//! The command line for the workbench's prompt, from the definition that is parsed.
//!
//! A line is judged by parsing it and by nothing else: what is run is run by another process.

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _};

use crate::cli::{self, Cli};
use crate::tui::grammar::{Flag, Grammar, Judged, Value, Verb};

/// Columns of help and errors: what fits into the workbench's overlay.
const COLUMNS: usize = 92;

/// What the workbench's prompt completes and runs.
pub(super) fn grammar() -> Grammar {
    let mut command = Cli::command().disable_help_subcommand(true);
    // so that global flags are known everywhere
    command.build();
    Grammar {
        root: verb(&command),
        judge,
    }
}

fn verb(command: &Command) -> Verb {
    let shown = |inner: &&Command| !inner.is_hide_set() && inner.get_name() != "tui";
    let arguments = || {
        command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set())
    };
    Verb {
        name: command.get_name().to_owned(),
        about: command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
        verbs: command.get_subcommands().filter(shown).map(verb).collect(),
        flags: arguments().filter_map(flag).collect(),
        positionals: arguments()
            .filter(|a| a.is_positional())
            .map(value)
            .collect(),
    }
}

fn flag(argument: &Arg) -> Option<Flag> {
    let help = argument.get_help().map(ToString::to_string);
    Some(Flag {
        name: format!("--{}", argument.get_long()?),
        about: help
            .unwrap_or_default()
            .lines()
            .collect::<Vec<_>>()
            .join(" "),
        value: argument
            .get_action()
            .takes_values()
            .then(|| value(argument)),
    })
}

fn value(argument: &Arg) -> Value {
    let names = argument.get_value_names().unwrap_or_default();
    let words = argument.get_possible_values();
    let words = words.iter().filter(|word| !word.is_hide_set());
    Value {
        name: names.first().map(ToString::to_string).unwrap_or_default(),
        words: words.map(|word| word.get_name().to_owned()).collect(),
    }
}

fn judge(words: &[String]) -> Judged {
    let said = |title: &str, text: String| Judged::Said {
        title: title.to_owned(),
        text,
    };
    let typed = std::iter::once("rb-bench").chain(words.iter().map(String::as_str));
    let parsed = Cli::command()
        .term_width(COLUMNS)
        .try_get_matches_from(typed)
        .and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    match parsed {
        Ok(Cli {
            command: Some(cli::Command::Tui(_)),
            ..
        }) => said(
            "Not run",
            "this is the workbench already, and it has this terminal: 5 chooses what is measured, g runs it".into(),
        ),
        Ok(Cli {
            command: Some(cli::Command::Supervise(_) | cli::Command::Attend(_)),
            ..
        }) => said("Not run", "rb-bench runs this command itself, with what it reads from a pipe".into()),
        Ok(_) => Judged::Runs,
        Err(error) if error.use_stderr() => said("Not run", error.render().to_string()),
        Err(help) => said("Help", help.render().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(line: &str) -> Judged {
        (grammar().judge)(&shlex::split(line).unwrap())
    }

    #[test]
    fn what_the_command_line_takes_is_run_and_the_rest_is_read() {
        for line in [
            "repeat 0f3a9c21",
            "selftest",
            "tune --knob chunk_bytes=1048576,4194304",
            "profiles new mine",
            "--profile small --iters 1",
            "cluster psql -- -c 'select 1'",
        ] {
            assert_eq!(judged(line), Judged::Runs, "{line}");
        }
        for (line, word) in [
            ("repeat", "ARTIFACT"),
            ("repaet x", "repeat"),
            ("tune --help", "EXAMPLES"),
            ("tui --profile small", "the workbench already"),
            ("__attend x", "itself"),
        ] {
            let Judged::Said { text, .. } = judged(line) else {
                panic!("{line} would be run");
            };
            assert!(text.contains(word), "{line}: {text}");
        }
    }

    #[test]
    fn every_command_and_its_flags_can_be_completed_but_the_workbench() {
        let root = grammar().root;
        let named = |name: &str| root.verbs.iter().find(|verb| verb.name == name);
        assert!(named("tui").is_none() && named("__supervise").is_none());
        let repeat = named("repeat").unwrap();
        assert_eq!(repeat.positionals[0].name, "ARTIFACT");
        let has = |verb: &Verb, flag: &str| verb.flags.iter().any(|f| f.name == flag);
        assert!(has(repeat, "--print") && has(&root, "--until-resolved"));
        assert!(has(named("marks").unwrap(), "--pipeline"));
        let list = named("cluster").unwrap();
        assert!(list.verbs.iter().any(|verb| verb.name == "status"));
    }
}
