//! What a caller's certificate says of its owner.
//!
//! A certificate names a caller by its first URI, else by its first DNS name, else by the common name of
//! its subject. What decides is never skipped: a certificate whose first URI is no name is nobody's,
//! whatever else stands in it. A certificate with a SPIFFE ID has no other URI, as
//! <https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md> demands.

use std::{sync::Arc, time::SystemTime};

use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, objects::oid_registry,
    prelude::FromDer as _,
};

use crate::{
    identity::{
        authorities::Bundle,
        caller::{self, Auth, Caller},
        kubernetes, spiffe,
    },
    validity,
};

/// A certificate that a TLS handshake has verified, as far as it names a caller. Clones are cheap.
#[derive(Clone, Debug)]
pub struct ClientCertificate(Option<Arc<Named>>);

/// A certificate that names a caller.
#[derive(Debug)]
struct Named {
    principal: Arc<str>,
    issuer: Option<Arc<str>>,
    not_after: SystemTime,
    vouched_by: Bundle,
}

/// Whether a subject's common name can name a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity) enum CommonName {
    /// Where nothing else does.
    Names,
    /// It cannot.
    NamesNobody,
}

impl CommonName {
    /// It names a caller where both say so.
    pub(in crate::identity) fn and(self, other: Self) -> Self {
        match self {
            Self::Names => other,
            Self::NamesNobody => self,
        }
    }
}

impl ClientCertificate {
    pub(in crate::identity) fn read(leaf: &[u8], common_name: CommonName, bundle: Bundle) -> Self {
        Self(named(leaf, common_name, bundle).map(Arc::new))
    }

    /// The caller that the certificate names, unless it has expired, or other authorities vouch for
    /// callers by now: a connection may outlive both.
    pub(in crate::identity) fn caller(
        &self,
        now: SystemTime,
        bundle: Option<Bundle>,
    ) -> Option<Caller> {
        let named = self.0.as_ref().filter(|named| now <= named.not_after)?;
        if bundle.is_some_and(|bundle| bundle != named.vouched_by) {
            return None;
        }
        Some(Caller::new(
            &named.principal,
            named.issuer.clone(),
            Auth::Mtls,
        ))
    }
}

fn named(leaf: &[u8], common_name: CommonName, vouched_by: Bundle) -> Option<Named> {
    let (_, certificate) = X509Certificate::from_der(leaf).ok()?;
    let principal = principal(&certificate, common_name)?;
    Some(Named {
        principal: principal.into(),
        issuer: issuer(&certificate),
        not_after: *validity::period(&certificate)?.end(),
        vouched_by,
    })
}

fn principal<'a>(certificate: &'a X509Certificate<'_>, common_name: CommonName) -> Option<&'a str> {
    if certificate
        .basic_constraints()
        .ok()?
        .is_some_and(|basic| basic.value.ca)
    {
        return None;
    }
    let alternatives = certificate.subject_alternative_name().ok()?;
    let names = alternatives.map_or(&[][..], |names| names.value.general_names.as_slice());
    // What cannot be read might have been the name that decides.
    if names
        .iter()
        .any(|name| matches!(name, GeneralName::Invalid(..)))
    {
        return None;
    }
    let uris: Vec<_> = names.iter().filter_map(uri).collect();
    let name = match uris.as_slice() {
        [] => names.iter().find_map(dns).map_or_else(
            || subject(certificate, common_name),
            |host| is_host(host).then_some(host),
        ),
        [uri] if spiffe::claims_to_be(uri) => {
            (spiffe::trust_domain(uri).is_some() && signs_for_itself(certificate)).then_some(*uri)
        }
        [_, ..] if uris.iter().copied().any(spiffe::claims_to_be) => None,
        [first, ..] => is_uri(first).then_some(*first),
    };
    // The cluster names service accounts, by tokens of its own.
    name.filter(|name| caller::is_principal(name) && !kubernetes::claims_to_be(name))
}

fn uri<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    }
}

fn dns<'a>(name: &GeneralName<'a>) -> Option<&'a str> {
    match name {
        GeneralName::DNSName(host) => Some(host),
        _ => None,
    }
}

/// The subject's only common name, unless it passes for a URI or a SPIFFE ID.
fn subject<'a>(certificate: &'a X509Certificate<'_>, common_name: CommonName) -> Option<&'a str> {
    let mut names = certificate.subject().iter_common_name();
    match (common_name, names.next(), names.next()) {
        (CommonName::Names, Some(only), None) => only
            .as_str()
            .ok()
            .filter(|name| !name.contains("://") && !spiffe::claims_to_be(name)),
        _ => None,
    }
}

/// The authority's own name, for people; nothing where a record could not carry it.
fn issuer(certificate: &X509Certificate<'_>) -> Option<Arc<str>> {
    let name = certificate.issuer().to_string_with_registry(oid_registry());
    let name = name.ok().filter(|name| caller::is_principal(name))?;
    Some(name.into())
}

/// Whether the key may sign for its owner, and for nothing else. Every SPIFFE certificate says so.
fn signs_for_itself(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    usage.is_some_and(|usage| {
        let usage = usage.value;
        usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign()
    })
}

/// Whether a name has the form of RFC 3986 section 3: a scheme, a colon, and more.
fn is_uri(uri: &str) -> bool {
    uri.split_once(':').is_some_and(|(scheme, rest)| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let first = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        first
            && scheme.bytes().all(letter)
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_graphic())
    })
}

/// Whether a DNS name is one host's; a wildcard is nobody's name.
fn is_host(host: &str) -> bool {
    spiffe::is_word(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_scheme_and_more_for_a_uri() {
        for uri in ["urn:example:billing", "x-a+b.1:y", "https://a.test/?b#c"] {
            assert!(is_uri(uri), "{uri}");
        }
        for name in [
            "",
            ":",
            "billing",
            "urn:",
            ":billing",
            "1urn:x",
            "-urn:x",
            "u_n:x",
            "u n:x",
            "urn:a b",
            "urn:\n",
            "urn:\u{fc}",
        ] {
            assert!(!is_uri(name), "{name}");
        }
    }

    #[test]
    fn takes_one_host_for_a_host() {
        for host in ["billing.internal", "a-b_c.1"] {
            assert!(is_host(host), "{host}");
        }
        for name in ["", "*.internal", "a b", "a/b", "a:1", "\u{fc}.test"] {
            assert!(!is_host(name), "{name}");
        }
    }
}
