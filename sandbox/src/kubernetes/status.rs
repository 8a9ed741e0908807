//! How a Kubernetes API server says no: a `Status` object.

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::secrets::Name;
use crate::answer::{Answer, typed};

/// A refusal.
#[derive(Debug)]
pub(crate) struct Status {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
}

impl Status {
    pub(super) fn answer(self) -> Response<Answer> {
        let body = self.body().to_string();
        typed(self.code, "application/json", body)
    }

    fn body(&self) -> Value {
        let Self {
            code,
            reason,
            message,
            details,
        } = self;
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": reason,
            "code": code.as_u16(),
        });
        if let (Some(details), Some(fields)) = (details, body.as_object_mut()) {
            fields.insert("details".to_owned(), details.clone());
        }
        body
    }

    fn about(self, name: &Name) -> Self {
        let details = if name.name.is_empty() {
            json!({"kind": "secrets"})
        } else {
            json!({"name": name.name, "kind": "secrets"})
        };
        Self {
            details: Some(details),
            ..self
        }
    }
}

pub(super) fn unauthorized() -> Status {
    plain(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
}

pub(super) fn forbidden(verb: &str, name: &Name) -> Status {
    let Name {
        namespace,
        name: secret,
    } = name;
    let which = if secret.is_empty() {
        "secrets".to_owned()
    } else {
        format!("secrets \"{secret}\"")
    };
    let told = format!(
        "{which} is forbidden: User \"{ACCOUNT}\" cannot {verb} resource \"secrets\" in API group \
         \"\" in the namespace \"{namespace}\""
    );
    plain(StatusCode::FORBIDDEN, "Forbidden", &told).about(name)
}

pub(super) fn not_found(name: &Name) -> Status {
    let told = format!("secrets \"{}\" not found", name.name);
    plain(StatusCode::NOT_FOUND, "NotFound", &told).about(name)
}

pub(super) fn no_such_resource() -> Status {
    let told = "the server could not find the requested resource";
    plain(StatusCode::NOT_FOUND, "NotFound", told)
}

pub(super) fn already_exists(name: &Name) -> Status {
    let told = format!("secrets \"{}\" already exists", name.name);
    plain(StatusCode::CONFLICT, "AlreadyExists", &told).about(name)
}

/// A write on top of another one than it was meant for.
pub(super) fn conflict(name: &Name, why: &str) -> Status {
    let told = format!(
        "Operation cannot be fulfilled on secrets \"{}\": {why}",
        name.name
    );
    plain(StatusCode::CONFLICT, "Conflict", &told).about(name)
}

pub(super) fn invalid(name: &Name, why: &str) -> Status {
    let told = format!("Secret \"{}\" is invalid: {why}", name.name);
    plain(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", &told).about(name)
}

pub(super) fn bad_request(told: &str) -> Status {
    plain(StatusCode::BAD_REQUEST, "BadRequest", told)
}

pub(super) fn unsupported_media(accepted: &[&str]) -> Status {
    let told = format!(
        "the body of the request was in an unknown format - accepted media types include: {}",
        accepted.join(", ")
    );
    let code = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    plain(code, "UnsupportedMediaType", &told)
}

/// The server's own words for a status that a fault wants.
pub(crate) fn words(code: StatusCode) -> Value {
    let (reason, told) = match code {
        StatusCode::UNAUTHORIZED => ("Unauthorized", "Unauthorized"),
        StatusCode::TOO_MANY_REQUESTS => (
            "TooManyRequests",
            "Too many requests, please try again later.",
        ),
        StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "apiserver not ready"),
        StatusCode::GATEWAY_TIMEOUT => ("Timeout", "request did not complete within the timeout"),
        code if code.is_server_error() => ("InternalError", "Internal error occurred"),
        _ => (
            "Unknown",
            "the server rejected our request for an unknown reason",
        ),
    };
    plain(code, reason, told).body()
}

fn plain(code: StatusCode, reason: &'static str, message: &str) -> Status {
    Status {
        code,
        reason,
        message: message.to_owned(),
        details: None,
    }
}

const ACCOUNT: &str = "system:serviceaccount:partner:gateway";
