//! Why a managed server is not started or not stopped, as its user is told.
//!
//! Every server here is of the test's own; no test leaves a process behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "support/place.rs"]
mod place;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use place::{Place, postmaster_of, processes_in, said};
use rb_bench::cluster::{Cluster, Programs};

#[test]
fn a_password_that_is_not_the_servers_is_told_with_the_way_out() {
    let place = Place::with_server();
    let file = place.server().join("password");
    assert!(file.is_file(), "{}", file.display());
    fs::write(&file, "wrong\n").unwrap();
    let error = Cluster::start(&support::options(place.path()), |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the managed server does not take the password that is kept beside its data\n  what to do: `rb-bench cluster \
         reset` makes a new server; the seeded data is made again"
    );
    place.assert_no_process_is_left();
    fs::remove_file(&file).unwrap();
    let error = Cluster::start(&support::options(place.path()), |_| {}).unwrap_err();
    assert!(
        error.message().starts_with("cannot read the password in "),
        "{error}"
    );
}

#[test]
fn a_server_whose_databases_cannot_be_made_is_stopped_and_says_why() {
    let place = Place::with_server();
    let output = place
        .psql(&["-d", "postgres"])
        .args(["-c", "DROP DATABASE dest"])
        .args(["-c", "ALTER DATABASE template0 RENAME TO elsewhere"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let error = Cluster::start(&support::options(place.path()), |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot create the databases of the managed server: template database \"template0\" does not exist"
    );
    place.assert_no_process_is_left();
}

#[test]
fn a_server_that_ends_by_itself_is_told_in_its_log() {
    let place = Place::with_server();
    let cluster = Cluster::start(&support::options(place.path()), |_| {}).unwrap();
    let postmaster = Pid::from_raw(postmaster_of(&place).cast_signed());
    kill(postmaster, Signal::SIGTERM).unwrap();
    let supervises = |(_, command): &(u32, String)| command.contains("__supervise");
    while processes_in(place.path()).iter().any(supervises) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    cluster.stop().unwrap();
    let log = fs::read_to_string(place.server().join("server.log")).unwrap();
    assert!(
        log.contains("the server ended by itself (exit status: 0)"),
        "{log}"
    );
    place.assert_no_process_is_left();
}

/// What a first start in this place says where all that `initdb` and `postgres` do is this.
fn said_by_start_with(place: &Place, programs_do: &str) -> String {
    let programs = place.path().join("programs");
    fs::create_dir_all(&programs).unwrap();
    let found = Programs::find(support::pg_bin().as_deref()).unwrap();
    for name in ["postgres", "initdb"] {
        let path = programs.join(name);
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in --version) exec {} --version;; esac\n{programs_do}\n",
            found.program(name).display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = place.run(&["cluster", "psql", "--pg-bin", programs.to_str().unwrap()]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_link_that_leads_nowhere_is_not_taken_for_the_data() {
    let place = Place::with_server();
    let data = place.server().join("data");
    fs::remove_dir_all(&data).unwrap();
    std::os::unix::fs::symlink("nowhere", &data).unwrap();
    let said = said_by_start_with(&place, "exit 0");
    let parts = format!(
        "cannot rename {}: Not a directory",
        place.server().join("data.unfinished").display()
    );
    assert!(said.contains(&parts), "{said}");
}

#[test]
fn an_initdb_that_fails_is_shown_with_what_it_said() {
    let said = said_by_start_with(&Place::new(), "echo 'nothing goes today' >&2\nexit 1");
    assert!(
        said.contains("initdb could not make a data directory in "),
        "{said}"
    );
    assert!(said.contains("nothing goes today"), "{said}");
}

#[test]
fn an_account_without_a_home_must_say_where_the_server_lives() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    let binary = place.path().join("rb-bench");
    fs::copy(support::BINARY, &binary).unwrap();
    // an account that no file knows
    let output = Command::new(&binary)
        .env_clear()
        .current_dir("/")
        .args(["cluster", "status"])
        .uid(54_321)
        .gid(54_321)
        .output()
        .unwrap();
    assert_eq!(
        said(&output),
        "rb-bench: error: this user has no home directory\n  what to do: say where the managed server may live with \
         --cluster-dir\n"
    );
}

#[test]
fn as_root_a_directory_that_the_account_may_not_enter_is_named() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    let closed = place.path().join("closed");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let inside = closed.join("inside");
    let output = support::rb_bench_in(&inside)
        .args(["cluster", "psql"])
        .output()
        .unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("as which the server runs, cannot use ")
            && said.contains(&format!("it may not enter {}\n", closed.display())),
        "{said}"
    );
    assert!(
        said.contains("or take a directory outside it with --cluster-dir"),
        "{said}"
    );
    assert!(processes_in(place.path()).is_empty());
}
