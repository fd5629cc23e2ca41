//! The managed server as its user meets it: started, shared, interrupted, killed, and gone after.
//!
//! Every server here is of the test's own, and is asked for by its directory: a test must leave
//! no process behind, and must never signal one that it did not start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

#[path = "support/place.rs"]
mod place;

use std::fs::{self};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, Uid, User};
use place::{Place, Running, postmaster_of, printed, processes_in, said, supervisor_of};
use rb_bench::cluster::Cluster;

#[test]
fn the_shared_server_has_its_databases_and_settings() {
    let cluster = support::server();
    let database = support::fresh_database("shared");
    assert_eq!(support::sql(&database, "SHOW wal_level"), "logical");
    assert_eq!(
        support::sql(&cluster.url("source"), "SELECT current_database()"),
        "source"
    );
    assert_eq!(
        support::sql(&cluster.url("dest"), "SHOW max_prepared_transactions"),
        "64"
    );
}

#[test]
fn every_stated_setting_is_the_servers() {
    let cluster = support::server();
    for (name, stated) in cluster.settings() {
        let query = format!("SELECT setting, applied FROM pg_file_settings WHERE name = '{name}'");
        let known = support::sql(&cluster.url("source"), &query);
        assert_eq!(known, format!("{stated}|t"), "{name}");
    }
}

#[test]
fn data_survives_between_runs_and_no_process_does() {
    let place = Place::new();
    let first = place
        .psql(&["-c", "CREATE TABLE kept AS SELECT 42 AS answer"])
        .output()
        .unwrap();
    assert!(first.status.success(), "{}", said(&first));
    place.assert_no_process_is_left();
    let second = place
        .psql(&["-c", "SELECT answer FROM kept"])
        .output()
        .unwrap();
    assert_eq!(printed(&second), "42\n", "{}", said(&second));
    assert_eq!(said(&second), "", "a second start has nothing to say");
    place.assert_no_process_is_left();
}

#[test]
fn an_error_leaves_no_process() {
    let place = Place::with_server();
    let output = place.psql(&["-c", "SELECT 1/0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("division by zero"));
    place.assert_no_process_is_left();
}

#[test]
fn a_panic_leaves_no_process() {
    let place = Place::with_server();
    let options = support::options(place.path());
    let panicked = std::thread::spawn(move || {
        let _cluster = Cluster::start(&options, |_| {}).unwrap();
        panic!("a test's panic");
    })
    .join();
    assert!(panicked.is_err());
    place.assert_no_process_is_left();
}

#[test]
fn ctrl_c_leaves_no_process_and_exits_130() {
    let place = Place::with_server();
    let running = Running::start(&place);
    killpg(running.pid(), Signal::SIGINT).unwrap();
    let (code, said) = running.finish();
    assert_eq!(code, Some(130), "{said}");
    place.assert_no_process_is_left();
}

#[test]
fn an_interrupt_for_rb_bench_alone_ends_psql_too() {
    let place = Place::with_server();
    let running = Running::start(&place);
    kill(running.pid(), Signal::SIGINT).unwrap();
    let (code, said) = running.finish();
    assert_eq!(code, Some(130), "{said}");
    place.assert_no_process_is_left();
}

#[test]
fn a_termination_leaves_no_process() {
    let place = Place::with_server();
    let running = Running::start(&place);
    kill(running.pid(), Signal::SIGTERM).unwrap();
    let (code, said) = running.finish();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("psql was stopped by a signal"), "{said}");
    place.assert_no_process_is_left();
}

#[test]
fn a_kill_leaves_no_process_and_no_damage() {
    let place = Place::with_server();
    let running = Running::start(&place);
    kill(running.pid(), Signal::SIGKILL).unwrap();
    let (code, _) = running.finish();
    assert_eq!(code, None);
    place.assert_no_process_is_left();
}

#[test]
fn a_kill_while_the_data_directory_is_made_leaves_a_directory_that_can_be_used() {
    let place = Place::new();
    let mut child = place
        .psql(&["-c", "SELECT 1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("making a PostgreSQL"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    let next = place.psql(&["-c", "SELECT 1"]).output().unwrap();
    assert_eq!(printed(&next), "1\n", "{}", said(&next));
    place.assert_no_process_is_left();
}

#[test]
fn a_killed_supervisor_leaves_no_process_when_rb_bench_ends() {
    let place = Place::with_server();
    let running = Running::start(&place);
    kill(supervisor_of(&place), Signal::SIGKILL).unwrap();
    killpg(running.pid(), Signal::SIGINT).unwrap();
    running.finish();
    place.assert_no_process_is_left();
}

#[test]
fn a_server_that_lost_both_parents_is_stopped_by_the_next_start() {
    let place = Place::with_server();
    let running = Running::start(&place);
    let orphan = postmaster_of(&place);
    kill(supervisor_of(&place), Signal::SIGKILL).unwrap();
    kill(running.pid(), Signal::SIGKILL).unwrap();
    // The orphan is seen as such.
    place.wait_until_free();
    let status = place.run(&["cluster", "status"]);
    let text = printed(&status);
    assert!(text.contains(&format!("running (pid {orphan},")), "{text}");
    assert!(text.contains("left behind"), "{text}");
    // psql is still connected to it; the fast shutdown ends that too.
    let next = place.psql(&["-c", "SELECT 1"]).output().unwrap();
    assert_eq!(printed(&next), "1\n", "{}", said(&next));
    running.finish();
    place.assert_no_process_is_left();
}

#[test]
fn a_server_that_was_left_behind_can_be_stopped_by_hand() {
    let place = Place::with_server();
    let running = Running::start(&place);
    let orphan = postmaster_of(&place);
    kill(supervisor_of(&place), Signal::SIGKILL).unwrap();
    kill(running.pid(), Signal::SIGKILL).unwrap();
    let stop = place.run(&["cluster", "stop"]);
    let text = printed(&stop);
    assert!(
        text.contains(&format!("stopped the server (pid {orphan})")),
        "{text}{}",
        said(&stop)
    );
    running.finish();
    place.assert_no_process_is_left();
    let again = place.run(&["cluster", "stop"]);
    assert_eq!(printed(&again), "no server was running\n");
}

#[test]
fn a_server_that_dies_is_an_error_and_its_data_survive() {
    let place = Place::with_server();
    let running = Running::start(&place);
    let postmaster = Pid::from_raw(postmaster_of(&place).cast_signed());
    kill(postmaster, Signal::SIGKILL).unwrap();
    let (code, said_then) = running.finish();
    assert_ne!(code, Some(0), "{said_then}");
    let next = place.psql(&["-c", "SELECT 1"]).output().unwrap();
    assert_eq!(printed(&next), "1\n", "{}", said(&next));
    place.assert_no_process_is_left();
}

#[test]
fn another_rb_bench_waits_and_says_so_once() {
    let place = Place::with_server();
    let first = Running::start(&place);
    let mut second = place
        .psql(&["-c", "SELECT 'second'"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(second.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let holder = format!("waiting for another rb-bench (pid {})", first.pid());
    assert!(line.contains(&holder), "{line}");
    assert!(line.contains("--cluster-dir"), "{line}");
    killpg(first.pid(), Signal::SIGINT).unwrap();
    first.finish();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "it says so once");
    let output = second.wait_with_output().unwrap();
    assert_eq!(printed(&output), "second\n");
    place.assert_no_process_is_left();
}

#[test]
fn two_that_start_at_once_on_nothing_do_not_collide() {
    let place = Place::new();
    let start = |answer: &str| {
        place
            .psql(&["-c", &format!("SELECT '{answer}'")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let (first, second) = (start("first"), start("second"));
    let first = first.wait_with_output().unwrap();
    let second = second.wait_with_output().unwrap();
    assert_eq!(printed(&first), "first\n", "{}", said(&first));
    assert_eq!(printed(&second), "second\n", "{}", said(&second));
    place.assert_no_process_is_left();
}

#[test]
fn a_server_in_use_is_neither_stopped_nor_deleted() {
    let place = Place::with_server();
    let running = Running::start(&place);
    for action in [&["cluster", "stop"][..], &["cluster", "reset", "--yes"][..]] {
        let refused = place.run(action);
        assert_eq!(refused.status.code(), Some(1));
        let holder = format!("in use by another rb-bench (pid {})", running.pid());
        assert!(said(&refused).contains(&holder), "{}", said(&refused));
    }
    let status = place.run(&["cluster", "status", "--format", "json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let server = &status["servers"][0];
    assert_eq!(server["running"], true);
    assert_eq!(server["used_by"], running.child.id());
    assert_eq!(server["pid"], postmaster_of(&place));
    assert_eq!(server["databases"][0]["name"], "dest");
    assert!(server["databases"][0]["bytes"].as_u64() > Some(1_000_000));
    killpg(running.pid(), Signal::SIGINT).unwrap();
    running.finish();
    place.assert_no_process_is_left();
}

#[test]
fn reset_asks_and_deletes_everything() {
    let place = Place::with_server();
    assert!(
        place
            .psql(&["-c", "SELECT 1"])
            .output()
            .unwrap()
            .status
            .success()
    );
    let unasked = place.run(&["cluster", "reset"]);
    assert_eq!(unasked.status.code(), Some(2));
    assert!(
        said(&unasked).contains("say --yes to do it"),
        "{}",
        said(&unasked)
    );
    assert!(place.server().exists());
    let reset = place.run(&["cluster", "reset", "--yes"]);
    assert_eq!(reset.status.code(), Some(0), "{}", said(&reset));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    let status = printed(&place.run(&["cluster", "status"]));
    assert!(status.contains("none yet"), "{status}");
}

#[test]
fn the_password_is_private_and_on_no_command_line() {
    let place = Place::with_server();
    let running = Running::start(&place);
    let path = place.server().join("password");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let password = fs::read_to_string(path).unwrap();
    assert!(password.len() >= 32);
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&command).contains(&password));
    }
    let log = fs::read_to_string(place.server().join("server.log")).unwrap();
    assert!(!log.contains(&password));
    killpg(running.pid(), Signal::SIGINT).unwrap();
    let (_, said) = running.finish();
    assert!(!said.contains(&password));
    place.assert_no_process_is_left();
}

#[test]
fn a_wrong_password_does_not_get_in() {
    let server = support::server();
    let mut config: tokio_postgres::Config = server.url("source").parse().unwrap();
    config.password("wrong");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(config.connect(tokio_postgres::NoTls));
    let code = refused.err().unwrap().code().cloned();
    assert_eq!(code.unwrap().code(), "28P01");
}

#[test]
fn a_path_too_long_for_a_socket_is_reached_over_loopback() {
    let short = Place::new();
    let long = short.path().join("x".repeat(110));
    let options = support::options(&long);
    let cluster = Cluster::start(&options, |_| {}).unwrap();
    assert!(cluster.url("dest").contains("@127.0.0.1:"));
    assert_eq!(support::sql(&cluster.url("dest"), "SELECT 1"), "1");
    cluster.stop().unwrap();
    assert!(processes_in(short.path()).is_empty());
}

#[test]
fn a_server_that_does_not_start_shows_the_end_of_its_log() {
    let place = Place::with_server();
    let mut options = support::options(place.path());
    options
        .settings
        .insert("no_such_setting".into(), "1".into());
    let error = Cluster::start(&options, |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("unrecognized configuration parameter \"no_such_setting\""),
        "{text}"
    );
    place.assert_no_process_is_left();
}

#[test]
fn programs_that_are_not_there_are_one_clear_sentence() {
    let place = Place::new();
    let output = support::rb_bench_in(place.path())
        .env("PATH", "")
        .args(["cluster", "psql", "--pg-bin", "/no/such/place"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said(&output),
        "rb-bench: error: /no/such/place does not hold the Postgres programs (postgres, initdb) \
         that --pg-bin promises\n"
    );
    assert!(!place.path().exists(), "nothing is created");
    fs::create_dir(place.path()).unwrap();
}

#[test]
fn programs_that_are_too_old_are_refused() {
    let place = Place::new();
    let programs = place.path().join("old");
    fs::create_dir_all(&programs).unwrap();
    for name in ["postgres", "initdb"] {
        let path = programs.join(name);
        let script = format!("#!/bin/sh\necho '{name} (PostgreSQL) 13.22'\n");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = place.run(&["cluster", "psql", "--pg-bin", programs.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(
        said.contains("holds PostgreSQL 13.22, and rb-bench needs 14 or newer"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn the_supervisor_is_not_for_people() {
    let place = Place::new();
    fs::create_dir_all(place.path()).unwrap();
    if let Some(account) = ordinary_account() {
        std::os::unix::fs::chown(place.path(), Some(account.uid.as_raw()), None).unwrap();
    }
    let data = place.path().to_str().unwrap();
    let output = place.run(&["__supervise", "--pg-bin", "/none", "--data", data]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output)
            .contains("this command is for rb-bench itself: standard input must be its pipe")
    );
}

/// An account for the tests that only root can make; `None` when we are not root.
fn ordinary_account() -> Option<User> {
    Uid::effective()
        .is_root()
        .then(|| User::from_name("nobody").unwrap().unwrap())
}

#[test]
fn an_ordinary_user_has_a_server_in_the_cache_directory() {
    let place = Place::new();
    let home = place.path().join("home");
    fs::create_dir_all(&home).unwrap();
    let binary = place.path().join("rb-bench");
    fs::copy(support::BINARY, &binary).unwrap();
    let mut command = Command::new(&binary);
    for name in support::foreign_variables() {
        command.env_remove(name);
    }
    command
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", &home)
        .current_dir("/")
        .args(["cluster", "psql", "--", "-X", "-Atc", "SELECT 'ordinary'"]);
    let mut uid = Uid::effective();
    if let Some(account) = ordinary_account() {
        uid = account.uid;
        std::os::unix::fs::chown(&home, Some(uid.as_raw()), None).unwrap();
        command.uid(uid.as_raw()).gid(account.gid.as_raw());
    }
    let output = command.output().unwrap();
    assert_eq!(printed(&output), "ordinary\n", "{}", said(&output));
    let cache = home.join(".cache/rb-bench");
    let data = cache.join(place.server().file_name().unwrap()).join("data");
    assert_eq!(fs::metadata(&data).unwrap().uid(), uid.as_raw());
    assert!(processes_in(place.path()).is_empty());
}

#[test]
fn as_root_the_server_is_of_an_ordinary_account() {
    if !Uid::effective().is_root() {
        return;
    }
    let place = Place::with_server();
    let running = Running::start(&place);
    let postmaster = PathBuf::from(format!("/proc/{}", postmaster_of(&place)));
    let supervisor = PathBuf::from(format!("/proc/{}", supervisor_of(&place)));
    for process in [postmaster, supervisor] {
        assert_ne!(fs::metadata(process).unwrap().uid(), 0);
    }
    assert_ne!(fs::metadata(place.server().join("data")).unwrap().uid(), 0);
    // What root writes lies where the account cannot put a link in its way.
    assert_eq!(fs::metadata(place.server()).unwrap().uid(), 0);
    killpg(running.pid(), Signal::SIGINT).unwrap();
    running.finish();
    place.assert_no_process_is_left();
}
