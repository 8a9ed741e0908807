//! The innermost service: request in, command out; verdict in, reply out.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tower::Service;

use crate::{
    authorization::rate::OverRate,
    command::{Command as _, RejectTransfer},
    front::{
        exchange::Exchange,
        problem::{Forwarded, Problem},
        reading,
        reply::Reply,
        route::{self, Misroute, Route},
        settings::Settings,
    },
    partner_center::{verdict::Verdict, wire},
    shutdown::Drain,
    transfers::{
        reject::{Refusal, Transfers},
        request::{Arguments, Malformed, Presented, RejectRequest},
    },
};

/// Carries requests to the use case.
#[derive(Clone, Debug)]
pub struct Handler(Arc<Within>);

#[derive(Debug)]
struct Within {
    transfers: Arc<Transfers>,
    drain: Drain,
    max_body_bytes: usize,
    body_timeout: Duration,
}

impl Handler {
    /// Puts the handler in front of the use case.
    #[must_use]
    pub fn new(settings: &Settings, transfers: Arc<Transfers>, drain: Drain) -> Self {
        Self(Arc::new(Within {
            transfers,
            drain,
            max_body_bytes: settings.max_body_bytes,
            body_timeout: settings.header_timeout,
        }))
    }
}

impl Service<Exchange> for Handler {
    type Response = Reply;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, exchange: Exchange) -> Self::Future {
        let within = Arc::clone(&self.0);
        Box::pin(async move { Ok(within.answer(exchange).await.unwrap_or_else(Reply::Problem)) })
    }
}

impl Within {
    async fn answer(&self, exchange: Exchange) -> Result<Reply, Problem> {
        let too_late = self.drain.has_begun();
        let trail = exchange.trail.clone();
        let presented = Presented {
            credential: reading::credential(&exchange.head.headers),
            certificate: exchange.certificate.clone(),
        };
        let arguments = match self.arguments(exchange).await {
            Ok(arguments) => arguments,
            Err(problem) => {
                // Whoever is known has a record of its own, whatever is wrong with the call.
                self.transfers.know(&presented, &trail).await;
                return Err(problem);
            }
        };
        let request = RejectRequest {
            presented,
            arguments,
            too_late,
        };
        let verdict = self.transfers.reject(request, &trail).await?;
        reply(verdict)
    }

    /// Finds the route and reads the body. What is wrong with those is told to anybody; what is wrong
    /// with the arguments, to callers who are known.
    async fn arguments(&self, exchange: Exchange) -> Result<Result<Arguments, Malformed>, Problem> {
        let Exchange {
            head,
            body,
            fault,
            trail,
            certificate: _,
            bad_correlation,
        } = exchange;
        let Route::Reject { customer, transfer } = route::find(&head)?;
        let facts = trail.facts();
        facts
            .operation
            .get_or_init(|| RejectTransfer::OPERATION.as_str());
        if let Ok(id) = customer.parse() {
            facts.customer.get_or_init(|| id);
        }
        if let Ok(id) = transfer.parse() {
            facts.transfer.get_or_init(|| id);
        }
        let body = match fault {
            Some(fault) if fault.hides_body() => return Ok(Err(fault.into())),
            _ => reading::body(&head, body, self.max_body_bytes, self.body_timeout).await?,
        };
        if let Some(fault) = fault {
            return Ok(Err(fault.into()));
        }
        let path = (customer, transfer);
        Ok(reading::arguments(&head, path, bad_correlation, body))
    }
}

/// Turns Partner Center's verdict into a reply.
fn reply(verdict: Verdict) -> Result<Reply, Problem> {
    match verdict {
        Verdict::Rejected(answer) | Verdict::Answered(answer) => Ok(Reply::PassedOn {
            status: answer.status,
            headers: wire::passed_on(&answer.headers),
            body: answer.body,
        }),
        Verdict::Unconfirmed => Err(Problem::UpstreamUnconfirmed),
        Verdict::Unauthorized(error) => Err(Problem::UpstreamUnauthorized(error)),
        Verdict::NoToken(unavailable) => Err(Problem::TokenUnavailable {
            retry_after: unavailable.retry_after,
        }),
        Verdict::OutOfTime => Err(Problem::UpstreamTimeout {
            forwarded: Forwarded::No,
        }),
        Verdict::Unreachable => Err(Problem::UpstreamUnreachable),
        Verdict::Unanswered => Err(Problem::UpstreamTimeout {
            forwarded: Forwarded::Unknown,
        }),
        Verdict::Invalid => Err(Problem::UpstreamInvalid),
    }
}

impl From<Misroute> for Problem {
    fn from(misroute: Misroute) -> Self {
        match misroute {
            Misroute::NotFound => Self::NotFound,
            Misroute::Method { allow } => Self::MethodNotAllowed { allow },
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unidentified(why) => Self::Unauthenticated(why),
            Refusal::Malformed(malformed) => malformed.into(),
            Refusal::Account => Self::AccountForbidden,
            Refusal::Denied => Self::PolicyDenied,
            Refusal::OverRate(OverRate { retry_after }) => Self::RateLimited { retry_after },
            Refusal::Leaving => Self::Draining,
            Refusal::Full => Self::Overloaded,
            Refusal::Unwritable(_) => Self::AuditUnavailable,
        }
    }
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        let why = malformed.to_string();
        match malformed {
            Malformed::Form(_) | Malformed::Query => Self::InvalidRequest(why),
            Malformed::CustomerId => Self::InvalidCustomerId(why),
            Malformed::TransferId => Self::InvalidTransferId(why),
            Malformed::Header(_) => Self::InvalidHeader(why),
            Malformed::Body(_) => Self::InvalidBody(why),
            Malformed::MediaType => Self::UnsupportedMediaType(why),
        }
    }
}
