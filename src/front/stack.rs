//! The stack: every layer a call passes, in one function, with the reason for its place.

use std::convert::Infallible;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::{
    ServiceBuilder, ServiceExt as _, limit::ConcurrencyLimit, load_shed::LoadShed, timeout::Timeout,
};

use crate::{
    front::{
        audited::{Audited, Books},
        entry::Entry,
        exchange::Arrival,
        handler::Handler,
        rescue::Rescue,
        settings::Settings,
    },
    shutdown::Tasks,
};

/// The whole stack.
pub type Stack = Entry<Audited<Rescue<LoadShed<ConcurrencyLimit<Timeout<Handler>>>>>>;

/// Builds the stack, outermost layer first.
#[must_use]
pub fn stack(settings: &Settings, handler: Handler, books: &Books, tasks: &Tasks) -> Stack {
    ServiceBuilder::new()
        // Identifiers and span exist before anything can happen.
        .layer_fn(|inner| Entry::new(inner, books.tracer.clone()))
        // Outside everything that can answer, so that every answer is recorded.
        .layer_fn(|inner| Audited::new(inner, books.clone(), tasks.clone()))
        // The last place where an error exists.
        .layer_fn(Rescue::new)
        // Full means an answer now, not later.
        .load_shed()
        // Bounds what is being read, whoever sends it; inside the shedding, which asks it whether there
        // is room. Who may have a place in flight is decided by the use case, once it knows the caller.
        .concurrency_limit(settings.most_at_once())
        // A backstop, longer than all deadlines inside.
        .timeout(settings.deadline)
        .service(handler)
}

/// Answers one call; nothing of it can fail.
///
/// # Errors
///
/// Never.
pub async fn answer(stack: Stack, arrival: Arrival) -> Result<Response<Full<Bytes>>, Infallible> {
    stack.oneshot(arrival).await
}
