//! Faults, and scripts of them.

use std::{collections::VecDeque, error::Error, fmt};

use serde::Deserialize;
use serde_json::Value;

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
    /// The connection is closed and the request has no effect.
    DropBefore,
    /// The request has its effect, and the connection is closed without an answer.
    CommitThenSilence,
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
    /// It is answered with 307, and has no effect.
    Redirect {
        /// The value of `Location`.
        location: String,
    },
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

/// The faults still to come for one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(VecDeque<Turn>);

#[derive(Clone, Debug)]
struct Turn {
    fault: Fault,
    /// How many requests it is still for; `None` for all that come.
    left: Option<u64>,
}

impl Script {
    /// Reads `{"token": [TURN…], "partner_center": [TURN…], "kubernetes": [TURN…], "key_vault": [TURN…]}`,
    /// where a turn is a fault with an optional `"repeat": N` or `"always": true`.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] with the place and what is wrong there.
    pub fn from_json(text: &str) -> Result<Self, ScriptError> {
        let raw: RawScript = serde_json::from_str(text).map_err(|e| ScriptError(e.to_string()))?;
        Ok(Self {
            token: Turns::read("token", raw.token)?,
            partner_center: Turns::read("partner_center", raw.partner_center)?,
            kubernetes: Turns::read("kubernetes", raw.kubernetes)?,
            key_vault: Turns::read("key_vault", raw.key_vault)?,
        })
    }
}

impl Turns {
    fn read(list: &str, turns: Vec<Value>) -> Result<Self, ScriptError> {
        let read = |(at, turn)| {
            Turn::read(turn).map_err(|error| ScriptError(format!("{list}[{at}]: {error}")))
        };
        turns
            .into_iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Puts a fault behind those that wait already.
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push_back(Turn {
            fault,
            left: Some(1),
        });
    }

    /// The fault for the request that has just come.
    pub(crate) fn next(&mut self) -> Fault {
        let Some(turn) = self.0.front_mut() else {
            return Fault::Pass;
        };
        let fault = turn.fault.clone();
        if let Some(left) = &mut turn.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.0.pop_front();
            }
        }
        fault
    }
}

impl Turn {
    fn read(turn: Value) -> Result<Self, String> {
        let Value::Object(mut turn) = turn else {
            return Err("a turn is an object".to_owned());
        };
        let always = match turn.remove("always") {
            None => false,
            Some(Value::Bool(always)) => always,
            Some(other) => return Err(format!("always: {other} is not true or false")),
        };
        let left = match turn.remove("repeat") {
            None => Some(1),
            Some(repeat) => Some(
                repeat
                    .as_u64()
                    .filter(|times| *times > 0)
                    .ok_or_else(|| format!("repeat: {repeat} is not a number from 1"))?,
            ),
        };
        let fault = serde_json::from_value(Value::Object(turn)).map_err(|e| e.to_string())?;
        Ok(Self {
            fault,
            left: if always { None } else { left },
        })
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ScriptError {}

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
    use super::*;

    #[test]
    fn takes_turns_in_their_order_and_then_passes() {
        let text = r#"{"token": [{"fault": "delay", "ms": 5, "repeat": 2}, {"fault": "hang"}]}"#;
        let mut turns = Script::from_json(text).unwrap().token;

        assert!(matches!(turns.next(), Fault::Delay { ms: 5 }));
        assert!(matches!(turns.next(), Fault::Delay { ms: 5 }));
        assert!(matches!(turns.next(), Fault::Hang));
        assert!(matches!(turns.next(), Fault::Pass));
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
            assert!(matches!(turns.next(), Fault::Delay { ms } if ms == wanted));
        }
    }

    #[test]
    fn stays_with_a_fault_that_is_for_always() {
        let text = r#"{"partner_center": [{"fault": "status", "status": 503, "always": true}]}"#;
        let mut turns = Script::from_json(text).unwrap().partner_center;

        for _ in 0..100 {
            assert!(matches!(turns.next(), Fault::Status { status: 503, .. }));
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
        ] {
            let error = Script::from_json(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
