//! What an answer means for the records that it is about
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>).
//!
//! | answer | meaning |
//! |---|---|
//! | 200, or 204 without a body | acknowledged; a warning is passed on |
//! | 200 that rejects some | partly refused |
//! | 200 that is no protobuf | held |
//! | 200 that cannot be read | passing: nothing was acknowledged |
//! | 400, 413 | refused |
//! | 401, 403, 404, any other | held |
//! | 429, 502, 503, 504 | passing, after what `Retry-After` says |
//! | any other 5xx | passing, after a minute at least |
//! | none, or not whole | passing; a certificate that is not trusted: held |

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};
use prost::Message;
use secrecy::SecretString;

use crate::{
    cause,
    delivery::{otlp::said, sink::Setback},
    http_client::{Answer, HttpError, retry_after},
};

/// The collector has every record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::delivery::otlp) struct Acknowledgement {
    /// What it has to say all the same.
    pub(in crate::delivery::otlp) warning: Option<String>,
}

/// Tells what came of a request; no secret that it carried is told.
pub(in crate::delivery::otlp) fn judge(
    answered: Result<Answer, HttpError>,
    now: SystemTime,
    secrets: &[SecretString],
    usual_path: &str,
) -> Result<Acknowledgement, Setback> {
    match answered {
        Ok(answer) if is_success(answer.status) => acknowledged(&answer, secrets),
        Ok(answer) => Err(refused(&answer, now, secrets, usual_path)),
        Err(HttpError::TooLarge { status, .. }) if !is_success(status) => {
            let without_words = Answer {
                status,
                headers: HeaderMap::new(),
                body: [].as_slice().into(),
            };
            Err(refused(&without_words, now, secrets, usual_path))
        }
        Err(error) if error.is_distrust() => Err(Setback::Held {
            why: format!("{}; check `ca_file`", cause::chain(&error)),
        }),
        Err(error) => Err(passing(cause::chain(&error))),
    }
}

/// 200 is what the specification has. Grafana Loki answers 204, which can hold no warning.
fn is_success(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::NO_CONTENT)
}

fn acknowledged(answer: &Answer, secrets: &[SecretString]) -> Result<Acknowledgement, Setback> {
    // No bytes are a whole message with nothing to say, whatever type they are said to have.
    if !answer.body.is_empty() && !is_protobuf(&answer.headers) {
        return Err(Setback::Held {
            why: "it answered 200 without an acknowledgement of OTLP: the body is no protobuf; check `endpoint`"
                .to_owned(),
        });
    }
    // The answer for spans has the same members by the same numbers.
    let response = ExportLogsServiceResponse::decode(&*answer.body).map_err(|error| {
        passing(format!(
            "it answered 200 with an acknowledgement that cannot be read: {error}"
        ))
    })?;
    let ExportLogsPartialSuccess {
        rejected_log_records: rejected,
        error_message,
    } = response.partial_success.unwrap_or_default();
    let message = said::fit(&error_message, secrets);
    match rejected {
        0 => Ok(Acknowledgement {
            warning: (!message.is_empty()).then_some(message),
        }),
        1.. => Err(Setback::PartlyRefused {
            why: format!("it rejected {rejected} of them{}", after_colon(&message)),
        }),
        ..0 => Err(passing(format!("it says that it rejected {rejected}"))),
    }
}

fn refused(
    answer: &Answer,
    now: SystemTime,
    secrets: &[SecretString],
    usual_path: &str,
) -> Setback {
    let why = why(answer, secrets);
    let after = retry_after::read(&answer.headers, now);
    match answer.status.as_u16() {
        429 | 502 | 503 | 504 => Setback::Passing { why, after },
        // The specification would have the records dropped, which is for a person to decide.
        500..=599 => Setback::Passing {
            why,
            after: Some(after.map_or(LONG_PAUSE, |after| after.max(LONG_PAUSE))),
        },
        400 | 413 => Setback::Refused { why },
        401 | 403 => Setback::Held {
            why: format!("{why}; check `headers`"),
        },
        404 => Setback::Held {
            why: format!("{why}; check the path of `endpoint`, which is usually {usual_path}"),
        },
        _ => Setback::Held {
            why: format!("{why}; check `endpoint`"),
        },
    }
}

fn why(answer: &Answer, secrets: &[SecretString]) -> String {
    let message = if is_protobuf(&answer.headers) {
        let status = Status::decode(&*answer.body).ok();
        status.unwrap_or_default().message
    } else {
        // Proxies on the way, and some collectors, answer in plain words.
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    let message = said::fit(&message, secrets);
    let number = answer.status.as_u16();
    format!("it answered {number}{}", after_colon(&message))
}

fn after_colon(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

fn passing(why: String) -> Setback {
    Setback::Passing { why, after: None }
}

fn is_protobuf(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE);
    let essence = media.and_then(|media| media.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(PROTOBUF))
}

/// What an error's body is: `google.rpc.Status`, of which only the message is read
/// (<https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto>).
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
}

/// The media type of OTLP's messages.
pub(in crate::delivery::otlp) const PROTOBUF: &str = "application/x-protobuf";

/// As long as a sink that needs a person is left alone; an error that the specification calls final seldom passes
/// sooner.
const LONG_PAUSE: Duration = Duration::from_mins(1);
