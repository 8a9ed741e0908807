//! Partner Center: a transfer read, and a transfer rejected.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    answer::{Answer, json as json_answer},
    routes,
    sandbox::Sandbox,
    tokens::Issued,
    transfers::{Change, Rejected, Transfer},
};

/// Answers one request; `number` is what it was logged as.
pub(crate) fn answer(
    sandbox: &Sandbox,
    request: &Request<Bytes>,
    number: usize,
) -> Response<Answer> {
    let answered = authorized(sandbox, request)
        .and_then(|()| transfer(request))
        .and_then(|(customer, id)| serve(sandbox, request, number, &customer, &id));
    let response = match answered {
        Ok(transfer) => json_answer(StatusCode::OK, &transfer.entity()),
        Err(Refusal(status, body)) => json_answer(status, &body),
    };
    let mut state = sandbox.state();
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
struct Refusal(StatusCode, Value);

fn refused(status: StatusCode, code: u32, description: &str) -> Refusal {
    Refusal(status, error_body(code, description))
}

fn authorized(sandbox: &Sandbox, request: &Request<Bytes>) -> Result<(), Refusal> {
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|it| it.to_str().ok());
    let token = shown.and_then(|shown| shown.strip_prefix("Bearer "));
    let state = sandbox.state();
    match token.and_then(|token| state.tokens.good(token)) {
        Some(Issued { audience, .. }) if *audience == sandbox.settings().audience => Ok(()),
        Some(Issued { audience, .. }) => {
            let told = format!("Audience {audience} is invalid or no longer supported.");
            let body = json!({"code": "900420", "description": told});
            Err(Refusal(StatusCode::UNAUTHORIZED, body))
        }
        None => Err(refused(StatusCode::UNAUTHORIZED, 400, "Access denied")),
    }
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
    number: usize,
    customer: &str,
    id: &str,
) -> Result<Transfer, Refusal> {
    let not_found = || refused(StatusCode::NOT_FOUND, 900_100, "Transfer request not found");
    let mut state = sandbox.state();
    match *request.method() {
        Method::GET => state
            .transfers
            .get(customer, id)
            .cloned()
            .ok_or_else(not_found),
        Method::PATCH => {
            wants_rejection(request, id)?;
            match state
                .transfers
                .reject(customer, id, &named(request, "ms-requestid"))
            {
                Rejected::Yes(transfer, change) => {
                    if change == Change::New {
                        state.committed(number);
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
