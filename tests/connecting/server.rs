//! The server with TLS that most tests share, and sessions on servers as the library opens them.
//!
//! Its pg_hba.conf has roles for whom it is strict: `sslonly`, `plainonly`, `certified`, `md5user`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rb_bench::cluster::Cluster;
use rb_bench::error::Result;
use rb_bench::postgres::Server;
use tokio_postgres::Config;

use crate::authority::{Authority, For, Signed, write};
use crate::support::{self, sql};

/// How long a server may take to read its configuration anew.
const PATIENCE: Duration = Duration::from_secs(30);

const HBA: &str = "\
local all all scram-sha-256
hostnossl all sslonly all reject
hostssl all plainonly all reject
hostssl all certified all cert
hostssl all verified all scram-sha-256 clientcert=verify-full
host all md5user all md5
host all nobody all reject
host all all all scram-sha-256
local replication all scram-sha-256
host replication all all scram-sha-256
";

/// What clients need to know of the server.
pub(crate) struct Tls {
    /// For client files.
    pub(crate) directory: PathBuf,
    pub(crate) authority: Authority,
    /// The authority's certificate.
    pub(crate) root: PathBuf,
    /// The certificate of another authority.
    pub(crate) stranger: PathBuf,
    pub(crate) port: u16,
    pub(crate) password: String,
}

/// Switches TLS on, with a certificate for `localhost` and `*.example.org`.
pub(crate) fn server() -> &'static Tls {
    static SERVER: OnceLock<Tls> = OnceLock::new();
    SERVER.get_or_init(|| {
        let cluster = support::server();
        let authority = Authority::new("tests");
        let directory = support::directory().join("certificates");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).expect("a directory for certificates");
        let root = write(&directory, "root.crt", &authority.certificate(), 0o644);
        let other = Authority::new("somebody else").certificate();
        let stranger = write(&directory, "stranger.crt", &other, 0o644);
        let certificate = authority.sign(&For::Hosts(&["localhost", "*.example.org"]));
        switch_tls_on(cluster, &certificate, Some(&root));
        let url = cluster.url("postgres");
        let exists: String = sql(
            &url,
            "SELECT count(*) FROM pg_roles WHERE rolname = 'sslonly'",
        );
        if exists == "0" {
            for role in ["sslonly", "plainonly", "certified", "verified", "nobody"] {
                sql(
                    &url,
                    &format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'secret'"),
                );
            }
            sql(
                &url,
                "SET password_encryption = md5; CREATE ROLE md5user LOGIN PASSWORD 'secret'",
            );
        }
        let config: Config = url.parse().expect("a URL");
        Tls {
            directory,
            authority,
            root,
            stranger,
            port: config.get_ports()[0],
            password: String::from_utf8_lossy(config.get_password().unwrap_or_default()).into(),
        }
    })
}

/// Gives a server this certificate and the tests' rules for who may connect how.
pub(crate) fn switch_tls_on(cluster: &Cluster, certificate: &Signed, clients: Option<&Path>) {
    let directory = cluster.directory();
    let owner = fs::metadata(directory.join("data")).expect("its data");
    for (name, text, mode) in [
        ("server.crt", &certificate.certificate, 0o600),
        ("server.key", &certificate.key, 0o600),
    ] {
        let path = write(&directory, name, text, mode);
        chown(&path, Some(owner.uid()), Some(owner.gid())).expect("the server's account has it");
    }
    let url = cluster.url("postgres");
    let hba = sql(&url, "SHOW hba_file");
    fs::write(hba, HBA).expect("the rules can be written");
    let clients = match clients {
        Some(root) => {
            let text = fs::read_to_string(root).expect("an authority");
            let path = write(&directory, "clients.crt", &text, 0o600);
            chown(&path, Some(owner.uid()), Some(owner.gid())).expect("the account has it");
            path.display().to_string()
        }
        None => String::new(),
    };
    let file = |name: &str| directory.join(name).display().to_string();
    for (name, value) in [
        ("ssl_cert_file", file("server.crt")),
        ("ssl_key_file", file("server.key")),
        ("ssl_ca_file", clients),
        ("ssl", "on".into()),
    ] {
        sql(&url, &format!("ALTER SYSTEM SET {name} = '{value}'"));
    }
    let before = sql(&url, "SELECT pg_conf_load_time()");
    sql(&url, "SELECT pg_reload_conf()");
    let begun = Instant::now();
    let read = format!("SELECT pg_conf_load_time() > '{before}' AND current_setting('ssl') = 'on'");
    while sql(&url, &read) != "t" {
        assert!(
            begun.elapsed() < PATIENCE,
            "the server does not switch TLS on"
        );
    }
}

impl Tls {
    /// A URL of a database as the superuser, by TCP, with these parameters.
    pub(crate) fn url(&self, database: &str, parameters: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://postgres:{password}@localhost:{port}/{database}?{parameters}")
    }

    /// The same as another role.
    pub(crate) fn url_as(&self, role: &str, parameters: &str) -> String {
        let port = self.port;
        format!("postgres://{role}:secret@localhost:{port}/postgres?{parameters}")
    }

    pub(crate) fn root(&self) -> String {
        self.root.display().to_string()
    }

    /// Writes a client's certificate and key, of this server's authority or another; parameters.
    pub(crate) fn client(&self, name: &str, signed: &Signed) -> String {
        let certificate = write(
            &self.directory,
            &format!("{name}.crt"),
            &signed.certificate,
            0o644,
        );
        let key = write(&self.directory, &format!("{name}.key"), &signed.key, 0o600);
        format!("sslcert={}&sslkey={}", certificate.display(), key.display())
    }
}

/// Opens a session as the library does, and says whether it is encrypted, and with what.
pub(crate) fn encryption(url: &str) -> Result<String> {
    ask(
        url,
        "SELECT ssl || coalesce(' ' || version, '') FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    )
}

/// Opens a session as the library does, and asks one question.
pub(crate) fn ask(url: &str, question: &str) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime starts");
    runtime.block_on(async {
        let session = Server::from_url(url)?.connect("rb-bench test").await?;
        let answer = session.value(question, "asking").await?;
        session.close().await;
        Ok(answer.unwrap_or_default())
    })
}

/// The connection fails, and the error says all of `parts`, with something to do.
#[track_caller]
pub(crate) fn refused(url: &str, parts: &[&str]) -> String {
    let error = match encryption(url) {
        Ok(how) => panic!("{url} connects: {how}"),
        Err(error) => error.to_string(),
    };
    for part in parts {
        assert!(error.contains(part), "no `{part}` in\n{error}");
    }
    assert!(error.contains("what to do: "), "{error}");
    assert!(!error.contains("secret"), "{error}");
    error
}
