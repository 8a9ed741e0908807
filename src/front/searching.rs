//! `GET /audit/records`: request in, a page of the journal out. It passes the same layers as a caller's
//! call, so every search has a record of its own before anything of it leaves.

use std::{
    convert::Infallible,
    error::Error,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tower::{Service, ServiceBuilder};
use tracing::error;

use crate::{
    audit::search::{
        Effort,
        page::{self, NoPage},
        query::Query,
    },
    authorization::permit::Admission,
    cause,
    command::{Operation, ReadAudit},
    front::{
        audited::{Audited, Books},
        entry::Entry,
        exchange::Exchange,
        names,
        problem::{Access, Problem},
        reading,
        reply::Reply,
    },
    shutdown::Tasks,
    transfers::{
        Transfers,
        request::{Malformed, Presented},
    },
};

/// Answers searches of the journal.
pub type SearchStack = Entry<Audited<Searching>>;

/// Searches the journal for those who may read it.
#[derive(Clone, Debug)]
pub struct Searching(Arc<Within>);

/// Where is searched, and for whom.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The journal's directory.
    pub dir: PathBuf,
    /// Whether a caller without any credential may count as one.
    pub takes_anonymous: bool,
}

#[derive(Debug)]
struct Within {
    transfers: Arc<Transfers>,
    reach: Reach,
    places: Arc<Semaphore>,
}

/// Builds the layers around a search.
#[must_use]
pub fn stack(transfers: Arc<Transfers>, reach: Reach, books: &Books, tasks: &Tasks) -> SearchStack {
    let within = Within {
        transfers,
        reach,
        places: Arc::new(Semaphore::new(MOST_AT_ONCE)),
    };
    ServiceBuilder::new()
        .layer_fn(|inner| Entry::new(inner, books.tracer.clone()))
        .layer_fn(|inner| Audited::new(inner, books.clone(), tasks.clone()))
        .service(Searching(Arc::new(within)))
}

impl Service<Exchange> for Searching {
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
        let trail = &exchange.trail;
        let facts = trail.facts();
        facts
            .operation
            .get_or_init(|| Operation::AuditRead.as_str());
        let presented = Presented {
            credential: reading::credential(&exchange.head.headers),
            certificate: exchange.certificate.clone(),
        };
        let takes_anonymous = self.reach.takes_anonymous;
        let reader = self
            .transfers
            .reader(&presented, takes_anonymous, trail)
            .await;
        if !matches!(exchange.head.method, Method::GET | Method::HEAD) {
            return Err(Problem::MethodNotAllowed { allow: "GET, HEAD" });
        }
        let reader = reader?;
        // In the reader's own words, and not as what the record is about: evidence and searches of a transfer
        // tell of what was done to it.
        let asked = exchange.head.uri.query().filter(|asked| !asked.is_empty());
        asked.inspect(|asked| {
            let asked = asked.chars().take(LONGEST_WORDS).collect();
            facts.reason.get_or_init(|| asked);
        });
        let query = query(&exchange)?;
        let command = ReadAudit {
            customer: query.filters.customer,
        };
        let admission = self.transfers.admit_reader(&reader, command, trail)?;
        self.find(admission, query).await
    }

    /// Searches in a thread meant for it. A disk that hangs holds no more threads than there are places.
    async fn find(&self, _: Admission<ReadAudit>, query: Query) -> Result<Reply, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Problem::Overloaded)?;
        let dir = self.reach.dir.clone();
        let upto = self.transfers.journal.durable();
        let searching = spawn_blocking(move || {
            let found = page::find(&dir, upto, &query, EFFORT);
            drop(place);
            // Serialising what was JSON into memory cannot fail.
            found.map(|page| serde_json::to_vec(&page).unwrap_or_default())
        });
        match timeout(LONGEST, searching).await {
            Ok(Ok(Ok(page))) => Ok(Reply::Found(Bytes::from(page))),
            Ok(Ok(Err(other @ NoPage::OtherJournal))) => {
                Err(Problem::InvalidRequest(other.to_string()))
            }
            Ok(Ok(Err(NoPage::Unreadable(why)))) => Err(unavailable(&why)),
            Ok(Err(gone)) => Err(unavailable(&gone)),
            Err(late) => Err(unavailable(&late)),
        }
    }
}

fn query(exchange: &Exchange) -> Result<Query, Problem> {
    if let Some(fault) = exchange.fault {
        return Err(Malformed::from(fault).into());
    }
    if exchange.bad_correlation {
        return Err(Malformed::Header(names::CORRELATION_ID).into());
    }
    let query = exchange.head.uri.query().unwrap_or_default();
    Query::read(form_urlencoded::parse(query.as_bytes()))
        .map_err(|bad| Problem::InvalidRequest(bad.to_string()))
}

fn unavailable(error: &(dyn Error + 'static)) -> Problem {
    error!(error = %cause::chain(error), "audit journal not searched");
    Problem::AuditUnavailable(Access::Reading)
}

/// What one search may do: half a second of a common disk, and two or three segments of the usual size.
const EFFORT: Effort = Effort {
    most_bytes: Some(128 << 20),
    leaves_index: true,
};

/// Searches for people; calls have the disk for themselves otherwise.
const MOST_AT_ONCE: usize = 2;

/// In characters, as of any caller.
const LONGEST_WORDS: usize = 512;

/// A disk that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(30);
