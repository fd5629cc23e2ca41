//! A run that is going to fail: two databases, a document, the binary, and what must be true after.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support;

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a table holds, as its server sums it up.
pub(crate) const CONTENTS: &str =
    "count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0)";

/// Two databases and the document of a run between them.
pub(crate) struct Rehearsal {
    pub(crate) source: String,
    pub(crate) dest: String,
    /// The URLs that rb-bench is given, where they are others.
    source_seen: String,
    dest_seen: String,
    pub(crate) streams: Vec<&'static str>,
    pub(crate) commit: &'static str,
    pub(crate) parallelism: u32,
    pub(crate) max_retries: u32,
    pub(crate) chunk_bytes: u32,
    files: tempfile::TempDir,
    count: Cell<u32>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run under way.
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A session of the test's own, for locks and for looking.
pub(crate) struct Held {
    client: Client,
}

/// A place where a run waits in the destination for as long as the test likes.
pub(crate) struct Gate {
    session: Held,
    /// The advisory lock that the session has and the run wants.
    key: i32,
}

impl Rehearsal {
    /// Two empty databases on the shared server.
    pub(crate) fn new(name: &str) -> Self {
        Self::between(
            support::fresh_database(&format!("{name}_source")),
            support::fresh_database(&format!("{name}_dest")),
        )
    }

    /// A run between these databases.
    pub(crate) fn between(source: String, dest: String) -> Self {
        Self {
            source_seen: source.clone(),
            dest_seen: dest.clone(),
            source,
            dest,
            streams: vec!["t"],
            commit: "auto",
            parallelism: 2,
            max_retries: 0,
            chunk_bytes: 65_536,
            files: tempfile::tempdir().expect("a directory for the document"),
            count: Cell::new(0),
        }
    }

    /// Two databases with table `t`, filled in the source, empty in the destination.
    pub(crate) fn with_table(name: &str, rows: u32) -> Self {
        let rehearsal = Self::new(name);
        rehearsal.fill(rows);
        rehearsal
    }

    /// Makes table `t` on both sides and fills the source's; about 100 bytes a row.
    pub(crate) fn fill(&self, rows: u32) {
        let table = "CREATE TABLE t (id int PRIMARY KEY, note text NOT NULL)";
        support::sql(
            &self.source,
            &format!(
                "{table}; INSERT INTO t SELECT i, repeat(md5(i::text), 2) FROM generate_series(1, {rows}) i"
            ),
        );
        support::sql(&self.dest, table);
    }

    pub(crate) fn streams(mut self, streams: &[&'static str]) -> Self {
        self.streams = streams.to_vec();
        self
    }

    pub(crate) fn commit(mut self, form: &'static str) -> Self {
        self.commit = form;
        self
    }

    pub(crate) fn parallelism(mut self, workers: u32) -> Self {
        self.parallelism = workers;
        self
    }

    pub(crate) fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
    }

    pub(crate) fn chunk_bytes(mut self, bytes: u32) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// rb-bench reaches the source by this URL.
    pub(crate) fn source_through(mut self, url: impl Into<String>) -> Self {
        self.source_seen = url.into();
        self
    }

    /// rb-bench reaches the destination by this URL.
    pub(crate) fn dest_through(mut self, url: impl Into<String>) -> Self {
        self.dest_seen = url.into();
        self
    }

    /// Runs SQL in the source.
    pub(crate) fn at_source(&self, sql: &str) -> String {
        support::sql(&self.source, sql)
    }

    /// Runs SQL in the destination.
    pub(crate) fn at_dest(&self, sql: &str) -> String {
        support::sql(&self.dest, sql)
    }

    fn document(&self) -> PathBuf {
        let path = self.files.path().join("pipeline.yaml");
        let mut streams = String::new();
        for stream in &self.streams {
            let _ = write!(streams, "{{ name: \"{stream}\" }}, ");
        }
        let text = format!(
            "version: \"1.0\"\npipeline: rehearsal\n\
             source:\n  use: source-postgres\n  config: {{ url: \"{}\" }}\n  streams: [{streams}]\n\
             destination:\n  use: dest-postgres\n  config: {{ url: \"{}\" }}\n  write_mode: append\n  commit: {}\n\
             resources: {{ parallelism: {}, max_retries: {}, chunk_bytes: {} }}\n",
            self.source_seen,
            self.dest_seen,
            self.commit,
            self.parallelism,
            self.max_retries,
            self.chunk_bytes
        );
        std::fs::write(&path, text).expect("the document can be written");
        path
    }

    /// Starts `rb-bench run` with these flags.
    pub(crate) fn start(&self, flags: &[&str]) -> Running {
        let number = self.count.get();
        self.count.set(number + 1);
        let file = |name: &str| {
            let path = self.files.path().join(format!("{number}.{name}"));
            (
                File::create(&path).expect("output can be written"),
                path.clone(),
            )
        };
        let ((out, stdout), (err, stderr)) = (file("stdout"), file("stderr"));
        let mut command = Command::new(support::BINARY);
        for name in support::foreign_variables() {
            command.env_remove(name);
        }
        let child = command
            .arg("run")
            .arg(self.document())
            .args(flags)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("the binary starts");
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// Runs `rb-bench run` to its end.
    pub(crate) fn run(&self, flags: &[&str]) -> Outcome {
        self.start(flags).finish()
    }

    /// From now on inserting such a row waits at a gate, which is closed.
    pub(crate) fn gate_at_insert(&self, condition: &str) -> Gate {
        let trigger = format!(
            "CREATE TRIGGER gate_at_insert BEFORE INSERT ON t FOR EACH ROW WHEN ({condition}) \
             EXECUTE FUNCTION wait_at_insert()"
        );
        self.gate("insert", 4711, "trigger", &trigger)
    }

    /// From now on committing or preparing such a row waits at a gate, which is closed.
    pub(crate) fn gate_at_commit(&self, condition: &str) -> Gate {
        let trigger = format!(
            "CREATE CONSTRAINT TRIGGER gate_at_commit AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION wait_at_commit()"
        );
        self.gate("commit", 4712, "trigger", &trigger)
    }

    /// From now on every ALTER TABLE waits at a gate, which is closed.
    pub(crate) fn gate_at_alter(&self) -> Gate {
        let trigger = "CREATE EVENT TRIGGER gate_at_alter ON ddl_command_start WHEN TAG IN ('ALTER TABLE') \
                       EXECUTE FUNCTION wait_at_alter()";
        self.gate("alter", 4713, "event_trigger", trigger)
    }

    fn gate(&self, name: &str, key: i32, returns: &str, trigger: &str) -> Gate {
        let value = if returns == "trigger" {
            "RETURN NEW;"
        } else {
            ""
        };
        self.at_dest(&format!(
            "CREATE FUNCTION wait_at_{name}() RETURNS {returns} LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_advisory_xact_lock_shared({key}); {value} END $$; {trigger}"
        ));
        let session = Held::connect(&self.dest);
        session.sql(&format!("SELECT pg_advisory_lock({key})"));
        Gate { session, key }
    }

    /// Starts a run of two workers of which each has rows, for either waits for the other.
    pub(crate) fn start_shared(&self, flags: &[&str]) -> Running {
        let gate = self.gate_at_insert("NEW.id % 100 = 0");
        let running = self.start(flags);
        gate.until_waiting(2);
        gate.open();
        running
    }

    /// Committing or preparing this row fails.
    pub(crate) fn fail_at_commit(&self, condition: &str) {
        self.at_dest(&format!(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE 'row % is refused at the end', NEW.id USING ERRCODE = 'check_violation'; END $$; \
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
        ));
    }

    /// Waits until this query of the destination says true.
    pub(crate) fn until_dest(&self, query: &str) {
        Held::connect(&self.dest).until(query);
    }

    /// Waits until this query of the source says true.
    pub(crate) fn until_source(&self, query: &str) {
        Held::connect(&self.source).until(query);
    }

    /// Every row of the source is in the destination once, and nothing is left behind.
    pub(crate) fn assert_complete(&self) {
        for table in &self.streams {
            let contents = format!("SELECT {CONTENTS} FROM {table} t");
            assert_eq!(
                self.at_dest(&contents),
                self.at_source(&contents),
                "{table}"
            );
        }
        self.assert_nothing_left();
    }

    /// The destination has no row, and nothing is left behind.
    pub(crate) fn assert_untouched(&self) {
        for table in &self.streams {
            let rows = support::sql(
                &self.dest,
                &format!(
                    "SELECT CASE WHEN to_regclass('{table}') IS NULL THEN 0 \
                          ELSE (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM {table}', false, true, '')))[1]::text::int END"
                ),
            );
            assert_eq!(rows, "0", "{table}");
        }
        self.assert_nothing_left();
    }

    /// No session, no prepared transaction, no hidden table, no unsettled run on either server.
    pub(crate) fn assert_nothing_left(&self) {
        for url in [&self.source, &self.dest] {
            let held = Held::connect(url);
            held.until(
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rb-bench%'",
            );
            let prepared =
                held.sql("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()");
            assert_eq!(prepared, "", "prepared transactions");
            let hidden = held.sql(
                "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                                   WHERE nspname = 'rb_bench' AND relname LIKE 'aside%'",
            );
            assert_eq!(hidden, "", "hidden tables");
            if held.sql("SELECT to_regclass('rb_bench.runs') IS NOT NULL") == "t" {
                let open =
                    held.sql("SELECT run, state FROM rb_bench.runs WHERE state <> 'committed'");
                assert_eq!(open, "", "unsettled runs");
            }
        }
    }
}

impl Outcome {
    /// The run succeeded.
    #[track_caller]
    pub(crate) fn assert_ok(&self) -> &Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// The run failed with exit code 1, and says each of these things.
    #[track_caller]
    pub(crate) fn assert_failed(&self, says: &[&str]) -> &Self {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        self.assert_says(says)
    }

    /// Standard error has each of these texts.
    #[track_caller]
    pub(crate) fn assert_says(&self, says: &[&str]) -> &Self {
        for text in says {
            assert!(
                self.stderr.contains(text),
                "`{text}` is missing in {self:#?}"
            );
        }
        self
    }

    /// A number of the result line.
    #[track_caller]
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.result()[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{field} in {self:#?}"))
    }

    /// The result line.
    #[track_caller]
    pub(crate) fn result(&self) -> serde_json::Value {
        let json = self
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("@@BENCH_JSON@@"))
            .unwrap_or_else(|| panic!("no result line in {self:#?}"));
        serde_json::from_str(json).expect("the result line is JSON")
    }
}

impl Running {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).expect("the process is there");
    }

    /// Kills it without a warning, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("it is our child");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if begun.elapsed() > PATIENCE * 2 {
                let _ = self.child.kill();
                let said = std::fs::read_to_string(&self.stderr).unwrap_or_default();
                panic!("rb-bench hangs; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let read = |path| std::fs::read_to_string(path).expect("its output can be read");
        Outcome {
            status,
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }
}

impl Drop for Running {
    /// A test that fails leaves no process behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts")
    })
}

impl Held {
    pub(crate) fn connect(url: &str) -> Self {
        let client = runtime().block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls)
                .await
                .expect("the test's database takes connections");
            tokio::spawn(connection);
            client
        });
        Self { client }
    }

    /// Runs SQL in this session; rows by line, columns by `|`.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        let messages = runtime().block_on(self.client.simple_query(sql));
        let messages = messages.unwrap_or_else(|e| panic!("{sql}\n  failed: {e:?}"));
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).unwrap_or(""))
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            _ => None,
        });
        rows.collect::<Vec<_>>().join("\n")
    }

    /// Starts SQL that waits for something, and does not wait itself.
    pub(crate) fn begin(self, sql: &str) -> tokio::task::JoinHandle<()> {
        let sql = sql.to_owned();
        runtime().spawn(async move {
            let _ = self.client.batch_execute(&sql).await;
        })
    }

    /// Waits until a query says true.
    #[track_caller]
    pub(crate) fn until(&self, query: &str) {
        let begun = Instant::now();
        while !self.sql(query).lines().any(|line| line == "t") {
            if begun.elapsed() > PATIENCE {
                let sessions = self.sql(
                    "SELECT pid, application_name, state, wait_event_type, wait_event, left(query, 200) FROM pg_stat_activity \
                     WHERE datname = current_database()",
                );
                panic!("this did not become true: {query}\n{sessions}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Gate {
    /// Waits until so many sessions stand at it.
    #[track_caller]
    pub(crate) fn until_waiting(&self, sessions: u32) {
        self.session.until(&format!(
            "SELECT count(*) >= {sessions} FROM pg_locks WHERE locktype = 'advisory' AND objid = {} AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            self.key
        ));
    }

    /// Opens it for good.
    pub(crate) fn open(&self) {
        self.session
            .sql(&format!("SELECT pg_advisory_unlock({})", self.key));
    }
}

/// Makes a role of a test's own, and gives the URL by which it connects to the database of `url`.
pub(crate) fn role(url: &str, name: &str, options: &str) -> String {
    support::sql(
        url,
        &format!(
            "DROP ROLE IF EXISTS {name}; CREATE ROLE {name} LOGIN PASSWORD 'secret' {options}"
        ),
    );
    let (_, address) = url.rsplit_once('@').expect("a URL with a password");
    format!("postgres://{name}:secret@{address}")
}

/// Ends the sessions that work for a run, by the beginning of its name.
pub(crate) fn terminate(url: &str, name: &str) {
    let terminated = support::sql(
        url,
        &format!(
            "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name LIKE '{name}%'"
        ),
    );
    assert_eq!(terminated, "t", "no session {name}");
}
