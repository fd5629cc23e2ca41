//! What the command line says of itself, as it was asked for: completions and manual pages.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `rb-bench completions SHELL`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench completions bash > ~/.local/share/bash-completion/completions/rb-bench
  rb-bench completions zsh > ~/.zfunc/_rb-bench          with ~/.zfunc in fpath, before compinit
  rb-bench completions fish > ~/.config/fish/completions/rb-bench.fish
  rb-bench completions powershell >> $PROFILE

A directory that is not there is made by mkdir -p. Bash reads that one if its package bash-completion is installed; \
else source the script in ~/.bashrc. Commands and flags are completed; by bash, zsh and fish also the words that a flag takes and the shipped profiles.")]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that has completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// Elvish.
    Elvish,
    /// PowerShell.
    #[value(name = "powershell")]
    PowerShell,
}

/// `rb-bench man`
#[derive(Debug, Args)]
#[command(after_help = "EXAMPLES:
  rb-bench man | man -l -                                the page of rb-bench
  rb-bench man --out ~/.cargo/share/man/man1             a page for every command; then: man rb-bench-run

man looks into share/man beside the bin directories of PATH: beside the one that `cargo install` writes to, here.")]
pub struct ManArgs {
    /// Write a page for every command into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
