//! Documents for the tests of the engine, the binary that runs them, and an independent look at
//! what arrived: COPY text of both sides under the same settings, compared byte by byte.

use std::io::Write as _;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use rb_bench::engine::result::RESULT_LINE_PREFIX;
use serde_json::{Value, json};

use super::{connect, fresh_database, rb_bench};

/// A source and a destination of a test's own.
#[derive(Debug, Clone)]
pub(crate) struct Databases {
    pub(crate) source: String,
    pub(crate) dest: String,
}

impl Databases {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            source: fresh_database(&format!("{name}_source")),
            dest: fresh_database(&format!("{name}_dest")),
        }
    }

    /// A document that copies these streams: names, or whole stream entries.
    pub(crate) fn document(&self, streams: &[Value]) -> Value {
        let streams: Vec<Value> = streams
            .iter()
            .map(|stream| match stream {
                Value::String(name) => json!({ "name": name }),
                entry => entry.clone(),
            })
            .collect();
        json!({
            "version": "1.0",
            "pipeline": "test",
            "source": { "use": "source-postgres", "config": { "url": self.source }, "streams": streams },
            "destination": { "use": "dest-postgres", "config": { "url": self.dest } },
            "resources": { "max_retries": 0 },
        })
    }

    /// The same, with so many workers and small chunks, so that every table is cut.
    pub(crate) fn sharded(&self, streams: &[Value], workers: u32) -> Value {
        let mut document = self.document(streams);
        document["resources"]["parallelism"] = json!(workers);
        document["resources"]["chunk_bytes"] = json!(8192);
        document
    }

    /// Runs statements in both databases.
    pub(crate) fn both(&self, statements: &str) {
        super::sql(&self.source, statements);
        super::sql(&self.dest, statements);
    }

    /// Sees that a query has the same answer in both, byte by byte.
    pub(crate) fn assert_same(&self, query: &str) {
        self.assert_equal(query, query);
    }

    /// Sees that a query of the source and one of the destination have the same answer.
    pub(crate) fn assert_equal(&self, at_source: &str, at_dest: &str) {
        let (left, right) = (dump(&self.source, at_source), dump(&self.dest, at_dest));
        if left != right {
            let first = left.lines().zip(right.lines()).find(|(a, b)| a != b);
            panic!(
                "{at_source}\nand\n{at_dest}\ndiffer: {} lines and {} lines; the first that differ: {first:#?}",
                left.lines().count(),
                right.lines().count()
            );
        }
    }
}

/// What COPY text says of a query, in the same settings wherever it runs.
pub(crate) fn dump(url: &str, query: &str) -> String {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts")
            .block_on(async {
                let client = connect(url).await;
                client
                    .batch_execute(
                        "SET DateStyle = 'ISO, DMY'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Kolkata'; \
                         SET extra_float_digits = 1; SET bytea_output = 'escape'; SET lc_monetary = 'C'; SET search_path = 'public'; \
                         SET quote_all_identifiers = off",
                    )
                    .await
                    .expect("settings can be set");
                let copy = format!("COPY ({query}) TO STDOUT");
                let stream = client
                    .copy_out(&copy)
                    .await
                    .unwrap_or_else(|e| panic!("{query} failed: {:?}", e.as_db_error()));
                let mut stream = pin!(stream);
                let mut bytes = Vec::new();
                while let Some(piece) = stream.try_next().await.expect("COPY goes on to its end") {
                    bytes.extend_from_slice(&piece);
                }
                String::from_utf8(bytes).expect("COPY text is UTF-8")
            })
    };
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// It must have succeeded.
    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
    }

    /// The JSON document it printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        self.succeeded();
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// The error it printed; it must have failed, and must say all of `parts`.
    pub(crate) fn refused(&self, parts: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "{}\n{}", self.stdout, self.stderr);
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no `{part}` in\n{}",
                self.stderr
            );
        }
        self.stderr.clone()
    }
}

/// Runs the binary on a document: `run` or `check`, with flags.
pub(crate) fn command(verb: &str, document: &Value, flags: &[&str]) -> Outcome {
    on_document(&[verb], document, flags)
}

/// Runs `rb-bench cdc` on a document: `setup`, `status` or `drop`, with flags.
pub(crate) fn cdc(document: &Value, action: &str, flags: &[&str]) -> Outcome {
    on_document(&["cdc", action], document, flags)
}

fn on_document(words: &[&str], document: &Value, flags: &[&str]) -> Outcome {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file can be made");
    write!(file, "{document}").expect("the document can be written");
    let output = rb_bench()
        .args(words)
        .arg(file.path())
        .args(flags)
        .output()
        .expect("the binary runs");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A verified run; its JSON.
pub(crate) fn run(document: &Value) -> Value {
    let outcome = command("run", document, &["--verify", "--format", "json"]);
    let json = outcome.ok();
    assert_eq!(json["verify"]["row_count_ok"], true, "{json}");
    assert_eq!(json["verify"]["checksum_ok"], true, "{json}");
    json
}

/// A run that may fail.
pub(crate) fn try_run(document: &Value, flags: &[&str]) -> Outcome {
    command("run", document, flags)
}

/// The plan that `check` prints.
pub(crate) fn plan(document: &Value) -> Value {
    command("check", document, &["--format", "json"]).ok()
}

/// The result line of a run that printed text.
pub(crate) fn result_line(stdout: &str) -> Value {
    let line = stdout
        .lines()
        .last()
        .and_then(|line| line.strip_prefix(RESULT_LINE_PREFIX))
        .unwrap_or_else(|| panic!("no result line at the end of {stdout}"));
    serde_json::from_str(line).expect("the result line is JSON")
}

/// The same URL for another role.
pub(crate) fn as_role(url: &str, role: &str, password: &str) -> String {
    let rest = url
        .split_once('@')
        .map(|(_, rest)| rest)
        .expect("a test URL names a role");
    format!("postgresql://{role}:{password}@{rest}")
}
