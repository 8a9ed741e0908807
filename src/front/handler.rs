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
    audit::trail::Facts,
    authorization::rate::OverRate,
    command::{Operation, ReadTransfer, RejectTransfer},
    front::{
        circuit::Circuit,
        exchange::Exchange,
        problem::{Access, Forwarded, Limit, Outcome, Problem},
        reading::{self, Read},
        reply::Reply,
        route::{self, Misroute, Route},
        settings::Settings,
    },
    partner_center::{
        answer::{Answer, PassedOn},
        attempt::Hindrance,
        breaker::Open,
        throttle::Held,
        way::Blocked,
    },
    shutdown::Drain,
    transfers::{
        Transfers,
        idempotency::Repeat,
        refusal::Refusal,
        reject::Ended,
        request::{Arguments, Malformed, Presented, Request},
        shared::Unreached,
        verdict::{Doubt, Verdict},
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
        let claim = exchange.claim.clone();
        let presented = Presented {
            credential: reading::credential(&exchange.head.headers),
            certificate: exchange.certificate.clone(),
        };
        let wish = match self.wish(exchange).await {
            Ok(wish) => wish,
            Err(problem) => {
                // Whoever is known has a record of its own, whatever is wrong with the call.
                self.transfers.know(&presented, &trail).await;
                return Err(problem);
            }
        };
        let verdict = match wish {
            Wish::Reject(arguments) => {
                let request = Request {
                    presented,
                    arguments,
                    too_late,
                };
                match self.transfers.reject(request, &claim, &trail).await? {
                    Ended::Anew(verdict) => verdict,
                    Ended::Before(kept) => return Ok(Reply::Replayed(kept)),
                }
            }
            Wish::Read(arguments) => {
                let request = Request {
                    presented,
                    arguments,
                    too_late,
                };
                self.transfers.read(request, &trail).await?
            }
        };
        reply(verdict)
    }

    /// Finds the route and reads the body. What is wrong with those is told to anybody; what is wrong
    /// with the arguments, to callers who are known.
    async fn wish(&self, exchange: Exchange) -> Result<Wish, Problem> {
        let Exchange {
            head,
            body,
            fault,
            trail,
            certificate: _,
            claim: _,
            bad_correlation,
            span: _,
        } = exchange;
        let route = route::find(&head)?;
        note(trail.facts(), route);
        let waiting = trail.facts().elsewhere();
        let body = match fault {
            Some(fault) if fault.hides_body() => Err(fault.into()),
            _ => reading::body(&head, body, self.max_body_bytes, self.body_timeout).await?,
        };
        drop(waiting);
        let read = Read {
            head: &head,
            fault,
            bad_correlation,
            body,
        };
        Ok(match route {
            Route::Reject(path) => Wish::Reject(read.arguments(path)),
            Route::Read(path) => Wish::Read(read.arguments(path)),
        })
    }
}

/// What a caller wants, as far as it could be read.
enum Wish {
    Reject(Result<Arguments<RejectTransfer>, Malformed>),
    Read(Result<Arguments<ReadTransfer>, Malformed>),
}

/// Notes what is asked for, as far as it parses.
fn note(facts: &Facts, route: Route<'_>) {
    let (operation, path) = match route {
        Route::Reject(path) => (Operation::TransfersReject, path),
        Route::Read(path) => (Operation::TransfersRead, path),
    };
    facts.operation.get_or_init(|| operation.as_str());
    if let Ok(id) = path.customer.parse() {
        facts.customer.get_or_init(|| id);
    }
    if let Ok(id) = path.transfer.parse() {
        facts.transfer.get_or_init(|| id);
    }
}

/// Turns the verdict on a call into a reply.
fn reply(verdict: Verdict) -> Result<Reply, Problem> {
    match verdict {
        Verdict::Rejected(answer) | Verdict::Answered(answer) => {
            Ok(passed_on(Outcome::Forwarded, answer))
        }
        Verdict::Reconciled(answer) => Ok(passed_on(Outcome::Reconciled, answer)),
        Verdict::Unconfirmed => Err(Problem::UpstreamUnconfirmed),
        Verdict::Unauthorized(error) => Err(Problem::UpstreamUnauthorized(error)),
        Verdict::NotMade(hindrance) => Err(hindrance.into()),
        Verdict::Unreachable => Err(Problem::UpstreamUnreachable),
        Verdict::Unknown(doubt) => Err(unanswered(doubt, Forwarded::Unknown)),
        Verdict::Unread(doubt) => Err(unanswered(doubt, Forwarded::No)),
    }
}

fn passed_on(outcome: Outcome, answer: Answer) -> Reply {
    let PassedOn {
        status,
        headers,
        body,
    } = answer.passed_on();
    Reply::PassedOn {
        outcome,
        status,
        headers,
        body,
    }
}

fn unanswered(doubt: Doubt, forwarded: Forwarded) -> Problem {
    match doubt {
        Doubt::Silent => Problem::UpstreamTimeout { forwarded },
        Doubt::Invalid => Problem::UpstreamInvalid { forwarded },
    }
}

impl From<Hindrance> for Problem {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::NoToken { retry_after } => Self::TokenUnavailable { retry_after },
            Hindrance::OutOfTime => Self::UpstreamTimeout {
                forwarded: Forwarded::No,
            },
            Hindrance::Blocked(blocked) => blocked.into(),
        }
    }
}

impl From<Blocked> for Problem {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::Throttled(Held { retry_after }) => Self::RateLimited {
                limit: Limit::PartnerCenter,
                retry_after,
            },
            Blocked::Open(Open { retry_after }) => Self::CircuitOpen {
                circuit: Circuit::PartnerCenter,
                retry_after,
            },
        }
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
            Refusal::OverRate(OverRate { retry_after }) => Self::RateLimited {
                limit: Limit::Caller,
                retry_after,
            },
            Refusal::Blocked(blocked) => blocked.into(),
            Refusal::Leaving => Self::Draining,
            Refusal::Full(_) | Refusal::Repeated(Repeat::Crowded(_)) => Self::Overloaded,
            Refusal::Repeated(Repeat::Mismatch) => Self::IdempotencyMismatch,
            Refusal::Repeated(Repeat::InProgress) => Self::IdempotencyInProgress,
            Refusal::Repeated(Repeat::Unreached(Unreached { retry_after })) => Self::CircuitOpen {
                circuit: Circuit::Replicas,
                retry_after,
            },
            Refusal::Unwritable(_) => Self::AuditUnavailable(Access::Writing),
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
