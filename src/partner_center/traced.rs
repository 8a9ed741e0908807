//! What the span of a request to Partner Center tells.

use crate::{
    command::OnTransfer,
    http_client::Answer,
    partner_center::{trip::Trip, wire::request::Ask},
    spans::{
        self, Span,
        told::{Attribute, Step},
    },
};

impl<C: OnTransfer> Trip<'_, C> {
    /// Begins the span of an attempt.
    pub(in crate::partner_center) fn traced(&self, ask: Ask) -> Span {
        let mut span = spans::step(Step::Attempt);
        if span.is_told() {
            let (method, template) = ask.traced();
            span.tell(Attribute::Method, method);
            span.tell(Attribute::Template, template);
            span.tell(Attribute::ServerAddress, self.account.template().host());
            let before = self.made.saturating_sub(1);
            if ask == Ask::of::<C>() && before > 0 {
                span.tell(Attribute::Resend, i64::from(before));
            }
        }
        span
    }
}

/// Tells how an attempt ended: with an answer, or with the word for why there is none.
pub(in crate::partner_center) fn end(mut span: Span, exchanged: Result<&Answer, &'static str>) {
    match exchanged {
        Ok(answer) => {
            let status = answer.status.as_u16();
            span.tell(Attribute::Status, i64::from(status));
            let is_error = !(200..400).contains(&status);
            span.end(is_error.then(|| status.to_string()));
        }
        Err(name) => span.end(Some(name)),
    }
}
