//! `rb-bench man`: the manual pages, from the same command line that is parsed.
//!
//! What stands after a command's help becomes sections of their own, in which examples keep their lines.

use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::Cli;
use crate::error::{Error, Result};

/// Prints the first page, or writes all of them.
pub(super) fn run(out: Option<&Path>) -> Result<u8> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(directory) = out else {
        super::print_bytes(&page(&command)?)?;
        return Ok(0);
    };
    std::fs::create_dir_all(directory).map_err(|e| Error::file("create", directory, e))?;
    write_all(&command, directory)?;
    super::print_line(&format!(
        "wrote the manual pages to {}",
        directory.display()
    ))?;
    Ok(0)
}

/// The page of this command, and those of the commands below it.
fn write_all(command: &Command, directory: &Path) -> Result<()> {
    for inner in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write_all(inner, directory)?;
    }
    let path = directory.join(Man::new(command.clone()).get_filename());
    std::fs::write(&path, page(command)?).map_err(|e| Error::file("write", &path, e))
}

fn page(command: &Command) -> Result<Vec<u8>> {
    let after = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let bare = command.clone().after_help(None::<&str>);
    let mut page = Vec::new();
    Man::new(bare)
        .render(&mut page)
        .and_then(|()| sections(&after).to_writer(&mut page))
        .map_err(|e| Error::internal(format!("making a manual page: {e}")))?;
    Ok(page)
}

/// `EXAMPLES:` opens a section whose lines stay as they are; the rest is paragraphs, in which indented
/// lines do.
fn sections(text: &str) -> Roff {
    let mut roff = Roff::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let mut lines = block.lines().peekable();
        if let Some(title) = lines.peek().and_then(|first| heading(first)) {
            roff.control("SH", [title]);
            lines.next();
        } else {
            roff.control("PP", []);
        }
        let mut kept = false;
        for line in lines {
            let indented = line.starts_with(' ');
            if indented != kept {
                roff.control(if indented { "nf" } else { "fi" }, []);
                kept = indented;
            }
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        if kept {
            roff.control("fi", []);
        }
    }
    roff
}

/// The title in a line such as `EXIT CODES:`.
fn heading(line: &str) -> Option<&str> {
    let title = line.strip_suffix(':')?;
    title
        .chars()
        .all(|c| c.is_ascii_uppercase() || c == ' ')
        .then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_keep_their_lines_and_sentences_do_not() {
        let text = "EXAMPLES:\n  rb-bench a   one\n  rb-bench b\n\nIt is so,\nand begins with\n  # a line\n";
        insta::assert_snapshot!(sections(text).to_roff(), @r"
        .SH EXAMPLES
        .nf
        rb\-bench a   one
        rb\-bench b
        .fi
        .PP
        It is so,
        and begins with
        .nf
        # a line
        .fi
        ");
    }
}
