//! Sessions of the tests' own: for locks that stop a run, for ending others, for looking.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support;

/// How long anything that is awaited may take.
const PATIENCE: Duration = Duration::from_secs(30);

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
    /// Closes the gate of this advisory lock.
    pub(crate) fn close(url: &str, key: i32) -> Self {
        let session = Held::connect(url);
        session.sql(&format!("SELECT pg_advisory_lock({key})"));
        Self { session, key }
    }

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
