//! The same wire as Microsoft's own client: what the Python package `msal` sends to Entra ID for a
//! credential, and what the gateway sends for it, compared request by request as the pretend Entra ID
//! saw them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use partner_gateway::{
    http_client::{self, HttpClient},
    secret::SecretSource,
    token::{self, Flow, Version, assertion::Algorithm, credential::Settings as Credential},
};
use sandbox::{Listening, Sandbox, Settings, TokenRequest};
use serde_json::{Value, json};

use crate::credentials::{Certified, Pair};
use crate::harness::{
    for_a_user, grant,
    process::{Process, within},
    tls::TlsFront,
};

#[tokio::test]
async fn asks_with_a_client_secret_as_microsoft_does() {
    let entra = Entra::start().await;
    let secret = Settings::default().client_secret;

    let theirs = entra.asked_by_msal(json!(secret), None).await;
    let ours = Credential::ClientSecret(SecretSource::Value(secret.into()));
    let ours = entra.asked_by_us(ours, Flow::App).await;

    compare(&ours, &theirs);
}

#[tokio::test]
async fn asks_with_a_certificate_as_microsoft_does() {
    let entra = Entra::start().await;
    let pair = Pair::new();
    let files = Certified::with(&pair);
    entra.sandbox.register_certificate(&pair.der);
    let theirs = json!({
        "private_key": pair.key.serialize_pem(),
        "public_certificate": pair.certificate,
    });

    let theirs = entra.asked_by_msal(theirs, None).await;
    let ours = files.credential(Algorithm::Ps256);
    let ours = entra.asked_by_us(ours, Flow::App).await;

    compare(&ours, &theirs);
    let [ours, theirs] = [&ours, &theirs].map(|request| request.assertion.clone().unwrap());
    assert_eq!(ours["header"], unchained(&theirs["header"]));
    for claim in ["aud", "iss", "sub"] {
        assert_eq!(ours["claims"][claim], theirs["claims"][claim], "{claim}");
    }
    // Each assertion has its own, so these differ in any two.
    assert_ne!(ours["claims"]["jti"], theirs["claims"]["jti"]);
    assert_eq!(
        named(&theirs["claims"]),
        ["aud", "exp", "iat", "iss", "jti", "sub"]
    );
    // Microsoft's page on certificates asks for `nbf`, which its client leaves out.
    assert_eq!(
        named(&ours["claims"]),
        ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"]
    );
}

#[tokio::test]
async fn asks_with_a_token_of_the_cluster_as_microsoft_does() {
    let entra = Entra::start().await;
    let token = entra.sandbox.federated_token(Duration::from_hours(1));

    let theirs = json!({ "client_assertion": token });
    let theirs = entra.asked_by_msal(theirs, None).await;
    let ours = Credential::FederatedToken(SecretSource::Value(token.into()));
    let ours = entra.asked_by_us(ours, Flow::App).await;

    compare(&ours, &theirs);
    assert!(ours.assertion.is_some());
    assert_eq!(ours.assertion, theirs.assertion);
}

#[tokio::test]
async fn asks_with_a_refresh_token_as_microsoft_does() {
    let entra = Entra::start().await;
    let secret = Settings::default().client_secret;
    let consent = entra.sandbox.consent(true);
    let (_dir, flow) = for_a_user(&entra.sandbox);

    let theirs = entra.asked_by_msal(json!(secret), Some(&consent)).await;
    let ours = Credential::ClientSecret(SecretSource::Value(secret.into()));
    let ours = entra.asked_by_us(ours, flow).await;

    compare(&ours, &theirs);
    assert_eq!(entra.sandbox.refresh_tokens_presented().len(), 2);
}

/// A pretend Entra ID behind TLS, which `msal` insists on.
struct Entra {
    sandbox: Sandbox,
    front: TlsFront,
    _listening: Listening,
}

impl Entra {
    async fn start() -> Self {
        let sandbox = Sandbox::new(Settings {
            behind_tls: true,
            ..Settings::default()
        });
        let any = "127.0.0.1:0".parse().unwrap();
        let listening = sandbox.listen(any, any).await.unwrap();
        Self {
            front: TlsFront::before(listening.entra).await,
            sandbox,
            _listening: listening,
        }
    }

    /// Has `msal` get a token, and tells what it sent.
    async fn asked_by_msal(&self, credential: Value, refresh_token: Option<&str>) -> TokenRequest {
        let Settings {
            tenant,
            client_id,
            audience,
            ..
        } = Settings::default();
        let job = tempfile::NamedTempFile::new().unwrap();
        let told = json!({
            "authority": format!("{}/{tenant}", self.front.url()),
            "ca_file": self.front.ca_file(),
            "client_id": client_id,
            "credential": credential,
            "scopes": [format!("{audience}/.default")],
            "refresh_token": refresh_token,
        });
        std::fs::write(job.path(), told.to_string()).unwrap();

        let mut process = Process::spawn(
            Command::new(installed())
                .arg("ask.py")
                .arg(job.path())
                .current_dir(dir()),
        );
        within(async || process.has_ended()).await;
        let ended = process.ended().await;

        assert_eq!(ended.stdout, "granted\n", "{}", ended.stderr);
        self.last_request()
    }

    /// Gets a token as the gateway does, and tells what it sent.
    async fn asked_by_us(&self, credential: Credential, flow: Flow) -> TokenRequest {
        let http = HttpClient::connecting(&http_client::Settings {
            connect_timeout: Duration::from_secs(5),
            ca_file: Some(self.front.ca_file()),
            plain_http: false,
        });
        let Settings {
            tenant,
            client_id,
            audience,
            ..
        } = Settings::default();
        let settings = token::Settings {
            authority: self.front.url().parse().unwrap(),
            tenant,
            client_id,
            scope: format!("{audience}/.default"),
            version: Version::V2,
            credential,
            flow,
        };

        grant(settings, http.unwrap()).mint().await.unwrap();

        self.last_request()
    }

    fn last_request(&self) -> TokenRequest {
        let mut requests = self.sandbox.token_requests();
        let last = requests.pop().expect("a request");
        assert_eq!(last.status, 200);
        last
    }
}

/// Holds our request to theirs, but for what only they send.
#[track_caller]
fn compare(ours: &TokenRequest, theirs: &TokenRequest) {
    assert_eq!(ours.path, theirs.path);
    for header in ["content-type", "accept"] {
        let media = |request: &TokenRequest| headers(request).get(header).cloned();
        let essence = |media: Option<String>| media?.split(';').next().map(ToOwned::to_owned);
        assert_eq!(essence(media(ours)), essence(media(theirs)), "{header}");
    }
    assert!(headers(ours).contains_key("client-request-id"));
    assert!(headers(theirs).contains_key("client-request-id"));
    let mut expected = form(theirs);
    for name in ONLY_THEIRS {
        assert!(expected.remove(name).is_some(), "{name}");
    }
    let scope = expected.get_mut("scope").unwrap();
    scope.retain(|word| !SCOPES_ONLY_THEIRS.contains(&&**word));
    assert_eq!(form(ours), expected);
}

/// The fields of a form, each as its words in their order: that of the scopes means nothing.
fn form(request: &TokenRequest) -> BTreeMap<&str, Vec<&str>> {
    let mut form = BTreeMap::new();
    for (name, value) in &request.form {
        let mut words: Vec<_> = value.split(' ').collect();
        words.sort_unstable();
        assert!(form.insert(name.as_str(), words).is_none(), "{name} twice");
    }
    form
}

/// Their header without the chain, which only issuers that Entra ID trusts by name need, and without the
/// padding that RFC 7515 has not.
fn unchained(theirs: &Value) -> Value {
    let mut header = theirs.clone();
    let fields = header.as_object_mut().unwrap();
    assert!(fields.remove("x5c").is_some());
    let thumbprint = fields["x5t#S256"].as_str().unwrap().to_owned();
    fields["x5t#S256"] = thumbprint.trim_end_matches('=').into();
    header
}

fn named(claims: &Value) -> Vec<&String> {
    claims.as_object().unwrap().keys().collect()
}

fn headers(request: &TokenRequest) -> BTreeMap<String, String> {
    request.headers.iter().cloned().collect()
}

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/msal")
}

/// The Python that has `msal`.
fn installed() -> PathBuf {
    let python = dir().join("venv/bin/python");
    assert!(
        dir().join("venv/.installed").is_file() && python.exists(),
        "Microsoft's client is not installed: run scripts/test"
    );
    python
}

/// What only `msal` sends: it asks for data about the user, which it keeps in a cache and we do not use.
const ONLY_THEIRS: [&str; 1] = ["client_info"];

/// The scopes that only `msal` asks for, with a refresh token: who the user is, for the same cache.
const SCOPES_ONLY_THEIRS: [&str; 2] = ["openid", "profile"];
