//! Secrets of a Kubernetes API server, faithful in its optimistic locking.
//!
//! A service account may read and write the secrets that the sandbox was given and no others, as a role
//! with `resourceNames` grants it. Every write gets a new resource version; one that names an older
//! version is a conflict, and one that names none goes through whatever was written meanwhile.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/>

mod object;
pub(crate) mod secrets;
mod status;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use serde_json::Value;

pub(crate) use self::status::words;
use self::{
    secrets::{Name, Secrets, Written},
    status::{Status, bad_request},
};
use crate::{
    answer::{Answer, typed},
    routes::{self, SecretPath},
    sandbox::Sandbox,
};

/// Answers one request; `number` is what it was logged as.
pub(crate) fn answer(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    number: usize,
) -> Response<Answer> {
    let mut state = sandbox.state();
    match serve(&mut state.secrets, request) {
        Ok((status, Written { object, is_change })) => {
            if is_change {
                state.kubernetes_requests.committed(number);
            }
            typed(status, "application/json", object.to_string())
        }
        Err(status) => status.answer(),
    }
}

fn serve(secrets: &mut Secrets, request: &Request<Bytes>) -> Result<(StatusCode, Written), Status> {
    let shown = request.headers().get(header::AUTHORIZATION);
    let shown = shown.and_then(|shown| shown.to_str().ok()?.strip_prefix("Bearer "));
    if !shown.is_some_and(|token| secrets.is_account(token)) {
        return Err(status::unauthorized());
    }
    let path = routes::secret(request.uri().path()).ok_or_else(status::no_such_resource)?;
    let served = match (request.method(), path) {
        (
            &Method::POST,
            SecretPath {
                namespace,
                name: None,
            },
        ) => {
            let created = create(secrets, namespace, request)?;
            return Ok((StatusCode::CREATED, created));
        }
        (
            method,
            SecretPath {
                namespace,
                name: Some(name),
            },
        ) => {
            let name = Name::new(namespace, name);
            let verb = verb(method);
            if !["get", "update", "patch"].contains(&verb) || !secrets.is_granted(&name) {
                return Err(status::forbidden(verb, &name));
            }
            match verb {
                "get" => secrets.read(&name)?,
                "update" => secrets.replace(&name, named(document(request, &[JSON])?)?)?,
                _ => secrets.patch(&name, &document(request, &PATCHES)?)?,
            }
        }
        (
            method,
            SecretPath {
                namespace,
                name: None,
            },
        ) => {
            let verb = if *method == Method::GET {
                "list"
            } else {
                verb(method)
            };
            return Err(status::forbidden(verb, &Name::new(namespace, "")));
        }
    };
    Ok((StatusCode::OK, served))
}

/// Makes a secret that was deleted anew; a role cannot tell names apart here, the sandbox does.
fn create(
    secrets: &mut Secrets,
    namespace: &str,
    request: &Request<Bytes>,
) -> Result<Written, Status> {
    let wanted = document(request, &[JSON])?;
    let name = wanted.pointer("/metadata/name").and_then(Value::as_str);
    let name = name.ok_or_else(|| bad_request("name or generateName is required"))?;
    let name = Name::new(namespace, name);
    if !secrets.is_granted(&name) {
        return Err(status::forbidden("create", &Name::new(namespace, "")));
    }
    secrets.create(&name, wanted)
}

/// An object that says what it is called, as the server wants it of a whole one.
fn named(object: Value) -> Result<Value, Status> {
    if object.pointer("/metadata/name").is_none() {
        let told =
            "the name of the object (based on URL) was undeterminable: name must be provided";
        return Err(bad_request(told));
    }
    Ok(object)
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::POST => "create",
        _ => "delete",
    }
}

/// The JSON object of a body that has one of these media types.
fn document(request: &Request<Bytes>, accepted: &[&str]) -> Result<Value, Status> {
    let media = request.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or("");
    let media = media.split(';').next().unwrap_or_default().trim();
    if !accepted.contains(&media) {
        return Err(status::unsupported_media(accepted));
    }
    let read = serde_json::from_slice::<Value>(request.body());
    let read = read.map_err(|error| bad_request(&format!("json: {error}")))?;
    if !read.is_object() {
        return Err(bad_request("json: cannot unmarshal into an object"));
    }
    Ok(read)
}

const JSON: &str = "application/json";

/// JSON patches and server-side apply, which the real one takes as well, are not played.
const PATCHES: [&str; 2] = [
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Fault, Settings, Target,
        trial::{Told, whole},
    };

    #[tokio::test]
    async fn shows_a_secret_as_the_server_does() {
        let site = Site::new();

        let (status, body) = site.send("GET", PATH, "", "").await;

        assert_eq!(status, 200);
        assert_eq!(
            (&body["kind"], &body["apiVersion"]),
            (&json!("Secret"), &json!("v1"))
        );
        assert_eq!(
            body["data"],
            json!({"refresh-token": "Zmlyc3Q=", "other": "eA=="})
        );
        assert_eq!(body["type"], "Opaque");
        let metadata = &body["metadata"];
        assert_eq!(metadata["name"], "partner-center");
        assert_eq!(metadata["namespace"], "partner");
        assert_eq!(metadata["resourceVersion"], site.version());
        assert!(metadata["uid"].is_string() && metadata["creationTimestamp"].is_string());
    }

    #[tokio::test]
    async fn refuses_a_write_to_an_older_version() {
        for (method, media) in WRITES {
            let site = Site::new();
            let old = site.version();
            site.sandbox
                .put_secret("partner", "partner-center", &[("refresh-token", "theirs")]);
            let before = site.secret();

            let (status, body) = site.send(method, PATH, media, &wish(Some(&old))).await;

            assert_eq!(status, 409, "{method} {media}");
            assert_eq!(
                body,
                json!({
                    "kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "status": "Failure",
                    "message": "Operation cannot be fulfilled on secrets \"partner-center\": the \
                                object has been modified; please apply your changes to the latest \
                                version and try again",
                    "reason": "Conflict",
                    "details": {"name": "partner-center", "kind": "secrets"},
                    "code": 409,
                })
            );
            assert_eq!(site.secret(), before);
            assert!(!site.sandbox.kubernetes_requests()[0].committed);
        }
    }

    #[tokio::test]
    async fn takes_a_write_to_the_latest_version_and_one_that_names_none() {
        for (method, media) in WRITES {
            for named in [true, false] {
                let site = Site::new();
                let old = site.version();
                let wish = wish(named.then_some(old.as_str()));

                let (status, body) = site.send(method, PATH, media, &wish).await;

                assert_eq!(status, 200, "{method} {media}: {body}");
                assert_eq!(site.secret().data["refresh-token"], b"second");
                assert_eq!(site.secret().annotations["rotated"], "yes");
                assert_eq!(body["metadata"]["resourceVersion"], site.version());
                assert_eq!(body["stringData"], Value::Null);
                let number = |text: &str| text.parse::<u64>().unwrap();
                assert!(number(&site.version()) > number(&old));
                assert!(site.sandbox.kubernetes_requests()[0].committed);
            }
        }
    }

    #[tokio::test]
    async fn replaces_as_a_whole_and_patches_in_part() {
        let whole = Site::new();
        let part = Site::new();
        let patch = r#"{"data": {"other": null}, "metadata": {"annotations": {"a": "b"}}}"#;

        whole.send("PUT", PATH, JSON, &wish(None)).await;
        part.send("PATCH", PATH, PATCHES[0], &wish(None)).await;
        part.send("PATCH", PATH, PATCHES[1], patch).await;

        assert_eq!(whole.secret().data.len(), 1);
        let part = part.secret();
        assert_eq!(part.data.keys().collect::<Vec<_>>(), ["refresh-token"]);
        assert_eq!(
            part.annotations.keys().collect::<Vec<_>>(),
            ["a", "rotated"]
        );
    }

    #[tokio::test]
    async fn writes_nothing_where_nothing_differs() {
        let site = Site::new();
        site.send("PATCH", PATH, PATCHES[0], &wish(None)).await;
        let version = site.version();

        let (status, _) = site
            .send("PATCH", PATH, PATCHES[0], &wish(Some(&version)))
            .await;

        assert_eq!(status, 200);
        assert_eq!(site.version(), version);
        assert!(!site.sandbox.kubernetes_requests()[1].committed);
    }

    #[tokio::test]
    async fn refuses_whoever_is_not_the_service_account() {
        let site = Site::new();
        let old = site.sandbox.service_account_token();
        site.sandbox.rotate_service_account_token();

        let request = Request::get(PATH).header("authorization", format!("Bearer {old}"));
        let request = request.body(Bytes::new()).unwrap();
        let (status, body) = whole(site.sandbox.kubernetes(request).await.unwrap()).await;

        assert_eq!((status, &body["reason"]), (401, &json!("Unauthorized")));
        assert_eq!(site.send("GET", PATH, "", "").await.0, 200);
    }

    #[tokio::test]
    async fn refuses_what_the_role_does_not_grant() {
        let site = Site::new();
        let base = "/api/v1/namespaces";
        for (method, path, about) in [
            ("GET", "partner/secrets/another", "cannot get"),
            (
                "GET",
                "default/secrets/partner-center",
                "in the namespace \"default\"",
            ),
            ("PUT", "partner/secrets/another", "cannot update"),
            ("GET", "partner/secrets", "cannot list"),
            ("DELETE", "partner/secrets/partner-center", "cannot delete"),
            ("POST", "partner/secrets", "cannot create"),
        ] {
            let wish = r#"{"metadata": {"name": "another"}}"#;

            let (status, body) = site
                .send(method, &format!("{base}/{path}"), JSON, wish)
                .await;

            assert_eq!(
                (status, &body["reason"]),
                (403, &json!("Forbidden")),
                "{path}"
            );
            let message = body["message"].as_str().unwrap();
            assert!(message.contains(about), "{message}");
            assert!(message.contains("User \"system:serviceaccount:partner:gateway\""));
        }
    }

    #[tokio::test]
    async fn makes_anew_what_was_deleted_and_nothing_that_exists() {
        let site = Site::new();
        let exists = site.send("POST", ALL, JSON, &wish(None)).await;
        site.sandbox.delete_secret("partner", "partner-center");
        let gone = site.send("GET", PATH, "", "").await;
        let put = site.send("PUT", PATH, JSON, &wish(None)).await;
        let patched = site.send("PATCH", PATH, PATCHES[0], &wish(None)).await;
        let nothing = site.sandbox.secret("partner", "partner-center");

        let made = site.send("POST", ALL, JSON, &wish(None)).await;

        assert_eq!(
            (exists.0, &exists.1["reason"]),
            (409, &json!("AlreadyExists"))
        );
        for (status, body) in [gone, put, patched] {
            assert_eq!((status, &body["reason"]), (404, &json!("NotFound")));
        }
        assert_eq!(nothing, None);
        assert_eq!(made.0, 201, "{}", made.1);
        assert_eq!(site.secret().data["refresh-token"], b"second");
    }

    #[tokio::test]
    async fn refuses_what_is_no_secret() {
        let site = Site::new();
        let named = |rest: &str| format!(r#"{{"metadata": {{"name": "partner-center"}}, {rest}}}"#);
        for (method, media, body, wanted) in [
            ("PUT", "text/plain", "{}".to_owned(), 415),
            ("PATCH", "application/json-patch+json", "[]".to_owned(), 415),
            ("PUT", JSON, "{".to_owned(), 400),
            ("PUT", JSON, "{}".to_owned(), 400),
            (
                "PUT",
                JSON,
                r#"{"metadata": {"name": "x"}}"#.to_owned(),
                400,
            ),
            ("PUT", JSON, named(r#""kind": "ConfigMap""#), 400),
            ("PUT", JSON, named(r#""data": {"a": "not base64"}"#), 400),
            ("PUT", JSON, named(r#""type": "kubernetes.io/tls""#), 422),
            (
                "PATCH",
                PATCHES[1],
                r#"{"$patch": "replace"}"#.to_owned(),
                400,
            ),
            (
                "PATCH",
                PATCHES[0],
                r#"{"metadata": {"uid": "x"}}"#.to_owned(),
                409,
            ),
        ] {
            let before = site.secret();

            let (status, told) = site.send(method, PATH, media, &body).await;

            assert_eq!(status, wanted, "{body}: {told}");
            assert_eq!(told["code"], wanted);
            assert_eq!(site.secret(), before);
        }
    }

    #[tokio::test]
    async fn keeps_a_write_whose_answer_is_lost() {
        let site = Site::new();
        site.sandbox
            .push_fault(Target::Kubernetes, Fault::CommitThenSilence);
        let request = site.request("PUT", PATH, JSON, &wish(None));

        let lost = site.sandbox.kubernetes(request).await;

        assert!(lost.is_err());
        assert_eq!(site.secret().data["refresh-token"], b"second");
    }

    #[tokio::test]
    async fn fails_in_its_own_words() {
        let site = Site::new();
        for (code, reason) in [(429, "TooManyRequests"), (500, "InternalError")] {
            let fault = format!(r#"{{"fault": "status", "status": {code}}}"#);
            let fault = serde_json::from_str(&fault).unwrap();
            site.sandbox.push_fault(Target::Kubernetes, fault);

            let (status, body) = site.send("GET", PATH, "", "").await;

            assert_eq!((status, &body["reason"]), (code, &json!(reason)));
            assert_eq!(body["kind"], "Status");
        }
    }

    struct Site {
        sandbox: Sandbox,
    }

    impl Site {
        fn new() -> Self {
            let sandbox = Sandbox::new(Settings::default());
            let entries = [("refresh-token", "first"), ("other", "x")];
            sandbox.put_secret("partner", "partner-center", &entries);
            Self { sandbox }
        }

        fn secret(&self) -> crate::Secret {
            self.sandbox.secret("partner", "partner-center").unwrap()
        }

        fn version(&self) -> String {
            self.secret().resource_version
        }

        fn request(&self, method: &str, path: &str, media: &str, body: &str) -> Request<Bytes> {
            let token = self.sandbox.service_account_token();
            Request::builder()
                .method(method)
                .uri(path)
                .header("authorization", format!("Bearer {token}"))
                .header("content-type", media)
                .body(body.to_owned().into())
                .unwrap()
        }

        async fn send(&self, method: &str, path: &str, media: &str, body: &str) -> Told {
            let request = self.request(method, path, media, body);
            whole(self.sandbox.kubernetes(request).await.unwrap()).await
        }
    }

    /// A body for each of the writes: another refresh token, and an annotation.
    fn wish(version: Option<&str>) -> String {
        let mut wish = json!({
            "metadata": {"name": "partner-center", "annotations": {"rotated": "yes"}},
            "stringData": {"refresh-token": "second"},
        });
        if let Some(version) = version {
            wish["metadata"]["resourceVersion"] = json!(version);
        }
        wish.to_string()
    }

    const ALL: &str = "/api/v1/namespaces/partner/secrets";

    const PATH: &str = "/api/v1/namespaces/partner/secrets/partner-center";

    const WRITES: [(&str, &str); 3] = [("PUT", JSON), ("PATCH", PATCHES[0]), ("PATCH", PATCHES[1])];
}
