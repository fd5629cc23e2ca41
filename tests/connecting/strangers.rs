//! What answers at a server's port and is no server, or none that this connection can use.
//!
//! Each stranger is a listener of the test's own, which says what the protocol allows it to say and then
//! goes away. Source: PostgreSQL manual, "Message Flow".

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::self_signed;
use crate::server::{encryption, refused, server};
use crate::support::{own_server, sql};

/// Does this with every client; the port at which it does.
fn stranger(meets: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let meets = Arc::new(meets);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let meets = Arc::clone(&meets);
            std::thread::spawn(move || meets(client));
        }
    });
    port
}

/// Reads what the client says, answers with these bytes, and reads on until it has gone.
fn answers(bytes: &'static [u8]) -> u16 {
    stranger(move |mut client| {
        listen(&mut client);
        let _ = client.write_all(bytes);
        while listen(&mut client) > 0 {}
    })
}

/// Reads what the client says, answers with these bytes, listens once more, and breaks the connection off.
fn breaks_off(bytes: &'static [u8]) -> u16 {
    stranger(move |mut client| {
        listen(&mut client);
        if !bytes.is_empty() {
            let _ = client.write_all(bytes);
            listen(&mut client);
        }
        let socket = socket2::SockRef::from(&client);
        socket
            .set_linger(Some(Duration::ZERO))
            .expect("an option of the socket");
    })
}

/// Reads what the client says, answers with these bytes, listens once more, and closes.
fn closes(bytes: &'static [u8]) -> u16 {
    stranger(move |mut client| {
        listen(&mut client);
        if !bytes.is_empty() {
            let _ = client.write_all(bytes);
            listen(&mut client);
        }
    })
}

fn listen(client: &mut TcpStream) -> usize {
    client.read(&mut [0; 4096]).unwrap_or_default()
}

fn url(port: u16, parameters: &str) -> String {
    format!("postgres://app:secret@127.0.0.1:{port}/shop?{parameters}")
}

/// The connection fails, and the error says this.
#[track_caller]
fn fails(url: &str, text: &str) {
    let error = encryption(url)
        .expect_err("it does not connect")
        .to_string();
    assert!(error.contains(text), "no `{text}` in\n{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn who_breaks_off_when_tls_is_asked_for_is_told_with_how_far_it_came() {
    let tls = "sslmode=require";
    fails(
        &url(closes(b""), tls),
        "the server closed the connection when it was asked for TLS",
    );
    fails(&url(breaks_off(b""), tls), "asking the server for TLS: ");
    fails(
        &url(closes(b"S"), tls),
        "the server closed the connection during the TLS handshake",
    );
    fails(&url(breaks_off(b"S"), tls), "the TLS handshake broke: ");
    refused(
        &url(answers(b"E"), tls),
        &[
            "the server answered the question for TLS with an error",
            "its log says why; too many connections, or something that is no Postgres server",
        ],
    );
}

#[test]
fn who_never_answers_is_not_waited_for_for_ever() {
    let mute = answers(b"");
    refused(
        &url(mute, "sslmode=require&connect_timeout=1"),
        &[
            "no answer within 1 s",
            "check host and port, and that nothing in between drops the connection; connect_timeout gives it longer",
        ],
    );
    fails(
        &url(mute, "sslmode=disable&connect_timeout=1"),
        "the server does not finish the start-up",
    );
}

#[test]
fn a_way_to_prove_who_we_are_that_we_do_not_know_is_named() {
    // AuthenticationGSS
    refused(
        &url(answers(b"R\0\0\0\x08\0\0\0\x07"), "sslmode=disable"),
        &[
            "unsupported authentication method",
            "have pg_hba.conf ask for scram-sha-256, md5, password, cert or peer; GSSAPI and SSPI are not supported",
        ],
    );
}

#[test]
fn direct_tls_is_refused_by_a_server_that_does_not_say_that_it_speaks_postgres() {
    let signed = self_signed("localhost");
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let port = stranger(move |mut client| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).expect("a configuration");
        while tls.complete_io(&mut client).is_ok_and(|(read, _)| read > 0) {}
    });
    refused(
        &url(port, "sslmode=require&sslnegotiation=direct"),
        &[
            "the server did not agree in the TLS handshake to speak PostgreSQL (ALPN), and sslnegotiation=direct needs that",
            "leave sslnegotiation out; something in between may end the encryption",
        ],
    );
}

#[test]
fn a_host_that_no_certificate_can_name_is_refused_where_names_count() {
    let tls = server();
    refused(
        &format!(
            "host='a b' hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full sslrootcert={}",
            tls.port,
            tls.root()
        ),
        &[
            "no certificate can be for this host name, so sslmode=verify-full cannot be kept",
            "use the host name that the server's certificate is for",
        ],
    );
}

#[test]
fn what_the_server_has_no_room_for_is_told_with_what_to_change() {
    let own = own_server();
    let postgres = own.url("postgres");
    refused(
        &own.url("nowhere"),
        &["3D000", "create the database, or correct its name"],
    );
    sql(
        &postgres,
        "CREATE ROLE crowd LOGIN PASSWORD 'secret' CONNECTION LIMIT 0",
    );
    let config: tokio_postgres::Config = postgres.parse().unwrap();
    refused(
        &format!(
            "postgres://crowd:secret@127.0.0.1:{}/postgres",
            config.get_ports()[0]
        ),
        &[
            "53300",
            "lower resources.parallelism, or raise the server's max_connections",
        ],
    );
}
