//! Connections as they are understood: precedence, lists of servers, what is refused.

use super::*;
use crate::config::connection::ConnectionSettings;
use crate::postgres::candidates::Place;

fn understood(
    endpoint: &Endpoint,
    environment: &[(&str, &str)],
    home: Option<&Path>,
) -> Result<Parameters> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Parameters::of(
        endpoint,
        &Surroundings {
            variable: &variable,
            home: home.map(Path::to_owned),
            account: "me".into(),
        },
    )
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: Some(Secret::new(url)),
        ..Endpoint::default()
    }
}

fn shown(url: &str, environment: &[(&str, &str)]) -> String {
    understood(&endpoint(url), environment, None)
        .unwrap()
        .shown()
}

fn refused(url: &str, environment: &[(&str, &str)]) -> String {
    let error = understood(&endpoint(url), environment, None).unwrap_err();
    assert!(matches!(error.kind(), Kind::Config | Kind::Unsupported));
    error.to_string()
}

#[test]
fn pgrequiressl_asks_for_encryption_where_nobody_names_a_mode() {
    for (url, environment, mode) in [
        ("host=a", &[("PGREQUIRESSL", "1")][..], Mode::Require),
        ("host=a", &[("PGREQUIRESSL", "0")], Mode::Prefer),
        (
            "host=a sslmode=disable",
            &[("PGREQUIRESSL", "1")],
            Mode::Disable,
        ),
        (
            "host=a",
            &[("PGREQUIRESSL", "1"), ("PGSSLMODE", "verify-ca")],
            Mode::VerifyCa,
        ),
    ] {
        let found = understood(&endpoint(url), environment, None).unwrap();
        assert_eq!(found.tls.mode, mode, "{url} {environment:?}");
    }
}

#[test]
fn what_the_connection_says_goes_before_the_environment() {
    let environment = [
        ("PGHOST", "db9"),
        ("PGPORT", "9999"),
        ("PGUSER", "other"),
        ("PGDATABASE", "stock"),
        ("PGPASSWORD", "hush"),
        ("PGSSLMODE", "require"),
        ("PGCONNECT_TIMEOUT", "3"),
        ("PGAPPNAME", "psql"),
        ("PGOPTIONS", "-c a=b"),
    ];
    assert_eq!(shown("postgres://", &environment), "other@db9:9999/stock");
    assert_eq!(
        shown("postgres://app@db1/shop", &environment),
        "app@db1:9999/shop"
    );
    assert_eq!(
        shown("host=db1 port=1 user=app", &environment),
        "app@db1:1/stock"
    );
    let found = understood(&endpoint("host=db1 sslmode=disable"), &environment, None).unwrap();
    assert_eq!(found.tls.mode, Mode::Disable);
    assert_eq!(found.connect_timeout, Some(Duration::from_secs(3)));
    assert_eq!(found.options.as_deref(), Some("-c a=b"));
    assert_eq!(found.password.unwrap().reveal(), "hush");
    // an empty value is one: it goes before the environment and means the default
    assert_eq!(
        shown("host=db1 user='' port=''", &environment),
        "me@db1:5432/stock"
    );
}

#[test]
fn parts_go_before_the_url_and_the_database_defaults_to_the_role() {
    let parts = Endpoint {
        host: Some("db2".into()),
        port: Some(7000),
        settings: Box::new(ConnectionSettings {
            sslmode: Some("verify-full".into()),
            keepalives: Some(false),
            tcp_user_timeout: Some(1500),
            ..ConnectionSettings::default()
        }),
        ..endpoint("postgres://app@db1:6000?hostaddr=127.0.0.9&sslmode=disable&keepalives_idle=0")
    };
    let found = understood(&parts, &[], None).unwrap();
    // the URL's address was db1's
    assert_eq!(found.shown(), "app@db2:7000/app");
    assert_eq!(
        found.candidates[0].place,
        Place::Network {
            name: Some("db2".into()),
            address: None
        }
    );
    assert_eq!(found.tls.mode, Mode::VerifyFull);
    assert!(!found.tcp.keepalives);
    assert_eq!(found.tcp.idle, None);
    assert_eq!(found.tcp.interval, Some(KEEPALIVE));
    assert_eq!(found.tcp.user_timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn an_address_of_the_environment_leads_no_named_host_astray() {
    let environment = [("PGHOSTADDR", "127.0.0.9"), ("PGHOST", "db9")];
    let named = understood(&endpoint("postgres://db1"), &environment, None).unwrap();
    let of = |name: &str, address: Option<&str>| Place::Network {
        name: Some(name.into()),
        address: address.map(|a| a.parse().unwrap()),
    };
    assert_eq!(named.candidates[0].place, of("db1", None));
    let unnamed = understood(&endpoint("postgres://"), &environment, None).unwrap();
    assert_eq!(unnamed.candidates[0].place, of("db9", Some("127.0.0.9")));
}

#[test]
fn a_service_stands_between_the_connection_and_the_environment() {
    let home = tempfile::tempdir().unwrap();
    let text = "[shop]\nhost=db3\nport=3\nuser=clerk\nsslmode=require\n[bad]\nhots=x\n";
    std::fs::write(home.path().join(".pg_service.conf"), text).unwrap();
    let environment = [
        ("PGSERVICE", "shop"),
        ("PGUSER", "other"),
        ("PGPORT", "9"),
        ("PGDATABASE", "d"),
    ];
    let of = |url: &str| understood(&endpoint(url), &environment, Some(home.path()));
    let found = of("port=4").unwrap();
    assert_eq!(found.shown(), "clerk@db3:4/d");
    assert_eq!(found.tls.mode, Mode::Require);
    assert!(
        of("service=none")
            .unwrap_err()
            .to_string()
            .contains("`none`")
    );
    let wrong = of("service=bad").unwrap_err().to_string();
    assert!(
        wrong.contains("`hots` (from the service file)") && wrong.contains("did you mean host?"),
        "{wrong}"
    );
    let elsewhere = home.path().join("other.conf");
    std::fs::write(&elsewhere, "[mine]\nhost=/tmp\n").unwrap();
    let environment = [("PGSERVICEFILE", elsewhere.to_str().unwrap())];
    let found = understood(&endpoint("service=mine"), &environment, None).unwrap();
    assert_eq!(found.shown(), "me@/tmp:5432/me");
    let directory = [("PGSYSCONFDIR", home.path().to_str().unwrap())];
    std::fs::write(
        home.path().join("pg_service.conf"),
        "[all]\nport=5\nhost=h\n",
    )
    .unwrap();
    let found = understood(&endpoint("service=all"), &directory, None).unwrap();
    assert_eq!(found.shown(), "me@h:5/me");
}

#[test]
fn our_own_server_knows_nothing_of_the_environment() {
    let own = Endpoint {
        is_managed: true,
        ..endpoint("postgres://postgres:x@%2Frun%2Fown:5433/source")
    };
    let environment = [
        ("PGSERVICE", "none"),
        ("PGSSLMODE", "verify-full"),
        ("PGREQUIREPEER", "x"),
        ("PGCHANNELBINDING", "require"),
    ];
    let found = understood(&own, &environment, None).unwrap();
    assert_eq!(found.shown(), "postgres@/run/own:5433/source");
    assert_eq!(found.channel_binding, ChannelBinding::Prefer);
}

#[test]
fn several_servers_are_listed_as_libpq_lists_them() {
    for (url, all) in [
        ("postgres://a,b:2,[::1]:3/d", "me@a:5432,b:2,[::1]:3/d"),
        ("postgres://a,b/d?port=7", "me@a:7,b:7/d"),
        ("host=a,b port=,8 dbname=d", "me@a:5432,b:8/d"),
        (
            "host=/run/x,@abstract,a dbname=d",
            "me@/run/x:5432,@abstract:5432,a:5432/d",
        ),
        (
            "hostaddr=127.0.0.1,::1 dbname=d",
            "me@127.0.0.1:5432,[::1]:5432/d",
        ),
        (
            "host=a,b hostaddr=127.0.0.1,127.0.0.2 dbname=d",
            "me@a:5432,b:5432/d",
        ),
        ("postgres://me@[::1]:5433/d", "me@[::1]:5433/d"),
    ] {
        assert_eq!(shown(url, &[]), all, "{url}");
    }
    let found = understood(
        &endpoint("host=a,b target_session_attrs=prefer-standby load_balance_hosts=random"),
        &[],
        None,
    )
    .unwrap();
    assert_eq!(found.attributes, SessionAttributes::PreferStandby);
    assert!(found.shuffle);
}

#[test]
fn what_does_not_go_together_or_is_not_known_is_refused_by_name() {
    for (url, environment, parts) in [
        (
            "host=a,b port=1,2,3",
            None,
            &[
                "3 values of port for 2 servers",
                "give one port for all servers, or one for each",
            ][..],
        ),
        (
            "host=a,b hostaddr=127.0.0.1",
            None,
            &[
                "1 values of hostaddr for 2 servers",
                "give host and hostaddr as many values, or one of them alone",
            ],
        ),
        (
            "host=a hostaddr=b",
            None,
            &["hostaddr cannot be used (`b`); accepted: an IPv4 or IPv6 address"],
        ),
        (
            "host=a port=hunter2",
            None,
            &["port cannot be used; accepted: a whole number from 1 to 65535"],
        ),
        ("host=a port=70000", None, &["port cannot be used;"]),
        (
            "host=a sslmode=maybe",
            None,
            &["sslmode cannot be used (`maybe`)", "verify-full"],
        ),
        (
            "host=a",
            Some(("PGSSLMODE", "on")),
            &["(`on`) (from PGSSLMODE)"],
        ),
        (
            "host=a connect_timeout=soon",
            None,
            &["connect_timeout cannot be used (`soon`); accepted: a whole number"],
        ),
        (
            "host=a sslrootcert=system sslmode=require",
            None,
            &[
                "sslmode=require is too weak for sslrootcert=system\n  what to do: use sslmode=verify-full",
            ],
        ),
        (
            "host=a sslnegotiation=direct",
            None,
            &[
                "sslnegotiation=direct does not go with an sslmode that allows unencrypted connections",
                "use sslmode=require, verify-ca or verify-full",
            ],
        ),
        (
            "host=a gssencmode=require",
            None,
            &[
                "gssencmode=require is not supported: there is no Kerberos here",
                "use gssencmode=disable, and sslmode=verify-full for an encrypted connection",
            ],
        ),
        (
            "host=a krbsrvname=x",
            None,
            &["the connection parameter krbsrvname is not supported\n  what to do: leave it out"],
        ),
        (
            "host=a sslcrl=x",
            None,
            &[
                "parameter sslcrl is not supported",
                "leave it out; certificates that were revoked are not recognised then",
            ],
        ),
        (
            "host=a",
            Some(("PGSSLCRL", "x")),
            &["sslcrl (from PGSSLCRL)"],
        ),
        (
            "host=a",
            Some(("PGREQUIREPEER", "x")),
            &[
                "requirepeer (from PGREQUIREPEER)",
                "leave it out, or connect by TCP with sslmode=verify-full",
            ],
        ),
        (
            "host=a",
            Some(("PGREQUIREAUTH", "x")),
            &[
                "require_auth (from PGREQUIREAUTH)",
                "leave it out; channel_binding=require makes sure of SCRAM",
            ],
        ),
        (
            "host=a sslpassword=hunter2",
            None,
            &[
                "sslpassword is not supported",
                "decrypt the key: openssl pkey -in client.key -out plain.key",
            ],
        ),
        (
            "host=a sslcertmode=require",
            None,
            &[
                "sslcertmode=require is not supported",
                "leave it out: a certificate is sent where the server asks for one",
            ],
        ),
        (
            "host=a sslcertmode=maybe",
            None,
            &["sslcertmode cannot be used (`maybe`); accepted: disable or allow"],
        ),
        (
            "host=a ssl_min_protocol_version=TLSv9",
            None,
            &["(`TLSv9`); accepted: TLSv1.2 or TLSv1.3"],
        ),
        (
            "host=a ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            None,
            &[
                "ssl_min_protocol_version is above ssl_max_protocol_version\n  what to do: leave one of them out",
            ],
        ),
        (
            "host=a sslmod=require",
            None,
            &["`sslmod`", "did you mean sslmode?"],
        ),
        (
            "host=a Hunter2=x",
            None,
            &["an unknown connection parameter", "known are host,"],
        ),
    ] {
        let said = refused(url, environment.as_slice());
        for part in parts {
            assert!(said.contains(part), "{url}: no `{part}` in {said}");
        }
        assert!(!said.to_lowercase().contains("hunter2"), "{said}");
    }
}

#[test]
fn tls_is_preferred_unless_it_is_told_otherwise_and_the_systems_authorities_make_it_strict() {
    let of = |url: &str| {
        understood(&endpoint(url), &[], Some(Path::new("/home/me")))
            .unwrap()
            .tls
    };
    let plain = of("host=a");
    assert_eq!(plain.mode, Mode::Prefer);
    assert_eq!(
        plain.root,
        Root::Default("/home/me/.postgresql/root.crt".into())
    );
    assert_eq!(
        plain.default_key.unwrap(),
        Path::new("/home/me/.postgresql/postgresql.key")
    );
    let system = of("host=a sslrootcert=system");
    assert_eq!((system.mode, system.root), (Mode::VerifyFull, Root::System));
    let off = of("host=a sslrootcert=system sslmode=disable");
    assert_eq!(off.mode, Mode::Disable);
    assert_eq!(of("postgres://a/?ssl=true").mode, Mode::Require);
    let newest = of("host=a ssl_min_protocol_version=TLSv1.3 sslsni=0 sslcertmode=disable");
    assert_eq!((newest.oldest, newest.newest), (3, 3));
    assert!(!newest.sni && !newest.sends_certificate);
}

#[test]
fn without_a_home_directory_the_files_must_be_named() {
    let load = |url: &str| {
        let known = understood(&endpoint(url), &[], None).unwrap();
        crate::postgres::tls::Tls::load(&known.tls)
            .unwrap_err()
            .to_string()
    };
    let root = load("host=a sslmode=verify-ca");
    assert!(
        root.contains("to verify the server with: there is no home directory"),
        "{root}"
    );
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/version-1/server.crt"
    );
    let key = load(&format!("host=a sslmode=require sslcert={file}"));
    assert!(
        key.starts_with(&format!(
            "the certificate {file} has no private key: no sslkey was given"
        )),
        "{key}"
    );
}
