//! What is answered, and the count of what was asked.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;

/// The services behind both addresses.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Where Entra ID says that it is.
    authority: String,
    patches: AtomicU64,
    reads: AtomicU64,
    tokens: AtomicU64,
}

impl Upstream {
    pub(crate) fn new(https: SocketAddr) -> Self {
        Self {
            authority: format!("https://{https}"),
            patches: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
        }
    }

    /// Answers a request, once its body has come.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if body.collect().await.is_err() {
            return Response::default();
        }
        let path: Vec<_> = head.uri.path().split('/').skip(1).collect();
        let mut response = match (&head.method, path.as_slice()) {
            (&Method::PATCH, ["v1", "customers", customer, "transfers", transfer]) => {
                self.patches.fetch_add(1, Ordering::Relaxed);
                json_of(transfer_text(customer, transfer))
            }
            (&Method::GET, ["v1", "customers", customer, "transfers", transfer]) => {
                self.reads.fetch_add(1, Ordering::Relaxed);
                json_of(transfer_text(customer, transfer))
            }
            (&Method::POST, [_, "oauth2", "v2.0", "token"]) => {
                self.tokens.fetch_add(1, Ordering::Relaxed);
                json_of(TOKEN.to_owned())
            }
            (&Method::GET, [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
                json_of(self.configuration(tenant))
            }
            (&Method::GET, ["counts"]) => json_of(self.counts()),
            _ => missing(),
        };
        for name in ECHOED {
            if let Some(value) = head.headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    /// What Microsoft's client library asks for before it asks for a token.
    fn configuration(&self, tenant: &str) -> String {
        let base = format!("{}/{tenant}", self.authority);
        json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "end_session_endpoint": format!("{base}/oauth2/v2.0/logout"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        })
        .to_string()
    }

    fn counts(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "patches": count(&self.patches),
            "reads": count(&self.reads),
            "tokens": count(&self.tokens),
        })
        .to_string()
    }
}

fn transfer_text(customer: &str, transfer: &str) -> String {
    TRANSFER
        .replace("{transfer}", transfer)
        .replace("{customer}", customer)
}

fn json_of(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn missing() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// Of the documented example: <https://learn.microsoft.com/partner-center/developer/reject-a-transfer>.
const TRANSFER: &str = include_str!("transfer.json");

/// Lives for an hour, as those of Entra ID do, so that no measurement sees two.
const TOKEN: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"fixed"}"#;

/// Partner Center sends these back as they came.
const ECHOED: [HeaderName; 2] = [
    HeaderName::from_static("ms-requestid"),
    HeaderName::from_static("ms-correlationid"),
];
