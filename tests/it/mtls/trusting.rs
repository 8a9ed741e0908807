//! Which certificates are trusted: a handshake ends over any other.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, NameConstraints, date_time_ymd,
};
use rustls::{
    AlertDescription, HandshakeKind,
    version::{TLS12, TLS13},
};
use serde_json::Value;

use super::SPIFFE;
use crate::harness::{
    authority::{Authority, dns, self_signed, uri},
    mutual::{Mutual, client, converse},
};

#[tokio::test]
async fn shakes_no_hands_over_a_certificate_that_is_not_to_be_trusted() {
    let site = Mutual::new().await;
    let stranger = Authority::named("strangers");
    let impostor = Authority::named("callers");
    let no_authority = site
        .authority
        .below(|params| params.is_ca = IsCa::ExplicitNoCa);
    let name = |params: &mut CertificateParams| params.subject_alt_names = vec![uri(SPIFFE)];
    let issued = |change: fn(&mut CertificateParams)| {
        site.authority.issue(|params| {
            name(params);
            change(params);
        })
    };

    let cases = [
        (
            issued(|params| params.not_after = date_time_ymd(2001, 1, 1)),
            AlertDescription::CertificateExpired,
        ),
        (
            issued(|params| params.not_before = date_time_ymd(4000, 1, 1)),
            AlertDescription::CertificateExpired,
        ),
        (stranger.issue(name), AlertDescription::UnknownCA),
        (impostor.issue(name), AlertDescription::DecryptError),
        (
            no_authority.issue(name),
            AlertDescription::CertificateUnknown,
        ),
        (self_signed(name), AlertDescription::UnknownCA),
        (
            issued(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            AlertDescription::UnsupportedCertificate,
        ),
        (
            issued(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            AlertDescription::CertificateUnknown,
        ),
    ];

    for (number, (owned, alert)) in cases.into_iter().enumerate() {
        for version in [&TLS12, &TLS13] {
            assert_eq!(site.refusal(&owned, version).await, alert, "case {number}");
        }
    }
    assert_eq!(site.outcomes(), [Value::Null; 0]);
    assert!(site.served.sandbox.seen().is_empty());
}

#[tokio::test]
async fn shakes_no_hands_over_a_name_that_its_authority_may_not_give() {
    let site = Mutual::new().await;
    let dns_only = |name: &str| permitted(vec![GeneralSubtree::DnsName(name.to_owned())]);
    let constrained = |constraints: NameConstraints| {
        site.authority
            .below(|params| params.name_constraints = Some(constraints))
    };
    let over_uris = |subtrees: u8| {
        site.authority.below(|params| {
            let der = uri_constraints(subtrees, ".test");
            let mut extension = CustomExtension::from_oid_content(NAME_CONSTRAINTS, der);
            extension.set_criticality(true);
            params.custom_extensions = vec![extension];
        })
    };
    let excluded = NameConstraints {
        permitted_subtrees: vec![],
        excluded_subtrees: vec![GeneralSubtree::DnsName("inside.test".to_owned())],
    };

    for (authority, name) in [
        (constrained(dns_only("inside.test")), dns("outside.test")),
        (constrained(dns_only("inside.test")), dns("xinside.test")),
        (
            constrained(dns_only("one.inside.test")),
            dns("*.inside.test"),
        ),
        (constrained(excluded), dns("two.inside.test")),
        (over_uris(PERMITTED), uri("spiffe://example.org/billing")),
        (over_uris(PERMITTED), uri(SPIFFE)),
        (over_uris(EXCLUDED), uri(SPIFFE)),
    ] {
        let owned = authority.issue(|params| params.subject_alt_names = vec![name.clone()]);

        let alert = site.refusal(&owned, &TLS13).await;

        assert_eq!(alert, AlertDescription::CertificateUnknown, "{name:?}");
    }
    let inside = constrained(dns_only("inside.test"))
        .issue(|params| params.subject_alt_names = vec![dns("one.inside.test")]);
    assert_eq!(site.call(Some(&inside), "").await.status, 200);
    assert_eq!(site.only_outcome()["principal"], "one.inside.test");
    assert_eq!(site.only_outcome()["issuer"], "CN=team");
    let host = over_uris(EXCLUDED).issue(|params| params.subject_alt_names = vec![dns("one.test")]);
    assert_ne!(site.call(Some(&host), "").await.status, 401);
}

#[tokio::test]
async fn verifies_a_certificate_anew_on_each_connection() {
    let site = Mutual::new().await;
    let owned = site
        .authority
        .issue(|params| params.subject_alt_names = vec![uri(SPIFFE)]);

    for version in [&TLS12, &TLS13] {
        let config = Arc::new(client(&site.authority, Some(&owned), &[version]));
        for _ in 0..2 {
            let mut stream = site.connect(Arc::clone(&config)).await.unwrap();
            let answer = converse(&mut stream, "").await;

            assert_ne!(answer.status, 401);
            let (_, session) = stream.get_ref();
            assert_ne!(session.handshake_kind(), Some(HandshakeKind::Resumed));
        }
    }
}

fn permitted(permitted_subtrees: Vec<GeneralSubtree>) -> NameConstraints {
    NameConstraints {
        permitted_subtrees,
        excluded_subtrees: vec![],
    }
}

/// The DER of name constraints over URIs, from RFC 5280 section 4.2.1.10.
fn uri_constraints(subtrees: u8, host: &str) -> Vec<u8> {
    let wrap = |tag: u8, content: Vec<u8>| {
        let mut der = vec![tag, u8::try_from(content.len()).unwrap()];
        der.extend(content);
        der
    };
    let base = wrap(0x86, host.as_bytes().to_vec());
    wrap(0x30, wrap(subtrees, wrap(0x30, base)))
}

const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

/// Tags of the two lists of subtrees.
const PERMITTED: u8 = 0xa0;
const EXCLUDED: u8 = 0xa1;
