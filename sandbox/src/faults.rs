//! What each fault does to a request.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Map, Value, json};

use crate::{
    answer::{Answer, Dropped, json as json_answer, typed},
    framing, key_vault, kubernetes, partner_center,
    script::{Fault, Then},
};

/// What a fault changes in a token's answer.
#[derive(Debug, Default)]
pub(crate) struct TokenChange {
    pub(crate) expires_in: Option<Value>,
    pub(crate) token_type: Option<String>,
    pub(crate) audience: Option<String>,
    pub(crate) refresh_in: bool,
    pub(crate) field: Option<(String, Value)>,
}

impl TokenChange {
    /// Changes the answer's fields; `life` is in seconds.
    pub(crate) fn apply(self, body: &mut Map<String, Value>, life: u64) {
        let mut set = |name: &str, value| body.insert(name.to_owned(), value);
        if let Some(value) = self.expires_in {
            set("expires_in", value);
        }
        if let Some(value) = self.token_type {
            set("token_type", value.into());
        }
        if self.refresh_in {
            set("refresh_in", (life / 2).into());
        }
        if let Some((name, value)) = self.field {
            set(&name, value);
        }
    }
}

/// Answers a token request, or not.
pub(crate) async fn token(
    fault: Fault,
    answer: impl Fn(TokenChange) -> Response<Answer>,
) -> Result<Response<Answer>, Dropped> {
    let usual = TokenChange::default();
    let change = match fault {
        Fault::ExpiresIn { value } => TokenChange {
            expires_in: Some(value),
            ..usual
        },
        Fault::TokenType { value } => TokenChange {
            token_type: Some(value),
            ..usual
        },
        Fault::Audience { value } => TokenChange {
            audience: Some(value),
            ..usual
        },
        Fault::TokenField { name, value } => TokenChange {
            field: Some((name, value)),
            ..usual
        },
        Fault::ExtraRefreshIn => TokenChange {
            refresh_in: true,
            ..usual
        },
        other => return common(other, || answer(TokenChange::default()), entra_words).await,
    };
    Ok(answer(change))
}

/// Answers a request to Partner Center, or not.
pub(crate) async fn partner_center(
    fault: Fault,
    request: &Request<Bytes>,
    answer: impl Fn(u64) -> Response<Answer>,
) -> Result<Response<Answer>, Dropped> {
    match fault {
        Fault::CommitLate { reads, then } => {
            drop(answer(reads));
            match then {
                Then::Silence => Err(Dropped::Closed),
                Then::Hang => pending().await,
            }
        }
        Fault::CutBodyBefore => cut(partner_center::pretend(request, None, "Reject")).await,
        Fault::WrongStatus { status } => Ok(partner_center::pretend(request, None, &status)),
        Fault::WrongId => {
            let another = "00000000-0000-4000-8000-000000000000";
            Ok(partner_center::pretend(request, Some(another), "Reject"))
        }
        other => common(other, || answer(0), partner_center_words).await,
    }
}

/// Answers a request to Kubernetes, or not.
pub(crate) async fn kubernetes(
    fault: Fault,
    answer: impl Fn() -> Response<Answer>,
) -> Result<Response<Answer>, Dropped> {
    common(fault, answer, kubernetes::words).await
}

/// Answers a request to Key Vault, or not.
pub(crate) async fn key_vault(
    fault: Fault,
    answer: impl Fn() -> Response<Answer>,
) -> Result<Response<Answer>, Dropped> {
    common(fault, answer, key_vault::words).await
}

/// The faults that do the same to every service: first when and whether an answer comes.
async fn common(
    fault: Fault,
    answer: impl Fn() -> Response<Answer>,
    words: fn(StatusCode) -> Value,
) -> Result<Response<Answer>, Dropped> {
    match fault {
        Fault::Delay { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
        Fault::CutBody => return cut(answer()).await,
        Fault::DropBefore => return Err(Dropped::Closed),
        Fault::ResetBefore | Fault::ResetInTheMiddle => return Err(Dropped::Reset),
        Fault::ResetAfter => {
            drop(answer());
            return Err(Dropped::Reset);
        }
        Fault::CommitThenSilence => {
            drop(answer());
            return Err(Dropped::Closed);
        }
        Fault::CommitThenHang => {
            drop(answer());
            return pending().await;
        }
        Fault::Hang => return pending().await,
        Fault::NotHttp => return Err(Dropped::NotHttp),
        other => return Ok(answered(other, answer, words)),
    }
    Ok(answer())
}

/// Then what the answer is; a fault that is for another service does nothing.
fn answered(
    fault: Fault,
    answer: impl Fn() -> Response<Answer>,
    words: fn(StatusCode) -> Value,
) -> Response<Answer> {
    if matches!(fault, Fault::CommitThen { .. }) {
        drop(answer());
    }
    match fault {
        Fault::Status {
            status,
            body,
            content_type,
            retry_after,
            headers,
        }
        | Fault::CommitThen {
            status,
            body,
            content_type,
            retry_after,
            headers,
        } => {
            let plain = status_answer(status, body, content_type.as_deref(), words);
            with_headers(plain, retry_after, headers)
        }
        Fault::Body {
            status,
            content_type,
            body,
        } => typed(code(status), &content_type.unwrap_or_default(), body),
        Fault::WrongJson => typed(StatusCode::OK, JSON, r#"{"id":"ac4a9d22-ba07-444e"#),
        Fault::Html => typed(
            StatusCode::OK,
            "text/html",
            "<html><body>Service</body></html>",
        ),
        Fault::Huge { bytes } => typed(StatusCode::OK, JSON, vec![b'x'; bytes]),
        Fault::Redirect { status, location } => {
            let location = vec![("Location".to_owned(), location)];
            with_headers(typed(code(status), "", ""), None, location)
        }
        Fault::ConflictingLength => framing::conflicting(answer()),
        Fault::Informational => framing::after_others(answer()),
        Fault::SwitchingProtocols => framing::switching(),
        _ => answer(),
    }
}

fn status_answer(
    status: u16,
    body: Option<String>,
    content_type: Option<&str>,
    words: fn(StatusCode) -> Value,
) -> Response<Answer> {
    let status = code(status);
    match body {
        Some(body) => typed(status, content_type.unwrap_or(JSON), body),
        None => json_answer(status, &words(status)),
    }
}

fn with_headers(
    mut response: Response<Answer>,
    retry_after: Option<String>,
    headers: Vec<(String, String)>,
) -> Response<Answer> {
    let retry_after = retry_after.map(|value| ("Retry-After".to_owned(), value));
    for (name, value) in headers.into_iter().chain(retry_after) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// Half of the body, with the length of the whole.
async fn cut(response: Response<Answer>) -> Result<Response<Answer>, Dropped> {
    let (mut head, body) = response.into_parts();
    let whole = body
        .collect()
        .await
        .map_err(|_| Dropped::Closed)?
        .to_bytes();
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    Ok(Response::from_parts(head, Answer::broken_off(half)))
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn entra_words(status: StatusCode) -> Value {
    let error = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "temporarily_unavailable"
        }
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    };
    json!({
        "error": error,
        "error_description": "AADSTS90033: A transient error has occurred. Please try again.",
        "error_codes": [90033],
    })
}

/// A throttled request is answered by the front door, in a shape of its own.
fn partner_center_words(status: StatusCode) -> Value {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return json!({
            "statusCode": 429,
            "message": "Rate limit is exceeded. Try again in 57 seconds.",
        });
    }
    partner_center::error_body(800_003, "Unexpected service error")
}

const JSON: &str = "application/json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sandbox, Settings, Target, trial::with_secret};

    #[tokio::test]
    async fn sets_any_field_of_a_tokens_answer() {
        let sandbox = Sandbox::new(Settings::default());
        for (name, value) in [
            ("access_token", json!("a\r\nb")),
            ("refresh_token", json!(7)),
            ("expires_in", Value::Null),
            ("foci", json!("1")),
        ] {
            let fault = json!({"fault": "token_field", "name": name, "value": value});
            sandbox.push_fault(Target::Token, serde_json::from_value(fault).unwrap());

            let (status, body) = ask(&sandbox).await;

            assert_eq!((status, body.get(name)), (200, Some(&value)));
            assert_eq!(body["token_type"], "Bearer");
        }
        assert_eq!(ask(&sandbox).await.1.get("foci"), None);
    }

    #[tokio::test]
    async fn does_nothing_to_a_service_that_a_fault_is_not_for() {
        let sandbox = Sandbox::new(Settings::default());
        for fault in [
            Fault::WrongId,
            Fault::WrongStatus {
                status: "Complete".to_owned(),
            },
        ] {
            sandbox.push_fault(Target::Token, fault);

            let (status, body) = ask(&sandbox).await;

            assert_eq!((status, &body["expires_in"]), (200, &json!(3600)));
        }
        let field = Fault::TokenField {
            name: "value".to_owned(),
            value: json!("changed"),
        };
        sandbox.put_vault_secret("rt", "held");
        sandbox.push_fault(Target::KeyVault, field);
        let request = Request::get("/secrets/rt").body(Bytes::new()).unwrap();

        let answer = sandbox.key_vault(request).await.unwrap();

        assert_eq!(answer.status(), 401);
    }

    async fn ask(sandbox: &Sandbox) -> crate::trial::Told {
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "https://api.partnercenter.microsoft.com/.default"),
        ];
        with_secret(sandbox, &form).await
    }
}
