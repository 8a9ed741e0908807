//! What a certificate calls its owner.

use rcgen::{CertificateParams, GeneralSubtree, KeyUsagePurpose, NameConstraints, SanType};

use super::SPIFFE;
use crate::harness::{
    authority::{common_name, dns, uri},
    mutual::Mutual,
};

#[tokio::test]
async fn knows_a_caller_by_the_name_in_its_certificate() {
    for (names, subject, principal) in [
        (vec![uri(SPIFFE)], "", SPIFFE),
        (vec![dns("other.internal"), uri(SPIFFE)], "other", SPIFFE),
        (vec![uri("urn:example:billing")], "", "urn:example:billing"),
        (vec![uri("urn:one"), uri("urn:two")], "", "urn:one"),
        (vec![dns("billing.internal")], "other", "billing.internal"),
        (vec![dns("one.test"), dns("two.test")], "", "one.test"),
        (vec![], "Billing, nightly", "Billing, nightly"),
        (vec![email()], "billing", "billing"),
    ] {
        let site = Mutual::new().await;
        let owned = site.authority.issue(|params| {
            params.subject_alt_names = names;
            if !subject.is_empty() {
                params.distinguished_name = common_name(subject);
            }
        });

        let answer = site.call(Some(&owned), "").await;

        assert_eq!(answer.status, 200, "{principal}: {}", answer.body);
        let record = site.only_outcome();
        assert_eq!(record["principal"], principal);
        assert_eq!(record["auth"], "mtls");
        assert_eq!(record["issuer"], "CN=callers");
        assert_eq!(record["forwarded"], "yes");
        assert_eq!(site.served.sandbox.seen().len(), 1);
    }
}

#[tokio::test]
async fn does_not_know_a_caller_whose_certificate_names_nobody() {
    let site = Mutual::new().await;
    let constrained = site.authority.below(|params| {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("inside.test".to_owned())],
            excluded_subtrees: vec![],
        });
    });
    let named = |name: &str| {
        site.authority
            .issue(|params| params.subject_alt_names = vec![uri(name)])
    };
    let commonly = |name: &str| {
        site.authority
            .issue(|params| params.distinguished_name = common_name(name))
    };
    let spiffe = |change: fn(&mut CertificateParams)| {
        site.authority.issue(|params| {
            params.subject_alt_names = vec![uri(SPIFFE)];
            change(params);
        })
    };
    let cases = [
        spiffe(|params| params.subject_alt_names.push(uri("urn:example:billing"))),
        spiffe(|params| params.subject_alt_names.push(uri(SPIFFE))),
        spiffe(|params| {
            params
                .subject_alt_names
                .insert(0, uri("urn:example:billing"));
        }),
        spiffe(|params| params.key_usages.push(KeyUsagePurpose::KeyCertSign)),
        spiffe(|params| params.key_usages.push(KeyUsagePurpose::CrlSign)),
        spiffe(|params| params.key_usages.clear()),
        named("spiffe://example.test"),
        named("spiffe://example.test/"),
        named("spiffe://example.test/billing?x=1"),
        named("spiffe://example.test/billing#x"),
        named("spiffe://example.test:8443/billing"),
        named("spiffe://user@example.test/billing"),
        named("SPIFFE://example.test/billing"),
        named("spiffe://Example.test/billing"),
        named("spiffe://example.test/../billing"),
        named(&format!("urn:{}", "x".repeat(253))),
        named("urn:\nbilling"),
        site.authority.issue(|_| {}),
        site.authority
            .issue(|params| params.subject_alt_names = vec![dns("*.internal")]),
        commonly(SPIFFE),
        constrained.issue(|params| params.distinguished_name = common_name("billing")),
        named(SERVICE_ACCOUNT),
        commonly(SERVICE_ACCOUNT),
        commonly("system:serviceaccount:"),
        commonly("spiffe:billing"),
        commonly("SPIFFE:/example.test/billing"),
    ];

    for (number, owned) in cases.iter().enumerate() {
        let answer = site.call(Some(owned), "").await;

        answer.is_unauthenticated(r#"bearer error="invalid_token""#);
        assert_eq!(site.outcomes().len(), number + 1, "case {number}");
    }
    site.knows_nobody();
}

fn email() -> SanType {
    SanType::Rfc822Name("billing@example.test".try_into().unwrap())
}

/// A name that only tokens of the cluster can bring.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:billing:transfers";
