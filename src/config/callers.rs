//! Reads `callers`.

use std::net::SocketAddr;

use crate::{
    config::{
        environment::Environment,
        issuers,
        scalar::{path, truth},
        secret_file,
        section::{Cursor, Section},
    },
    identity::{Settings, token_file::TokenFile},
};

/// Reads how callers are known; `listen` is the public listener's address.
pub(crate) fn callers(
    section: &Section<'_>,
    listen: Option<SocketAddr>,
    environment: &Environment,
) -> Option<Settings> {
    let issuers = match section.take("issuers") {
        Some(cursor) => issuers::issuers(&cursor, environment),
        None => Some(Vec::new()),
    };
    let mtls = section.required("mtls", truth);
    let token_file = section.take("token_file");
    let tokens = token_file.as_ref().map(entries);
    let anonymous = section
        .need("anonymous")
        .and_then(|cursor| anonymous(&cursor, listen));
    let no_way_in =
        tokens.is_none() && issuers.as_ref().is_some_and(Vec::is_empty) && mtls == Some(false);
    if no_way_in && anonymous == Some(false) {
        section.fault_here(format!("nobody could call; accepted: {WAYS_IN}"));
    }
    let token_file = match tokens {
        Some(tokens) => Some(tokens?),
        None => None,
    };
    Some(Settings {
        issuers: issuers?,
        token_file,
        mtls: mtls?,
        anonymous: anonymous?,
    })
}

/// Checks that certificates are asked for where they name callers, and tells where they name nobody.
pub(crate) fn mutual_tls(root: &Section<'_>, mtls: bool) {
    let authorities = root.find("server.tls.client_ca_file");
    match (mtls, authorities) {
        (true, None) => root.conflict(
            "callers.mtls",
            "server.tls.client_ca_file",
            format!("found true; accepted: false, unless {MUTUAL_TLS}"),
        ),
        (false, Some(authorities)) => authorities.notice(
            "callers' certificates are checked and name nobody while callers.mtls is false",
        ),
        (true, Some(_)) | (false, None) => {}
    }
}

fn entries(cursor: &Cursor<'_>) -> Option<TokenFile> {
    let path = cursor.read(path)?;
    let bytes = secret_file::contents(cursor, &path)?;
    let Ok(text) = String::from_utf8(bytes) else {
        cursor.fault("the token file is not UTF-8; accepted: text".to_owned());
        return None;
    };
    let file = TokenFile::parse(&text)
        .map_err(|faults| {
            for fault in faults {
                cursor.fault(format!(
                    "line {} of the file: {}",
                    fault.line, fault.problem
                ));
            }
        })
        .ok()?;
    if file.is_empty() {
        cursor.fault(
            "the token file holds no entry; accepted: lines of name:sha256-of-the-token".to_owned(),
        );
        return None;
    }
    Some(file)
}

/// Whoever can reach the listener is `anonymous`, so it must be out of reach.
fn anonymous(cursor: &Cursor<'_>, listen: Option<SocketAddr>) -> Option<bool> {
    let anonymous = cursor.read(truth)?;
    let reachable = listen.is_some_and(|listen| !listen.ip().to_canonical().is_loopback());
    if anonymous && reachable {
        cursor.refuse("true", "false, unless server.listen is a loopback address");
    }
    Some(anonymous)
}

/// What mutual TLS needs.
const MUTUAL_TLS: &str = "server.tls.client_ca_file names the certificate authorities of callers";

/// The ways in that this version has.
const WAYS_IN: &str = "issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener";
