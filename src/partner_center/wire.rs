//! The only place that spells Partner Center's JSON and headers.
//!
//! Requests are built in `request`, from parsed identifiers alone. Answers are read leniently: Partner
//! Center has at least five shapes of error, spells `code` as a number or a string, and answers with HTML
//! or nothing when a front door speaks in its place.

pub mod activity;
pub mod request;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value};

use crate::{http_client::Answer, ids::TransferId};

/// What an error body says, whatever its shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Partner Center's code, as text.
    pub code: Option<String>,
    /// Partner Center's words.
    pub description: Option<String>,
}

/// Whether a body proves that the transfer is rejected: it is the transfer's, and its status says so.
#[must_use]
pub fn proves_rejection(body: &[u8], transfer: TransferId) -> bool {
    let status = entity(body, transfer).and_then(Entity::status);
    status.is_some_and(|status| status.eq_ignore_ascii_case("reject"))
}

/// Whether a body is the transfer's, whatever its status.
#[must_use]
pub fn is_of_transfer(body: &[u8], transfer: TransferId) -> bool {
    entity(body, transfer).is_some_and(|entity| entity.status.is_some())
}

/// Whether Partner Center says that the transfer had ended before, one way or another.
#[must_use]
pub fn had_ended(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST
        && error_body(&answer.body).code.as_deref() == Some(HAD_ENDED)
}

/// Whether Partner Center says that the transfer is in progress, or in the hands of another request.
#[must_use]
pub fn is_in_progress(answer: &Answer) -> bool {
    answer.status == StatusCode::CONFLICT
        && matches!(
            error_body(&answer.body).code.as_deref(),
            Some(IN_PROGRESS | IN_OTHER_HANDS)
        )
}

/// The transfer's state in a body that names it, as spelt there.
#[must_use]
pub fn transfer_status(body: &[u8], transfer: TransferId) -> Option<String> {
    let status = entity(body, transfer)?.status()?;
    Some(cut(&status, LONGEST_STATUS))
}

/// Reads an error body of any shape; what is not there stays empty.
#[must_use]
pub fn error_body(body: &[u8]) -> ErrorBody {
    let Some(members) = object(body) else {
        return ErrorBody::default();
    };
    let text = |names: &[&str]| {
        names.iter().find_map(|name| match members.get(*name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        })
    };
    ErrorBody {
        code: text(&["code", "statusCode", "error"]).map(|code| cut(&code, LONGEST_CODE)),
        description: text(&["description", "message", "error_description"])
            .map(|words| cut(&words, LONGEST_DESCRIPTION)),
    }
}

/// Keeps of an answer's headers what a caller receives.
#[must_use]
pub fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER, LOCALE] {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

/// Whether Partner Center found a second factor in the token; nothing where it does not say.
///
/// It says so to who asks by `ValidateMfa`, documented at
/// <https://learn.microsoft.com/partner-center/security/partner-security-requirements-mandating-mfa>,
/// and by refusing the token for it.
#[must_use]
pub fn mfa_compliance(answer: &Answer) -> Option<bool> {
    let refused = answer.status == StatusCode::UNAUTHORIZED;
    if refused && error_body(&answer.body).code.as_deref() == Some(NO_MFA) {
        return Some(false);
    }
    let said = answer.headers.get(IS_MFA_COMPLIANT)?.to_str().ok()?.trim();
    let is = |word: &str| said.eq_ignore_ascii_case(word);
    is("true")
        .then_some(true)
        .or_else(|| is("false").then_some(false))
}

/// Whether Partner Center says that no fresh token will help: 900420 is a token for a retired
/// audience, 900421 one that was had without a second factor.
#[must_use]
pub fn no_token_will_do(status: StatusCode, error: &ErrorBody) -> bool {
    let code = error.code.as_deref();
    status == StatusCode::UNAUTHORIZED && matches!(code, Some(WRONG_AUDIENCE | NO_MFA))
}

/// What counts of a transfer in a body. One that says something twice is nobody's word for either.
#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow)]
    id: Option<Said<'a>>,
    #[serde(borrow)]
    status: Option<Said<'a>>,
}

/// The value of a member.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Otherwise(IgnoredAny),
}

impl<'a> Entity<'a> {
    fn status(self) -> Option<Cow<'a, str>> {
        self.status.and_then(Said::text)
    }
}

impl<'a> Said<'a> {
    fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Otherwise(_) => None,
        }
    }
}

/// Reads a body that names the transfer.
fn entity(body: &[u8], transfer: TransferId) -> Option<Entity<'_>> {
    let mut entity: Entity<'_> = serde_json::from_slice(body).ok()?;
    let id = entity.id.take().and_then(Said::text)?;
    let is_named = id.eq_ignore_ascii_case(&transfer.to_string());
    is_named.then_some(entity)
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(body).ok()
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

/// Partner Center's code for a token of a retired audience.
pub const WRONG_AUDIENCE: &str = "900420";

/// Partner Center's code for an App+User token had without a second factor.
pub const NO_MFA: &str = "900421";

/// Partner Center's code, with status 400, for a transfer that had ended before.
const HAD_ENDED: &str = "900102";

/// Partner Center's code, with status 409, for a transfer that is in progress.
const IN_PROGRESS: &str = "900101";

/// Partner Center's code, with status 409, for a transfer that another request is processing.
const IN_OTHER_HANDS: &str = "900104";

const IS_MFA_COMPLIANT: HeaderName = HeaderName::from_static("ismfacompliant");
const LOCALE: HeaderName = HeaderName::from_static("x-locale");

/// Far over every status seen; keeps audit records within their bound.
const LONGEST_STATUS: usize = 64;

/// Far over every code seen; keeps audit records within their bound.
const LONGEST_CODE: usize = 64;

/// Documented as at most 1024 characters.
const LONGEST_DESCRIPTION: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Option<String>, Option<String>) {
        let ErrorBody { code, description } = error_body(body.as_bytes());
        (code, description)
    }

    fn says(code: &str, description: &str) -> (Option<String>, Option<String>) {
        (Some(code.to_owned()), Some(description.to_owned()))
    }

    #[test]
    fn reads_every_documented_shape_of_error() {
        let number = r#"{"code":3000,"description":"We&#39;re","data":[],"source":"PartnerFD"}"#;
        let text = r#"{"code":"900420","description":"no longer supported"}"#;
        let newer = r#"{"code":600061,"message":"m","description":"d","isRetryable":false}"#;
        let door = r#"{"statusCode":429,"message":"Rate limit is exceeded."}"#;
        let entra = r#"{"error":"invalid_client","error_description":"AADSTS7000215: x"}"#;

        assert_eq!(read(number), says("3000", "We&#39;re"));
        assert_eq!(read(text), says("900420", "no longer supported"));
        assert_eq!(read(newer), says("600061", "d"));
        assert_eq!(read(door), says("429", "Rate limit is exceeded."));
        assert_eq!(read(entra), says("invalid_client", "AADSTS7000215: x"));
    }

    #[test]
    fn reads_no_error_out_of_anything_else() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            "{",
            r#"{"code":null}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(read(body), (None, None), "{body:?}");
        }
    }

    #[test]
    fn reads_a_state_however_its_letters_are_written() {
        let transfer = "ac4a9d22-ba07-444e-890f-cfe084eed498".parse().unwrap();
        let body = r#"{"lineItems":[{"status":"x"}],"status":"Re\u006aect",
            "id":"ac4a9d22-ba07-444e-890f-cfe084eed498"}"#;

        let status = transfer_status(body.as_bytes(), transfer);

        assert_eq!(status.as_deref(), Some("Reject"));
        assert!(proves_rejection(body.as_bytes(), transfer));
    }

    #[test]
    fn believes_a_rejection_only_with_proof() {
        let transfer = "ac4a9d22-ba07-444e-890f-cfe084eed498".parse().unwrap();
        let proves = |body: &str| proves_rejection(body.as_bytes(), transfer);

        assert!(proves(
            r#"{"id":"AC4A9D22-BA07-444E-890F-CFE084EED498","status":"Reject"}"#
        ));
        for body in [
            "",
            "<html>",
            r#"{"status":"Reject"}"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498"}"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"Active"}"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"Rejected"}"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed499","status":"Reject"}"#,
            r#"[{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"Reject"}]"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":["Reject"]}"#,
            r#"{"id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"Active","status":"Reject"}"#,
            r#"{"id":"1","id":"ac4a9d22-ba07-444e-890f-cfe084eed498","status":"Reject"}"#,
        ] {
            assert!(!proves(body), "{body}");
        }
    }
}
