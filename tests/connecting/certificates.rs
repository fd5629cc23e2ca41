//! Certificates: which servers are believed, and who we are to them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::authority::{Authority, For, Signed, self_signed, write};
use crate::server::{ask, encryption, refused, server, switch_tls_on};
use crate::support::own_server;

const TLS: &str = "true TLSv1.3";

#[test]
fn a_server_of_another_authority_is_not_believed() {
    let tls = server();
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode}&sslrootcert={}", tls.stranger.display());
        refused(
            &tls.url("postgres", &parameters),
            &["no authority that is trusted here", "into sslrootcert"],
        );
    }
    // prefer asks as well, and goes on without
    let parameters = format!("sslmode=prefer&sslrootcert={}", tls.stranger.display());
    assert_eq!(
        encryption(&tls.url("postgres", &parameters)).unwrap(),
        "false"
    );
    // the system's authorities have not signed it
    refused(
        &tls.url("postgres", "sslrootcert=system"),
        &["authority", "what to do"],
    );
}

#[test]
fn only_verify_full_compares_names() {
    let tls = server();
    let by_address = |mode: &str| {
        let url = tls.url(
            "postgres",
            &format!("sslmode={mode}&sslrootcert={}", tls.root()),
        );
        url.replace("@localhost:", "@127.0.0.1:")
    };
    assert_eq!(encryption(&by_address("verify-ca")).unwrap(), TLS);
    refused(
        &by_address("verify-full"),
        &[
            "it is for localhost, *.example.org, not for 127.0.0.1",
            "hostaddr",
            "verify-ca",
        ],
    );
    // the name is the host's, the address is where it leads
    for (host, fits) in [("db1.example.org", true), ("a.db1.example.org", false)] {
        let url = by_address("verify-full").replace("@127.0.0.1:", &format!("@{host}:"));
        let url = format!("{url}&hostaddr=127.0.0.1");
        assert_eq!(encryption(&url).is_ok(), fits, "{host}");
    }
    let unnamed = format!(
        "hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={}",
        tls.port,
        tls.root()
    );
    refused(
        &unnamed,
        &[
            "sslmode=verify-full needs the host name that the certificate is for, and there is only hostaddr",
            "give host as well",
        ],
    );
}

#[test]
fn a_root_certificate_that_is_missing_or_none_is_named() {
    let tls = server();
    let of = |file: &str| tls.url("postgres", &format!("sslmode=verify-ca&sslrootcert={file}"));
    refused_with_any_remedy(
        &of("/nowhere/root.crt"),
        &["cannot read the certificate file /nowhere/root.crt: "],
    );
    let empty = write(&tls.directory, "empty.crt", "nothing", 0o644);
    refused(
        &of(empty.to_str().unwrap()),
        &[
            "holds no certificate in PEM format",
            "give a file with -----BEGIN CERTIFICATE----- in it",
        ],
    );
}

/// A file error says what the system says.
fn refused_with_any_remedy(url: &str, parts: &[&str]) {
    let error = encryption(url)
        .expect_err("it does not connect")
        .to_string();
    for part in parts {
        assert!(error.contains(part), "no `{part}` in {error}");
    }
}

#[test]
fn certificates_that_servers_make_for_themselves_are_believed_where_they_are_the_root() {
    let own = own_server();
    let config: tokio_postgres::Config = own.url("postgres").parse().unwrap();
    let password = String::from_utf8_lossy(config.get_password().unwrap()).into_owned();
    let port = config.get_ports()[0];
    let files = tempfile::tempdir().unwrap();
    let url = |host: &str, mode: &str| {
        let root = files.path().join("root.crt");
        format!(
            "postgres://postgres:{password}@{host}:{port}/postgres?sslmode={mode}&sslrootcert={}",
            root.display()
        )
    };
    // its name is the common name alone
    let certificate = self_signed("localhost");
    write(files.path(), "root.crt", &certificate.certificate, 0o644);
    switch_tls_on(own.cluster(), &certificate, None);
    assert_eq!(encryption(&url("localhost", "verify-full")).unwrap(), TLS);
    refused(
        &url("127.0.0.1", "verify-full"),
        &["it is for localhost, not for 127.0.0.1"],
    );
    write(
        files.path(),
        "other.crt",
        &self_signed("localhost").certificate,
        0o644,
    );
    refused(
        &url("localhost", "verify-ca").replace("root.crt", "other.crt"),
        &[
            "the TLS handshake failed: no authority that is trusted here has signed the server's certificate",
            "put the certificate of the authority that signed it into sslrootcert; sslmode=require without one verifies nothing",
        ],
    );
    let bound = format!(
        "{}&channel_binding=require",
        url("localhost", "verify-full")
    );
    assert_eq!(encryption(&bound).unwrap(), TLS);
    // one that an authority signed, and which has expired
    let authority = Authority::new("old");
    write(files.path(), "root.crt", &authority.certificate(), 0o644);
    let expired = authority.sign_until(&For::Hosts(&["localhost"]), 2020);
    switch_tls_on(own.cluster(), &expired, None);
    refused(
        &url("localhost", "verify-ca"),
        &[
            "the server's certificate has expired",
            "renew the server's certificate, or correct the clock of this machine",
        ],
    );
    // one of X.509 version 1, which `openssl x509 -req` makes as the manual has it
    let text = |file: &str| {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/version-1");
        fs::read_to_string(directory.join(file)).unwrap()
    };
    let oldest = Signed {
        certificate: text("server.crt"),
        key: text("server.key"),
    };
    switch_tls_on(own.cluster(), &oldest, None);
    refused(
        &url("localhost", "verify-ca"),
        &["no authority that is trusted here"],
    );
    write(files.path(), "root.crt", &text("root.crt"), 0o644);
    assert_eq!(encryption(&url("localhost", "verify-full")).unwrap(), TLS);
    refused(&url("127.0.0.1", "verify-full"), &["not for 127.0.0.1"]);
    let unverified = url("localhost", "require");
    let unverified = unverified.split_once("&sslrootcert").unwrap().0;
    assert_eq!(encryption(unverified).unwrap(), TLS);
    write(files.path(), "root.crt", &authority.certificate(), 0o644);
    // a common name counts only where nothing else is there
    let named = authority.sign(&For::CommonName("localhost"));
    switch_tls_on(own.cluster(), &named, None);
    assert_eq!(encryption(&url("localhost", "verify-full")).unwrap(), TLS);
    let elsewhere = authority.sign(&For::Hosts(&["nobody.example.org"]));
    switch_tls_on(own.cluster(), &elsewhere, None);
    refused(
        &url("localhost", "verify-full"),
        &["it is for nobody.example.org, not for localhost"],
    );
}

#[test]
fn a_client_certificate_logs_in_and_its_absence_is_explained() {
    let tls = server();
    let known = tls.client("certified", &tls.authority.sign(&For::Role("certified")));
    let url = tls.url_as("certified", &format!("sslmode=require&{known}"));
    assert_eq!(ask(&url, "SELECT current_user").unwrap(), "certified");
    // with a password beside it
    let both = tls.client("verified", &tls.authority.sign(&For::Role("verified")));
    let url = tls.url_as("verified", &format!("sslmode=require&{both}"));
    assert_eq!(ask(&url, "SELECT current_user").unwrap(), "verified");
    refused(
        &tls.url_as("certified", "sslmode=require"),
        &["valid client certificate", "give sslcert and sslkey"],
    );
    refused(
        &tls.url_as(
            "certified",
            &format!("sslmode=require&sslcertmode=disable&{known}"),
        ),
        &["valid client certificate", "give sslcert and sslkey"],
    );
    // for another role
    refused(
        &tls.url_as("certified", &format!("sslmode=require&{both}")),
        &[
            "28000",
            "certificate authentication failed",
            "give sslcert and sslkey, with a certificate that an authority of the server's ssl_ca_file has signed for this role",
        ],
    );
    // of another authority
    let foreign = tls.client(
        "foreign",
        &Authority::new("foreign").sign(&For::Role("certified")),
    );
    refused(
        &tls.url_as("certified", &format!("sslmode=require&{foreign}")),
        &[
            "the server refused with the alert UnknownCA",
            "the server does not accept our certificate: give one in sslcert that an authority of its ssl_ca_file has signed",
        ],
    );
}

#[test]
fn a_private_key_is_private_there_and_the_certificates_own() {
    let tls = server();
    let signed = tls.authority.sign(&For::Role("certified"));
    let parameters = tls.client("careless", &signed);
    let url = tls.url_as("certified", &format!("sslmode=require&{parameters}"));
    let key = tls.directory.join("careless.key");
    let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o644);
    refused(
        &url,
        &[
            "can be read or written by others",
            "(0640 is enough where root owns it)",
        ],
    );
    mode(0o600);
    assert!(encryption(&url).is_ok());
    fs::write(
        &key,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    refused(
        &url,
        &[
            "is encrypted with a passphrase, which is not supported",
            "decrypt it into a file of its own: openssl pkey -in client.key -out plain.key",
        ],
    );
    fs::write(&key, "nothing").unwrap();
    refused(
        &url,
        &[
            "holds no private key in PEM format",
            "give a file with -----BEGIN PRIVATE KEY----- in it",
        ],
    );
    fs::write(&key, &tls.authority.sign(&For::Role("other")).key).unwrap();
    refused(
        &url,
        &[
            "cannot be used",
            "give sslcert and sslkey that belong together: RSA, ECDSA or Ed25519",
        ],
    );
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    refused_with_any_remedy(&url, &["the private key ", "careless.key is not a file"]);
    fs::remove_dir(&key).unwrap();
    refused_with_any_remedy(
        &url,
        &[&format!("cannot read the private key {}: ", key.display())],
    );
}
