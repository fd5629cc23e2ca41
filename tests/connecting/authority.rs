//! Certificate authorities of the tests' own, and what they sign.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// An authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// For whom a certificate is.
pub(crate) enum For<'a> {
    /// Hosts, where they belong: in the alternative names.
    Hosts(&'a [&'a str]),
    /// A host, as common name alone.
    CommonName(&'a str),
    /// A role.
    Role(&'a str),
}

fn named(common_name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    pub(crate) fn certificate(&self) -> String {
        self.0.as_ref().pem()
    }

    pub(crate) fn sign(&self, whom: &For<'_>) -> Signed {
        self.sign_until(whom, 2090)
    }

    /// Signs until the beginning of this year.
    pub(crate) fn sign_until(&self, whom: &For<'_>, year: i32) -> Signed {
        let (mut params, usage) = match whom {
            For::Hosts(hosts) => (named("nobody", hosts), ExtendedKeyUsagePurpose::ServerAuth),
            For::CommonName(host) => (named(host, &[]), ExtendedKeyUsagePurpose::ServerAuth),
            For::Role(role) => (named(role, &[]), ExtendedKeyUsagePurpose::ClientAuth),
        };
        params.extended_key_usages.push(usage);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("it is signed");
        Signed {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that signed itself, as a server makes one for itself.
pub(crate) fn self_signed(common_name: &str) -> Signed {
    let mut params = named(common_name, &[]);
    // what `openssl req -x509` makes says so of itself
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("it signs itself");
    Signed {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

/// Writes a file with these permissions; its path.
pub(crate) fn write(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its owner is us");
    path
}
