//! Two servers of the matrix' own, each behind a relay whose address outlives it: so that a server
//! can be stopped and started, and the network to it cut, under a run.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rb_bench::cluster::{Cluster, ClusterOptions};
use tokio_postgres::Config;

use crate::support;

/// How long a server may take to recover.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a session does that waits for its server to go down.
const WITNESS: &str = "SELECT pg_sleep(600)";

/// One side of a run: a server, and the relay before it.
pub(crate) struct Side {
    cluster: Option<Cluster>,
    options: ClusterOptions,
    directory: PathBuf,
    relay: Arc<Relay>,
    relay_port: u16,
}

/// Passes bytes on to wherever the server is now, until told to cut.
#[derive(Default)]
struct Relay {
    server: AtomicU16,
    /// The next bytes that pass are the last, and only half of them arrive.
    cutting: AtomicBool,
    /// One end of each connection that is open, by its number.
    open: Mutex<BTreeMap<u64, TcpStream>>,
    connections: AtomicU64,
}

impl Side {
    pub(crate) fn start() -> Self {
        let directory = support::own_directory();
        let options = support::options(&directory);
        let cluster = Cluster::start(&options, |_| {}).expect("a server of the matrix starts");
        let relay = Arc::new(Relay::default());
        let relay_port = Relay::listen(&relay);
        let side = Self {
            cluster: Some(cluster),
            options,
            directory,
            relay,
            relay_port,
        };
        side.point_relay();
        side
    }

    fn cluster(&self) -> &Cluster {
        self.cluster.as_ref().expect("it runs between two faults")
    }

    fn point_relay(&self) {
        let config: Config = self.cluster().url("postgres").parse().expect("a URL");
        self.relay
            .server
            .store(config.get_ports()[0], Ordering::SeqCst);
    }

    /// An empty database; its name is unique on this side.
    pub(crate) fn create(&self, database: &str) {
        let admin = self.url("postgres");
        support::sql(
            &admin,
            &format!("CREATE DATABASE {database} TEMPLATE template0"),
        );
    }

    pub(crate) fn drop_database(&self, database: &str) {
        let admin = self.url("postgres");
        support::sql(&admin, &format!("DROP DATABASE {database} WITH (FORCE)"));
    }

    /// How the test reaches a database.
    pub(crate) fn url(&self, database: &str) -> String {
        self.cluster().url(database)
    }

    /// How rb-bench reaches it: the same for ever.
    pub(crate) fn relayed_url(&self, database: &str) -> String {
        let config: Config = self.url(database).parse().expect("a URL");
        format!(
            "postgres://{}:{}@127.0.0.1:{}/{database}",
            config.get_user().unwrap_or_default(),
            String::from_utf8_lossy(config.get_password().unwrap_or_default()),
            self.relay_port
        )
    }

    /// Ends the sessions of rb-bench on this database, as an administrator would.
    pub(crate) fn terminate(&self, database: &str) {
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = '{database}' AND application_name LIKE 'rb-bench%'"
        );
        support::sql(&self.url("postgres"), &sql);
    }

    /// Kills one backend of rb-bench without a warning; the server takes all others with it and
    /// recovers. A run that has no session left there loses nothing. Returns when the server has
    /// noticed: a witness's session has ended with the others.
    pub(crate) fn kill_backend(&self, database: &str) {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = '{database}' AND application_name LIKE 'rb-bench%' \
             ORDER BY application_name DESC LIMIT 1"
        );
        let url = self.url("postgres");
        let Ok(pid) = support::sql(&url, &sql).parse() else {
            return;
        };
        thread::scope(|scope| {
            let witness = scope.spawn(|| support::try_sql(&url, WITNESS));
            let there = format!("SELECT 1 FROM pg_stat_activity WHERE query = '{WITNESS}'");
            while support::sql(&url, &there).is_empty() {
                thread::sleep(Duration::from_millis(2));
            }
            kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it was there a moment ago");
            let seen = witness.join().expect("it does not panic");
            assert!(seen.is_err(), "the server did not notice");
        });
    }

    /// Stops the server as a power cut would (immediate shutdown), and starts it again.
    pub(crate) fn crash(&mut self) {
        let note = self.cluster().directory().join("data/postmaster.pid");
        let note = std::fs::read_to_string(note).expect("the server has noted its pid");
        let pid = note.lines().next().and_then(|line| line.parse().ok());
        kill(Pid::from_raw(pid.expect("a pid")), Signal::SIGQUIT).expect("the server is there");
        drop(self.cluster.take());
        let cluster = Cluster::start(&self.options, |_| {}).expect("the server recovers");
        self.cluster = Some(cluster);
        self.point_relay();
    }

    /// Waits until the server takes connections: a killed backend takes it down for a moment.
    pub(crate) fn until_up(&self) {
        let (begun, url) = (Instant::now(), self.url("postgres"));
        while support::try_sql(&url, "SELECT 1").is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not come back");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Cuts every connection in the middle of the next message that passes.
    pub(crate) fn cut(&self) {
        self.relay.cutting.store(true, Ordering::SeqCst);
    }

    /// The network is whole again, if nothing has passed since it was to be cut.
    pub(crate) fn mend(&self) {
        self.relay.cutting.store(false, Ordering::SeqCst);
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        let stopped = self.cluster.take().map(Cluster::stop);
        let deleted = std::fs::remove_dir_all(&self.directory);
        if !thread::panicking() {
            stopped
                .transpose()
                .expect("a server of the matrix can be stopped");
            deleted.expect("its directory can be deleted");
        }
    }
}

impl Relay {
    fn listen(relay: &Arc<Self>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let relay = Arc::clone(relay);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                relay.connect(&client);
            }
        });
        port
    }

    fn connect(self: &Arc<Self>, client: &TcpStream) {
        let port = self.server.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
            return;
        };
        for (from, to) in [(client, &server), (&server, client)] {
            let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
                return;
            };
            let number = self.connections.fetch_add(1, Ordering::SeqCst);
            if let Ok(end) = from.try_clone() {
                self.open().insert(number, end);
            }
            let relay = Arc::clone(self);
            thread::spawn(move || {
                relay.pass(&mut from, &mut to);
                relay.open().remove(&number);
            });
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, from: &mut TcpStream, to: &mut TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if self.cutting.swap(false, Ordering::SeqCst) {
                let _ = to.write_all(&buffer[..n / 2]);
                for end in self.open().values() {
                    let _ = end.shutdown(Shutdown::Both);
                }
            } else if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
