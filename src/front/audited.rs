//! One answer, one record: runs the call to its end, makes its outcome durable, then answers. Refusals
//! of strangers who come too fast share a summary record, which follows them.
//!
//! The call runs in a task of its own, so neither a caller that hangs up nor a panic can part a
//! `PATCH` from its record; nor can the end of a drain, which stops the call and has it recorded as far
//! as it came.

use std::{
    convert::Infallible,
    mem,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Response;
use http_body_util::Full;
use tower::{Service, ServiceExt as _};
use tracing::{Instrument as _, Span, error, info};

use crate::{
    audit::{
        journal::Journal,
        record::{Draft, Ending},
        trail::{Facts, Trail},
    },
    front::{
        exchange::Exchange,
        problem::{Access, Forwarded, Problem},
        rendered::Rendered,
        reply::Reply,
        tally::Tally,
        traced,
    },
    ids::RecordId,
    shutdown::Tasks,
    spans::{self, told::Step, tracer::Tracer},
    transfers::claim::Claim,
};

/// Records every answer before it leaves.
#[derive(Clone, Debug)]
pub struct Audited<S> {
    inner: S,
    books: Books,
    tasks: Tasks,
}

/// Where answers are written down: each in the journal, and all of them in numbers.
#[derive(Clone, Debug)]
pub struct Books {
    /// One record each.
    pub journal: Journal,
    /// How many of which kind.
    pub tally: Arc<Tally>,
    /// And some of them step by step.
    pub tracer: Option<Tracer>,
}

impl<S> Audited<S> {
    /// Puts the layer around a service.
    pub fn new(inner: S, books: Books, tasks: Tasks) -> Self {
        Self {
            inner,
            books,
            tasks,
        }
    }
}

impl<S> Service<Exchange> for Audited<S>
where
    S: Service<Exchange, Response = Reply, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut exchange: Exchange) -> Self::Future {
        let inner = self.inner.clone();
        let books = self.books.clone();
        let trail = exchange.trail.clone();
        let claim = exchange.claim.clone();
        let kept = (books.clone(), trail.clone());
        let tasks = self.tasks.clone();
        let mut span = mem::take(&mut exchange.span);
        traced::begin(&mut span, &exchange);
        let here = span.current();
        let whole = async move {
            let replying = AssertUnwindSafe(inner.oneshot(exchange)).catch_unwind();
            let replied = tokio::select! {
                biased;
                replied = replying => Some(replied),
                () = tasks.cut() => None,
            };
            let reply = match replied {
                Some(Ok(Ok(reply))) => reply,
                Some(Err(_)) => panicked(&trail),
                None => cut_off(&trail),
            };
            let rendered = books.record(&trail, &reply, span).await;
            if let Some(claim) = claim.take() {
                settle(claim, &rendered).await;
            }
            rendered
        };
        let task = self
            .tasks
            .spawn(here.around(whole).instrument(Span::current()));
        Box::pin(async move {
            let answer = task.await.unwrap_or_else(|_| {
                // Only recording itself can still panic.
                let (books, trail) = kept;
                let reply = panicked(&trail);
                let summary = unrecorded(&books.journal, trail.facts(), &reply);
                books.answer(&trail, &reply, summary, spans::Span::default())
            });
            Ok(answer.into_response())
        })
    }
}

impl Books {
    /// Makes the outcome durable and returns the answer that may leave.
    async fn record(&self, trail: &Trail, reply: &Reply, span: spans::Span) -> Rendered {
        let (journal, facts) = (&self.journal, trail.facts());
        if let Some(summary) = summed_up(journal, facts, reply) {
            return self.answer(trail, reply, summary, span);
        }
        let id = RecordId::next();
        let rendered = reply.render(facts, id);
        let draft = outcome(id, journal, facts, reply, &rendered);
        let waiting = facts.elsewhere();
        let appending = journal.append(draft);
        let written = spans::within(Step::Outcome, appending, |_| "unwritable").await;
        drop(waiting);
        if written.is_ok() {
            self.tell(trail, reply, &rendered, id, span);
            return rendered;
        }
        let problem = match reply.forwarded() {
            Forwarded::No => Problem::AuditUnavailable(Access::Writing),
            forwarded => Problem::AuditIncomplete { forwarded },
        };
        let instead = Reply::Problem(problem);
        let summary = unrecorded(journal, facts, &instead);
        let rendered = self.answer(trail, &instead, summary, span);
        if facts.is_intended() {
            // The answer names the summary, but the intent must not stay open.
            let late = outcome(RecordId::next(), journal, facts, &instead, &rendered);
            journal.owe(late);
        }
        rendered
    }

    /// The answer whose record is a summary.
    fn answer(
        &self,
        trail: &Trail,
        reply: &Reply,
        summary: RecordId,
        span: spans::Span,
    ) -> Rendered {
        let rendered = reply.render(trail.facts(), summary);
        self.tell(trail, reply, &rendered, summary, span);
        rendered
    }

    /// Tells of an answer those who watch: one line, one more in the numbers, and the end of the call's span.
    fn tell(
        &self,
        trail: &Trail,
        reply: &Reply,
        rendered: &Rendered,
        id: RecordId,
        span: spans::Span,
    ) {
        log(trail, rendered, reply, id);
        traced::end(span, trail.facts(), reply, rendered);
        self.tally.note(trail.facts(), reply, rendered);
    }
}

/// Keeps the answer for whoever repeats the call. Where there is none to keep, whoever waits goes on.
async fn settle(claim: Claim, rendered: &Rendered) {
    match rendered.to_keep() {
        Some(answer) => claim.keep(answer.by_itself()).await,
        None if rendered.forwarded() == Forwarded::No => claim.free(),
        // The next one has to look at the transfer first.
        None => drop(claim),
    }
}

/// The outcome record of an answer.
fn outcome(
    id: RecordId,
    journal: &Journal,
    facts: &Facts,
    reply: &Reply,
    rendered: &Rendered,
) -> Draft {
    let ending = Ending {
        decision: reply.decision(facts),
        status: rendered.status().as_u16(),
        code: reply.code(),
        outcome: rendered.outcome(),
        replay_of: reply.replay_of(),
        forwarded: reply.forwarded().as_str(),
        body: rendered.body(),
    };
    Draft::outcome(id, facts, journal.boot(), &ending)
}

/// The summary record that stands for a refusal of a caller that is not known, where such refusals are
/// too many for a record each.
fn summed_up(journal: &Journal, facts: &Facts, reply: &Reply) -> Option<RecordId> {
    let is_stranger = facts.caller.get().is_none();
    let code = reply.code().filter(|_| is_stranger && reply.is_refusal())?;
    journal.sum_up(code, facts.peer.ip())
}

/// The summary record that stands for an answer that cannot have one of its own.
fn unrecorded(journal: &Journal, facts: &Facts, reply: &Reply) -> RecordId {
    journal.unrecorded(reply.code().unwrap_or_default(), facts.peer.ip())
}

/// The end of the drain has come before the call's.
fn cut_off(trail: &Trail) -> Reply {
    let facts = trail.facts();
    Reply::Problem(match Forwarded::so_far(facts) {
        Forwarded::No if facts.upstream().under_way.is_none() => Problem::Draining,
        forwarded => Problem::UpstreamTimeout { forwarded },
    })
}

fn panicked(trail: &Trail) -> Reply {
    error!("a call panicked");
    Reply::Problem(Problem::Internal {
        forwarded: Forwarded::so_far(trail.facts()),
    })
}

/// One line a call.
fn log(trail: &Trail, rendered: &Rendered, reply: &Reply, id: RecordId) {
    let facts = trail.facts();
    info!(
        http.status = rendered.status().as_u16(),
        outcome = rendered.outcome(),
        code = reply.code(),
        operation = facts.operation.get(),
        customer.id = facts.customer.get().map(tracing::field::display),
        transfer.id = facts.transfer.get().map(tracing::field::display),
        account = facts.account.get().map(|through| &*through.account),
        audit.id = %id,
        trace.id = %facts.trace,
        duration_ms = facts.began.elapsed().as_millis(),
        "call answered",
    );
}
