//! The operator listener: is it alive, is it ready, its metrics, and its journal.

use std::{borrow::Cow, convert::Infallible, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use serde::Serialize;

use tower::ServiceExt as _;
use tracing::error;

use crate::{
    delivery::{progress::Progress, spans, witness},
    front::{
        audited::Books, door::Door, exchange::Arrival, probe::Probe, scrape,
        searching::SearchStack, tally::Tally, tls::Tls,
    },
    partner_center::{account::Account, breaker::State},
    shutdown::Drain,
    spans::tracer::Tracer,
    telemetry::{metrics, reloads::Reloads},
    transfers::Transfers,
};

/// Answers operators and probes.
#[derive(Clone, Debug)]
pub struct Admin {
    watched: Watched,
    searching: SearchStack,
    drain: Drain,
}

/// What operators watch.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The use case, with the accounts, the rules and the journal.
    pub transfers: Arc<Transfers>,
    /// The audit sinks.
    pub sinks: Vec<Arc<Progress>>,
    /// What was heard of the journals of others, where there is a cluster.
    pub witnesses: Option<Arc<witness::Tally>>,
    /// What became of the spans of calls, where some are traced.
    pub spans: Option<Arc<spans::Tally>>,
    /// The answers.
    pub tally: Arc<Tally>,
    /// The public listener's.
    pub door: Arc<Door>,
    /// The configuration's.
    pub reloads: Arc<Reloads>,
    /// TLS on the public listener, where it is offered.
    pub tls: Option<Tls>,
    /// When the gateway started.
    pub started: SystemTime,
}

/// One thing that must hold before traffic may come.
#[derive(Debug, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    ready: bool,
    detail: Cow<'static, str>,
}

impl Watched {
    /// Nothing is counted yet.
    #[must_use]
    pub fn of(
        transfers: Arc<Transfers>,
        (sinks, witnesses): (Vec<Arc<Progress>>, Option<Arc<witness::Tally>>),
        (tls, door): (Option<Tls>, Door),
        spans: Option<Arc<spans::Tally>>,
    ) -> Self {
        Self {
            started: transfers.clock.now(),
            transfers,
            sinks,
            witnesses,
            spans,
            tally: Arc::default(),
            door: Arc::new(door),
            reloads: Arc::default(),
            tls,
        }
    }

    /// Where answers are written down that are counted here, and some of them step by step.
    #[must_use]
    pub fn books(&self, tracer: Option<Tracer>) -> Books {
        Books {
            journal: self.transfers.journal.clone(),
            tally: Arc::clone(&self.tally),
            tracer,
        }
    }
}

impl Admin {
    /// Makes the listener's service.
    #[must_use]
    pub fn new(watched: Watched, searching: SearchStack, drain: Drain) -> Self {
        Self {
            watched,
            searching,
            drain,
        }
    }

    /// What the public listener's connections come in by.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.watched.door
    }

    /// How often the configuration was read anew.
    #[must_use]
    pub fn reloads(&self) -> &Arc<Reloads> {
        &self.watched.reloads
    }

    /// Answers one request, whatever it is about.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn take(&self, arrival: Arrival) -> Result<Response<Full<Bytes>>, Infallible> {
        if arrival.head.uri.path() != RECORDS {
            return self.answer(&arrival.head).await;
        }
        if self.drain.has_begun() {
            // Nothing may be written behind the last record of the run.
            let mut refused = text(StatusCode::SERVICE_UNAVAILABLE, "this replica is leaving\n");
            let soon = HeaderValue::from_static("1");
            refused.headers_mut().insert(header::RETRY_AFTER, soon);
            return Ok(refused);
        }
        self.searching.clone().oneshot(arrival).await
    }

    /// Answers one request of a probe, which anybody may make.
    ///
    /// # Errors
    ///
    /// Never.
    pub async fn answer(&self, head: &Parts) -> Result<Response<Full<Bytes>>, Infallible> {
        let Some(probe) = Probe::at(head.uri.path()) else {
            return Ok(text(StatusCode::NOT_FOUND, "no such route\n"));
        };
        if head.method != Method::GET && head.method != Method::HEAD {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "this route takes GET\n");
            refused
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Ok(refused);
        }
        Ok(match probe {
            Probe::Alive => text(StatusCode::OK, "alive\n"),
            Probe::Ready => self.readiness(head.uri.query()).await,
            Probe::Metrics => self.metrics(),
        })
    }

    async fn readiness(&self, asked: Option<&str>) -> Response<Full<Bytes>> {
        let verbose = asked.is_some_and(|query| {
            let mut rests = query
                .split('&')
                .filter_map(|part| part.strip_prefix(VERBOSE));
            rests.any(|rest| rest.is_empty() || rest.starts_with('='))
        });
        let mut checks = Vec::from(self.checks().await);
        checks.extend(self.accounts());
        readiness(&checks, verbose)
    }

    async fn checks(&self) -> [Check; 4] {
        let transfers = &self.watched.transfers;
        let writable = transfers.journal.is_writable().await;
        let token = transfers
            .accounts
            .default_account()
            .is_some_and(|account| account.tokens().has_obtained_one());
        let staying = !self.drain.has_begun();
        [
            check("configuration", true, "loaded", "not loaded"),
            check("audit_journal", writable, "writable", "cannot be written"),
            check(
                "token",
                token,
                "obtained for the default account",
                "none obtained yet for the default account",
            ),
            check("drain", staying, "not draining", "this replica is leaving"),
        ]
    }

    /// How each account stands, by its name; none of them keeps the replica from taking traffic.
    fn accounts(&self) -> Vec<Check> {
        let accounts = self.watched.transfers.accounts.all();
        let mut standing: Vec<Check> = accounts
            .map(|account| Check {
                name: "account",
                account: Some(account.name().to_string()),
                ready: true,
                detail: standing(account).into(),
            })
            .collect();
        standing.sort_by(|one, other| one.account.cmp(&other.account));
        standing
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match scrape::page(&self.watched) {
            Ok(page) => respond(StatusCode::OK, metrics::MEDIA_TYPE, page.into()),
            Err(error) => {
                error!(%error, "no metrics");
                text(StatusCode::INTERNAL_SERVER_ERROR, "no metrics\n")
            }
        }
    }
}

/// The only route that asks who calls.
pub const RECORDS: &str = "/audit/records";

/// Has `/readyz` tell every check, and not only those that fail.
pub const VERBOSE: &str = "verbose";

/// How an account stands in words; what is as it should be upstream is left out.
fn standing(account: &Account) -> String {
    let tokens = account.tokens().standing();
    let circuit = match account.breaker().state() {
        State::Closed => "",
        State::HalfOpen => "; circuit half open",
        State::Open => "; circuit open",
    };
    let throttled = match account.gate().held() {
        0 => String::new(),
        1 => "; 1 customer throttled".to_owned(),
        more => format!("; {more} customers throttled"),
    };
    format!("{tokens}{circuit}{throttled}")
}

fn check(name: &'static str, ready: bool, good: &'static str, bad: &'static str) -> Check {
    Check {
        name,
        account: None,
        ready,
        detail: if ready { good } else { bad }.into(),
    }
}

fn readiness(checks: &[Check], verbose: bool) -> Response<Full<Bytes>> {
    let ready = checks.iter().all(|check| check.ready);
    let listed: Vec<&Check> = checks
        .iter()
        .filter(|check| verbose || !check.ready)
        .collect();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    // Serialising strings and booleans into memory cannot fail.
    let mut body = serde_json::to_vec(&listed).unwrap_or_default();
    body.push(b'\n');
    respond(status, "application/json", body.into())
}

fn text(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    respond(
        status,
        "text/plain; charset=utf-8",
        Bytes::from_static(words.as_bytes()),
    )
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
