//! What the unit tests ask the services with.

use form_urlencoded::Serializer;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{Answer, Dropped, Sandbox, Settings};

/// Which of the endpoints a form goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Endpoint {
    V1,
    V2,
    DeviceCode,
}

/// A status and the JSON that came with it.
pub(crate) type Told = (u16, Value);

/// Posts a form, `client_id` included.
pub(crate) async fn post(
    sandbox: &Sandbox,
    endpoint: Endpoint,
    fields: &[(&str, &str)],
) -> Result<Told, Dropped> {
    let path = match endpoint {
        Endpoint::V1 => "oauth2/token",
        Endpoint::V2 => "oauth2/v2.0/token",
        Endpoint::DeviceCode => "oauth2/v2.0/devicecode",
    };
    let Settings {
        tenant, client_id, ..
    } = Settings::default();
    let mut form = Serializer::new(String::new());
    form.append_pair("client_id", &client_id)
        .extend_pairs(fields);
    let request = Request::post(format!("http://login.test/{tenant}/{path}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.finish().into())
        .unwrap();
    Ok(whole(sandbox.entra(request).await?).await)
}

/// Posts a form with the client's secret to the endpoint of version 2.
pub(crate) async fn with_secret(sandbox: &Sandbox, fields: &[(&str, &str)]) -> Told {
    let secret = Settings::default().client_secret;
    let fields = [&[("client_secret", secret.as_str())], fields].concat();
    post(sandbox, Endpoint::V2, &fields).await.unwrap()
}

pub(crate) async fn whole(answer: http::Response<Answer>) -> Told {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// The error and the AADSTS number of a refusal, with its status.
pub(crate) fn refused((status, body): &Told) -> (u16, &str, u64) {
    (
        *status,
        body["error"].as_str().unwrap(),
        body["error_codes"][0].as_u64().unwrap(),
    )
}

/// The claims of a JWT.
pub(crate) fn claims(token: &Value) -> Value {
    crate::entra::form::shown_assertion(
        format!("client_assertion={}", token.as_str().unwrap()).as_bytes(),
    )
    .unwrap()["claims"]
        .clone()
}
