//! A real OpenID provider as a process: `tests/oidc`, whose tokens and keys are none of our making.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    canary,
    process::{Process, within},
    served::converse,
};

/// A provider that answers; it is gone when this is dropped.
pub(crate) struct Provider {
    process: Process,
    address: SocketAddr,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that knows the key of a certificate as that of its clients `certified-ALGORITHM`.
    pub(crate) async fn knowing(certificate: &Path) -> Self {
        Self::start_with(&[certificate]).await
    }

    async fn start_with(arguments: &[&Path]) -> Self {
        let dir = installed();
        let mut program = Command::new("node");
        let program = program.arg("provider.mjs").args(arguments);
        let mut process = Process::spawn(program.current_dir(dir));
        let mut address = None;
        within(async || {
            assert!(!process.has_ended(), "{}", process.stderr());
            address = address_in(&process.stdout());
            address.is_some()
        })
        .await;
        Self {
            process,
            address: address.expect("address"),
        }
    }

    /// The `iss` of its tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has it withdraw its keys and make new ones.
    pub(crate) async fn rotate(&self) {
        self.process.signal("HUP");
        within(async || self.process.stdout().contains("rotated")).await;
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The refresh token of a user's consent for an application.
    pub(crate) async fn consent(&self, client: &str, scope: &str) -> String {
        let form = format!("scope=openid%20offline_access%20{scope}&login_hint=adele");
        let agreed = self.post("/backchannel", client, &form).await;
        let request = agreed["auth_req_id"].as_str().expect("request");
        let form = format!("grant_type=urn:openid:params:grant-type:ciba&auth_req_id={request}");
        let granted = self.post(TOKEN, client, &form).await;
        let token = granted["refresh_token"].as_str().expect("refresh token");
        canary::plant(token);
        token.to_owned()
    }

    /// How many refresh tokens it has taken.
    pub(crate) fn refreshed(&self) -> usize {
        self.process.stdout().matches("refreshed\n").count()
    }

    /// Whether it has ended a consent.
    pub(crate) fn has_revoked(&self) -> bool {
        self.process.stdout().contains("revoked\n")
    }

    /// An access token of a client's own, for the gateway.
    pub(crate) async fn token(&self, client: &str, algorithm: &str) -> String {
        self.token_for(client, &format!("&resource=urn:gateway:{algorithm}"))
            .await
    }

    /// An access token of a client's own, signed for somebody else.
    pub(crate) async fn token_for_another(&self, client: &str) -> String {
        self.token_for(client, "&resource=urn:elsewhere").await
    }

    /// An access token that only the provider can read.
    pub(crate) async fn opaque_token(&self, client: &str) -> String {
        self.token_for(client, "").await
    }

    /// What tells a client who its user is.
    pub(crate) async fn id_token(&self, client: &str, user: &str) -> String {
        let form = format!("scope=openid&login_hint={user}");
        let agreed = self.post("/backchannel", client, &form).await;
        let request = agreed["auth_req_id"].as_str().expect("request");
        let form = format!("grant_type=urn:openid:params:grant-type:ciba&auth_req_id={request}");
        let granted = self.post(TOKEN, client, &form).await;
        granted["id_token"].as_str().expect("ID token").to_owned()
    }

    async fn token_for(&self, client: &str, resource: &str) -> String {
        let form = format!("grant_type=client_credentials{resource}");
        let granted = self.post(TOKEN, client, &form).await;
        let token = granted["access_token"].as_str();
        token.expect("access token").to_owned()
    }

    async fn post(&self, path: &str, client: &str, form: &str) -> Value {
        let form = format!("client_id={client}&client_secret=the-secret-of-{client}&{form}");
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            self.address,
            form.len()
        );
        let answer = converse(self.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        serde_json::from_str(body).expect("JSON")
    }
}

/// A part of a JWT: its header, 0, or its claims, 1.
pub(crate) fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("a JWT");
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

/// Where the provider is, with all that it needs.
fn installed() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oidc");
    let node = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    assert!(
        node.is_ok_and(|status| status.success()),
        "there is no Node.js: install node and npm (Debian: nodejs, npm), or run scripts/test"
    );
    assert!(
        dir.join("node_modules/oidc-provider").is_dir(),
        "the OpenID provider is not installed: `npm ci` in tests/oidc, or run scripts/test"
    );
    dir
}

/// Its token endpoint, which is where the one of this tenant would be at Entra ID.
const TOKEN: &str = "/contoso.test/oauth2/v2.0/token";

fn address_in(said: &str) -> Option<SocketAddr> {
    let told = |line: &str| line.strip_prefix("listening http://")?.parse().ok();
    said.lines().find_map(told)
}
