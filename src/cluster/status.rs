//! What stands in a cluster directory, and stopping or deleting it.
//!
//! Looking must never start a server or take the lock; stopping and deleting take it, and refuse
//! while a living rb-bench uses the directory.

use std::path::PathBuf;

use super::directory::Home;
use super::endpoint::{DATABASES, Database, Endpoint};
use super::lock::{self, DirectoryLock, WhenHeld};
use super::place::Place;
use super::programs::Programs;
use super::{ClusterOptions, data_directory, processes};
use crate::error::Result;

/// What there is to use and to manage.
#[derive(Debug, serde::Serialize)]
pub struct Status {
    /// The Postgres programs that would be used, if there are any.
    pub programs: Option<Programs>,
    /// Why there are no programs.
    pub programs_missing: Option<String>,
    /// The directory that holds the servers.
    pub directory: PathBuf,
    /// The servers in it, by version.
    pub servers: Vec<ServerStatus>,
}

/// One managed server, running or not.
#[derive(Debug, serde::Serialize)]
pub struct ServerStatus {
    /// The major version that its data belongs to.
    pub major: u32,
    /// Its directory.
    pub directory: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether it runs.
    pub running: bool,
    /// The pid of its postmaster, when it runs.
    pub pid: Option<u32>,
    /// Its port on 127.0.0.1, when it runs.
    pub port: Option<u16>,
    /// The rb-bench that uses it.
    pub used_by: Option<u32>,
    /// Its databases; sizes are known while it runs.
    pub databases: Vec<Database>,
}

/// What [`stop`] found to stop.
#[derive(Debug, serde::Serialize)]
pub struct Stopped {
    /// The directory of the server.
    pub directory: PathBuf,
    /// The pid of the postmaster that was stopped; `None` where none was running.
    pub pid: Option<u32>,
}

/// Looks at the programs and the directory.
pub fn status(options: &ClusterOptions) -> Result<Status> {
    let home = Home::resolve(options.cluster_dir.as_deref())?;
    let (programs, programs_missing) = match Programs::find(options.pg_bin.as_deref()) {
        Ok(programs) => (Some(programs), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(Status {
        programs,
        programs_missing,
        directory: home.path().to_owned(),
        servers: home.places().iter().map(look_at).collect(),
    })
}

fn look_at(place: &Place) -> ServerStatus {
    let pid = processes::postmaster_of(&place.data());
    let port = pid.and_then(|_| place.noted_port());
    let listed = port.and_then(|port| {
        let endpoint = Endpoint {
            socket: place.socket(port),
            port,
            password: data_directory::read_password(place).ok()?,
        };
        endpoint.databases()
    });
    let databases = listed.unwrap_or_else(|| {
        let names = DATABASES.iter().filter(|_| place.data().exists());
        names
            .map(|name| Database {
                name: (*name).to_owned(),
                bytes: None,
            })
            .collect()
    });
    ServerStatus {
        major: place.major,
        directory: place.path(),
        bytes: place.bytes(),
        running: pid.is_some(),
        pid,
        port,
        used_by: lock::holder(&place.lock()),
        databases,
    }
}

/// Stops the servers that were left behind. Blocking; refuses while a living rb-bench uses one.
pub fn stop(options: &ClusterOptions, mut on_wait: impl FnMut(&str)) -> Result<Vec<Stopped>> {
    let home = Home::resolve(options.cluster_dir.as_deref())?;
    let mut stopped = Vec::new();
    for place in home.places() {
        let lock = DirectoryLock::acquire(&place.lock(), WhenHeld::Refuse, &mut on_wait)?;
        stopped.push(Stopped {
            directory: place.path(),
            pid: processes::stop_left_behind(&place.data())?,
        });
        lock.release();
    }
    Ok(stopped)
}

/// Stops the servers and deletes them with their data; returns the directories that are gone.
/// Blocking; refuses while a living rb-bench uses one.
pub fn reset(options: &ClusterOptions, mut on_wait: impl FnMut(&str)) -> Result<Vec<PathBuf>> {
    let home = Home::resolve(options.cluster_dir.as_deref())?;
    let mut deleted = Vec::new();
    for place in home.places() {
        let lock = DirectoryLock::acquire(&place.lock(), WhenHeld::Refuse, &mut on_wait)?;
        processes::stop_left_behind(&place.data())?;
        place.delete()?;
        lock.remove()?;
        deleted.push(place.path());
    }
    Ok(deleted)
}
