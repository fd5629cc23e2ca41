//! `rb-bench cluster status|stop|reset|psql`: the managed server by hand.
//!
//! Deleting asks first; without a terminal it must never happen unless `--yes` says so.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::{confirm, print_line};
use crate::cli::{ClusterAction, ClusterArgs, Format};
use crate::cluster::{self, Cluster, ClusterOptions, ServerStatus, Status};
use crate::error::{Error, Kind, Result};
use crate::units::Bytes;

/// How long psql may take to cancel its query after Ctrl-C.
const PSQL_LIMIT: Duration = Duration::from_secs(2);

/// Runs the action that was typed.
pub(super) fn run(args: ClusterArgs) -> Result<u8> {
    let options = ClusterOptions {
        pg_bin: args.pg_bin,
        cluster_dir: args.cluster_dir,
        ..ClusterOptions::default()
    };
    match args.action {
        ClusterAction::Status { format } => status(&options, format),
        ClusterAction::Stop => stop(&options),
        ClusterAction::Reset { yes } => reset(&options, yes),
        ClusterAction::Psql { args } => psql(&options, &args),
    }
}

/// What there is to wait for goes to stderr.
pub(super) fn tell(message: &str) {
    super::print_error(&format!("rb-bench: {message}"));
}

fn status(options: &ClusterOptions, format: Format) -> Result<u8> {
    let status = cluster::status(options)?;
    match format {
        Format::Json => print_line(&serde_json::json!(status).to_string())?,
        Format::Text => print_line(&status_text(&status))?,
    }
    Ok(0)
}

fn status_text(status: &Status) -> String {
    let programs = match (&status.programs, &status.programs_missing) {
        (Some(found), _) => format!(
            "PostgreSQL {} in {}",
            found.version,
            found.directory.display()
        ),
        (None, reason) => reason.clone().unwrap_or_default(),
    };
    let mut lines = vec![
        format!("programs   {programs}"),
        format!("directory  {}", status.directory.display()),
    ];
    if status.servers.is_empty() {
        lines.push("server     none yet; the first benchmark makes one".to_owned());
    }
    lines.extend(status.servers.iter().flat_map(server_lines));
    lines.join("\n")
}

fn server_lines(server: &ServerStatus) -> Vec<String> {
    let databases: Vec<String> = server
        .databases
        .iter()
        .map(|d| match d.bytes {
            Some(bytes) => format!("{} ({})", d.name, Bytes(bytes)),
            None => d.name.clone(),
        })
        .collect();
    let user = match server.used_by {
        Some(pid) => format!("in use by rb-bench (pid {pid})"),
        None => "left behind; `rb-bench cluster stop` stops it".to_owned(),
    };
    let state = match (server.pid, server.port) {
        (Some(pid), Some(port)) => format!("running (pid {pid}, 127.0.0.1:{port}), {user}"),
        (Some(pid), None) => format!("running (pid {pid}), {user}"),
        (None, _) => "not running".to_owned(),
    };
    let databases = if databases.is_empty() {
        "none yet".to_owned()
    } else {
        databases.join(", ")
    };
    vec![
        format!("server     PostgreSQL {}, {state}", server.major),
        format!(
            "data       {}, {}",
            server.directory.display(),
            Bytes(server.bytes)
        ),
        format!("databases  {databases}"),
    ]
}

fn stop(options: &ClusterOptions) -> Result<u8> {
    let stopped = cluster::stop(options, tell)?;
    let mut none = true;
    for server in stopped {
        if let Some(pid) = server.pid {
            none = false;
            print_line(&format!(
                "stopped the server (pid {pid}) in {}",
                server.directory.display()
            ))?;
        }
    }
    if none {
        print_line("no server was running")?;
    }
    Ok(0)
}

fn reset(options: &ClusterOptions, yes: bool) -> Result<u8> {
    let found = cluster::status(options)?.servers;
    if found.is_empty() {
        print_line("there is nothing to delete")?;
        return Ok(0);
    }
    if !yes && !confirm::asked(&deletion(&found))? {
        print_line("nothing was deleted")?;
        return Ok(0);
    }
    for directory in cluster::reset(options, tell)? {
        print_line(&format!("deleted {}", directory.display()))?;
    }
    Ok(0)
}

/// What `reset` would do, as a question.
fn deletion(servers: &[ServerStatus]) -> String {
    let what: Vec<String> = servers
        .iter()
        .map(|s| format!("{} ({})", s.directory.display(), Bytes(s.bytes)))
        .collect();
    format!("delete {}", what.join(" and "))
}

fn psql(options: &ClusterOptions, args: &[String]) -> Result<u8> {
    let cluster = Cluster::start(options, tell)?;
    let outcome = run_psql(&cluster, args);
    // psql's own failure is the more telling one.
    let stopped = cluster.stop();
    let code = outcome?;
    stopped.map(|()| code)
}

fn run_psql(cluster: &Cluster, args: &[String]) -> Result<u8> {
    let program = cluster.programs().program("psql");
    let failed = |e| Error::file("run", &program, e);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    runtime.block_on(async {
        // On a terminal both get Ctrl-C, and it is psql's to answer: it cancels the query, and the
        // session goes on. Elsewhere it is the end, also where psql is between two queries and
        // hears nothing.
        let interactive = io::stdin().is_terminal();
        let mut interrupts = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut terminations = signal(SignalKind::terminate()).map_err(failed)?;
        let mut hangups = signal(SignalKind::hangup()).map_err(failed)?;
        let mut command = Command::new(&program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        let mut psql = command
            .envs(cluster.environment("source"))
            .args(args)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| failed(e).remedy("install the PostgreSQL client programs"))?;
        let mut interrupted = false;
        let mut patience = None;
        loop {
            tokio::select! {
                status = psql.wait() => {
                    return Ok(exit_code(status.map_err(failed)?, interrupted));
                }
                _ = interrupts.recv() => {
                    interrupted = true;
                    if !interactive && let Some(pid) = psql.id() {
                        // It can only fail for a process that is gone, which the wait notices.
                        let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT);
                        patience = patience.or(Some(Instant::now() + PSQL_LIMIT));
                    }
                }
                () = reached(patience) => break,
                _ = terminations.recv() => break,
                _ = hangups.recv() => break,
            }
        }
        psql.kill().await.map_err(failed)?;
        Err(Error::new(
            Kind::Interrupted,
            "psql was stopped by a signal",
        ))
    })
}

/// Waits for an instant; for ever without one.
async fn reached(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// psql's own exit code; 130 where Ctrl-C made it fail.
fn exit_code(status: ExitStatus, interrupted: bool) -> u8 {
    match status.code() {
        Some(0) => 0,
        _ if interrupted => 130,
        Some(code) => u8::try_from(code).unwrap_or(1),
        None => status
            .signal()
            .and_then(|signal| u8::try_from(128 + signal).ok())
            .unwrap_or(1),
    }
}
