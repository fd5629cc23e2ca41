//! Every sslmode, against a server with TLS and one without.

use rb_bench::postgres::Server;

use crate::server::{ask, encryption, refused, server};
use crate::support::own_server;

const PLAIN: &str = "false";
const TLS: &str = "true TLSv1.3";

#[test]
fn every_mode_connects_to_a_server_with_tls_as_it_promises() {
    let tls = server();
    let root = format!("&sslrootcert={}", tls.root());
    for (parameters, how) in [
        ("sslmode=disable", PLAIN),
        ("sslmode=allow", PLAIN),
        ("sslmode=prefer", TLS),
        ("", TLS),
        ("sslmode=require", TLS),
        ("ssl=true", TLS),
        (&format!("sslmode=require{root}"), TLS),
        (&format!("sslmode=verify-ca{root}"), TLS),
        (&format!("sslmode=verify-full{root}"), TLS),
        ("ssl_max_protocol_version=TLSv1.2", "true TLSv1.2"),
        ("sslmode=require&sslsni=0", TLS),
        ("keepalives=0&connect_timeout=0", TLS),
        (
            "keepalives_idle=5&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000",
            TLS,
        ),
    ] {
        let found = encryption(&tls.url("postgres", parameters)).unwrap();
        assert_eq!(found, how, "{parameters}");
    }
}

#[test]
fn a_server_without_tls_is_refused_by_the_modes_that_insist() {
    let own = own_server();
    let tcp = |parameters: &str| {
        let config: tokio_postgres::Config = own.url("postgres").parse().unwrap();
        let password = String::from_utf8_lossy(config.get_password().unwrap()).into_owned();
        let port = config.get_ports()[0];
        format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?{parameters}")
    };
    for mode in ["disable", "allow", "prefer"] {
        let found = encryption(&tcp(&format!("sslmode={mode}"))).unwrap();
        assert_eq!(found, PLAIN, "{mode}");
    }
    let root = server().root();
    for mode in ["require", "verify-ca", "verify-full"] {
        refused(
            &tcp(&format!("sslmode={mode}&sslrootcert={root}")),
            &[
                "the server has no TLS, and sslmode wants it",
                "switch ssl on in the server's configuration; sslmode=prefer does without where there is none",
            ],
        );
    }
    refused(
        &tcp("channel_binding=require"),
        &[
            "did not use channel binding",
            "channel_binding=require needs TLS and a SCRAM password: use sslmode=require and password_encryption=scram-sha-256, or channel_binding=prefer",
        ],
    );
}

#[test]
fn allow_and_prefer_go_the_other_way_where_the_server_lets_nobody_in_by_the_first() {
    let tls = server();
    let strict = tls.url_as("sslonly", "sslmode=allow");
    assert_eq!(encryption(&strict).unwrap(), TLS);
    let lax = tls.url_as("plainonly", "sslmode=prefer");
    assert_eq!(encryption(&lax).unwrap(), PLAIN);
    refused(
        &tls.url_as("sslonly", "sslmode=disable"),
        &[
            "no encryption",
            "28000",
            "use sslmode=require or stronger: the server lets nobody in unencrypted here; or add a line to its pg_hba.conf",
        ],
    );
    refused(
        &tls.url_as("plainonly", "sslmode=require"),
        &[
            "28000",
            "add a line for this address, role and database to the server's pg_hba.conf",
        ],
    );
    refused(
        &tls.url_as("nobody", "sslmode=prefer"),
        &["28000", "pg_hba.conf"],
    );
}

#[test]
fn a_wrong_password_is_told_once_and_not_tried_unencrypted() {
    let tls = server();
    let url = tls
        .url_as("sslonly", "sslmode=prefer")
        .replace(":secret@", ":wrong@");
    refused(
        &url,
        &[
            "28P01",
            "give the right user, and the password in PGPASSWORD, PGPASSFILE or ~/.pgpass",
        ],
    );
}

#[test]
fn passwords_of_both_kinds_are_taken() {
    let tls = server();
    for mode in ["disable", "require"] {
        let parameters = format!("sslmode={mode}");
        for role in ["md5user", "verified"]
            .iter()
            .take(if mode == "require" { 1 } else { 2 })
        {
            let url = tls.url_as(role, &parameters);
            assert_eq!(ask(&url, "SELECT current_user").unwrap(), *role);
        }
    }
}

#[test]
fn channel_binding_is_used_where_it_can_be_and_insisted_on_where_it_must() {
    let tls = server();
    for parameters in [
        "channel_binding=require",
        "sslmode=require&channel_binding=prefer",
        "sslmode=require&channel_binding=disable",
    ] {
        assert_eq!(encryption(&tls.url("postgres", parameters)).unwrap(), TLS);
    }
    for (url, what) in [
        (
            tls.url("postgres", "sslmode=disable&channel_binding=require"),
            "unencrypted",
        ),
        (
            tls.url_as("md5user", "sslmode=require&channel_binding=require"),
            "md5",
        ),
    ] {
        let said = refused(
            &url,
            &["did not use channel binding", "use sslmode=require"],
        );
        assert!(said.contains("SCRAM"), "{what}: {said}");
    }
}

#[test]
fn a_query_is_cancelled_by_a_connection_like_its_own() {
    let tls = server();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for mode in ["disable", "require"] {
        let url = tls.url("postgres", &format!("sslmode={mode}"));
        let error = runtime.block_on(async {
            let server = Server::from_url(&url).unwrap();
            let (session, watch) = (
                server.connect("a").await.unwrap(),
                server.connect("b").await.unwrap(),
            );
            let pid = session
                .value("SELECT pg_backend_pid()", "asking")
                .await
                .unwrap()
                .unwrap();
            let asleep =
                format!("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = {pid}");
            let canceller = session.canceller();
            let sleeping = session.execute("SELECT pg_sleep(600)", "sleeping");
            let cancelling = async {
                while watch.value(&asleep, "watching").await.unwrap().as_deref() != Some("t") {}
                canceller.cancel().await;
            };
            let (slept, ()) = tokio::join!(sleeping, cancelling);
            // the session itself is as good as before
            session.execute("SELECT 1", "asking").await.unwrap();
            slept.unwrap_err()
        });
        assert_eq!(error.sqlstate(), Some("57014"), "{mode}: {error}");
    }
}

#[test]
fn direct_negotiation_with_a_server_that_does_not_know_it_is_explained() {
    refused(
        &server().url("postgres", "sslmode=require&sslnegotiation=direct"),
        &[
            "TLS handshake",
            "sslnegotiation=direct needs PostgreSQL 17 with ssl on; leave it out",
        ],
    );
}

#[test]
fn a_unix_socket_needs_no_tls_whatever_the_mode() {
    let url = crate::support::fresh_database("socket");
    server();
    assert_eq!(
        encryption(&format!("{url}?sslmode=verify-full")).unwrap(),
        PLAIN
    );
}
