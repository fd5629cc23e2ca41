//! Another rb-bench that runs an arm, so that two builds can be compared in one session.
//!
//! It is given the arm's pipeline as a document, and the snapshot that we hold: what it says of its speed
//! is not asked, for the clock is ours, from its start to its result line; and what it says of its
//! rows is not believed, for both sides are compared by us under that snapshot. Connections go by
//! the environment, never into the document. An attendant ends it when we end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::artifact::BinaryRecord;
use crate::config::mask_secrets;
use crate::config::types::{DestinationConnector, Endpoint, Pipeline, SourceConnector};
use crate::engine::result::{PipelineResult, RESULT_LINE_PREFIX};
use crate::error::{Error, Kind, Result};
use crate::units::Hex;

/// Of what a program says on standard error, this much of the end is kept.
const SAID_BYTES: usize = 4096;
/// How long a program that was cancelled may take to go.
const GOING: Duration = Duration::from_secs(12);

/// A program that is an rb-bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    path: PathBuf,
    version: String,
    sha256: String,
}

/// What a program did.
pub(super) struct Ran {
    /// Its own word.
    pub(super) result: PipelineResult,
    /// From its start to its result line, by our clock.
    pub(super) duration: Duration,
}

impl Binary {
    /// Looks at a program: that it is there, and what it says its version is.
    ///
    /// # Errors
    /// `Kind::NotFound`, `Kind::Permission`, or `Kind::Incompatible` for a program that is no rb-bench.
    pub fn find(path: &Path) -> Result<Self> {
        // what stands in this directory is not looked for in PATH
        let path = std::path::absolute(path).map_err(|e| Error::file("find", path, e))?;
        let bytes = std::fs::read(&path).map_err(|e| Error::file("read", &path, e))?;
        let output = std::process::Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| Error::file("run", &path, e))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said
            .trim()
            .strip_prefix("rb-bench ")
            .filter(|_| output.status.success());
        let version = version.ok_or_else(|| {
            Error::new(
                Kind::Incompatible,
                format!(
                    "{} is no rb-bench: it does not say so with --version",
                    path.display()
                ),
            )
        })?;
        Ok(Self {
            version: version.to_owned(),
            sha256: Hex(&Sha256::digest(&bytes)).to_string(),
            path,
        })
    }

    /// This program.
    pub fn own() -> Result<Self> {
        let path = std::env::current_exe()
            .map_err(|e| Error::new(Kind::Io, format!("cannot find this program: {e}")))?;
        Self::find(&path)
    }

    /// The program as artifacts describe it.
    #[must_use]
    pub fn record(&self) -> BinaryRecord {
        BinaryRecord {
            path: self.path.display().to_string(),
            version: self.version.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// Runs a pipeline with it, at a snapshot of the source where there is one.
    ///
    /// # Errors
    /// A program that fails or prints no result line, with the end of what it said;
    /// `Kind::Interrupted` when cancelled, with the program gone.
    pub(super) async fn run(
        &self,
        pipeline: &Pipeline,
        snapshot: Option<&str>,
        cancel: &CancellationToken,
    ) -> Result<Ran> {
        let Handed { document, secrets } = hand_over(pipeline)?;
        let own = std::env::current_exe()
            .map_err(|e| Error::new(Kind::Io, format!("cannot find this program: {e}")))?;
        let mut command = Command::new(own);
        command
            .arg("__attend")
            .arg(&self.path)
            .arg("run")
            .arg(document.path());
        if let Some(snapshot) = snapshot {
            command.args(["--snapshot", snapshot]);
        }
        if is_managed(pipeline) {
            // the URLs say all, and PG* variables are about other servers
            let variables = std::env::vars_os().map(|(name, _)| name);
            for name in variables.filter(|name| name.as_encoded_bytes().starts_with(b"PG")) {
                command.env_remove(name);
            }
        }
        let clock = Instant::now();
        let mut child = command
            .envs(secrets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| Error::file("run", &self.path, e))?;
        // its end is the attendant's word to stop, so it lives as long as we want the program
        let wanted = child.stdin.take();
        let Some(ended) = cancel.run_until_cancelled(ended(&mut child, clock)).await else {
            drop(wanted);
            let _late = tokio::time::timeout(GOING, child.wait()).await;
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        };
        drop(wanted);
        let ended = ended.map_err(|e| Error::file("listen to", &self.path, e))?;
        self.judge(ended)
    }

    fn judge(&self, ended: Ended) -> Result<Ran> {
        let Ended { line, status, said } = ended;
        let failed = |what: String| {
            let said = mask_secrets(said.trim());
            let said = if said.is_empty() {
                String::new()
            } else {
                format!(":\n  {}", said.replace('\n', "\n  "))
            };
            Error::new(Kind::Io, format!("{} {what}{said}", self.path.display()))
        };
        if !status.success() {
            return Err(failed(format!("failed ({status})")));
        }
        let (line, duration) =
            line.ok_or_else(|| failed(format!("printed no line {RESULT_LINE_PREFIX}")))?;
        let unreadable =
            |why: String| failed(format!("printed a result that cannot be read ({why})"));
        let value: Value = serde_json::from_str(&line).map_err(|e| unreadable(e.to_string()))?;
        if value.get("records_written").is_none() {
            return Err(unreadable("it has no records_written".into()));
        }
        let result = serde_json::from_value(value).map_err(|e| unreadable(e.to_string()))?;
        Ok(Ran { result, duration })
    }
}

/// How a program ended.
struct Ended {
    /// Its result line without the prefix, and when it came.
    line: Option<(String, Duration)>,
    status: ExitStatus,
    /// The end of what it said on standard error.
    said: String,
}

async fn ended(child: &mut Child, clock: Instant) -> std::io::Result<Ended> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let listening = async {
        let mut line = None;
        let Some(out) = out else { return Ok(line) };
        let mut lines = BufReader::new(out).lines();
        while let Some(text) = lines.next_line().await? {
            if let Some(json) = text.strip_prefix(RESULT_LINE_PREFIX) {
                line = Some((json.to_owned(), clock.elapsed()));
            }
        }
        std::io::Result::Ok(line)
    };
    let (line, said, status) = tokio::try_join!(listening, end_of(err), child.wait())?;
    Ok(Ended { line, status, said })
}

/// The last [`SAID_BYTES`] of a stream.
async fn end_of(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    if let Some(mut stream) = stream {
        loop {
            let read = stream.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            kept.extend_from_slice(&buffer[..read]);
            let surplus = kept.len().saturating_sub(SAID_BYTES);
            kept.drain(..surplus);
        }
    }
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

/// A pipeline as another program gets it.
struct Handed {
    /// The document, readable by this user alone, gone when this is.
    document: tempfile::NamedTempFile,
    /// What it takes from the environment.
    secrets: Vec<(String, String)>,
}

/// Writes a pipeline as a document whose connections come from the environment.
fn hand_over(pipeline: &Pipeline) -> Result<Handed> {
    let mut value = serde_json::to_value(pipeline)
        .map_err(|e| Error::internal(format!("serializing a pipeline: {e}")))?;
    literal(&mut value);
    let mut secrets = Vec::new();
    if let SourceConnector::Postgres(endpoint) = &pipeline.source.connector {
        connect(
            &mut value["source"]["config"],
            endpoint,
            "SOURCE",
            &mut secrets,
        );
    }
    if let DestinationConnector::Postgres(postgres) = &pipeline.destination.connector {
        let config = &mut value["destination"]["config"];
        connect(config, &postgres.endpoint, "DEST", &mut secrets);
    }
    let cannot = |e: std::io::Error| {
        Error::new(
            Kind::Io,
            format!("cannot write a document for another rb-bench: {e}"),
        )
    };
    let mut document = tempfile::Builder::new()
        .prefix("rb-bench-")
        .suffix(".yaml")
        .tempfile()
        .map_err(cannot)?;
    // JSON is YAML
    document
        .write_all(value.to_string().as_bytes())
        .map_err(cannot)?;
    Ok(Handed { document, secrets })
}

/// Whether a server of ours is on either end.
fn is_managed(pipeline: &Pipeline) -> bool {
    let source = match &pipeline.source.connector {
        SourceConnector::Postgres(endpoint) => endpoint.is_managed,
        SourceConnector::Generate(_) => false,
    };
    let destination = match &pipeline.destination.connector {
        DestinationConnector::Postgres(postgres) => postgres.endpoint.is_managed,
        DestinationConnector::Null => false,
    };
    source || destination
}

fn connect(
    config: &mut Value,
    endpoint: &Endpoint,
    side: &str,
    secrets: &mut Vec<(String, String)>,
) {
    for (key, secret) in [("url", &endpoint.url), ("password", &endpoint.password)] {
        if let Some(secret) = secret {
            let name = format!("RB_BENCH_{side}_{}", key.to_uppercase());
            config[key] = format!("${{{name}}}").into();
            secrets.push((name, secret.reveal().to_owned()));
        }
    }
}

/// What looks like a variable in a pipeline that was read is none any more.
fn literal(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace("${", "$${"),
        Value::Array(items) => items.iter_mut().for_each(literal),
        Value::Object(map) => map.values_mut().for_each(literal),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::types::Secret;
    use crate::config::{Connections, Document};

    fn binary() -> Binary {
        Binary {
            path: "/opt/rb-bench".into(),
            version: "1.0".into(),
            sha256: String::new(),
        }
    }

    fn ended(line: Option<&str>, code: i32) -> Result<Ran> {
        use std::os::unix::process::ExitStatusExt as _;
        binary().judge(Ended {
            line: line.map(|line| (line.to_owned(), Duration::from_secs(2))),
            status: ExitStatus::from_raw(code << 8),
            said: "rb-bench: error: no such table\n".into(),
        })
    }

    #[test]
    fn a_document_that_is_handed_over_reads_as_the_pipeline_it_was() {
        let text = r#"
version: "1.0"
pipeline: mine
source:
  use: source-postgres
  config: { url: "postgres://me:hush@db1/shop", schema: sales }
  streams: [{ name: orders, target: copies }]
transforms: [{ use: transform-sql, config: { query: "SELECT '$${x}' AS x FROM input" } }]
destination:
  use: dest-postgres
  config: { host: db2, password: hush2, database: d, load_method: insert }
  commit: ledger
resources: { parallelism: 3, chunk_bytes: 1048576 }
"#;
        let document = Document::read(text, "test", &|_| None).unwrap();
        let pipeline = document.pipeline(Connections::Required).unwrap();
        let handed = hand_over(&pipeline).unwrap();
        let written = std::fs::read_to_string(handed.document.path()).unwrap();
        assert!(!written.contains("hush"), "{written}");
        let lookup = |name: &str| {
            let found = handed.secrets.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let again = Document::read(&written, "handed", &lookup).unwrap();
        let again = again.pipeline(Connections::Required).unwrap();
        assert_eq!(again, pipeline);
        assert_eq!(
            handed.secrets[0],
            (
                "RB_BENCH_SOURCE_URL".into(),
                Secret::new("postgres://me:hush@db1/shop").reveal().into()
            )
        );
    }

    #[test]
    fn a_result_of_another_version_is_read_as_far_as_it_goes() {
        let ran = ended(Some(r#"{"records_written": 5, "unheard_of": 1}"#), 0).unwrap();
        assert_eq!(ran.result.records_written, 5);
        assert_eq!(ran.duration, Duration::from_secs(2));
    }

    #[test]
    fn a_program_that_fails_says_why() {
        let failed = |line, code| ended(line, code).err().unwrap().to_string();
        let text = failed(None, 3);
        assert!(
            text.contains("/opt/rb-bench failed") && text.contains("no such table"),
            "{text}"
        );
        assert!(failed(None, 0).contains("printed no line @@BENCH_JSON@@"));
        assert!(failed(Some("{}"), 0).contains("records_written"));
        assert!(failed(Some("[1"), 0).contains("cannot be read"));
    }

    #[test]
    fn a_program_that_is_no_rb_bench_is_refused() {
        let error = Binary::find(Path::new("/bin/true")).unwrap_err();
        assert_eq!(error.kind(), Kind::Incompatible);
        let missing = Binary::find(Path::new("/nowhere/rb-bench")).unwrap_err();
        assert_eq!(missing.kind(), Kind::NotFound);
    }
}
