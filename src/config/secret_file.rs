//! References to secrets and to PEM files, looked into once when the configuration is read.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use secrecy::SecretString;

use crate::{
    config::{
        environment::Environment,
        fault::quoted,
        node::Value,
        scalar,
        section::{Cursor, Section},
    },
    identity::authorities::Authorities,
    secret::SecretSource,
};

/// Reads `{file: PATH}` or `{env: NAME}`. No message quotes what stands in their place.
pub(crate) fn secret(cursor: &Cursor<'_>, environment: &Environment) -> Option<SecretSource> {
    let sound = match cursor.value() {
        Value::Map(entries) => entries
            .iter()
            .all(|(key, _)| matches!(&**key, "file" | "env")),
        Value::Nothing | Value::Scalar(_) | Value::List(_) => false,
    };
    if !sound {
        cursor.fault(format!(
            "a secret is never written here (not shown); accepted: {REFERENCE}"
        ));
        return None;
    }
    cursor.section(|section| {
        let file = section.take("file");
        let variable = section.take("env");
        match (file, variable) {
            (Some(file), None) => secret_file(&file).map(SecretSource::File),
            (None, Some(variable)) => from_environment(&variable, environment),
            (Some(file), Some(variable)) => {
                let later = [&variable, &file]
                    .into_iter()
                    .max_by_key(|cursor| cursor.place());
                let problem = format!("found both file and env; accepted: {REFERENCE}");
                later.unwrap_or(&file).fault(problem);
                None
            }
            (None, None) => {
                section.fault_here(format!("found neither; accepted: {REFERENCE}"));
                None
            }
        }
    })
}

/// Reads the certificate and the key of a TLS listener and tries whether they fit.
pub(crate) fn key_pair(section: &Section<'_>) -> Option<(PathBuf, PathBuf)> {
    let certificate = section.need("certificate_file");
    let key = section.need("private_key_file");
    let chain = certificate.and_then(|cursor| certificates(&cursor));
    let key = key.and_then(|cursor| private_key(&cursor));
    let ((certificate_file, chain), (key_file, key)) = (chain?, key?);
    if let Err(error) = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        let problem = format!("certificate and key do not go together: {error}");
        section.conflict("private_key_file", "certificate_file", problem);
        return None;
    }
    Some((certificate_file, key_file))
}

/// Reads the path of a file of certificates; it must hold one at least.
pub(crate) fn certificates(cursor: &Cursor<'_>) -> Option<(PathBuf, Vec<CertificateDer<'static>>)> {
    let path = cursor.read(scalar::path)?;
    let pem = contents(cursor, &path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Some((path, certificates)),
        Ok(_) | Err(_) => {
            cursor.fault(format!(
                "{} holds no certificate; accepted: PEM",
                shown(&path)
            ));
            None
        }
    }
}

/// Reads the path of a file of callers' certificate authorities.
pub(crate) fn authorities(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let (path, certificates) = certificates(cursor)?;
    if let Err(bad) = Authorities::new(&certificates) {
        cursor.fault(format!(
            "{}: {bad}; accepted: certificates of authorities (basicConstraints with cA) in PEM",
            shown(&path)
        ));
        return None;
    }
    Some(path)
}

/// The PEM reader's own error quotes the file, so it is not told.
fn private_key(cursor: &Cursor<'_>) -> Option<(PathBuf, PrivateKeyDer<'static>)> {
    let path = secret_file(cursor)?;
    let pem = contents(cursor, &path)?;
    let Ok(key) = PrivateKeyDer::from_pem_slice(&pem) else {
        cursor.fault(format!(
            "{} holds no private key; accepted: PEM",
            shown(&path)
        ));
        return None;
    };
    Some((path, key))
}

/// Reads the path of a file that holds a secret, and looks whether it is kept as one.
pub(crate) fn secret_file(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let path = cursor.read(scalar::path)?;
    secret_file_at(cursor, path)
}

/// Looks whether a file holds a secret and is kept as one; faults are told at the cursor.
pub(crate) fn secret_file_at(cursor: &Cursor<'_>, path: PathBuf) -> Option<PathBuf> {
    let text = contents(cursor, &path)?;
    if text.trim_ascii().is_empty() {
        cursor.fault(format!(
            "{} is empty; accepted: a file that holds the secret",
            shown(&path)
        ));
        return None;
    }
    if std::str::from_utf8(&text).is_err() {
        cursor.fault(format!("{} is not UTF-8; accepted: text", shown(&path)));
        return None;
    }
    closed(cursor, path)
}

/// Looks whether a file is closed to others, without reading it.
pub(crate) fn closed(cursor: &Cursor<'_>, path: PathBuf) -> Option<PathBuf> {
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    if mode & READABLE_BY_OTHERS != 0 && !is_projected(&path) {
        let mode = mode & PERMISSIONS;
        let path = shown(&path);
        cursor.fault(format!(
            "{path} can be read by everyone (mode {mode:04o}); accepted: {CLOSED}"
        ));
        return None;
    }
    Some(path)
}

/// Kubernetes projects secrets as symlinks through `..data`, and keeps them in a volume of the pod's
/// own: <https://kubernetes.io/docs/concepts/storage/projected-volumes/>.
fn is_projected(path: &Path) -> bool {
    path.parent()
        .and_then(|directory| fs::symlink_metadata(directory.join("..data")).ok())
        .is_some_and(|data| data.is_symlink())
}

fn from_environment(cursor: &Cursor<'_>, environment: &Environment) -> Option<SecretSource> {
    let Value::Scalar(name) = cursor.value() else {
        cursor.fault(format!("not a name (not shown); accepted: {VARIABLE}"));
        return None;
    };
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        cursor.fault(format!("not a name (not shown); accepted: {VARIABLE}"));
        return None;
    }
    let value = environment
        .get(name)
        .filter(|value| !value.trim().is_empty());
    if value.is_none() {
        cursor.refuse(&format!("{}, which is not set", quoted(name)), VARIABLE);
    }
    value.map(|value| SecretSource::Value(SecretString::from(value)))
}

/// Reads a whole file, or tells why it cannot be read.
pub(crate) fn contents(cursor: &Cursor<'_>, path: &Path) -> Option<Vec<u8>> {
    cursor
        .read_file(path)
        .map_err(|error| cursor.fault(format!("reading {}: {error}", shown(path))))
        .ok()
}

/// A path as messages show it.
pub(crate) fn shown(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// What stands in the place of a secret.
const REFERENCE: &str = "{file: PATH} or {env: NAME}";

/// What `env` takes.
const VARIABLE: &str = "the name of an environment variable that is set, in capitals";

/// How a secret file is kept.
const CLOSED: &str = "a file closed to others, such as mode 0640, or a projected volume";

/// The bit of a file's mode that lets everyone read.
const READABLE_BY_OTHERS: u32 = 0o004;

/// The bits of a file's mode that are permissions.
const PERMISSIONS: u32 = 0o7777;
