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
    token::{self, Flow, Version, credential::Settings as Credential},
};
use sandbox::{Listening, Sandbox, Settings, TokenRequest};
use serde_json::{Value, json};

use crate::harness::{
    grant,
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

    compare(&ours, &theirs, &[]);
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

/// Holds our request to theirs. `differing` lists the parameters whose values may differ, each with a
/// reason where it is used.
#[track_caller]
fn compare(ours: &TokenRequest, theirs: &TokenRequest, differing: &[&str]) {
    assert_eq!(ours.path, theirs.path);
    for header in ["content-type", "accept"] {
        let media = |request: &TokenRequest| headers(request).get(header).cloned();
        let essence = |media: Option<String>| media?.split(';').next().map(ToOwned::to_owned);
        assert_eq!(essence(media(ours)), essence(media(theirs)), "{header}");
    }
    assert!(headers(ours).contains_key("client-request-id"));
    assert!(headers(theirs).contains_key("client-request-id"));
    let compared = |request: &TokenRequest| {
        let mut form: BTreeMap<String, String> = request.form.iter().cloned().collect();
        assert_eq!(form.len(), request.form.len(), "no parameter comes twice");
        form.retain(|name, _| !ONLY_THEIRS.contains(&&**name));
        for name in differing {
            let value = form.get_mut(*name).expect("the parameter");
            "may differ".clone_into(value);
        }
        form
    };
    assert_eq!(compared(ours), compared(theirs));
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
