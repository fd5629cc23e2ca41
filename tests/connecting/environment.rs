//! Service files and `PG*` variables, as the binary finds them.

use crate::authority::{For, write};
use crate::server::{Tls, server};
use crate::support::copies::Outcome;
use crate::support::{fresh_database, rb_bench};

/// Lists the runs of a destination in this environment: it connects and asks.
fn runs(url: &str, environment: &[(&str, &str)]) -> Outcome {
    let mut command = rb_bench();
    command
        .args(["runs", "--dest-url", url])
        .env("HOME", "/nonexistent");
    for (name, value) in environment {
        command.env(name, value);
    }
    let output = command.output().expect("the binary runs");
    Outcome {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn tcp(tls: &Tls) -> (String, String) {
    (
        tls.port.to_string(),
        fresh_database("environment")
            .rsplit_once('/')
            .expect("a database in the URL")
            .1
            .to_owned(),
    )
}

#[test]
fn everything_can_come_from_the_environment() {
    let tls = server();
    let (port, database) = tcp(tls);
    let root = tls.root();
    let environment = [
        ("PGHOST", "db1.example.org"),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGPORT", &port),
        ("PGUSER", "sslonly"),
        ("PGPASSWORD", "secret"),
        ("PGDATABASE", &database),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", &root),
        ("PGCHANNELBINDING", "require"),
        ("PGTARGETSESSIONATTRS", "read-write"),
        ("PGCONNECT_TIMEOUT", "20"),
        ("PGAPPNAME", "somebody"),
        ("PGOPTIONS", "-c work_mem=8MB"),
        ("PGCLIENTENCODING", "LATIN1"),
    ];
    runs("postgres://", &environment).succeeded();
    // what the URL says goes before it
    let wrong = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "/nowhere")];
    runs(&tls.url(&database, "sslmode=require&sslrootcert="), &wrong).succeeded();
    runs(&tls.url(&database, ""), &wrong).refused(&["/nowhere"]);
    runs(&tls.url(&database, ""), &[("PGSSLMODE", "sometimes")]).refused(&[
        "sslmode cannot be used (`sometimes`) (from PGSSLMODE)",
        "verify-full",
    ]);
    for (name, parameter) in [
        ("PGREQUIREPEER", "requirepeer"),
        ("PGREQUIREAUTH", "require_auth"),
        ("PGSSLCRL", "sslcrl"),
    ] {
        let said = format!("{parameter} (from {name}) is not supported");
        runs(&tls.url(&database, ""), &[(name, "x")]).refused(&[&said, "what to do"]);
    }
    runs(&tls.url(&database, ""), &[("PGGSSENCMODE", "require")])
        .refused(&["gssencmode=require (from PGGSSENCMODE)"]);
    runs(&tls.url(&database, "krbsrvname=x"), &[]).refused(&["krbsrvname is not supported"]);
}

#[test]
fn a_service_gives_what_the_connection_does_not() {
    let tls = server();
    let (port, database) = tcp(tls);
    let text = format!(
        "# of the tests\n[shop]\nhost=localhost\nport={port}\nuser=sslonly\npassword=secret\n\
         dbname={database}\nsslmode=verify-ca\nsslrootcert={}\n\n[elsewhere]\nhost=db1.invalid\n",
        tls.root()
    );
    let file = write(&tls.directory, "services.conf", &text, 0o644);
    let file = file.to_str().unwrap();
    runs("service=shop", &[("PGSERVICEFILE", file)]).succeeded();
    runs(
        "postgres://?service=shop",
        &[("PGSERVICEFILE", file), ("PGUSER", "nobody")],
    )
    .succeeded();
    runs(
        "postgres://",
        &[("PGSERVICEFILE", file), ("PGSERVICE", "shop")],
    )
    .succeeded();
    runs(
        "postgres://nobody@/",
        &[("PGSERVICEFILE", file), ("PGSERVICE", "shop")],
    )
    .refused(&["connecting to nobody@localhost", "pg_hba.conf"]);
    runs("service=elsewhere", &[("PGSERVICEFILE", file)]).refused(&["db1.invalid"]);
    runs("service=none", &[("PGSERVICEFILE", file)]).refused(&["no service `none`", file]);
    runs("service=shop", &[("PGSERVICEFILE", "/nowhere/services")]).refused(&["/nowhere/services"]);
    // in the home directory, and in the system's
    let home = tls.directory.join("home");
    std::fs::create_dir_all(&home).unwrap();
    write(&home, ".pg_service.conf", &text, 0o644);
    write(
        &home,
        "pg_service.conf",
        &text.replace("[shop]", "[system]"),
        0o644,
    );
    let home = home.to_str().unwrap();
    runs("service=shop", &[("HOME", home)]).succeeded();
    runs("service=system", &[("PGSYSCONFDIR", home)]).succeeded();
}

#[test]
fn certificates_lie_where_libpq_looks_for_them() {
    let tls = server();
    let (_, database) = tcp(tls);
    let home = tls.directory.join("certified");
    let own = home.join(".postgresql");
    std::fs::create_dir_all(&own).unwrap();
    let home = home.to_str().unwrap();
    let signed = tls.authority.sign(&For::Role("certified"));
    write(&own, "postgresql.crt", &signed.certificate, 0o644);
    let url = tls
        .url_as("certified", "sslmode=require")
        .replace("/postgres?", &format!("/{database}?"));
    runs(&url, &[("HOME", home)]).refused(&["postgresql.crt has no private key: ", "postgresql.key is not there", "name the key's file in sslkey, or sslcertmode=disable where the server wants no certificate"]);
    write(&own, "postgresql.key", &signed.key, 0o600);
    runs(&url, &[("HOME", home)]).succeeded();
    // authorities that are known are asked although nobody insists on it
    let stranger = std::fs::read_to_string(&tls.stranger).unwrap();
    write(&own, "root.crt", &stranger, 0o644);
    runs(&url, &[("HOME", home)]).refused(&["no authority that is trusted here"]);
    write(
        &own,
        "root.crt",
        &std::fs::read_to_string(&tls.root).unwrap(),
        0o644,
    );
    runs(&url.replace("=require", "=verify-full"), &[("HOME", home)]).succeeded();
    write(&own, "root.crl", "", 0o644);
    runs(&url, &[("HOME", home)]).refused(&[
        "root.crl lists certificates that were revoked, which is not supported",
        "move it away; certificates that were revoked are not recognised then",
    ]);
    let nobody = [
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    runs(&tls.url_as("sslonly", "sslrootcert=system"), &nobody).refused(&[
        "the system trusts no certificate authority",
        "install the package ca-certificates, or name a file in sslrootcert",
    ]);
    let without = tls.url_as("sslonly", "sslmode=verify-ca");
    runs(&without, &[]).refused(&[
        "no root certificate to verify the server with: ",
        "/nonexistent/.postgresql/root.crt",
        "name the authority's certificate in sslrootcert (or sslrootcert=system), or use sslmode=require, which verifies nothing",
    ]);
}

#[test]
fn a_password_file_is_found_by_its_parameter() {
    let tls = server();
    let (port, database) = tcp(tls);
    let text = format!("localhost:{port}:{database}:sslonly:secret\n");
    let file = write(&tls.directory, "passwords", &text, 0o600);
    let url = format!("postgres://sslonly@localhost:{port}/{database}");
    runs(&url, &[]).refused(&[
        "password",
        "set PGPASSWORD, or put the password into ~/.pgpass",
    ]);
    runs(&format!("{url}?passfile={}", file.display()), &[]).succeeded();
    runs(&url, &[("PGPASSFILE", file.to_str().unwrap())]).succeeded();
}

#[test]
fn the_managed_server_is_none_of_the_environments_business() {
    let output = rb_bench()
        .args([
            "--profile",
            "small",
            "--rows",
            "200",
            "--iters",
            "1",
            "--warmup",
            "0",
            "--guard",
            "off",
        ])
        .args([
            "--out",
            tempfile::tempdir().unwrap().path().to_str().unwrap(),
        ])
        .envs([
            ("PGSSLMODE", "verify-full"),
            ("PGCHANNELBINDING", "require"),
            ("PGSERVICE", "none"),
            ("PGTARGETSESSIONATTRS", "standby"),
            ("PGHOST", "db1.invalid"),
        ])
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
}
