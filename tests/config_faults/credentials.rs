//! Certificates and federated tokens with which an application proves itself.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use partner_gateway::{
    config::Config,
    token::{assertion::Algorithm, credential::Settings as Credential},
};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm,
};

use crate::site::{ACCOUNTS, CALLERS, POLICY, Site};

#[test]
fn takes_a_certificate_with_its_key_in_either_form() {
    let site = Site::new();
    let (certificate, key) = pair(&PKCS_RSA_SHA256);
    site.write("tls.crt", certificate, 0o644);
    site.write("new.key", key.serialize_pem(), 0o600);
    // What stands before the key itself in PKCS#8 has this length for RSA keys of 2048 bits.
    let (_, inner) = key.serialized_der().split_at(26);
    site.write("old.key", pem("RSA PRIVATE KEY", inner), 0o600);

    for name in ["new.key", "old.key"] {
        let config = site.config(&with(&certificate_of("tls.crt", name)), &[]);

        let Some(Credential::Certificate {
            certificate_file,
            private_key_file,
            algorithm,
        }) = credential(config)
        else {
            unreachable!("the configuration has a certificate")
        };
        assert_eq!(certificate_file, site.path("tls.crt"));
        assert_eq!(private_key_file, site.path(name));
        assert_eq!(algorithm, Algorithm::Ps256);
    }
}

#[test]
fn refuses_keys_that_cannot_prove_an_application() {
    let site = Site::new();
    let (certificate, key) = pair(&PKCS_RSA_SHA256);
    let (curve, curve_key) = pair(&PKCS_ECDSA_P256_SHA256);
    site.write("tls.crt", certificate, 0o644);
    site.write("curve.crt", curve, 0o644);
    site.write("curve.key", curve_key.serialize_pem(), 0o600);
    site.write("other.key", pair(&PKCS_RSA_SHA256).1.serialize_pem(), 0o600);
    site.write("open.key", key.serialize_pem(), 0o644);
    site.write("short.key", SHORT, 0o600);
    site.write("sec1.key", pem("EC PRIVATE KEY", b"whatever"), 0o600);
    let locked = pem("ENCRYPTED PRIVATE KEY", b"whatever");
    site.write("locked.key", locked, 0o600);
    let locked = pem("RSA PRIVATE KEY", b"whatever");
    let header = "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
    let locked = locked.replacen("KEY-----\n", header, 1);
    site.write("locked-old.key", locked, 0o600);
    site.write("bad.key", pem("PRIVATE KEY", b"whatever"), 0o600);
    let pairs = [
        ("tls.crt", "other.key"),
        ("tls.crt", "short.key"),
        ("curve.crt", "curve.key"),
        ("tls.crt", "sec1.key"),
        ("tls.crt", "locked.key"),
        ("tls.crt", "locked-old.key"),
        ("tls.crt", "bad.key"),
        ("tls.crt", "secret"),
        ("tls.crt", "open.key"),
        ("secret", "other.key"),
        ("absent.crt", "absent.key"),
    ];

    let texts = pairs.map(|(certificate, key)| with(&certificate_of(certificate, key)));

    insta::assert_snapshot!(site.faults_of_each(texts), @r#"
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/other.key": certificate and key do not belong together; accepted: the key that the certificate was made for
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/short.key": the RSA key has fewer than 2048 bits; accepted: an RSA key of 2048 bits or more
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/curve.key": the private key is not an RSA key; accepted: the RSA key of a certificate with an RSA key, which Entra ID wants
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/sec1.key": the private key is not an RSA key; accepted: the RSA key of a certificate with an RSA key, which Entra ID wants
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/locked.key": the private key is encrypted; accepted: the key without a password (`openssl pkey -in OLD -out NEW`), in a file closed to others
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/locked-old.key": the private key is encrypted; accepted: the key without a password (`openssl pkey -in OLD -out NEW`), in a file closed to others
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/bad.key": the private key is not an RSA key; accepted: the RSA key of a certificate with an RSA key, which Entra ID wants
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/secret": there is no private key in its file; accepted: a private key in PEM, PKCS#8 or PKCS#1
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: "DIR/open.key" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:5: accounts.contoso.credential.certificate.certificate_file: "DIR/secret": there is no certificate in its file; accepted: a certificate in PEM
    config.yaml:5: accounts.contoso.credential.certificate.certificate_file: reading "DIR/absent.crt": No such file or directory (os error 2)
    config.yaml:5: accounts.contoso.credential.certificate.private_key_file: reading "DIR/absent.key": No such file or directory (os error 2)
    "#);
}

#[test]
fn takes_a_federated_token_from_what_the_cluster_gives_the_pod() {
    let site = Site::new();
    let given = [
        ("AZURE_TENANT_ID", "3a9a35ce-d5be-4814-ab58-4451c36fe157"),
        ("AZURE_CLIENT_ID", "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01"),
        ("AZURE_FEDERATED_TOKEN_FILE", "DIR/secret"),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"),
    ];

    let ambient = site.config(&pod(""), &given);
    let chosen = site.config(&pod("    cloud: china\n"), &given);
    let set = site.config(
        &pod("    endpoints: {authority: 'https://login.example.com'}\n"),
        &given,
    );
    let public = site.config(&pod(""), &given[..3]);

    let account = &ambient.accounts[0];
    assert_eq!(account.tenant, given[0].1);
    assert_eq!(account.token.client_id, given[1].1);
    let url = format!(
        "https://login.microsoftonline.us/{}/oauth2/v2.0/token",
        given[0].1
    );
    assert_eq!(account.token.token_url(), url);
    assert_eq!(
        chosen.accounts[0].token.authority,
        "https://login.partner.microsoftonline.cn/"
    );
    assert_eq!(
        set.accounts[0].token.authority,
        "https://login.example.com/"
    );
    assert_eq!(
        public.accounts[0].token.authority,
        "https://login.microsoftonline.com/"
    );
    let token = credential(ambient);
    assert!(format!("{token:?}").contains("/secret"), "{token:?}");
}

#[test]
fn prefers_what_the_configuration_says_to_what_the_cluster_gives() {
    let site = Site::new();
    site.write("own", "a token", 0o600);
    let given = [
        ("AZURE_TENANT_ID", "common"),
        ("AZURE_CLIENT_ID", "none"),
        ("AZURE_FEDERATED_TOKEN_FILE", "DIR/absent"),
    ];
    let text = format!("{ACCOUNTS}{CALLERS}{POLICY}")
        .replace(SECRET, "{federated_token: {file: DIR/own}}");

    let config = site.config(&text, &given);

    assert_eq!(
        config.accounts[0].tenant,
        "3a9a35ce-d5be-4814-ab58-4451c36fe157"
    );
    let token = credential(config);
    assert!(format!("{token:?}").contains("/own"), "{token:?}");
}

#[test]
fn tells_which_variable_of_the_pod_is_missing_or_odd() {
    let site = Site::new();
    let odd = [
        ("AZURE_TENANT_ID", "common"),
        ("AZURE_CLIENT_ID", "none"),
        ("AZURE_FEDERATED_TOKEN_FILE", "DIR/absent"),
        ("AZURE_AUTHORITY_HOST", "login.microsoftonline.us"),
    ];
    let no_token = [odd[0], odd[1]];
    let file = pod("").replace(
        "{federated_token: {}}",
        "{federated_token: {file: DIR/secret}}",
    );

    insta::assert_snapshot!(site.faults(&file, &[]), @"
    config.yaml: 2 faults
    config.yaml:2: accounts.contoso.tenant_id: is missing, and AZURE_TENANT_ID is not set
    config.yaml:2: accounts.contoso.client_id: is missing, and AZURE_CLIENT_ID is not set
    ");
    insta::assert_snapshot!(site.faults(&pod(""), &no_token), @r#"
    config.yaml: 3 faults
    config.yaml:2: accounts.contoso.tenant_id: found "common" in AZURE_TENANT_ID; accepted: the GUID or a verified domain of one tenant
    config.yaml:2: accounts.contoso.client_id: found "none" in AZURE_CLIENT_ID; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:3: accounts.contoso.credential.federated_token.file: is missing, and AZURE_FEDERATED_TOKEN_FILE is not set
    "#);
    insta::assert_snapshot!(site.faults(&pod(""), &odd), @r#"
    config.yaml: 4 faults
    config.yaml:2: accounts.contoso.tenant_id: found "common" in AZURE_TENANT_ID; accepted: the GUID or a verified domain of one tenant
    config.yaml:2: accounts.contoso.client_id: found "none" in AZURE_CLIENT_ID; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:2: accounts.contoso.endpoints.authority: found "login.microsoftonline.us" in AZURE_AUTHORITY_HOST; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    config.yaml:3: accounts.contoso.credential.federated_token: reading "DIR/absent": No such file or directory (os error 2)
    "#);
    let odd_host = [odd[3]];
    insta::assert_snapshot!(site.faults(&file, &odd_host), @r#"
    config.yaml: 3 faults
    config.yaml:2: accounts.contoso.tenant_id: is missing, and AZURE_TENANT_ID is not set
    config.yaml:2: accounts.contoso.client_id: is missing, and AZURE_CLIENT_ID is not set
    config.yaml:2: accounts.contoso.endpoints.authority: found "login.microsoftonline.us" in AZURE_AUTHORITY_HOST; accepted: https:// (http:// only on loopback), a host and perhaps a port, nothing else
    "#);
}

/// A sound configuration whose account has this credential.
fn with(credential: &str) -> String {
    format!("{ACCOUNTS}{CALLERS}{POLICY}").replace(SECRET, credential)
}

fn certificate_of(certificate: &str, key: &str) -> String {
    format!("{{certificate: {{certificate_file: DIR/{certificate}, private_key_file: DIR/{key}}}}}")
}

/// A configuration whose account is what the pod is.
fn pod(more: &str) -> String {
    format!(
        "accounts:\n  contoso:\n{more}    credential: {{federated_token: {{}}}}\n{CALLERS}{POLICY}"
    )
}

fn credential(config: Config) -> Option<Credential> {
    let account = config.accounts.into_iter().next()?;
    Some(account.token.credential)
}

fn pair(algorithm: &'static SignatureAlgorithm) -> (String, KeyPair) {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let params = CertificateParams::new(["application.test".to_owned()]).expect("a name");
    (params.self_signed(&key).expect("a certificate").pem(), key)
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// The credential of the usual account.
const SECRET: &str = "{client_secret: {file: DIR/secret}}";

/// A key of 1024 bits, which the library that makes the others refuses to make; it was never used.
const SHORT: &str = "-----BEGIN RSA PRIVATE KEY-----
MIICWwIBAAKBgQC94wdyvQvW/cbu3veD86/PbrBMXx9BfogUR9+ZDPmxvhsMjF+R
mf3k77m9HJ8pcNWOKJBEXM93WSHj7ls5DV8C13qu5Kg3MThTrPO6YaPxoEcT52oK
xSEq9iQKdIL9VCFVKVzI5LvWed8OBMGOoCUOtoEyB+2NqfBh7Wiai9a3zQIDAQAB
AoGARj3cPHpoDdB0rVo3b01OpMoKV0X8tuqKhg4MTX56Q2DSerLWi3LOc8imCamz
ys2dgefJbjBy4nBLVBiRECq9ERlNp8Wh7r75xCrugNmJq0k/E99wCK+Ebdvk7xJT
Wnj/Tzrgs7JG4NC0jk/IvFLGwpDKLiyJPlpIb1eWBycNTcECQQDwjGPUlOw301sO
uOC2dd7GKkud5MWh5Gzh6oqJ6K8EWckSEMSLIiKPf+T5X+8UF3r7Qy0Ccg/l/5Po
UilEskexAkEAyhWNtoAIfbEt6pSRde6nVWIS/fIIwE1BBDfc/3QqjXjKS+gFSkBC
wEbR5t1/npsK3FbV3VRuky2PGBdf3+UU3QJACU304pksFfC3+fbOwmAG0PV73Uyn
FF8IkyiGWVVFx85NR8ScRaF5YsGYssiyL73ExQlRKWIOGWBscTUUYZLf0QJANU02
Ebr3gl+nYsZJD7gg/s5dgAnE8SPvUDOD4QU87A++HANY0drdQGXtm100+hqe5Lsq
sbRBbiSIJ6ySpzV/KQJALDKxAEWpwwi4G81+/SuZIrSTmjVvEjvF1/RK6gLoNvF1
xjtunK+k8ACwAz+LJwyAYHq/67I261bFsXRQlO8SWg==
-----END RSA PRIVATE KEY-----
";
