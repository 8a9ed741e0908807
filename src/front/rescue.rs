//! The last place where an error exists: what the limits say becomes an answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use tower::{
    BoxError, Service, ServiceExt as _, load_shed::error::Overloaded, timeout::error::Elapsed,
};

use crate::{
    audit::trail::Trail,
    front::{
        exchange::Exchange,
        problem::{Forwarded, Problem},
        reply::Reply,
    },
};

/// Turns errors into replies; above it nothing can fail.
#[derive(Clone, Debug)]
pub struct Rescue<S> {
    inner: S,
}

impl<S> Rescue<S> {
    /// Puts the layer around a service.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Exchange> for Rescue<S>
where
    S: Service<Exchange, Response = Reply, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The limits are asked in `call`, where their refusal can be turned into a reply.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, exchange: Exchange) -> Self::Future {
        let inner = self.inner.clone();
        let trail = exchange.trail.clone();
        Box::pin(async move {
            let replied = inner.oneshot(exchange).await;
            Ok(replied.unwrap_or_else(|error| Reply::Problem(rescued(&error, &trail))))
        })
    }
}

fn rescued(error: &BoxError, trail: &Trail) -> Problem {
    if error.is::<Overloaded>() {
        Problem::Overloaded
    } else if error.is::<Elapsed>() {
        Problem::UpstreamTimeout {
            forwarded: Forwarded::so_far(trail.facts()),
        }
    } else {
        Problem::Internal {
            forwarded: Forwarded::so_far(trail.facts()),
        }
    }
}
