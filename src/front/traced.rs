//! What the span of a call tells.

use http::Method;

use crate::{
    audit::trail::Facts,
    command::Operation,
    front::{exchange::Exchange, rendered::Rendered, reply::Reply},
    spans::{Span, told::Attribute},
};

/// Tells what is known at the beginning.
pub(in crate::front) fn begin(span: &mut Span, exchange: &Exchange) {
    if !span.is_told() {
        return;
    }
    let facts = exchange.trail.facts();
    span.tell(Attribute::Method, method(&exchange.head.method));
    span.tell(Attribute::CallId, facts.call.to_string());
    span.tell(Attribute::CorrelationId, facts.correlation.to_string());
}

/// Tells how the call ended. What a caller did wrong is no error of the server's
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>).
pub(in crate::front) fn end(mut span: Span, facts: &Facts, reply: &Reply, rendered: &Rendered) {
    let status = rendered.status();
    if span.is_told() {
        span.tell(Attribute::Status, i64::from(status.as_u16()));
        span.tell(Attribute::Outcome, rendered.outcome());
        let named = facts.operation.get();
        let asked = Operation::ALL
            .into_iter()
            .find(|it| named == Some(&it.as_str()));
        if let Some(operation) = asked {
            span.tell(Attribute::Operation, operation.as_str());
            span.tell(Attribute::Route, route(operation));
        }
        if let Some(through) = facts.account.get() {
            span.tell(Attribute::Account, through.account.to_string());
        }
    }
    if status.is_server_error() {
        let error = reply
            .code()
            .map_or_else(|| status.as_u16().to_string(), str::to_owned);
        return span.end(Some(error));
    }
    if let Some(code) = reply.code() {
        span.tell(Attribute::ErrorType, code);
    }
    span.end(None::<&str>);
}

/// A method that nobody knows is a word of the caller's choosing.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// What was asked for, without what is in it.
fn route(operation: Operation) -> &'static str {
    match operation {
        Operation::TransfersReject => "/transfers/{customer}/{transfer}/reject",
        Operation::TransfersRead => "/transfers/{customer}/{transfer}",
        Operation::AuditRead => "/audit/records",
    }
}
