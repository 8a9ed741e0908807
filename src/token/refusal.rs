//! A refusal of the token endpoint: what it says, and what it means.
//!
//! Its meaning is what the token cell goes by: wait as asked, try again soon, or call a person.
//! Microsoft lists the codes at <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>.

use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::{
    http_client::{Answer, retry_after},
    token::response::EntraErrorBody,
};

/// What a refusal says, as far as it may be logged.
#[derive(Debug)]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// How long to stay away.
    pub retry_after: Option<Duration>,
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// A refinement of the error.
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    pub error_codes: Vec<u64>,
    /// Whether Conditional Access demands claims that only a person can have put into a token.
    pub demands_claims: bool,
    /// Names the refusal in Microsoft's own logs.
    pub trace_id: Option<String>,
    /// Names the exchange in Microsoft's own logs.
    pub correlation_id: Option<String>,
}

impl Refusal {
    /// Reads a refusal received `now`; what of it is odd is left out.
    pub(in crate::token) fn read(answer: &Answer, now: SystemTime) -> Self {
        let body = EntraErrorBody::read(&answer.body);
        let asked = retry_after::read(&answer.headers, now);
        Self {
            status: answer.status,
            retry_after: asked.map(|wait| wait.min(LONGEST_RETRY_AFTER)),
            error: loggable(body.error),
            suberror: body.suberror.map(loggable),
            error_codes: body.error_codes,
            demands_claims: body.demands_claims,
            trace_id: body.trace_id.map(loggable),
            correlation_id: body.correlation_id.map(loggable),
        }
    }

    /// What is said of it: the status, the error, and Entra ID's codes as Microsoft lists them.
    pub(in crate::token) fn said(&self) -> String {
        let codes = self.error_codes.iter().map(|code| format!(" AADSTS{code}"));
        let codes: String = codes.collect();
        format!("{} {:?}{codes}", self.status.as_u16(), self.error)
    }

    /// Whether asking again soon is pointless.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        let passing = !self.status.is_client_error()
            || PASSING_STATUSES.contains(&self.status)
            || PASSING_ERRORS.contains(&self.error.as_str())
            || self.has_one_of(&PASSING_CODES);
        !passing
    }

    /// Whether the token endpoint wants to be left alone.
    #[must_use]
    pub fn is_throttle(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
            || self.retry_after.is_some()
            || self.has_one_of(&[LOOPING])
    }

    /// Whether, of a user's grant, a person must sign in and consent again; asking on is pointless until
    /// then. Of the application's own grant this says nothing.
    pub(in crate::token) fn ends_consent(&self) -> bool {
        let asked = [Some(self.error.as_str()), self.suberror.as_deref()]
            .into_iter()
            .flatten()
            .any(|error| CONSENT_ERRORS.contains(&error));
        let unmet = self.error == INVALID_GRANT || asked || self.demands_claims;
        unmet && self.is_permanent() && !self.is_stale_assertion()
    }

    /// Whether the refresh token itself is good no more, so that no change elsewhere makes it good again.
    pub(in crate::token) fn is_of_a_dead_token(&self) -> bool {
        let unmet = self.demands_claims || self.suberror.is_some();
        let plain = self.error_codes.is_empty() && !unmet;
        self.error == INVALID_GRANT
            && self.ends_consent()
            && (plain || self.has_one_of(&DEAD_TOKEN_CODES))
    }

    /// Whether the gateway's assertion was too old, or not yet good: a new one may do.
    #[must_use]
    pub fn is_stale_assertion(&self) -> bool {
        self.has_one_of(&STALE_ASSERTION_CODES)
    }

    fn has_one_of(&self, codes: &[u64]) -> bool {
        self.error_codes.iter().any(|code| codes.contains(code))
    }
}

/// Keeps a foreign text short and on one line.
fn loggable(text: String) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    if text.len() <= LOGGABLE_LENGTH && text.chars().all(plain) {
        return text;
    }
    text.chars()
        .filter(|c| plain(*c))
        .take(LOGGABLE_LENGTH)
        .collect()
}

/// Client errors that ask for another try.
const PASSING_STATUSES: [StatusCode; 2] =
    [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];

/// OAuth errors that blame the server; RFC 6749, section 4.1.2.1.
const PASSING_ERRORS: [&str; 2] = ["temporarily_unavailable", "server_error"];

/// AADSTS numbers that Microsoft documents as transient, and the throttle in disguise.
const PASSING_CODES: [u64; 14] = [
    LOOPING, 90006, 90012, 90024, 90033, 90055, 90090, 50033, 50087, 50088, 40010, 80005, 70012,
    51005,
];

/// The same application asked for the same thing too often; comes as a 400 `invalid_grant`.
const LOOPING: u64 = 50196;

/// The error of a grant that is not good: of a user's, the refresh token or what it was had by.
const INVALID_GRANT: &str = "invalid_grant";

/// Errors by name that a person must mend by signing in.
const CONSENT_ERRORS: [&str; 2] = ["interaction_required", "consent_required"];

/// AADSTS numbers of a refresh token that has expired, was revoked or never was. Policies, a second
/// factor and a missing consent are none of these: they can be mended with the token as it is.
const DEAD_TOKEN_CODES: [u64; 9] = [
    50089, 50132, 50133, 50173, 54005, 70000, 70008, 70043, 700_082,
];

/// AADSTS numbers of an assertion outside its time.
const STALE_ASSERTION_CODES: [u64; 4] = [700_024, 50012, 50013, 500_133];

/// Microsoft's libraries cap `Retry-After` at one hour.
const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// The longest piece of a refusal that goes into the log.
const LOGGABLE_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, header};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn stays_away_as_long_as_asked_but_an_hour_at_most() {
        for (text, wait) in [
            ("57", Some(Duration::from_secs(57))),
            ("3601", Some(Duration::from_hours(1))),
            (
                "99999999999999999999999999999",
                Some(Duration::from_hours(1)),
            ),
            ("soon", None),
        ] {
            let value = HeaderValue::from_static(text);
            let answer = Answer {
                headers: HeaderMap::from_iter([(header::RETRY_AFTER, value)]),
                ..answer(429, &json!({}))
            };

            let refusal = Refusal::read(&answer, SystemTime::UNIX_EPOCH);

            assert_eq!(refusal.retry_after, wait, "{text:?}");
        }
    }

    #[test]
    fn tells_what_each_refusal_means() {
        let said = |status: u16, error: &str, code: u64| {
            refused(status, &json!({"error": error, "error_codes": [code]}))
        };
        let grant = |code| said(400, "invalid_grant", code);
        let plain = json!({"error": "invalid_grant"});
        let claims = json!({"error": "invalid_grant", "claims": "{\"access_token\":{}}"});
        let refined = json!({"error": "invalid_grant", "suberror": "consent_required"});

        let [yes, no] = [true, false];
        for (refusal, means) in [
            (
                said(401, "invalid_client", 7_000_215),
                [yes, no, no, no, no],
            ),
            (said(401, "invalid_client", 700_024), [yes, no, no, no, yes]),
            (said(400, "invalid_request", 50_076), [yes, no, no, no, no]),
            (said(400, "interaction_required", 0), [yes, no, yes, no, no]),
            (said(400, "consent_required", 0), [yes, no, yes, no, no]),
            (grant(0), [yes, no, yes, no, no]),
            (grant(50_013), [yes, no, no, no, yes]),
            (grant(50_076), [yes, no, yes, no, no]),
            (grant(50_173), [yes, no, yes, yes, no]),
            (grant(53_003), [yes, no, yes, no, no]),
            (grant(65_001), [yes, no, yes, no, no]),
            (grant(70_000), [yes, no, yes, yes, no]),
            (grant(70_043), [yes, no, yes, yes, no]),
            (grant(500_133), [yes, no, no, no, yes]),
            (grant(530_032), [yes, no, yes, no, no]),
            (grant(700_024), [yes, no, no, no, yes]),
            (grant(700_082), [yes, no, yes, yes, no]),
            (grant(50_196), [no, yes, no, no, no]),
            (grant(51_005), [no, no, no, no, no]),
            (refused(400, &plain), [yes, no, yes, yes, no]),
            (refused(400, &claims), [yes, no, yes, no, no]),
            (refused(400, &refined), [yes, no, yes, no, no]),
            (refused(503, &claims), [no, no, no, no, no]),
            (said(429, "invalid_grant", 50_076), [no, yes, no, no, no]),
            (
                said(400, "temporarily_unavailable", 0),
                [no, no, no, no, no],
            ),
            (said(307, "", 0), [no, no, no, no, no]),
            (said(408, "", 0), [no, no, no, no, no]),
            (said(404, "", 0), [yes, no, no, no, no]),
        ] {
            let found = [
                refusal.is_permanent(),
                refusal.is_throttle(),
                refusal.ends_consent(),
                refusal.is_of_a_dead_token(),
                refusal.is_stale_assertion(),
            ];

            assert_eq!(found, means, "{refusal:?}");
        }
        let both = json!({"error": "invalid_grant", "error_codes": [65001, 50196]});
        assert!(!refused(400, &both).ends_consent());
    }

    #[test]
    fn keeps_of_foreign_words_what_fits_on_a_line() {
        let long = format!("a\r\n\u{1b}[31m{}", "b".repeat(200));

        let refusal = refused(400, &json!({"error": long, "trace_id": "x\ny"}));

        assert_eq!(refusal.error, format!("a[31m{}", "b".repeat(123)));
        assert_eq!(refusal.trace_id.as_deref(), Some("xy"));
    }

    fn refused(status: u16, body: &Value) -> Refusal {
        Refusal::read(&answer(status, body), SystemTime::UNIX_EPOCH)
    }

    fn answer(status: u16, body: &Value) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
        }
    }
}
