//! Faults, and scripts of them.

use std::{error::Error, fmt};

use serde::Deserialize;
use serde_json::Value;

use crate::turns::{Turn, Turns};

/// Which of the services a fault is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// Entra ID's token endpoints, and the one for device codes.
    Token,
    /// Partner Center.
    PartnerCenter,
    /// The Kubernetes API server.
    Kubernetes,
    /// Azure Key Vault.
    KeyVault,
}

/// One way to treat one request.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The request is answered as usual.
    Pass,
    /// It is answered as usual, later.
    Delay {
        /// By how many milliseconds.
        ms: u64,
    },
    /// It is answered with a status, and has no effect.
    Status {
        /// The status.
        status: u16,
        /// The body; absent, the service's own words for such a status.
        body: Option<String>,
        /// The media type of `body`.
        content_type: Option<String>,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// It is answered with this body and no more, and has no effect.
    Body {
        /// The status.
        status: u16,
        /// The media type.
        content_type: Option<String>,
        /// The body.
        body: String,
    },
    /// It has its effect, and half of the answer's body comes back.
    CutBody,
    /// It has no effect, and half of a body comes back that would show the transfer as rejected.
    CutBodyBefore,
    /// The connection is closed and the request has no effect.
    DropBefore,
    /// The connection is reset and the request has no effect.
    ResetBefore,
    /// The connection is reset between the request's head and its body, and the request has no effect.
    ResetInTheMiddle,
    /// The request has its effect, and the connection is reset without an answer.
    ResetAfter,
    /// The request has its effect, and the connection is closed without an answer.
    CommitThenSilence,
    /// The request has its effect and never gets an answer.
    CommitThenHang,
    /// The request has its effect, is not answered, and reads show the transfer as it was for a while.
    CommitLate {
        /// How many reads of the transfer show it as it was.
        reads: u64,
        /// What comes in place of an answer.
        #[serde(default)]
        then: Then,
    },
    /// The request has its effect, and is answered with a status that denies or conceals it.
    CommitThen {
        /// The status.
        status: u16,
        /// The body; absent, the service's own words for such a status.
        body: Option<String>,
        /// The media type of `body`.
        content_type: Option<String>,
        /// The value of `Retry-After`.
        retry_after: Option<String>,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// The request has no effect and never gets an answer.
    Hang,
    /// It is answered with 200 and JSON that ends in the middle, and has no effect.
    WrongJson,
    /// It is answered with 200 and a page of HTML, and has no effect.
    Html,
    /// It has no effect; the answer shows the transfer in this status.
    WrongStatus {
        /// The status of the transfer in the answer.
        status: String,
    },
    /// It has no effect; the answer shows another transfer as rejected.
    WrongId,
    /// It is answered with 200 and a large body, and has no effect.
    Huge {
        /// The size of the body in bytes.
        bytes: usize,
    },
    /// It is sent elsewhere, and has no effect.
    Redirect {
        /// The status.
        #[serde(default = "temporary_redirect")]
        status: u16,
        /// The value of `Location`.
        location: String,
    },
    /// The connection brings something that is not HTTP and closes; the request has no effect.
    NotHttp,
    /// It is answered as usual, with a `Content-Length` that is too small beside `Transfer-Encoding: chunked`.
    ConflictingLength,
    /// It is answered as usual, after a 100 and a 103.
    Informational,
    /// It is answered with 101, and has no effect.
    SwitchingProtocols,
    /// The token's answer has this as `expires_in`.
    ExpiresIn {
        /// A number, a string, or anything else.
        value: Value,
    },
    /// The token's answer has this as `token_type`.
    TokenType {
        /// The type.
        value: String,
    },
    /// The token is for this audience.
    Audience {
        /// The audience.
        value: String,
    },
    /// The token's answer has this field, or another value in it.
    TokenField {
        /// The field.
        name: String,
        /// Any JSON.
        value: Value,
    },
    /// The token's answer has a `refresh_in` of half the token's life.
    ExtraRefreshIn,
}

/// What comes in place of an answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The connection is closed.
    #[default]
    Silence,
    /// Nothing, and the connection stays.
    Hang,
}

/// Faults for the services, each list in the order in which requests come.
///
/// ```
/// let script = sandbox::Script::from_json(
///     r#"{"partner_center": [{"fault": "delay", "ms": 200, "repeat": 3}, {"fault": "drop_before"}]}"#,
/// );
/// assert!(script.is_ok());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(crate) token: Turns,
    pub(crate) partner_center: Turns,
    pub(crate) kubernetes: Turns,
    pub(crate) key_vault: Turns,
}

/// A script that cannot be read.
#[derive(Debug)]
pub struct ScriptError(String);

impl Script {
    /// Reads `{"token": [TURN…], "partner_center": [TURN…], "kubernetes": [TURN…], "key_vault": [TURN…]}`,
    /// where a turn is a fault with an optional `"repeat": N` or `"always": true`, `"on": METHOD`, and for
    /// Partner Center `"transfer": ID`.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] with the place and what is wrong there.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let raw: RawScript = serde_json::from_str(text).map_err(|e| ScriptError(e.to_string()))?;
        Ok(Self {
            token: read("token", raw.token)?,
            partner_center: read("partner_center", raw.partner_center)?,
            kubernetes: read("kubernetes", raw.kubernetes)?,
            key_vault: read("key_vault", raw.key_vault)?,
        })
    }

    pub(crate) fn turns(&mut self, target: Target) -> &mut Turns {
        match target {
            Target::Token => &mut self.token,
            Target::PartnerCenter => &mut self.partner_center,
            Target::Kubernetes => &mut self.kubernetes,
            Target::KeyVault => &mut self.key_vault,
        }
    }
}

impl Fault {
    /// The status of an answer that has one by itself.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. }
            | Self::Body { status, .. }
            | Self::CommitThen { status, .. }
            | Self::Redirect { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ScriptError {}

fn read(list: &str, turns: Vec<Value>) -> Result<Turns, ScriptError> {
    let wrong = |at, error| ScriptError(format!("{list}[{at}]: {error}"));
    let mut read = Turns::default();
    for (at, turn) in turns.into_iter().enumerate() {
        let turn = Turn::read(turn).map_err(|error| wrong(at, error))?;
        if turn.is_for_a_transfer() && list != "partner_center" {
            let told = "transfer: only requests to partner_center are for one";
            return Err(wrong(at, told.to_owned()));
        }
        read.push(turn);
    }
    Ok(read)
}

fn temporary_redirect() -> u16 {
    307
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    #[serde(default)]
    token: Vec<Value>,
    #[serde(default)]
    partner_center: Vec<Value>,
    #[serde(default)]
    kubernetes: Vec<Value>,
    #[serde(default)]
    key_vault: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn takes_turns_in_their_order_and_then_passes() {
        let text = r#"{"token": [{"fault": "delay", "ms": 5, "repeat": 2}, {"fault": "hang"}]}"#;
        let mut turns = Script::from_json(text).unwrap().token;

        assert!(matches!(next(&mut turns), Fault::Delay { ms: 5 }));
        assert!(matches!(next(&mut turns), Fault::Delay { ms: 5 }));
        assert!(matches!(next(&mut turns), Fault::Hang));
        assert!(matches!(next(&mut turns), Fault::Pass));
    }

    #[test]
    fn has_a_list_for_each_service() {
        let text = r#"{
            "token": [{"fault": "delay", "ms": 1}],
            "partner_center": [{"fault": "delay", "ms": 2}],
            "kubernetes": [{"fault": "delay", "ms": 3}],
            "key_vault": [{"fault": "delay", "ms": 4}]
        }"#;
        let Script {
            token,
            partner_center,
            kubernetes,
            key_vault,
        } = Script::from_json(text).unwrap();

        for (mut turns, wanted) in [
            (token, 1),
            (partner_center, 2),
            (kubernetes, 3),
            (key_vault, 4),
        ] {
            assert!(matches!(next(&mut turns), Fault::Delay { ms } if ms == wanted));
        }
    }

    #[test]
    fn stays_with_a_fault_that_is_for_always() {
        let text = r#"{"partner_center": [{"fault": "status", "status": 503, "always": true}]}"#;
        let mut turns = Script::from_json(text).unwrap().partner_center;

        for _ in 0..100 {
            assert!(matches!(
                next(&mut turns),
                Fault::Status { status: 503, .. }
            ));
        }
    }

    #[test]
    fn tells_where_a_script_is_wrong() {
        for (text, told) in [
            ("", "EOF"),
            (r#"{"tokens": []}"#, "unknown field `tokens`"),
            (r#"{"token": [7]}"#, "token[0]: a turn is an object"),
            (
                r#"{"token": [{"fault": "dealy"}]}"#,
                "token[0]: unknown variant `dealy`",
            ),
            (
                r#"{"token": [{"fault": "delay", "mss": 1}]}"#,
                "token[0]: unknown field `mss`",
            ),
            (
                r#"{"token": [{"fault": "hang", "repeat": 0}]}"#,
                "token[0]: repeat: 0 is not",
            ),
            (
                r#"{"token": [{"fault": "hang", "on": "patch"}]}"#,
                "token[0]: on: \"patch\" is not GET, POST, PUT, PATCH or DELETE",
            ),
            (
                r#"{"partner_center": [{"fault": "hang"}, {"fault": "hang", "transfer": 7}]}"#,
                "partner_center[1]: transfer: 7 is not text",
            ),
            (
                r#"{"key_vault": [{"fault": "hang", "transfer": "a"}]}"#,
                "key_vault[0]: transfer: only requests to partner_center are for one",
            ),
            (
                r#"{"token": [{"fault": "commit_then", "status": 100}]}"#,
                "token[0]: status: 100 is not a number from 200 to 599",
            ),
            (
                r#"{"token": [{"fault": "commit_then"}]}"#,
                "token[0]: missing field `status`",
            ),
            (
                r#"{"token": [{"fault": "commit_late", "reads": 1, "then": "noise"}]}"#,
                "token[0]: unknown variant `noise`, expected `silence` or `hang`",
            ),
        ] {
            let error = Script::from_json(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn reads_what_may_be_left_out() {
        let text = r#"{"partner_center": [
            {"fault": "redirect", "location": "https://elsewhere.test/"},
            {"fault": "redirect", "location": "https://elsewhere.test/", "status": 301},
            {"fault": "commit_late", "reads": 2},
            {"fault": "commit_late", "reads": 2, "then": "hang"},
            {"fault": "commit_then", "status": 502}
        ]}"#;
        let mut turns = Script::from_json(text).unwrap().partner_center;

        let read: Vec<_> = (0..5).map(|_| next(&mut turns)).collect();

        assert!(matches!(read[0], Fault::Redirect { status: 307, .. }));
        assert!(matches!(read[1], Fault::Redirect { status: 301, .. }));
        assert!(matches!(
            read[2..4],
            [
                Fault::CommitLate {
                    reads: 2,
                    then: Then::Silence
                },
                Fault::CommitLate {
                    reads: 2,
                    then: Then::Hang
                }
            ]
        ));
        assert!(matches!(read[4], Fault::CommitThen { status: 502, .. }));
    }

    fn next(turns: &mut Turns) -> Fault {
        turns.next(&Method::POST, None)
    }
}
