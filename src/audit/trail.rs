//! The facts of one call, noted on the way, each once.
//!
//! The trail outlives the work it tells of: a call that times out or panics half way has still left
//! behind how far it came.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::ids::{CallId, CorrelationId, CustomerId, RequestId, TraceId, TransferId};

/// A handle on the facts of one call.
#[derive(Clone)]
pub struct Trail(Arc<Facts>);

/// The facts of one call; every `OnceLock` is filled at most once.
#[derive(Debug)]
pub struct Facts {
    /// Ties the call's records together.
    pub call: CallId,
    /// When the call's first byte was seen.
    pub began: Instant,
    /// The TCP peer.
    pub peer: SocketAddr,
    /// The call's correlation ID.
    pub correlation: CorrelationId,
    /// The call's trace.
    pub trace: TraceId,
    /// What was asked for.
    pub operation: OnceLock<&'static str>,
    /// The customer in the path, where it parsed.
    pub customer: OnceLock<CustomerId>,
    /// The transfer in the path, where it parsed.
    pub transfer: OnceLock<TransferId>,
    /// Who calls, where that is known.
    pub caller: OnceLock<Who>,
    /// The caller's own words.
    pub reason: OnceLock<String>,
    /// Whose credentials are used.
    pub account: OnceLock<Through>,
    /// The policy rule that decided.
    pub rule: OnceLock<Arc<str>>,
    /// The policy in force.
    pub policy: OnceLock<Arc<str>>,
    /// Set where the other replicas could not be asked whether they have made the call.
    pub alone: OnceLock<()>,
    /// Whether an intent may be in the journal.
    intended: AtomicBool,
    /// What happened upstream.
    upstream: Mutex<Upstream>,
    /// How long the call waited for others, in microseconds.
    elsewhere: AtomicU64,
}

/// The time that a call spends waiting for others, counted when this is dropped.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Elsewhere<'a> {
    facts: &'a Facts,
    since: Instant,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Who {
    /// The principal.
    pub principal: Arc<str>,
    /// Who vouches for it.
    pub issuer: Option<Arc<str>>,
    /// How it proved itself.
    pub auth: &'static str,
}

/// Whose credentials are used.
#[derive(Clone, Debug)]
pub struct Through {
    /// The account's name.
    pub account: Arc<str>,
    /// The partner's tenant.
    pub partner_tenant: Arc<str>,
    /// `app` or `app_user`.
    pub flow: &'static str,
}

/// One request upstream as it begins.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The `MS-RequestId` sent.
    pub request: RequestId,
    /// When it began.
    pub started: SystemTime,
    /// The name of the token sent.
    pub token: Arc<str>,
}

/// One request upstream and how it ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// How it began.
    pub departure: Departure,
    /// How long it took.
    pub took: Duration,
    /// Whether it may have changed something, for all that came back.
    pub open: bool,
    /// The status answered.
    pub status: Option<u16>,
    /// What went wrong.
    pub error: Option<&'static str>,
    /// Partner Center's own code.
    pub error_code: Option<String>,
}

/// What happened upstream so far.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// The attempts that have ended.
    pub attempts: Vec<Attempt>,
    /// The attempt that has begun and not ended.
    pub under_way: Option<Departure>,
    /// The transfer's state as last told.
    pub transfer_status: Option<String>,
}

impl Upstream {
    /// Notes that an attempt is about to send its first byte.
    pub fn sending(&mut self, departure: Departure) {
        self.under_way = Some(departure);
    }

    /// Notes how the attempt ended.
    pub fn ended(&mut self, attempt: Attempt, transfer_status: Option<String>) {
        self.under_way = None;
        if transfer_status.is_some() {
            self.transfer_status = transfer_status;
        }
        self.attempts.push(attempt);
    }
}

impl Trail {
    /// Begins the trail of a call.
    #[must_use]
    pub fn begin(peer: SocketAddr, correlation: CorrelationId, trace: TraceId) -> Self {
        Self(Arc::new(Facts {
            call: CallId::next(),
            began: Instant::now(),
            peer,
            correlation,
            trace,
            operation: OnceLock::new(),
            customer: OnceLock::new(),
            transfer: OnceLock::new(),
            caller: OnceLock::new(),
            reason: OnceLock::new(),
            account: OnceLock::new(),
            rule: OnceLock::new(),
            policy: OnceLock::new(),
            alone: OnceLock::new(),
            intended: AtomicBool::new(false),
            upstream: Mutex::default(),
            elsewhere: AtomicU64::default(),
        }))
    }

    /// The facts noted so far.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.0
    }

    /// Notes that the call's intent is being written: from here on it may be in the journal.
    pub fn intending(&self) {
        self.0.intended.store(true, Ordering::Release);
    }

    /// Notes that the intent could not be written, and never will be.
    pub fn unintended(&self) {
        self.0.intended.store(false, Ordering::Release);
    }

    /// Notes that an attempt is about to send its first byte.
    pub fn sending(&self, departure: Departure) {
        self.0.state().sending(departure);
    }

    /// Notes how the attempt ended.
    pub fn ended(&self, attempt: Attempt, transfer_status: Option<String>) {
        self.0.state().ended(attempt, transfer_status);
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        let waited = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.facts.elsewhere.fetch_add(waited, Ordering::Relaxed);
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trail").field(&self.0.call).finish()
    }
}

impl Facts {
    /// Whether an intent may be in the journal, which an outcome has to close.
    #[must_use]
    pub fn is_intended(&self) -> bool {
        self.intended.load(Ordering::Acquire)
    }

    /// Begins to wait for somebody else: the caller's body, the disk, Microsoft, or a call under the same key. Waits
    /// do not overlap.
    pub fn elsewhere(&self) -> Elsewhere<'_> {
        Elsewhere {
            facts: self,
            since: Instant::now(),
        }
    }

    /// How long the call has waited for others so far.
    #[must_use]
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.elsewhere.load(Ordering::Relaxed))
    }

    /// What happened upstream so far.
    #[must_use]
    pub fn upstream(&self) -> Upstream {
        self.state().clone()
    }

    /// The `MS-RequestId` of the last attempt, where one was made.
    #[must_use]
    pub fn last_request(&self) -> Option<RequestId> {
        let upstream = self.state();
        let ended = upstream.attempts.last().map(|attempt| &attempt.departure);
        let last = upstream.under_way.as_ref().or(ended);
        last.map(|departure| departure.request)
    }

    fn state(&self) -> MutexGuard<'_, Upstream> {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
