//! `rb-bench doctor`: what is here, what is missing, and how to get it.

use super::print_line;
use crate::bench::doctor::{self, Question, Terminal};
use crate::cli::{DoctorArgs, Format};
use crate::cluster::ClusterOptions;
use crate::error::Result;
use crate::postgres::Server;
use crate::report::{self, Paper};

/// The exit code where no benchmark can run.
const CANNOT_RUN: u8 = 1;

/// Looks, and prints what was found.
pub(super) async fn run(args: DoctorArgs) -> Result<u8> {
    let server = |url: &Option<String>| url.as_deref().map(Server::from_url).transpose();
    let question = Question {
        source: server(&args.source_url)?,
        destination: server(&args.dest_url)?,
        cluster: ClusterOptions {
            pg_bin: args.cluster.pg_bin,
            cluster_dir: args.cluster.cluster_dir,
            ..ClusterOptions::default()
        },
        out: args.out,
        terminal: Terminal::here(
            terminal_size::terminal_size().map(|(width, height)| (width.0, height.0)),
        ),
    };
    let found = doctor::diagnose(&question).await;
    let text = match args.format {
        Format::Json => serde_json::json!(found).to_string(),
        Format::Text => report::doctor::text(&found, Paper::stdout()),
    };
    print_line(&text)?;
    Ok(if found.can_run { 0 } else { CANNOT_RUN })
}
