//! Secrets of an Azure Key Vault: every write is a new version, and none is ever refused for coming late.
//!
//! <https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret/set-secret>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    answer::{Answer, json as json_answer},
    routes,
    sandbox::{Sandbox, State},
    settings::Settings,
    time::unix_seconds,
    tokens::{Issued, VAULT_AUDIENCE},
};

/// All secrets, by name.
#[derive(Debug, Default)]
pub(crate) struct Vault(BTreeMap<String, Vec<Version>>);

#[derive(Clone, Debug)]
struct Version {
    id: String,
    value: String,
    /// In seconds of wall time.
    created: u64,
}

impl Sandbox {
    /// The latest version of a secret in the key vault, if there is one of that name.
    #[must_use]
    pub fn vault_secret(&self, name: &str) -> Option<String> {
        let state = self.state();
        let latest = state.vault.version(name, None)?;
        Some(latest.value.clone())
    }

    /// Adds a version to a secret in the key vault, whoever wrote before.
    pub fn put_vault_secret(&self, name: &str, value: &str) {
        self.state().vault.add(name, value);
    }
}

/// Answers one request; `number` is what it was logged as.
pub(crate) fn answer(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    number: usize,
) -> Response<Answer> {
    let mut state = sandbox.state();
    let answered = authorized(&state, request).and_then(|()| serve(&mut state, request, number));
    match answered {
        Ok(bundle) => json_answer(StatusCode::OK, &bundle),
        Err(refusal) => refusal.answer(sandbox.settings()),
    }
}

/// The vault's own words for a status that a fault wants.
pub(crate) fn words(status: StatusCode) -> Value {
    let (code, told) = match status {
        StatusCode::TOO_MANY_REQUESTS => (
            "Throttled",
            "Request was not processed because too many requests were received.",
        ),
        StatusCode::UNAUTHORIZED => ("Unauthorized", "The request is not authorized."),
        status if status.is_server_error() => ("InternalServerError", "An error occurred."),
        _ => ("BadParameter", "The request is not valid."),
    };
    error(code, told)
}

struct Refusal(StatusCode, Value);

impl Refusal {
    /// A 401 says where tokens are to be had, and for which audience.
    fn answer(self, settings: &Settings) -> Response<Answer> {
        let Self(status, body) = self;
        let mut response = json_answer(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = format!(
                "Bearer authorization=\"https://login.microsoftonline.com/{}\", \
                 resource=\"{VAULT_AUDIENCE}\"",
                settings.tenant
            );
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                let headers = response.headers_mut();
                headers.insert(header::WWW_AUTHENTICATE, value);
            }
        }
        response
    }
}

fn refused(status: StatusCode, code: &str, told: &str) -> Refusal {
    Refusal(status, error(code, told))
}

fn error(code: &str, told: &str) -> Value {
    json!({"error": {"code": code, "message": told}})
}

fn authorized(state: &State, request: &Request<Bytes>) -> Result<(), Refusal> {
    let refused = |told: &str| refused(StatusCode::UNAUTHORIZED, "Unauthorized", told);
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|shown| shown.to_str().ok()?.strip_prefix("Bearer "));
    let Some(token) = shown else {
        return Err(refused(
            "AKV10000: Request is missing a Bearer or PoP token.",
        ));
    };
    match state.tokens.good(token) {
        Some(Issued { audience, .. }) if audience == VAULT_AUDIENCE => Ok(()),
        Some(Issued { audience, .. }) => Err(refused(&format!(
            "AKV10022: Invalid audience. Expected {VAULT_AUDIENCE}, found: {audience}."
        ))),
        None => Err(refused("Error validating token: the token is not valid.")),
    }
}

fn serve(state: &mut State, request: &Request<Bytes>, number: usize) -> Result<Value, Refusal> {
    let bad = |told: &str| refused(StatusCode::BAD_REQUEST, "BadParameter", told);
    let path = routes::vault_secret(request.uri().path());
    let (name, version) =
        path.ok_or_else(|| refused(StatusCode::NOT_FOUND, "NotFound", "No such resource."))?;
    let query = request.uri().query().unwrap_or_default();
    if !form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "api-version") {
        return Err(bad("api-version must be specified"));
    }
    let is_named = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_named) {
        return Err(bad(&format!(
            "The request URI contains an invalid name: {name}"
        )));
    }
    let found = match (request.method(), version) {
        (&Method::GET, _) => state.vault.version(name, version).cloned(),
        (&Method::PUT, None) => {
            let wanted: Value = serde_json::from_slice(request.body()).unwrap_or_default();
            let value = wanted.get("value").and_then(Value::as_str);
            let value = value.ok_or_else(|| bad("Property value must be a string"))?;
            state.vault_requests.committed(number);
            Some(state.vault.add(name, value))
        }
        _ => {
            let told = "The method is not allowed here.";
            let status = StatusCode::METHOD_NOT_ALLOWED;
            return Err(refused(status, "MethodNotAllowed", told));
        }
    };
    found
        .map(|found| found.bundle(request, name))
        .ok_or_else(|| not_found(name, version))
}

fn not_found(name: &str, version: Option<&str>) -> Refusal {
    let which = version.map_or_else(|| name.to_owned(), |version| format!("{name}/{version}"));
    let told = format!(
        "A secret with (name/id) {which} was not found in this key vault. If you recently deleted \
         this secret you may be able to recover it using the correct recovery command."
    );
    refused(StatusCode::NOT_FOUND, "SecretNotFound", &told)
}

impl Vault {
    fn version(&self, name: &str, version: Option<&str>) -> Option<&Version> {
        let versions = self.0.get(name)?;
        match version {
            None => versions.last(),
            Some(id) => versions.iter().find(|version| version.id == id),
        }
    }

    fn add(&mut self, name: &str, value: &str) -> Version {
        let version = Version {
            id: Uuid::new_v4().simple().to_string(),
            value: value.to_owned(),
            created: unix_seconds(),
        };
        let versions = self.0.entry(name.to_owned()).or_default();
        versions.push(version.clone());
        version
    }
}

impl Version {
    fn bundle(&self, request: &Request<Bytes>, name: &str) -> Value {
        let Self { id, value, created } = self;
        let host = request.headers().get(header::HOST);
        let host = host.and_then(|host| host.to_str().ok());
        let authority = request.uri().authority();
        let host = authority.map_or(host.unwrap_or("localhost"), |authority| authority.as_str());
        json!({
            "value": value,
            "id": format!("https://{host}/secrets/{name}/{id}"),
            "attributes": {
                "enabled": true,
                "created": created,
                "updated": created,
                "recoveryLevel": "Recoverable+Purgeable",
                "recoverableDays": 90,
            },
        })
    }
}

/// Of names of objects in a vault.
const LONGEST_NAME: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Fault, Target,
        trial::{Told, whole, with_secret},
    };

    #[tokio::test]
    async fn keeps_every_version_and_shows_the_latest() {
        let site = Site::new().await;
        let (_, first) = site.send("PUT", "rt", r#"{"value": "first"}"#).await;
        let (status, second) = site.send("PUT", "rt", r#"{"value": "second"}"#).await;

        let id = first["id"].as_str().unwrap();
        let version = id.strip_prefix("https://vault.test/secrets/rt/").unwrap();
        let earlier = site.send("GET", &format!("rt/{version}"), "").await;
        let latest = site.send("GET", "rt", "").await;
        let latest_too = site.send("GET", "rt/", "").await;

        assert_eq!(status, 200);
        assert_eq!((earlier.0, earlier.1), (200, first));
        assert_eq!((latest.0, &latest.1), (200, &second));
        assert_eq!(latest_too.1, second);
        assert_eq!(second["value"], "second");
        assert_eq!(second["attributes"]["enabled"], true);
        assert!(
            second["attributes"]["created"].is_u64() && second["attributes"]["updated"].is_u64()
        );
        assert_eq!(site.sandbox.vault_secret("rt").as_deref(), Some("second"));
        let committed: Vec<_> = site.sandbox.key_vault_requests();
        let committed: Vec<_> = committed.iter().map(|seen| seen.committed).collect();
        assert_eq!(committed, [true, true, false, false, false]);
    }

    #[tokio::test]
    async fn tells_whoever_has_no_token_for_it_where_to_get_one() {
        let site = Site::new().await;
        let scope = "https://api.partnercenter.microsoft.com/.default";
        let other = token(&site.sandbox, scope).await;
        for (shown, told) in [
            (None, "AKV10000"),
            (Some("made-up"), "not valid"),
            (
                Some(other.as_str()),
                "found: https://api.partnercenter.microsoft.com.",
            ),
        ] {
            let mut request = Request::get("/secrets/rt?api-version=7.4");
            if let Some(shown) = shown {
                request = request.header("Authorization", format!("Bearer {shown}"));
            }
            let request = request.body(Bytes::new()).unwrap();

            let answer = site.sandbox.key_vault(request).await.unwrap();

            let tenant = Settings::default().tenant;
            assert_eq!(
                answer.headers()["www-authenticate"],
                format!(
                    "Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", \
                     resource=\"https://vault.azure.net\""
                )
            );
            let (status, body) = whole(answer).await;
            assert_eq!(
                (status, &body["error"]["code"]),
                (401, &json!("Unauthorized"))
            );
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains(told), "{message}");
        }
    }

    #[tokio::test]
    async fn refuses_what_it_does_not_hold_or_understand() {
        let site = Site::new().await;
        site.sandbox.put_vault_secret("rt", "held");
        for (method, path, body, wanted) in [
            ("GET", "other?api-version=7.4", "", (404, "SecretNotFound")),
            (
                "GET",
                "rt/0123?api-version=7.4",
                "",
                (404, "SecretNotFound"),
            ),
            ("GET", "rt", "", (400, "BadParameter")),
            ("GET", "a_b?api-version=7.4", "", (400, "BadParameter")),
            ("PUT", "rt?api-version=7.4", "{}", (400, "BadParameter")),
            (
                "PUT",
                "rt?api-version=7.4",
                r#"{"value": 7}"#,
                (400, "BadParameter"),
            ),
            (
                "DELETE",
                "rt?api-version=7.4",
                "",
                (405, "MethodNotAllowed"),
            ),
        ] {
            let request = site.request(method, path, body);

            let (status, told) = whole(site.sandbox.key_vault(request).await.unwrap()).await;

            let code = told["error"]["code"].as_str().unwrap();
            assert_eq!((status, code), wanted, "{method} {path} {body}");
            assert_eq!(site.sandbox.vault_secret("rt").as_deref(), Some("held"));
        }
    }

    #[tokio::test]
    async fn keeps_a_write_whose_answer_is_lost_and_fails_in_its_own_words() {
        let site = Site::new().await;
        site.sandbox
            .push_fault(Target::KeyVault, Fault::CommitThenSilence);
        let throttled = r#"{"fault": "status", "status": 429}"#;
        let throttled = serde_json::from_str(throttled).unwrap();
        site.sandbox.push_fault(Target::KeyVault, throttled);
        let request = site.request("PUT", "rt?api-version=7.4", r#"{"value": "lost"}"#);

        let lost = site.sandbox.key_vault(request).await;
        let (status, body) = site.send("GET", "rt", "").await;

        assert!(lost.is_err());
        assert_eq!(site.sandbox.vault_secret("rt").as_deref(), Some("lost"));
        assert_eq!((status, &body["error"]["code"]), (429, &json!("Throttled")));
    }

    struct Site {
        sandbox: Sandbox,
        token: String,
    }

    impl Site {
        async fn new() -> Self {
            let sandbox = Sandbox::new(Settings::default());
            let token = token(&sandbox, "https://vault.azure.net/.default").await;
            Self { sandbox, token }
        }

        fn request(&self, method: &str, path: &str, body: &str) -> Request<Bytes> {
            Request::builder()
                .method(method)
                .uri(format!("/secrets/{path}"))
                .header("Host", "vault.test")
                .header("Authorization", format!("Bearer {}", self.token))
                .body(body.to_owned().into())
                .unwrap()
        }

        async fn send(&self, method: &str, path: &str, body: &str) -> Told {
            let request = self.request(method, &format!("{path}?api-version=7.4"), body);
            whole(self.sandbox.key_vault(request).await.unwrap()).await
        }
    }

    async fn token(sandbox: &Sandbox, scope: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("scope", scope)];
        let (_, body) = with_secret(sandbox, &form).await;
        body["access_token"].as_str().unwrap().to_owned()
    }
}
