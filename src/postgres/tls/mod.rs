//! TLS below the protocol: from settings to an encrypted stream over a connected socket.
//!
//! The handshake is ours and not tokio-postgres', so that a COPY can borrow the encrypted stream as
//! it borrows a bare socket. What a mode promises it keeps: nothing here falls back to anything
//! weaker; that `prefer` may do without is decided by who asks. Source of the modes: PostgreSQL
//! manual, "SSL Support" of libpq.

mod certificate;
mod identity;
mod stream;
mod verifier;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};
use tokio::net::TcpStream;

pub(super) use stream::TlsStream;
use verifier::{Checks, Verifier};

use crate::error::{Error, Kind, Result};

/// What the protocol is called in a TLS handshake (IANA registry "TLS ALPN Protocol IDs").
const ALPN: &[u8] = b"postgresql";

/// How far a connection insists on TLS (`sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// Which authorities are trusted (`sslrootcert`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Root {
    /// Those of the system.
    System,
    /// Those of this file.
    File(PathBuf),
    /// Those of this file, if it is there.
    Default(PathBuf),
    /// Nobody said, and there is no home directory to look into.
    Unknown,
}

/// All that a connection was told of TLS.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) mode: Mode,
    pub(super) root: Root,
    pub(super) certificate: Option<PathBuf>,
    pub(super) default_certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) default_key: Option<PathBuf>,
    pub(super) default_revocations: Option<PathBuf>,
    /// Whether a server that asks for a certificate gets one.
    pub(super) sends_certificate: bool,
    /// Whether TLS begins at once, without asking the server first (PostgreSQL 17).
    pub(super) direct: bool,
    /// The oldest version, as the minor one of TLS 1.
    pub(super) oldest: u8,
    /// The newest.
    pub(super) newest: u8,
    /// Whether the server is told which name we connect to.
    pub(super) sni: bool,
}

/// TLS as one connection string wants it, its files read.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    needs_name: bool,
}

impl Tls {
    /// Reads the files that the settings name.
    ///
    /// # Errors
    /// `Kind::NotFound`, `Kind::Permission` and `Kind::Config`, with the file.
    pub(super) fn load(settings: &TlsSettings) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(
            checks(settings)?,
            provider.signature_verification_algorithms,
        );
        let versions: Vec<&'static SupportedProtocolVersion> = [(2, &TLS12), (3, &TLS13)]
            .into_iter()
            .filter(|(minor, _)| (settings.oldest..=settings.newest).contains(minor))
            .map(|(_, version)| version)
            .collect();
        let needs_name = verifier.checks_name();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions)
            .map_err(|e| Error::internal(format!("setting up TLS: {e}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match identity::load(settings)? {
            Some(identity) => {
                let file = identity.key_file;
                builder
                    .with_client_auth_cert(identity.chain, identity.key)
                    .map_err(|e| {
                        Error::new(
                            Kind::Config,
                            format!(
                                "the private key {} cannot be used: {}",
                                file.display(),
                                explain(&e)
                            ),
                        )
                        .remedy(
                            "give sslcert and sslkey that belong together: RSA, ECDSA or Ed25519",
                        )
                    })?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.enable_sni = settings.sni;
        Ok(Self {
            config: Arc::new(config),
            needs_name,
        })
    }

    /// Encrypts a connected socket; `name` is the host as it was given, `address` where that led.
    ///
    /// # Errors
    /// `Kind::Connection`, `Kind::Authentication` for a server that does not prove who it is.
    pub(super) async fn encrypt(
        &self,
        socket: &mut TcpStream,
        name: Option<&str>,
        address: IpAddr,
    ) -> Result<TlsStream> {
        let known = name.map(|name| ServerName::try_from(name.to_owned()));
        let server = match known {
            Some(Ok(server)) => server,
            Some(Err(_)) if self.needs_name => {
                return Err(Error::new(
                    Kind::Config,
                    "no certificate can be for this host name, so sslmode=verify-full cannot be kept",
                )
                .remedy("use the host name that the server's certificate is for"));
            }
            None if self.needs_name => {
                return Err(Error::new(
                    Kind::Config,
                    "sslmode=verify-full needs the host name that the certificate is for, and there is only hostaddr",
                )
                .remedy("give host as well"));
            }
            _ => ServerName::IpAddress(address.into()),
        };
        let connection = ClientConnection::new(Arc::clone(&self.config), server)
            .map_err(|e| Error::internal(format!("setting up TLS: {e}")))?;
        TlsStream::handshake(connection, socket)
            .await
            .map_err(failed)
    }
}

fn checks(settings: &TlsSettings) -> Result<Checks> {
    let verifies = matches!(settings.mode, Mode::VerifyCa | Mode::VerifyFull);
    let (certificates, of) = match &settings.root {
        Root::System => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let why: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
                return Err(Error::new(
                    Kind::NotFound,
                    format!(
                        "the system trusts no certificate authority {}",
                        why.join(", ")
                    ),
                )
                .remedy("install the package ca-certificates, or name a file in sslrootcert"));
            }
            (found.certs, "the system's authorities".to_owned())
        }
        Root::File(file) => (read_certificates(file)?, file.display().to_string()),
        Root::Default(file) if file.is_file() => {
            (read_certificates(file)?, file.display().to_string())
        }
        Root::Default(_) | Root::Unknown if !verifies => return Ok(Checks::Nothing),
        Root::Default(file) => return Err(no_root(&format!("{} is not there", file.display()))),
        Root::Unknown => return Err(no_root("there is no home directory")),
    };
    if let Some(file) = settings.default_revocations.as_ref().filter(|f| f.exists()) {
        return Err(Error::new(
            Kind::Unsupported,
            format!(
                "{} lists certificates that were revoked, which is not supported",
                file.display()
            ),
        )
        .remedy("move it away; certificates that were revoked are not recognised then"));
    }
    Ok(Checks::Chain {
        certificates,
        of,
        // as libpq: authorities that are known are also asked where nobody insists on it
        name: settings.mode == Mode::VerifyFull,
    })
}

fn no_root(why: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!("no root certificate to verify the server with: {why}"),
    )
    .remedy("name the authority's certificate in sslrootcert (or sslrootcert=system), or use sslmode=require, which verifies nothing")
}

/// The certificates of a PEM file; at least one.
fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text =
        std::fs::read(file).map_err(|e| Error::file("read the certificate file", file, e))?;
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::new(
            Kind::Config,
            format!("{} holds no certificate in PEM format", file.display()),
        )
        .remedy("give a file with -----BEGIN CERTIFICATE----- in it")),
    }
}

/// Our error for a handshake that failed.
fn failed(error: std::io::Error) -> Error {
    let Some(cause) = alert_of(&error) else {
        let text = if error.kind() == std::io::ErrorKind::UnexpectedEof {
            "the server closed the connection during the TLS handshake".to_owned()
        } else {
            format!("the TLS handshake broke: {error}")
        };
        return Error::new(Kind::Connection, text).caused_by(error);
    };
    let mut ours = Error::new(
        Kind::Authentication,
        format!("the TLS handshake failed: {}", explain(cause)),
    );
    if let Some(remedy) = remedy(cause) {
        ours = ours.remedy(remedy);
    }
    ours.caused_by(error)
}

/// What TLS itself found wrong, where that is why an operation on the stream failed.
pub(super) fn alert_of(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// What TLS found wrong, in words.
pub(super) fn explain(error: &rustls::Error) -> String {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            C::UnknownIssuer => {
                "no authority that is trusted here has signed the server's certificate".into()
            }
            C::Expired | C::ExpiredContext { .. } => "the server's certificate has expired".into(),
            C::NotValidYet | C::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet".into()
            }
            C::BadSignature => {
                "the server's certificate is not signed by the authority that it names".into()
            }
            C::Other(other) => format!("the server's certificate is not accepted: {}", other.0),
            other => format!("the server's certificate is not accepted: {other}"),
        },
        rustls::Error::AlertReceived(alert) => {
            format!("the server refused with the alert {alert:?}")
        }
        other => other.to_string(),
    }
}

/// What to do about it.
pub(super) fn remedy(error: &rustls::Error) -> Option<&'static str> {
    use rustls::{AlertDescription as A, CertificateError as C};
    match error {
        rustls::Error::InvalidCertificate(
            C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
        ) => Some("renew the server's certificate, or correct the clock of this machine"),
        rustls::Error::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => Some(
            "put the certificate of the authority that signed it into sslrootcert; sslmode=require without one verifies nothing",
        ),
        rustls::Error::InvalidCertificate(C::Other(other))
            if other.0.is::<verifier::OtherName>() =>
        {
            Some(
                "connect by a name that the certificate has (with hostaddr where it does not lead there), or use sslmode=verify-ca, which does not compare names",
            )
        }
        rustls::Error::InvalidCertificate(_) => {
            Some("give the server an X.509 version 3 certificate with its name in subjectAltName")
        }
        rustls::Error::AlertReceived(A::CertificateRequired | A::NoCertificate) => {
            Some("the server wants a client certificate: give sslcert and sslkey")
        }
        rustls::Error::AlertReceived(
            A::UnknownCA
            | A::BadCertificate
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::CertificateRevoked
            | A::UnsupportedCertificate
            | A::AccessDenied
            | A::DecryptError,
        ) => Some(
            "the server does not accept our certificate: give one in sslcert that an authority of its ssl_ca_file has signed",
        ),
        rustls::Error::AlertReceived(A::ProtocolVersion | A::HandshakeFailure) => Some(
            "the server must offer TLS 1.2 or 1.3 (ssl_min_protocol_version and ssl_max_protocol_version on both sides)",
        ),
        rustls::Error::AlertReceived(A::NoApplicationProtocol) => {
            Some("leave sslnegotiation out: the server does not take direct TLS")
        }
        _ => None,
    }
}
