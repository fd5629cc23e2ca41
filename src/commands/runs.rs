//! `rb-bench runs [resolve ID]`: what a destination knows of its runs, and settling dead ones.

use super::confirm;
use crate::cli::{DestinationFlags, Format, RunsAction, RunsArgs};
use crate::config::parser;
use crate::config::types::{DestinationConnector, Endpoint, Secret};
use crate::engine::runs;
use crate::engine::state::RunId;
use crate::error::{Error, Kind, Result};
use crate::postgres::Server;
use crate::report;

/// Does what was typed.
pub(super) async fn run(args: RunsArgs) -> Result<u8> {
    let server = destination(&args.at)?;
    match args.action {
        None => {
            let runs = runs::list(&server).await?;
            match args.at.format {
                Format::Json => super::print_line(&serde_json::json!(runs).to_string())?,
                Format::Text => {
                    super::print_line(&report::runs::text(&runs, report::Paper::stdout()))?;
                }
            }
        }
        Some(RunsAction::Resolve { id, forget, yes }) => {
            let id = RunId::parse(&id)?;
            if !forget {
                super::print_line(&runs::resolve(&server, &id).await?)?;
            } else if yes || confirm::asked(&format!("forget run `{}` at {server}", id.as_str()))? {
                runs::forget(&server, &id).await?;
                super::print_line(&format!("run `{}` is forgotten", id.as_str()))?;
            } else {
                super::print_line("nothing was changed")?;
            }
        }
    }
    Ok(0)
}

/// The database that was named, by its URL or by a document.
pub(super) fn destination(flags: &DestinationFlags) -> Result<Server> {
    let endpoint = match (&flags.dest_url, &flags.pipeline) {
        (Some(url), _) => Endpoint {
            url: Some(Secret::new(url)),
            ..Endpoint::default()
        },
        (None, Some(document)) => match parser::load_pipeline(document)?.destination.connector {
            DestinationConnector::Postgres(destination) => destination.endpoint,
            DestinationConnector::Null => {
                return Err(Error::new(
                    Kind::Usage,
                    "dest-null keeps nothing, so it knows no runs and no marks",
                ));
            }
        },
        (None, None) => {
            return Err(
                Error::new(Kind::Usage, "which destination is meant is not said")
                    .remedy("give --dest-url URL, or --pipeline FILE"),
            );
        }
    };
    Server::from_endpoint(&endpoint)
}
