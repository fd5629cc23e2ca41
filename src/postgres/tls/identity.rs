//! Our own certificate and its private key, for servers that ask who we are.
//!
//! A key that others may read is refused, as libpq refuses it. Nothing of a key is ever printed.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsSettings, read_certificates};
use crate::error::{Error, Kind, Result};

/// A certificate with what signed it, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) key_file: PathBuf,
}

/// Reads certificate and key where there is a certificate.
pub(super) fn load(settings: &TlsSettings) -> Result<Option<Identity>> {
    if !settings.sends_certificate {
        return Ok(None);
    }
    let certificate = match (&settings.certificate, &settings.default_certificate) {
        (Some(given), _) => given,
        (None, Some(usual)) if usual.is_file() => usual,
        _ => return Ok(None),
    };
    let chain = read_certificates(certificate)?;
    let Some(key_file) = settings.key.as_ref().or(settings.default_key.as_ref()) else {
        return Err(no_key(certificate, "no sslkey was given"));
    };
    if settings.key.is_none() && !key_file.exists() {
        let why = format!("{} is not there", key_file.display());
        return Err(no_key(certificate, &why));
    }
    require_private(key_file)?;
    let text =
        std::fs::read(key_file).map_err(|e| Error::file("read the private key", key_file, e))?;
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|_| unreadable(key_file, &text))?;
    Ok(Some(Identity {
        chain,
        key,
        key_file: key_file.clone(),
    }))
}

fn no_key(certificate: &Path, why: &str) -> Error {
    Error::new(
        Kind::NotFound,
        format!(
            "the certificate {} has no private key: {why}",
            certificate.display()
        ),
    )
    .remedy("name the key's file in sslkey, or sslcertmode=disable where the server wants no certificate")
}

fn unreadable(file: &Path, text: &[u8]) -> Error {
    let encrypted = String::from_utf8_lossy(text).contains("ENCRYPTED");
    let (what, remedy) = if encrypted {
        (
            "is encrypted with a passphrase, which is not supported",
            "decrypt it into a file of its own: openssl pkey -in client.key -out plain.key",
        )
    } else {
        (
            "holds no private key in PEM format",
            "give a file with -----BEGIN PRIVATE KEY----- in it",
        )
    };
    Error::new(Kind::Config, format!("{} {what}", file.display())).remedy(remedy)
}

/// As libpq: a key of ours is ours alone, one of root's may be read by its group.
fn require_private(file: &Path) -> Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let metadata =
        std::fs::metadata(file).map_err(|e| Error::file("read the private key", file, e))?;
    if !metadata.is_file() {
        return Err(Error::new(
            Kind::Config,
            format!("the private key {} is not a file", file.display()),
        ));
    }
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.permissions().mode() & forbidden == 0 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Permission,
        format!(
            "the private key {} can be read or written by others",
            file.display()
        ),
    )
    .remedy(format!(
        "chmod 0600 {} (0640 is enough where root owns it)",
        file.display()
    )))
}
