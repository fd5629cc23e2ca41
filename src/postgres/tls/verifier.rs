//! Whether a server is who it should be, by its certificate.
//!
//! Paths, dates and signatures are checked by rustls-webpki. Added here is what servers of Postgres
//! really have and libpq takes: a certificate that signed itself and is the root itself, one of X.509
//! version 1, as the manual's own recipe makes it, and one that has its name as common name alone. Source: PostgreSQL manual, "Client Verification of Server
//! Certificates".

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::certificate::Described;

/// What of a certificate is checked.
pub(super) enum Checks {
    /// That the server holds its key.
    Nothing,
    /// That one of these authorities signed it, and perhaps that it is for the host.
    Chain {
        certificates: Vec<CertificateDer<'static>>,
        /// Where these are from, for messages.
        of: String,
        name: bool,
    },
}

/// The certificate is for other hosts.
#[derive(Debug)]
pub(super) struct OtherName {
    wanted: String,
    names: Vec<String>,
}

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return write!(f, "it is for no host at all, and {} was meant", self.wanted);
        }
        write!(
            f,
            "it is for {}, not for {}",
            self.names.join(", "),
            self.wanted
        )
    }
}

impl std::error::Error for OtherName {}

#[derive(Debug)]
struct Trusted {
    certificates: Vec<CertificateDer<'static>>,
    store: RootCertStore,
    of: String,
}

#[derive(Debug)]
pub(super) struct Verifier {
    trusted: Option<Trusted>,
    name: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(checks: Checks, algorithms: WebPkiSupportedAlgorithms) -> Self {
        let (trusted, name) = match checks {
            Checks::Nothing => (None, false),
            Checks::Chain {
                certificates,
                of,
                name,
            } => {
                let mut store = RootCertStore::empty();
                // what cannot sign is no authority; it may still be the server's certificate itself
                store.add_parsable_certificates(certificates.iter().cloned());
                let trusted = Trusted {
                    certificates,
                    store,
                    of,
                };
                (Some(trusted), name)
            }
        };
        Self {
            trusted,
            name,
            algorithms,
        }
    }

    /// Whether the host's name is compared.
    pub(super) fn checks_name(&self) -> bool {
        self.name
    }

    fn verify_chain(
        &self,
        trusted: &Trusted,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let described = Described::of(certificate);
        if trusted.certificates.contains(certificate) {
            return described.map_or(Ok(()), |described| described.require_in_date(now));
        }
        if let Some(described) = described.as_ref().filter(|d| d.is_of_version_1()) {
            // webpki does not read these; it may only be the last of a chain, so the chain is short
            let authorities = trusted.certificates.iter().filter_map(Described::of);
            let known = (authorities.into_iter())
                .any(|authority| described.is_signed_by(&authority, self.algorithms.all));
            if !known {
                return Err(CertificateError::UnknownIssuer.into());
            }
            return described.require_in_date(now);
        }
        let outcome = verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &trusted.store,
            intermediates,
            now,
            self.algorithms.all,
        );
        outcome.map_err(|wrong| {
            tracing::debug!("the server's certificate was compared with {}", trusted.of);
            // one that signed itself says that it is an authority, which webpki takes amiss first
            if described.is_some_and(|described| described.names_itself_as_issuer()) {
                CertificateError::UnknownIssuer.into()
            } else {
                wrong
            }
        })
    }
}

fn verify_name(
    certificate: &CertificateDer<'_>,
    server: &ServerName<'_>,
) -> Result<(), rustls::Error> {
    let described = Described::of(certificate);
    if let Some(described) = &described
        && !described.has_alternative_names()
        && described.common_name_is(server)
    {
        return Ok(());
    }
    let wrong = match ParsedCertificate::try_from(certificate) {
        Ok(parsed) => match verify_server_name(&parsed, server) {
            Ok(()) => return Ok(()),
            Err(wrong) => wrong,
        },
        Err(wrong) => wrong,
    };
    let Some(described) = described else {
        return Err(wrong);
    };
    let other = OtherName {
        wanted: server.to_str().into_owned(),
        names: described.names(),
    };
    Err(CertificateError::Other(OtherError(Arc::new(other))).into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trusted) = &self.trusted {
            self.verify_chain(trusted, end_entity, intermediates, now)?;
        }
        if self.name {
            verify_name(end_entity, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // a certificate of X.509 version 1, which webpki does not read, has a key like any other
        match Described::of(cert).and_then(|described| described.public_key()) {
            Some(key) => verify_tls13_signature_with_raw_key(
                message,
                &SubjectPublicKeyInfoDer::from(key),
                dss,
                &self.algorithms,
            ),
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
