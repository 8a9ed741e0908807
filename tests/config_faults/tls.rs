//! Certificates and keys: of the listener, and of a private endpoint.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, IsCa, KeyPair, generate_simple_self_signed,
};

use crate::site::{ACCOUNTS, CALLERS, POLICY, Site, with};

#[test]
fn takes_a_certificate_with_its_key() {
    let site = site();

    let config = site.config(
        &with("server: {tls: {certificate_file: DIR/tls.crt, private_key_file: DIR/tls.key}}"),
        &[],
    );

    assert!(config.server.tls.is_some());
}

#[test]
fn refuses_certificates_and_keys_that_cannot_serve() {
    let site = site();
    site.write("open.key", pair().1, 0o644);
    site.write("empty.crt", "", 0o644);
    let pairs = [
        ("tls.crt", "other.key"),
        ("tls.key", "tls.crt"),
        ("empty.crt", "tls.key"),
        ("tls.crt", "open.key"),
        ("tls.crt", "secret"),
        ("absent.crt", "absent.key"),
    ];
    let text = |(certificate, key): (&str, &str)| {
        with(&format!(
            "server:\n  tls:\n    certificate_file: DIR/{certificate}\n    private_key_file: DIR/{key}"
        ))
    };

    insta::assert_snapshot!(site.faults_of_each(pairs.map(text)), @r#"
    config.yaml:16: server.tls.private_key_file: certificate and key do not go together: keys may not be consistent: KeyMismatch
    config.yaml:15: server.tls.certificate_file: "DIR/tls.key" holds no certificate; accepted: PEM
    config.yaml:16: server.tls.private_key_file: "DIR/tls.crt" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:15: server.tls.certificate_file: "DIR/empty.crt" holds no certificate; accepted: PEM
    config.yaml:16: server.tls.private_key_file: "DIR/open.key" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:16: server.tls.private_key_file: "DIR/secret" holds no private key; accepted: PEM
    config.yaml:15: server.tls.certificate_file: reading "DIR/absent.crt": No such file or directory (os error 2)
    config.yaml:16: server.tls.private_key_file: reading "DIR/absent.key": No such file or directory (os error 2)
    "#);
}

#[test]
fn refuses_a_certificate_authority_that_is_none() {
    let site = site();
    let files = ["absent.crt", "secret", "tls.key"];
    let text = |file: &str| format!("{ACCOUNTS}    endpoints: {{ca_file: DIR/{file}}}\n{CALLERS}");

    insta::assert_snapshot!(site.faults_of_each(files.map(text)), @r#"
    config.yaml:6: accounts.contoso.endpoints.ca_file: reading "DIR/absent.crt": No such file or directory (os error 2)
    config.yaml:6: accounts.contoso.endpoints.ca_file: "DIR/secret" holds no certificate; accepted: PEM
    config.yaml:6: accounts.contoso.endpoints.ca_file: "DIR/tls.key" holds no certificate; accepted: PEM
    "#);
    assert!(site.load(&text("tls.crt"), &[]).is_ok());
}

#[test]
fn takes_the_certificate_authorities_of_callers() {
    let site = site();
    site.write("ca.crt", authority() + &authority(), 0o644);

    let loaded = site.load(&mutual("true", "ca.crt"), &[]).expect("sound");

    assert_eq!(site.notices_of(&loaded), "");
    assert!(loaded.config.identity.mtls);
    let tls = loaded.config.server.tls.expect("TLS");
    assert_eq!(tls.client_ca, Some(site.path("ca.crt")));
}

#[test]
fn refuses_certificate_authorities_of_callers_that_vouch_for_nobody() {
    let site = site();
    site.write("mixed.crt", authority() + &pair().0, 0o644);
    let files = ["absent.crt", "secret", "tls.crt", "mixed.crt"];

    insta::assert_snapshot!(site.faults_of_each(files.map(|file| mutual("true", file))), @r#"
    config.yaml:17: server.tls.client_ca_file: reading "DIR/absent.crt": No such file or directory (os error 2)
    config.yaml:17: server.tls.client_ca_file: "DIR/secret" holds no certificate; accepted: PEM
    config.yaml:17: server.tls.client_ca_file: "DIR/tls.crt": certificate 1 is not a certificate authority's; accepted: certificates of authorities (basicConstraints with cA) in PEM
    config.yaml:17: server.tls.client_ca_file: "DIR/mixed.crt": certificate 2 is not a certificate authority's; accepted: certificates of authorities (basicConstraints with cA) in PEM
    "#);
}

#[test]
fn refuses_callers_with_certificates_where_nobody_asks_for_them() {
    let site = site();
    let text = |server: &str| format!("{ACCOUNTS}callers: {{mtls: true}}\n{POLICY}{server}\n");
    let plain = "server: {tls: {certificate_file: DIR/tls.crt, private_key_file: DIR/tls.key}}";

    insta::assert_snapshot!(site.faults_of_each(["", plain].map(text)), @"
    config.yaml:6: callers.mtls: found true; accepted: false, unless server.tls.client_ca_file names the certificate authorities of callers
    config.yaml:6: callers.mtls: found true; accepted: false, unless server.tls.client_ca_file names the certificate authorities of callers
    ");
}

#[test]
fn tells_of_certificates_that_name_nobody() {
    let site = site();
    site.write("ca.crt", authority(), 0o644);

    insta::assert_snapshot!(site.notices(&mutual("false", "ca.crt")), @"config.yaml:17: server.tls.client_ca_file: callers' certificates are checked and name nobody while callers.mtls is false");
}

/// A configuration whose callers have a token file, and certificates from a file of authorities.
fn mutual(mtls: &str, authorities: &str) -> String {
    format!(
        "{ACCOUNTS}callers: {{token_file: DIR/tokens, mtls: {mtls}}}\n{POLICY}server:
  tls:
    certificate_file: DIR/tls.crt
    private_key_file: DIR/tls.key
    client_ca_file: DIR/{authorities}\n"
    )
}

/// The certificate of an authority, in PEM.
fn authority() -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    params.self_signed(&key).expect("a certificate").pem()
}

/// The usual files, a certificate with its key, and the key of another.
fn site() -> Site {
    let site = Site::new();
    let (certificate, key) = pair();
    site.write("tls.crt", certificate, 0o644);
    site.write("tls.key", key, 0o600);
    site.write("other.key", pair().1, 0o600);
    site
}

/// A certificate and its key, in PEM.
pub(crate) fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    (cert.pem(), signing_key.serialize_pem())
}
