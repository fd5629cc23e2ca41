//! `rb-bench completions SHELL`: what a shell completes, from the same command line that is parsed.

use clap::builder::PossibleValuesParser;
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell as Generator, generate};

use crate::bench::profile::Profile;
use crate::cli::{Cli, Shell};
use crate::error::Result;

const NAME: &str = "rb-bench";

/// Prints the script.
pub(super) fn run(shell: Shell) -> Result<u8> {
    let generator = match shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
        Shell::Elvish => Generator::Elvish,
        Shell::PowerShell => Generator::PowerShell,
    };
    let profiles: Vec<String> = Profile::shipped()?.into_iter().map(|p| p.name).collect();
    let mut script = Vec::new();
    generate(
        generator,
        &mut shown(&Cli::command(), &profiles),
        NAME,
        &mut script,
    );
    let script = String::from_utf8_lossy(&script);
    // clap_complete spells a name with a hyphen in two ways, and bash then finds no command's flags
    // (clap-rs/clap#6421); where it no longer does, there is nothing to replace
    let script = script.replace("rb__subcmd__bench", "rb__bench");
    let script = match shell {
        Shell::Fish => lets_flags_wait_for_their_value(&script),
        _ => script,
    };
    super::print_bytes(script.as_bytes())?;
    Ok(0)
}

/// What is typed is parsed up to the word that is completed. A flag that waits for just that word is no error
/// then, as the fish script of `clap_complete` has it: it gets an empty value, and is parsed again.
fn lets_flags_wait_for_their_value(script: &str) -> String {
    let parsing = "argparse -s (__fish_rb_bench_global_optspecs) -- $cmd 2>/dev/null\n";
    let again = parsing.replace("$cmd 2", "$cmd '' 2");
    script.replace(parsing, &format!("{parsing}    or {again}"))
}

/// The command line without what nobody types, and with the shipped profiles as the words of every
/// argument that takes one; a file can be named there as well, which shells complete anyway.
fn shown(command: &Command, profiles: &[String]) -> Command {
    let arguments = command.get_arguments().map(|argument| {
        let argument = argument.clone();
        if argument.get_id() == "profile" {
            argument.value_parser(PossibleValuesParser::new(profiles.to_vec()))
        } else {
            argument
        }
    });
    let commands = command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
        .map(|inner| shown(inner, profiles));
    let about = command.get_about().cloned().unwrap_or_default();
    Command::new(command.get_name().to_owned())
        .about(about)
        .args(arguments)
        .subcommands(commands)
}
