//! One request upstream: what holds it back, what it sends, what comes of it.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, StatusCode};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::{
    cause,
    command::OnTransfer,
    http_client::{self, HttpError, retry_after},
    ids::RequestId,
    partner_center::{
        answer::Answer,
        breaker::Health,
        plan::{Attempt, Departure},
        traced,
        trip::Trip,
        way::Blocked,
        wire::{
            self, ErrorBody,
            request::{Ask, Labels, Target},
        },
    },
    spans::{self, told::Step},
    token::{access_token::AccessToken, cell::TokenUnavailable},
};

/// How one attempt ended.
#[derive(Debug)]
pub(in crate::partner_center) enum Ended {
    /// With a whole answer.
    Answered(Answer),
    /// With the refusal of this token.
    Refused(ErrorBody, Arc<AccessToken>),
    /// Without a whole answer.
    Broken(Break),
    /// Before it began.
    NotMade(Hindrance),
}

/// What came of an exchange: an answer, or what broke and how the record names it.
type Exchanged<'a> = Result<&'a http_client::Answer, &'a (Break, &'static str)>;

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// No connection could be had; nothing was sent.
    Unreachable,
    /// Something was sent and no answer came.
    Silent,
    /// Something was sent, and what came back is not a whole answer.
    Invalid,
}

/// Why an attempt was not made.
#[derive(Clone, Copy, Debug)]
pub enum Hindrance {
    /// No token could be had.
    NoToken {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// The call's deadline is too near.
    OutOfTime,
    /// Something is in the way.
    Blocked(Blocked),
}

impl<C: OnTransfer> Trip<'_, C> {
    /// Makes one attempt, told to the witness.
    pub(in crate::partner_center) async fn attempt(&mut self, ask: Ask) -> Ended {
        match self.prepare(ask).await {
            Ok((token, request)) => self.make(ask, token, request).await,
            Err(hindrance) => Ended::NotMade(hindrance),
        }
    }

    async fn prepare(&mut self, ask: Ask) -> Result<(Arc<AccessToken>, RequestId), Hindrance> {
        let customer = self.grounds.command().customer();
        self.account
            .gate()
            .pass(customer, latest_start(self.plan.until, self.least(ask)))
            .await
            .map_err(|held| Hindrance::Blocked(held.into()))?;
        let began = Instant::now();
        let token = spans::within(Step::Token, self.token(), |hindrance| match hindrance {
            Hindrance::OutOfTime => "timeout",
            _ => "token_unavailable",
        });
        let token = token.await;
        self.account.tally().token_waits.took(began.elapsed());
        let token = token?;
        if self.time_for(ask).is_none() {
            return Err(Hindrance::OutOfTime);
        }
        // Last, because all others wait while the first behind an open circuit tries.
        if self.pass.is_none() {
            let entered = self.account.breaker().enter();
            self.pass = Some(entered.map_err(|open| Hindrance::Blocked(open.into()))?);
        }
        let request = self.stock.next(ask).ok_or(Hindrance::OutOfTime)?;
        Ok((token, request))
    }

    async fn token(&self) -> Result<Arc<AccessToken>, Hindrance> {
        timeout_at(self.plan.until, self.account.tokens().current())
            .await
            .map_err(|_| Hindrance::OutOfTime)?
            .map_err(|TokenUnavailable { retry_after, .. }| Hindrance::NoToken { retry_after })
    }

    async fn make(&mut self, ask: Ask, token: Arc<AccessToken>, request: RequestId) -> Ended {
        let departure = Departure {
            request,
            started: self.clock.now(),
            token: token.name().into(),
        };
        if ask == Ask::of::<C>() {
            self.made = self.made.saturating_add(1);
        }
        let clock = Instant::now();
        self.witness.sending(departure.clone());
        let span = self.traced(ask);
        let exchanged = self
            .exchange(ask, request, &token, span.traceparent())
            .await;
        traced::end(span, exchanged.as_ref().map_err(|(_, name)| *name));
        let whole = exchanged.as_ref().ok().filter(|answer| is_final(answer));
        self.heed(ask, whole);
        self.note(ask, departure, clock.elapsed(), exchanged.as_ref());
        match exchanged {
            Ok(answer) if !is_final(&answer) => Ended::Broken(Break::Invalid),
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                Ended::Refused(wire::error_body(&answer.body), token)
            }
            Ok(answer) => Ended::Answered(Answer::of(answer)),
            Err((broken, _)) => Ended::Broken(broken),
        }
    }

    async fn exchange(
        &self,
        ask: Ask,
        request: RequestId,
        token: &AccessToken,
        parent: Option<HeaderValue>,
    ) -> Result<http_client::Answer, (Break, &'static str)> {
        let labels = Labels {
            correlation: self.plan.correlation,
            request,
            parent,
        };
        let request = self
            .account
            .template()
            .request(ask, self.target(), token, labels)
            .map_err(|_| (Break::Unreachable, "address"))?;
        let within = self.time_for(ask).unwrap_or_default();
        let limit = self.account.settings().max_response_bytes;
        self.account
            .http()
            .exchange(request, within, limit)
            .await
            .map_err(|error| {
                // The line and the record of the call tell, too.
                debug!(upstream.error = %cause::chain(&error), "no whole answer from Partner Center");
                broken(&error)
            })
    }

    /// Takes from what came what later attempts and other calls go by.
    fn heed(&mut self, ask: Ask, answer: Option<&http_client::Answer>) {
        if let Some(pass) = &self.pass {
            pass.note(health(answer));
        }
        let Some(answer) = answer else { return };
        self.stock.answered(ask);
        self.account.note_mfa(answer);
        if answer.status == StatusCode::TOO_MANY_REQUESTS
            && let Some(wait) = retry_after::read(&answer.headers, self.clock.now())
        {
            self.account
                .gate()
                .hold(self.grounds.command().customer(), wait);
        }
    }

    /// Notes for the record how an attempt ended.
    fn note(&mut self, ask: Ask, departure: Departure, took: Duration, exchanged: Exchanged<'_>) {
        let answer = exchanged.ok();
        let refusal = answer.filter(|answer| !answer.status.is_success());
        let open = ask == Ask::Reject && may_have_acted(exchanged);
        self.acted |= open;
        let ended = Attempt {
            departure,
            took,
            open,
            status: answer.map(|answer| answer.status.as_u16()),
            error: exchanged.err().map(|(_, name)| *name),
            error_code: refusal.and_then(|answer| wire::error_body(&answer.body).code),
            transfer_status: answer
                .and_then(|answer| wire::transfer_status(&answer.body, self.transfer())),
        };
        self.account.tally().note(ask, &ended);
        self.witness.ended(ended);
    }

    fn target(&self) -> Target {
        let command = self.grounds.command();
        Target {
            customer: command.customer(),
            transfer: command.transfer(),
        }
    }

    /// How long the next attempt may take; none where it is sure to be cut by the deadline, which
    /// would only make its outcome unknown.
    fn time_for(&self, ask: Ask) -> Option<Duration> {
        let usual = self.account.settings().attempt_timeout;
        let left = self.left();
        let kept_back = match ask {
            Ask::Reject => (left / FOR_READING_BACK).max(FOR_ONE_LOOK.min(left / 2)),
            Ask::Read => Duration::ZERO,
        };
        (left >= self.least(ask)).then(|| usual.min(left.saturating_sub(kept_back)))
    }
}

/// Whether Partner Center may have done what was asked, for all that came back: who answers for a failing
/// server does not know what that has done.
fn may_have_acted(exchanged: Exchanged<'_>) -> bool {
    match exchanged {
        Ok(answer) => matches!(answer.status.as_u16(), 408 | 500..=599) || !is_final(answer),
        Err((broken, _)) => *broken != Break::Unreachable,
    }
}

/// Tells what a missing answer means and how the record names it.
fn broken(error: &HttpError) -> (Break, &'static str) {
    match error {
        HttpError::Connect(_) => (Break::Unreachable, "connect"),
        HttpError::NoAnswer(_) => (Break::Silent, "no_answer"),
        HttpError::TimedOut { .. } => (Break::Silent, "timeout"),
        HttpError::NotHttp(_) => (Break::Invalid, "not_http"),
        HttpError::BrokenOff(_) => (Break::Invalid, "broken_off"),
        HttpError::TooLarge { .. } => (Break::Invalid, "too_large"),
    }
}

/// Whether a status ends an exchange; 101, for one, would hand the connection over to who knows what.
fn is_final(answer: &http_client::Answer) -> bool {
    (200..=599).contains(&answer.status.as_u16())
}

/// What an attempt says of Partner Center's health; a refusal is an answer like any other.
fn health(answer: Option<&http_client::Answer>) -> Health {
    match answer.map(|answer| answer.status.as_u16()) {
        None | Some(500 | 502..=504) => Health::Down,
        Some(_) => Health::Up,
    }
}

/// When the last attempt may begin that takes so long at least.
pub(in crate::partner_center) fn latest_start(until: Instant, least: Duration) -> Instant {
    until.checked_sub(least).unwrap_or(until)
}

/// The share of a call's time, as a divisor, that a rejection leaves for finding out what became of it.
const FOR_READING_BACK: u32 = 4;

/// What one look takes, with the pause before it.
const FOR_ONE_LOOK: Duration = Duration::from_millis(500);
