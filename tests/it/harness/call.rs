//! Calls as a caller makes them, and answers that have been checked.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use partner_gateway::{
    front::exchange::{Arrival, Body, Peer},
    identity::certificate::ClientCertificate,
};
use serde_json::Value;
use tower::ServiceExt as _;

use super::{
    World, canary, described,
    journal::{Journal, hex},
};

/// A call under construction.
pub(crate) struct Call<'a> {
    world: &'a World,
    request: http::request::Builder,
    body: Body,
    peer: Peer,
}

/// An answer that has been checked against the contract and the journal.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The answer's outcome record.
    pub(crate) record: Value,
}

impl<'a> Call<'a> {
    pub(crate) fn to(world: &'a World, target: &str) -> Self {
        let request = Request::post(target).header("host", "gateway");
        Self {
            world,
            request,
            body: whole(Bytes::new()),
            peer: Peer {
                address: "192.0.2.7:40000".parse().expect("address"),
                certificate: None,
            },
        }
    }

    /// Comes from another address.
    pub(crate) fn from(mut self, address: IpAddr) -> Self {
        self.peer.address.set_ip(address);
        self
    }

    pub(crate) fn at(mut self, target: &str) -> Self {
        self.request = self.request.uri(target);
        self
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        self.request = self.request.method(method);
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.request.headers_mut().expect("headers").remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = whole(Bytes::copy_from_slice(body.as_bytes()));
        self
    }

    pub(crate) fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.peer.certificate = Some(certificate);
        self
    }

    pub(crate) fn streamed(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The call as it arrives, for a test that makes it without checking the answer.
    pub(crate) fn arrival(self) -> Arrival {
        let (head, body) = self.request.body(self.body).expect("request").into_parts();
        let peer = self.peer;
        Arrival {
            head,
            body,
            fault: None,
            peer,
        }
    }

    /// Sends the call, waits for the answer and checks it.
    pub(crate) async fn send(self) -> Answer {
        let world = self.world;
        let answer = self.send_among_many().await.recorded(world.journal());
        world.looks.after_call(&world.gateway);
        answer
    }

    /// Sends the call and checks the answer alone; its record may be a summary that is still to come.
    pub(crate) async fn send_among_many(self) -> Answer {
        let stack = self.world.gateway.stack();
        let (head, body) = stack
            .oneshot(self.arrival())
            .await
            .expect("infallible")
            .into_parts();
        let answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.expect("body").to_bytes(),
            record: Value::Null,
        };
        checked(&answer);
        answer
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }

    /// The answer with its record, once that stands in the journal, checked against each other.
    pub(crate) fn recorded(mut self, journal: &Journal) -> Self {
        self.record = journal.outcome(self.audit_id());
        checked_record(&self);
        self
    }

    /// The ID of the record that the answer names.
    pub(crate) fn audit_id(&self) -> &str {
        self.header("gateway-audit-id")
            .expect("every answer names its record")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON body")
    }

    /// Whether the gateway speaks, and not Partner Center.
    fn is_of_the_gateway(&self) -> bool {
        self.header("content-type") == Some("application/problem+json")
    }

    /// Whether it is what another call was answered before.
    pub(crate) fn is_replayed(&self) -> bool {
        self.header("gateway-outcome") == Some("replayed")
    }

    /// Checks that the gateway itself answers with this problem.
    pub(crate) fn is_problem(&self, status: u16, code: &str, forwarded: &str) {
        let problem = self.json();
        assert_eq!(
            (self.status, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        assert_eq!(problem["forwarded"], forwarded, "{problem}");
        assert_eq!(self.record["code"], code);
    }
}

pub(crate) fn whole(body: Bytes) -> Body {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Checks what holds for every answer by itself.
fn checked(answer: &Answer) {
    let headers = &answer.headers;
    canary::assert_untold("an answer's head", format!("{headers:?}").as_bytes());
    canary::assert_untold("an answer's body", &answer.body);
    for name in headers.keys() {
        assert!(
            ANSWER_HEADERS.contains(&name.as_str()),
            "header {name} on an answer"
        );
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name} twice");
    }
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    if answer.is_of_the_gateway() {
        checked_problem(answer);
    }
}

fn checked_problem(answer: &Answer) {
    let headers = &answer.headers;
    let status = answer.status;
    let problem = answer.json();
    let code = problem["code"].as_str().expect("code");
    assert_eq!(
        problem["type"],
        format!("urn:partner-gateway:problem:{code}")
    );
    assert_eq!(problem["status"], status);
    // A replayed answer is the first one's to the byte.
    if !answer.is_replayed() {
        assert_eq!(problem["auditId"], answer.audit_id());
        assert_eq!(
            problem["correlationId"].as_str(),
            answer.header("ms-correlationid")
        );
    }
    assert!(!problem["title"].as_str().expect("title").is_empty());
    assert!(!problem["detail"].as_str().expect("detail").is_empty());
    assert_eq!(status == 405, headers.contains_key("allow"));
    assert_eq!(status == 401, headers.contains_key("www-authenticate"));
    if matches!(status, 429 | 503) {
        assert!(
            headers.contains_key("retry-after"),
            "{code} without Retry-After"
        );
    }
    if status == 503 {
        assert_eq!(problem["forwarded"], "no");
    }
}

/// Checks that an answer and its outcome record agree.
fn checked_record(answer: &Answer) {
    let record = &answer.record;
    if let Some(operation) = record["operation"].as_str() {
        described::answer(operation, answer.status, &answer.headers, &answer.body);
    }
    assert_eq!(record["status"], answer.status);
    assert_eq!(record["outcome"].as_str(), answer.header("gateway-outcome"));
    assert_eq!(
        record["correlation_id"].as_str(),
        answer.header("ms-correlationid")
    );
    assert_eq!(record["body_bytes"], answer.body.len());
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &answer.body);
    assert_eq!(record["body_sha256"], hex(hash.as_ref()));
    let attempts = record["attempts"].as_array();
    let last = attempts.and_then(|attempts| attempts.last());
    assert_eq!(
        last.and_then(|last| last["request_id"].as_str()),
        answer.header("ms-requestid")
    );
    assert_eq!(record.get("replay_of").is_some(), answer.is_replayed());
    if answer.is_replayed() {
        assert_eq!(record["forwarded"], "yes");
        assert_eq!(record["decision"], "allowed");
        assert_eq!(last, None, "an attempt of an answer that is replayed");
    }
    if answer.is_of_the_gateway() {
        let problem = answer.json();
        assert_eq!(record["code"], problem["code"]);
        assert_eq!(record["forwarded"], problem["forwarded"]);
    } else {
        let outcome = record["outcome"].as_str().expect("an outcome");
        let settled = matches!(outcome, "forwarded" | "reconciled");
        assert!(settled || answer.is_replayed(), "{outcome}");
        assert_eq!(record["forwarded"], "yes");
        assert_eq!(record.get("code"), None);
    }
}

/// The headers that the HTTP contract gives an answer.
const ANSWER_HEADERS: [&str; 11] = [
    "allow",
    "cache-control",
    "content-type",
    "gateway-audit-id",
    "gateway-outcome",
    "gateway-warning",
    "ms-correlationid",
    "ms-requestid",
    "retry-after",
    "www-authenticate",
    "x-locale",
];
