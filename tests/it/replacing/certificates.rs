//! Certificates replaced while the gateway runs: its own, and those of its callers' authorities.

use std::{fs, path::Path};

use partner_gateway::app::reload::ReplaceError;

use crate::harness::{
    authority::{Authority, uri},
    config,
    mutual::{Mutual, client, converse, everybody},
    served, tempdir,
};

#[tokio::test]
async fn forgets_who_was_vouched_for_by_authorities_that_are_gone() {
    let site = Mutual::with(|config| config.identity.mtls = false).await;
    let named = |params: &mut rcgen::CertificateParams| {
        params.subject_alt_names = vec![uri("spiffe://example.test/billing")];
    };
    let old = site.authority.issue(named);
    let mut open = site
        .connect(client(
            &site.authority,
            Some(&old),
            &[&rustls::version::TLS13],
        ))
        .await
        .unwrap();
    let (others, files) = (Authority::named("others"), tempdir());
    let by = |authority: &Authority| {
        let mut config = config(&site.served.dir);
        everybody(&mut config);
        config.server.tls = Some(authority.files(files.path()));
        config
    };

    site.served.replaceable.replace(by(&others)).unwrap();

    let reply = converse(&mut open, "").await;
    reply.is_unauthenticated(r#"bearer error="invalid_token""#);
    site.knows_nobody();
}

#[tokio::test]
async fn shakes_hands_by_the_new_certificates() {
    let site = Mutual::new().await;
    let name = "spiffe://example.test/billing";
    let named = |params: &mut rcgen::CertificateParams| params.subject_alt_names = vec![uri(name)];
    let old = site.authority.issue(named);
    assert_eq!(site.call(Some(&old), "").await.status, 200);

    let (authority, files) = (Authority::named("others"), tempdir());
    let tls = |authority: &Authority, dir: &Path| {
        let mut config = config(&site.served.dir);
        everybody(&mut config);
        config.server.tls = Some(authority.files(dir));
        config
    };
    let sound = tls(&authority, files.path());
    fs::write(files.path().join("broken"), "").unwrap();
    let mut broken = tls(&authority, files.path());
    broken.authorization.rules.clear();
    if let Some(files_of) = &mut broken.server.tls {
        files_of.private_key = files.path().join("broken");
    }

    assert!(matches!(
        site.served.replaceable.replace(broken),
        Err(ReplaceError::Tls(_))
    ));
    assert_ne!(
        site.call(Some(&old), "").await.status,
        401,
        "nothing has changed"
    );
    site.served.replaceable.replace(sound).unwrap();

    let site = site.of(authority);
    let new = site.authority.issue(named);
    let reply = site.call(Some(&new), "").await;
    assert_eq!(site.outcomes().pop().unwrap()["principal"], name);
    assert_ne!(reply.status, 401);
    let alert = site.refusal(&old, &rustls::version::TLS13).await;
    assert_eq!(alert, rustls::AlertDescription::UnknownCA);
}

#[tokio::test]
async fn tells_when_the_certificate_expires_that_is_offered() {
    let site = Mutual::new().await;
    let next = tempdir();
    let mut config = config(&site.served.dir);
    config.identity.mtls = true;
    let in_2030 = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    };
    config.server.tls = Some(site.authority.files_with(next.path(), in_2030));

    let before = expiry(&site).await;
    site.served.replaceable.replace(config).unwrap();
    let after = expiry(&site).await;

    assert_eq!((&*before, &*after), ("67090118400", "1893456000"));
}

/// What the metrics say.
async fn expiry(site: &Mutual) -> String {
    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let page = served::converse(site.served.admin, get).await;
    let told = page.lines().find_map(|line| line.strip_prefix(EXPIRY));
    told.expect("a number").trim().to_owned()
}

const EXPIRY: &str = "partner_gateway_listener_certificate_expiry_timestamp_seconds ";
