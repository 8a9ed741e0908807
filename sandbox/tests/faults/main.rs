//! What requests to Partner Center come to when something goes wrong, in memory and over TCP.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod memory;
mod wire;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use sandbox::{Sandbox, Settings, Transfer};
use serde_json::Value;

/// A token of the application, which Partner Center takes.
async fn token(sandbox: &Sandbox) -> String {
    let Settings {
        tenant,
        client_id,
        client_secret,
        audience,
        ..
    } = Settings::default();
    let form = format!(
        "grant_type=client_credentials&client_id={client_id}&client_secret={client_secret}&scope={audience}/.default"
    );
    let request = Request::post(format!("http://login.test/{tenant}/oauth2/v2.0/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into())
        .unwrap();
    let answer = sandbox.entra(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    serde_json::from_value(body["access_token"].take()).unwrap()
}

/// The transfer's path at Partner Center.
fn path(Transfer { customer, id, .. }: &Transfer) -> String {
    format!("/v1/customers/{customer}/transfers/{id}")
}

/// The body with which a transfer is rejected.
fn rejection(Transfer { id, .. }: &Transfer) -> String {
    format!(r#"{{"id":"{id}","status":"reject"}}"#)
}

/// A request about a transfer; a `PATCH` rejects it.
fn request(method: Method, transfer: &Transfer, token: &str, request_id: &str) -> Request<Bytes> {
    let body = match method {
        Method::PATCH => rejection(transfer),
        _ => String::new(),
    };
    Request::builder()
        .method(method)
        .uri(path(transfer))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("ms-requestid", request_id)
        .body(body.into())
        .unwrap()
}
