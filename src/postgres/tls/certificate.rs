//! What a certificate says of itself: names, dates, key, and how it was signed.
//!
//! It describes and never decides whether to trust.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use sha2::Digest as _;
use x509_cert::certificate::{Certificate, Version};
use x509_cert::der::asn1::{
    AnyRef, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef,
};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, SubjectAltName};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// id-at-commonName (RFC 5280, appendix A.1).
const COMMON_NAME: &str = "2.5.4.3";

/// A certificate that could be read.
pub(super) struct Described {
    certificate: Certificate,
    alternative: Vec<String>,
}

impl Described {
    /// Reads it; none where its form is unusual, which is for others to judge.
    pub(super) fn of(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let names = certificate.tbs_certificate().get_extension();
        let names: Option<(bool, SubjectAltName)> = names.ok()?;
        let alternative = names.map_or_else(Vec::new, |(_, names)| {
            names.0.iter().filter_map(host_of).collect()
        });
        Some(Self {
            certificate,
            alternative,
        })
    }

    /// Whether it has names of hosts where they belong; its common name counts only without.
    pub(super) fn has_alternative_names(&self) -> bool {
        !self.alternative.is_empty()
    }

    /// The hosts that it is for, as it says.
    pub(super) fn names(&self) -> Vec<String> {
        if self.alternative.is_empty() {
            return self.common_name().into_iter().collect();
        }
        self.alternative.clone()
    }

    /// Whether its common name is this server's. A `*` stands for the first label alone.
    pub(super) fn common_name_is(&self, server: &ServerName<'_>) -> bool {
        self.common_name()
            .is_some_and(|name| matches(&name, &server.to_str()))
    }

    fn common_name(&self) -> Option<String> {
        let subject = self.certificate.tbs_certificate().subject();
        let value = subject
            .iter()
            .filter(|attribute| attribute.oid.to_string() == COMMON_NAME)
            .last()
            .map(|attribute| &attribute.value)?;
        let texts = [
            value
                .decode_as::<Utf8StringRef<'_>>()
                .ok()
                .map(|s| s.to_string()),
            value
                .decode_as::<PrintableStringRef<'_>>()
                .ok()
                .map(|s| s.to_string()),
            value
                .decode_as::<Ia5StringRef<'_>>()
                .ok()
                .map(|s| s.to_string()),
            value
                .decode_as::<TeletexStringRef<'_>>()
                .ok()
                .map(|s| s.to_string()),
        ];
        // a name with a zero byte is an old trick
        texts
            .into_iter()
            .flatten()
            .find(|text| !text.contains('\0'))
    }

    /// Its public key, as DER.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        let key = self.certificate.tbs_certificate().subject_public_key_info();
        key.to_der().ok()
    }

    /// Whether it is of X.509 version 1, which has no extensions: it can say of itself neither that
    /// it may sign others nor that it may not.
    pub(super) fn is_of_version_1(&self) -> bool {
        self.certificate.tbs_certificate().version() == Version::V1
    }

    /// Whether it claims to have signed itself.
    pub(super) fn names_itself_as_issuer(&self) -> bool {
        let certificate = self.certificate.tbs_certificate();
        certificate.issuer() == certificate.subject()
    }

    fn may_sign(&self) -> bool {
        let constraints = self.certificate.tbs_certificate().get_extension();
        let constraints: Option<(bool, BasicConstraints)> = constraints.ok().flatten();
        constraints.map_or(self.is_of_version_1(), |(_, constraints)| constraints.ca)
    }

    /// Whether `issuer` is an authority and has signed it, by one of these algorithms.
    pub(super) fn is_signed_by(
        &self,
        issuer: &Self,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let signed = self.certificate.tbs_certificate();
        let by = issuer.certificate.tbs_certificate();
        let key = by.subject_public_key_info();
        let (Ok(message), Some(signature), Some(public_key)) = (
            signed.to_der(),
            self.certificate.signature().as_bytes(),
            key.subject_public_key.as_bytes(),
        ) else {
            return false;
        };
        let (of_signature, of_key) = (
            contents(self.certificate.signature_algorithm()),
            contents(&key.algorithm),
        );
        signed.issuer() == by.subject()
            && issuer.may_sign()
            && algorithms.iter().any(|algorithm| {
                of_signature.as_deref() == Some(algorithm.signature_alg_id().as_ref())
                    && of_key.as_deref() == Some(algorithm.public_key_alg_id().as_ref())
                    && algorithm
                        .verify_signature(public_key, &message, signature)
                        .is_ok()
            })
    }

    /// That it holds now.
    pub(super) fn require_in_date(&self, now: UnixTime) -> Result<(), rustls::Error> {
        let validity = self.certificate.tbs_certificate().validity();
        let seconds = now.as_secs();
        if seconds < validity.not_before.to_unix_duration().as_secs() {
            return Err(CertificateError::NotValidYet.into());
        }
        if seconds > validity.not_after.to_unix_duration().as_secs() {
            return Err(CertificateError::Expired.into());
        }
        Ok(())
    }
}

/// An algorithm's identifier as rustls has it: what is inside the SEQUENCE.
fn contents(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

fn host_of(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => match bytes.as_bytes() {
            v4 if v4.len() == 4 => {
                let octets: [u8; 4] = v4.try_into().ok()?;
                Some(std::net::Ipv4Addr::from(octets).to_string())
            }
            v6 => {
                let octets: [u8; 16] = v6.try_into().ok()?;
                Some(std::net::Ipv6Addr::from(octets).to_string())
            }
        },
        _ => None,
    }
}

fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(rest) = pattern.strip_prefix("*.") else {
        return false;
    };
    host.split_once('.')
        .is_some_and(|(first, domain)| !first.is_empty() && domain.eq_ignore_ascii_case(rest))
        && host.parse::<std::net::IpAddr>().is_err()
}

/// The channel binding data "tls-server-end-point" of a certificate: its hash, by the function
/// that it was signed with, SHA-256 instead of MD5 and SHA-1 (RFC 5929, section 4.1). None where
/// that is not defined.
pub(super) fn end_point(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(der).ok()?;
    let algorithm = certificate.signature_algorithm().oid.to_string();
    // RSA: RFC 8017, appendix C; ECDSA: RFC 5758, section 3.2
    match algorithm.as_str() {
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(sha2::Sha256::digest(der).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(sha2::Sha384::digest(der).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(sha2::Sha512::digest(der).to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_in_a_common_name_is_one_label() {
        for (pattern, host, fits) in [
            ("db1", "DB1", true),
            ("db1", "db2", false),
            ("*.example.org", "db1.example.org", true),
            ("*.example.org", "a.db1.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("*", "db1", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} {host}");
        }
    }
}
