//! Certificates and keys: of the listener, and of a private endpoint.

use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::site::{ACCOUNTS, CALLERS, Site, with};

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
