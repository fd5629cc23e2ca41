//! Where a server can be: Unix sockets of both kinds, IPv6, names with several addresses.

use tokio_postgres::Config;

use crate::server::{ask, encryption, refused, server};
use crate::support::standby::Standby;
use crate::support::{fresh_database, own_server};

#[test]
fn unix_sockets_and_ipv6_are_places_like_any_other() {
    let own = own_server();
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    // the server's account must be able to make its socket there
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let path = directory.path().display().to_string();
    let name = format!("@rb-bench-test-{}", std::process::id());
    let sockets = format!("{path}, {name}");
    let standby = Standby::with(
        &own,
        &[
            ("listen_addresses", "127.0.0.1,::1"),
            ("unix_socket_directories", &sockets),
            ("unix_socket_permissions", "0777"),
        ],
    );
    let config: Config = own.url("postgres").parse().unwrap();
    let password = String::from_utf8_lossy(config.get_password().unwrap()).into_owned();
    let port = standby.port;
    let encoded = path.replace('/', "%2F");
    for (url, address) in [
        (
            format!("postgres://postgres:{password}@[::1]:{port}/postgres"),
            "::1",
        ),
        (
            format!("host='::1' port={port} user=postgres password={password} dbname=postgres"),
            "::1",
        ),
        (
            format!("hostaddr=::1 port={port} user=postgres password={password} dbname=postgres"),
            "::1",
        ),
        (
            format!("postgres://postgres:{password}@localhost:{port}/postgres"),
            "::1",
        ),
        (
            format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"),
            "127.0.0.1",
        ),
        (
            format!("postgres://postgres:{password}@{encoded}:{port}/postgres"),
            "",
        ),
        (
            format!(
                "postgres:///postgres?host={path}&port={port}&user=postgres&password={password}"
            ),
            "",
        ),
        (
            format!("host={name} port={port} user=postgres password={password} dbname=postgres"),
            "",
        ),
    ] {
        let found = ask(&url, "SELECT host(inet_server_addr())").unwrap();
        // localhost may be either, in the system's order
        let fits = found == address || (url.contains("@localhost") && found == "127.0.0.1");
        assert!(fits, "{url}: {found}");
    }
    // the rest of this machine's sockets has nobody
    refused(
        &format!("host={name}-not port={port} user=postgres"),
        &[
            &format!("connecting to postgres@{name}-not:{port}/postgres"),
            "check that the server runs there and accepts connections from this machine",
        ],
    );
}

#[test]
fn a_name_that_leads_nowhere_is_told() {
    refused(
        "postgres://app@db1.invalid/shop",
        &[
            "connecting to app@db1.invalid:5432/shop",
            "the host name cannot be looked up: ",
            "check its spelling, or give its address in hostaddr",
        ],
    );
}

#[test]
fn what_is_percent_encoded_is_what_was_meant() {
    let tls = server();
    let url = fresh_database("odd");
    crate::support::sql(&url, "DROP DATABASE IF EXISTS \"a b/c?d@e\"");
    crate::support::sql(&url, "CREATE DATABASE \"a b/c?d@e\"");
    let odd = tls.url(
        "a%20b%2Fc%3Fd%40e",
        "options=-c%20geqo%3Doff%20-c%20work_mem%3D3MB",
    );
    let asked = "SELECT current_database() || ' ' || current_setting('work_mem') || ' ' || current_setting('geqo')";
    assert_eq!(ask(&odd, asked).unwrap(), "a b/c?d@e 3MB off");
    assert!(encryption(&odd).unwrap().starts_with("true"));
    crate::support::sql(&url, "DROP DATABASE \"a b/c?d@e\"");
}
