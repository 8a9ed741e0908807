//! Partner Center: a transfer read, a transfer rejected, and the records of what was done.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    activity::{self, Activity},
    answer::{Answer, json as json_answer, typed},
    routes,
    sandbox::{Sandbox, State},
    tokens::{Issued, Subject},
    transfers::{Change, Rejected, Transfer},
};

/// How a request is served.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Serving {
    /// What it was logged as.
    pub(crate) number: usize,
    /// How many reads do not show its effect yet.
    pub(crate) late_by: u64,
}

/// Answers one request.
pub(crate) fn answer(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    serving: Serving,
) -> Response<Answer> {
    let answered = authorized(sandbox, request).and_then(|()| found(sandbox, request, serving));
    let mut response = answered.unwrap_or_else(|Refusal(status, body)| json_answer(status, &body));
    let mut state = sandbox.state();
    if let (true, Some(compliant)) = (asks_for_mfa(request), mfa(&state, request)) {
        let value = HeaderValue::from_static(if compliant { "true" } else { "false" });
        response.headers_mut().insert("ismfacompliant", value);
    }
    state.answers += 1;
    dressed(response, request, state.answers.is_multiple_of(3))
}

/// A success that is none: the transfer of the request, or another, in some status.
pub(crate) fn pretend(
    request: &Request<Bytes>,
    id: Option<&str>,
    status: &str,
) -> Response<Answer> {
    let mut transfer = Transfer::documented();
    if let Some((customer, asked)) = routes::transfer(request.uri().path()) {
        customer.clone_into(&mut transfer.customer);
        id.unwrap_or(asked).clone_into(&mut transfer.id);
    }
    status.clone_into(&mut transfer.status);
    dressed(
        json_answer(StatusCode::OK, &transfer.entity()),
        request,
        false,
    )
}

/// An error as the services behind the front door write it.
pub(crate) fn error_body(code: u32, description: &str) -> Value {
    json!({"code": code, "description": description, "data": [], "source": "PartnerFD"})
}

/// A status and a body other than a transfer.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) Value);

pub(crate) fn refused(status: StatusCode, code: u32, description: &str) -> Refusal {
    Refusal(status, error_body(code, description))
}

/// What is at the path of a request.
fn found(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    serving: Serving,
) -> Result<Response<Answer>, Refusal> {
    if request.uri().path() == activity::PATH {
        let page = activity::list(sandbox, request)?;
        // Users had to cut the mark off before they could read the JSON.
        let text = format!("\u{feff}{page}");
        return Ok(typed(
            StatusCode::OK,
            "application/json; charset=utf-8",
            text,
        ));
    }
    let (customer, id) = transfer(request)?;
    let transfer = serve(sandbox, request, serving, (&customer, &id))?;
    Ok(json_answer(StatusCode::OK, &transfer.entity()))
}

fn authorized(sandbox: &Sandbox, request: &Request<Bytes>) -> Result<(), Refusal> {
    let state = sandbox.state();
    let unauthorized = |code: &str, description: &str| {
        let body = json!({"code": code, "description": description});
        Refusal(StatusCode::UNAUTHORIZED, body)
    };
    let Some(Issued { audience, .. }) = token(&state, request) else {
        return Err(refused(StatusCode::UNAUTHORIZED, 400, "Access denied"));
    };
    if *audience != sandbox.settings().audience {
        let told = format!("Audience {audience} is invalid or no longer supported.");
        return Err(unauthorized("900420", &told));
    }
    if state.enforce_mfa && mfa(&state, request) == Some(false) {
        let told = "MFA is required: the token has no MFA claim.";
        return Err(unauthorized("900421", told));
    }
    Ok(())
}

fn token<'a>(state: &'a State, request: &Request<Bytes>) -> Option<&'a Issued> {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    state.tokens.good(shown.strip_prefix("Bearer ")?)
}

/// Whether the user of a request signed in with MFA; `None` where it is the application's own.
fn mfa(state: &State, request: &Request<Bytes>) -> Option<bool> {
    match token(state, request)?.subject {
        Subject::Application => None,
        Subject::User { mfa } => Some(mfa),
    }
}

/// The header of Microsoft's page on mandating MFA, with which partners try their tokens.
fn asks_for_mfa(request: &Request<Bytes>) -> bool {
    let asks = request.headers().get("validatemfa");
    asks.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

fn transfer(request: &Request<Bytes>) -> Result<(String, String), Refusal> {
    let Some((customer, id)) = routes::transfer(request.uri().path()) else {
        let body = json!({"statusCode": 404, "message": "Resource not found"});
        return Err(Refusal(StatusCode::NOT_FOUND, body));
    };
    for (name, value) in [("customer id", customer), ("transfer id", id)] {
        if Uuid::try_parse(value).is_err() {
            let told = format!("The {name} must be a GUID.");
            return Err(refused(StatusCode::BAD_REQUEST, 2000, &told));
        }
    }
    Ok((customer.to_lowercase(), id.to_lowercase()))
}

fn serve(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    Serving { number, late_by }: Serving,
    (customer, id): (&str, &str),
) -> Result<Transfer, Refusal> {
    let not_found = || refused(StatusCode::NOT_FOUND, 900_100, "Transfer request not found");
    let mut state = sandbox.state();
    match *request.method() {
        Method::GET => state.transfers.read(customer, id).ok_or_else(not_found),
        Method::PATCH => {
            wants_rejection(request, id)?;
            let request_id = named(request, "ms-requestid");
            let transfers = &mut state.transfers;
            match transfers.reject((customer, id), &request_id, late_by) {
                Rejected::Yes(transfer, change) => {
                    if change == Change::New {
                        let done = activity(&state, sandbox, request, &transfer);
                        state.activities.push(done);
                        state.seen.committed(number);
                    }
                    Ok(transfer)
                }
                Rejected::Unknown => Err(not_found()),
                Rejected::InProgress => {
                    let told = format!("Not allowed, original transfer {id} in progress");
                    Err(refused(StatusCode::CONFLICT, 900_101, &told))
                }
                Rejected::Ended(status) => {
                    let told =
                        format!("Cannot process the transfer request for {status} transfer {id}");
                    Err(refused(StatusCode::BAD_REQUEST, 900_102, &told))
                }
            }
        }
        _ => {
            let body = json!({"statusCode": 405, "message": "Method not allowed"});
            Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, body))
        }
    }
}

fn activity(
    state: &State,
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    transfer: &Transfer,
) -> Activity {
    let subject = token(state, request).map(|token| token.subject);
    let client_id = &sandbox.settings().client_id;
    let correlation = named(request, "ms-correlationid");
    Activity::of_request(transfer, subject, client_id, correlation, state.watch.now())
}

#[derive(Deserialize)]
struct Patch {
    id: Option<String>,
    status: Option<String>,
}

fn wants_rejection(request: &Request<Bytes>, id: &str) -> Result<(), Refusal> {
    let bad = |code, told: &str| refused(StatusCode::BAD_REQUEST, code, told);
    let media = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok());
    if !media.is_some_and(|media| media.starts_with("application/json")) {
        return Err(bad(
            400_056,
            "Invalid input: the content type is not application/json",
        ));
    }
    let patch: Patch = serde_json::from_slice(request.body())
        .map_err(|_| bad(800_002, "Invalid request input"))?;
    if patch
        .id
        .is_some_and(|named| !named.eq_ignore_ascii_case(id))
    {
        return Err(bad(3000, "Invalid property: id"));
    }
    let status = patch.status.unwrap_or_default();
    match status.to_lowercase().as_str() {
        "reject" => Ok(()),
        "active" | "complete" | "cancel" | "inprogress" | "pending" => {
            Err(bad(900_127, "Operation not supported"))
        }
        _ => Err(bad(900_126, &format!("Unable to parse enum: {status}"))),
    }
}

/// Adds the headers of the service: the two IDs as they came or made up, and an odd locale now and then.
fn dressed(
    mut response: Response<Answer>,
    request: &Request<Bytes>,
    odd: bool,
) -> Response<Answer> {
    let locale = if odd { "en-US,en-US" } else { "en-US" };
    for (name, value) in [
        ("ms-correlationid", named(request, "ms-correlationid")),
        ("ms-requestid", named(request, "ms-requestid")),
        ("ms-cv", "sandbox.0".to_owned()),
        ("ms-serverid", "sandbox".to_owned()),
        ("x-locale", locale.to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static("OAuth realm=urn:cpsvc:cpid:sandbox");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn named(request: &Request<Bytes>, header: &str) -> String {
    let value = request
        .headers()
        .get(header)
        .and_then(|value| value.to_str().ok());
    value.map_or_else(|| Uuid::new_v4().to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Settings,
        trial::{whole, with_secret},
    };

    #[tokio::test]
    async fn tells_of_users_alone_whether_they_signed_in_with_mfa() {
        let sandbox = Sandbox::new(Settings::default());
        let application = of_application(&sandbox).await;
        let (with, without) = (
            of_user(&sandbox, true).await,
            of_user(&sandbox, false).await,
        );
        for (token, asks, told) in [
            (&with, "true", Some("true")),
            (&without, "true", Some("false")),
            (&without, "false", None),
            (&application, "true", None),
        ] {
            let answer = read(&sandbox, token, asks).await;

            let header = answer.headers().get("isMfaCompliant");
            assert_eq!(answer.status(), 200);
            assert_eq!(header.map(|value| value.to_str().unwrap()), told);
        }
    }

    #[tokio::test]
    async fn refuses_users_without_mfa_while_that_is_enforced() {
        let sandbox = Sandbox::new(Settings {
            enforce_mfa: true,
            ..Settings::default()
        });
        let without = of_user(&sandbox, false).await;
        let (with, application) = (
            of_user(&sandbox, true).await,
            of_application(&sandbox).await,
        );

        let refused = read(&sandbox, &without, "true").await;
        let taken = [
            read(&sandbox, &with, "true").await.status(),
            read(&sandbox, &application, "true").await.status(),
        ];
        sandbox.set_enforce_mfa(false);
        let no_longer = read(&sandbox, &without, "true").await.status();

        assert_eq!(refused.headers()["isMfaCompliant"], "false");
        let (status, body) = whole(refused).await;
        assert_eq!((status, &body["code"]), (401, &json!("900421")));
        assert_eq!(taken, [200, 200]);
        assert_eq!(no_longer, 200);
    }

    async fn of_application(sandbox: &Sandbox) -> Value {
        let form = [("grant_type", "client_credentials"), ("scope", SCOPE)];
        with_secret(sandbox, &form).await.1["access_token"].take()
    }

    async fn of_user(sandbox: &Sandbox, mfa: bool) -> Value {
        let token = sandbox.consent(mfa);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("scope", SCOPE),
        ];
        with_secret(sandbox, &form).await.1["access_token"].take()
    }

    async fn read(sandbox: &Sandbox, token: &Value, validate_mfa: &str) -> Response<Answer> {
        let Transfer { id, customer, .. } = Transfer::documented();
        let request = Request::get(format!("/v1/customers/{customer}/transfers/{id}"))
            .header(
                "Authorization",
                format!("Bearer {}", token.as_str().unwrap()),
            )
            .header("ValidateMfa", validate_mfa)
            .body(Bytes::new());
        sandbox.partner_center(request.unwrap()).await.unwrap()
    }

    const SCOPE: &str = "https://api.partnercenter.microsoft.com/.default";
}
