//! Issuers of callers' tokens.

use crate::site::{ACCOUNTS, Site};

const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A configuration whose one issuer has these members.
fn issuer(members: &str) -> String {
    format!("{ACCOUNTS}callers:\n  issuers:\n    - {{{members}}}\n")
}

/// The usual members with some more.
fn usual(more: &str) -> String {
    issuer(&format!(
        "name: a, issuer: 'https://issuer.test', jwks: {{discovery: true}}, audiences: [x]{more}"
    ))
}

fn with_keys(jwks: &str) -> String {
    issuer(&format!(
        "name: a, issuer: 'https://issuer.test', jwks: {jwks}, audiences: [x]"
    ))
}

#[test]
fn reads_issuers_of_every_kind() {
    let site = Site::new();
    site.write("jwks", JWKS, 0o644);
    let more = |more: &str| usual(&format!(", {more}"));

    for text in [
        usual(""),
        more("algorithms: [PS256, EdDSA], principal_claim: azp"),
        more("required_roles: [a], authorized_parties: [b], trust_domain: example.org"),
        with_keys("{url: 'https://issuer.test/jwks', bearer_token: {file: DIR/secret}}"),
        with_keys("{url: 'http://127.0.0.1:8080/jwks'}"),
        with_keys("{file: DIR/jwks}"),
        issuer("name: a, issuer: spire, jwks: {file: DIR/jwks}, audiences: [x]"),
        issuer("name: a, issuer: 'http://127.0.0.1:1', jwks: {discovery: true}, audiences: [x]"),
        format!("{ACCOUNTS}callers: {{issuers: [], token_file: DIR/tokens}}\n"),
    ] {
        let loaded = site.load(&text, &[]);
        assert_eq!(loaded.err(), None, "{text}");
    }
    let config = site.config(&usual(""), &[]);
    let [read] = &*config.identity.issuers else {
        panic!("{config:?}")
    };
    assert_eq!(read.principal_claim, "sub");
    assert_eq!(
        read.algorithms,
        ["RS256", "ES256"].map(|name| name.parse().unwrap())
    );
}

#[test]
fn refuses_an_issuer_that_could_not_vouch_for_anybody() {
    let site = Site::new();
    let more = |more: &str| usual(&format!(", {more}"));

    insta::assert_snapshot!(site.faults_of_each([
        issuer("name: a"),
        more("algorithms: [HS256]"),
        more("algorithms: [none]"),
        more("algorithms: []"),
        more("principal_claim: ''"),
        more("trust_domain: Example.org"),
        more("required_roles: []"),
        more("authorized_parties: ['']"),
        more("audience: [x]"),
    ]), @r#"
    config.yaml:8: callers.issuers[0].issuer: is missing
    config.yaml:8: callers.issuers[0].jwks: is missing
    config.yaml:8: callers.issuers[0].audiences: is missing
    config.yaml:8: callers.issuers[0].algorithms[0]: found "HS256"; accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
    config.yaml:8: callers.issuers[0].algorithms[0]: found "none"; accepted: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA
    config.yaml:8: callers.issuers[0].algorithms: found an empty list; accepted: at least one element
    config.yaml:8: callers.issuers[0].principal_claim: found ""; accepted: the name of a claim, such as sub or azp
    config.yaml:8: callers.issuers[0].trust_domain: found "Example.org"; accepted: the name of a trust domain, such as example.org
    config.yaml:8: callers.issuers[0].required_roles: found an empty list; accepted: at least one element
    config.yaml:8: callers.issuers[0].authorized_parties[0]: found ""; accepted: 1 to 512 visible ASCII characters
    config.yaml:8: callers.issuers[0].audience: unknown key; nearest: audiences
    "#);
}

#[test]
fn refuses_issuers_and_audiences_that_anybody_might_have_a_token_of() {
    let site = Site::new();
    let audience = |audience: &str| {
        issuer(&format!(
            "name: a, issuer: 'https://issuer.test', jwks: {{discovery: true}}, audiences: ['{audience}']"
        ))
    };
    let tenant = "https://login.microsoftonline.com/3a9a35ce-d5be-4814-ab58-4451c36fe157/v2.0";

    insta::assert_snapshot!(site.faults_of_each([
        issuer("name: a, issuer: kubernetes/serviceaccount, jwks: {discovery: true}, audiences: [x]"),
        audience("https://issuer.test"),
        audience("https://kubernetes.default.svc.cluster.local"),
        audience("api://AzureADTokenExchange"),
        audience(""),
        issuer(&format!("name: a, issuer: '{tenant}', jwks: {{discovery: true}}, audiences: [x]")),
    ]), @r#"
    config.yaml:8: callers.issuers[0].issuer: found "kubernetes/serviceaccount"; accepted: the iss of the issuer's tokens, letter for letter; never kubernetes/serviceaccount
    config.yaml:8: callers.issuers[0].audiences[0]: found "https://issuer.test"; accepted: an audience that stands for the gateway alone, such as partner-gateway; not the issuer's own, the API server's or api://AzureADTokenExchange
    config.yaml:8: callers.issuers[0].audiences[0]: found "https://kubernetes.default.svc.cluster.local"; accepted: an audience that stands for the gateway alone, such as partner-gateway; not the issuer's own, the API server's or api://AzureADTokenExchange
    config.yaml:8: callers.issuers[0].audiences[0]: found "api://AzureADTokenExchange"; accepted: an audience that stands for the gateway alone, such as partner-gateway; not the issuer's own, the API server's or api://AzureADTokenExchange
    config.yaml:8: callers.issuers[0].audiences[0]: found ""; accepted: an audience that stands for the gateway alone, such as partner-gateway; not the issuer's own, the API server's or api://AzureADTokenExchange
    config.yaml:8: callers.issuers[0].required_roles: is missing, and Entra ID gives every application of the tenant a token; accepted: roles, or authorized_parties with client IDs
    "#);
}

#[test]
fn refuses_keys_that_cannot_be_had() {
    let site = Site::new();
    site.write("jwks", JWKS, 0o644);
    site.write("empty", r#"{"keys":[]}"#, 0o644);
    site.write(
        "shared",
        r#"{"keys":[{"kty":"oct","k":"aHVudGVyMg"}]}"#,
        0o644,
    );
    site.write("large", format!("{JWKS}{}", " ".repeat(256 * 1024)), 0o644);
    site.write("text", "hunter2", 0o644);
    site.write("open", "hunter2", 0o644);

    insta::assert_snapshot!(site.faults_of_each([
        with_keys("{}"),
        with_keys("{discovery: true, file: DIR/jwks}"),
        with_keys("{discovery: false}"),
        with_keys("{discovery: maybe}"),
        with_keys("{url: 'http://issuer.test/jwks'}"),
        with_keys("{url: 'https://user:hunter2@issuer.test/jwks'}"),
        with_keys("{url: 'https://issuer.test/jwks?x=1'}"),
        with_keys("{url: jwks}"),
        with_keys("{file: DIR/absent}"),
        with_keys("{file: DIR/empty}"),
        with_keys("{file: DIR/shared}"),
        with_keys("{file: DIR/large}"),
        with_keys("{file: DIR/text}"),
        with_keys("{file: DIR/jwks, ca_file: DIR/absent}"),
        with_keys("{file: DIR/jwks, bearer_token: {file: DIR/secret}}"),
        with_keys("{discovery: true, bearer_token: hunter2}"),
        with_keys("{discovery: true, bearer_token: {file: DIR/open}}"),
        with_keys("{discovery: true, ca_file: DIR/text}"),
        issuer("name: a, issuer: spire, jwks: {discovery: true}, audiences: [x]"),
        issuer("name: a, issuer: 'http://issuer.test', jwks: {discovery: true}, audiences: [x]"),
    ]), @r#"
    config.yaml:8: callers.issuers[0].jwks: found none; accepted: exactly one of discovery, url, file
    config.yaml:8: callers.issuers[0].jwks: found several; accepted: exactly one of discovery, url, file
    config.yaml:8: callers.issuers[0].jwks.discovery: found false; accepted: true, or url or file in its place
    config.yaml:8: callers.issuers[0].jwks.discovery: found "maybe"; accepted: true, false
    config.yaml:8: callers.issuers[0].jwks.url: found "http://issuer.test/jwks"; accepted: an https:// URL (http:// only on loopback)
    config.yaml:8: callers.issuers[0].jwks.url: found a URL with a user name or password; accepted: an https:// URL (http:// only on loopback)
    config.yaml:8: callers.issuers[0].jwks.url: found "https://issuer.test/jwks?x=1"; accepted: an https:// URL (http:// only on loopback)
    config.yaml:8: callers.issuers[0].jwks.url: found "jwks"; accepted: an https:// URL (http:// only on loopback)
    config.yaml:8: callers.issuers[0].jwks.file: reading "DIR/absent": No such file or directory (os error 2)
    config.yaml:8: callers.issuers[0].jwks.file: "DIR/empty": no key that can verify a token; accepted: a JSON Web Key Set with a public RSA, EC or Ed25519 key
    config.yaml:8: callers.issuers[0].jwks.file: "DIR/shared": no key that can verify a token; accepted: a JSON Web Key Set with a public RSA, EC or Ed25519 key
    config.yaml:8: callers.issuers[0].jwks.file: "DIR/large": over 262144 bytes; accepted: a JSON Web Key Set with a public RSA, EC or Ed25519 key
    config.yaml:8: callers.issuers[0].jwks.file: "DIR/text": not a JSON Web Key Set; accepted: a JSON Web Key Set with a public RSA, EC or Ed25519 key
    config.yaml:8: callers.issuers[0].jwks.ca_file: reading "DIR/absent": No such file or directory (os error 2)
    config.yaml:8: callers.issuers[0].jwks: ca_file and bearer_token go with discovery or url; accepted: file alone
    config.yaml:8: callers.issuers[0].jwks.bearer_token: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:8: callers.issuers[0].jwks.bearer_token.file: "DIR/open" can be read by everyone (mode 0644); accepted: a file closed to others, such as mode 0640, or a projected volume
    config.yaml:8: callers.issuers[0].jwks.ca_file: "DIR/text" holds no certificate; accepted: PEM
    config.yaml:8: callers.issuers[0].jwks.discovery: the issuer "spire" is no URL to start from; accepted: an issuer that is an https:// URL (http:// only on loopback), or url or file
    config.yaml:8: callers.issuers[0].jwks.discovery: the issuer "http://issuer.test" is no URL to start from; accepted: an issuer that is an https:// URL (http:// only on loopback), or url or file
    "#);
}

#[test]
fn refuses_two_issuers_that_could_be_taken_for_one() {
    let site = Site::new();
    let one = "name: a, issuer: 'https://issuer.test', jwks: {discovery: true}, audiences: [x]";
    let text = format!("{ACCOUNTS}callers: {{issuers: [{{{one}}}, {{{one}}}]}}\n");

    insta::assert_snapshot!(site.faults(&text, &[]), @r#"
    config.yaml: 2 faults
    config.yaml:6: callers.issuers[1].name: found "a", the name of another entry; accepted: one of its own
    config.yaml:6: callers.issuers[1].issuer: found "https://issuer.test", the issuer of another entry; accepted: one of its own
    "#);
}
