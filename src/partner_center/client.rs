//! Carries out one permitted command upstream.
//!
//! Attempts are numbered by the plan: the same token is never tried twice after a 401, and a token is
//! dropped only while it is still the current one.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::{
    cause,
    clock::SharedClock,
    http_client::{Answer, HttpError},
    ids::RequestId,
    partner_center::{
        account::Way,
        verdict::{Attempt, Plan, Verdict, Witness},
        wire,
    },
    token::{access_token::AccessToken, cell::Replacement},
};

/// How one attempt ended.
enum Ended {
    Whole(Answer),
    Refused(wire::ErrorBody),
    Broken(Verdict),
}

impl Way<'_> {
    /// Rejects a transfer.
    ///
    /// Sends one `PATCH`, and a second one with a fresh token where Partner Center refused the first
    /// token. Each attempt is told to the witness.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may cut a `PATCH` in half; the witness has heard of it.
    pub async fn reject(self, plan: &Plan, clock: &SharedClock, witness: &dyn Witness) -> Verdict {
        let [first, second] = plan.requests;
        let token = match timeout_at(plan.until, self.account.tokens().current()).await {
            Ok(Ok(token)) => token,
            Ok(Err(unavailable)) => return Verdict::NoToken(unavailable),
            Err(_) => return Verdict::OutOfTime,
        };
        let trip = Trip {
            way: self,
            plan,
            clock,
            witness,
        };
        match trip.attempt(first, &token).await {
            Ended::Whole(answer) => trip.judge(answer),
            Ended::Broken(verdict) => verdict,
            Ended::Refused(error) if wire::no_token_will_do(StatusCode::UNAUTHORIZED, &error) => {
                // Once a person has mended it, the next call must not show the old token again. But as long
                // as Microsoft demands the second factor of a part of all calls only, the same token passes
                // at one time and fails at another, so it is not given up before there is another.
                trip.way.account.tokens().doubt(&token);
                Verdict::Unauthorized(error)
            }
            Ended::Refused(error) => trip.once_more(second, &token, error).await,
        }
    }
}

/// One command under way.
struct Trip<'a> {
    way: Way<'a>,
    plan: &'a Plan,
    clock: &'a SharedClock,
    witness: &'a dyn Witness,
}

impl Trip<'_> {
    /// Repeats the attempt with another token than the one refused.
    async fn once_more(
        &self,
        request: RequestId,
        refused: &Arc<AccessToken>,
        error: wire::ErrorBody,
    ) -> Verdict {
        if self.way.account.tokens().invalidate(refused) == Replacement::TooSoon {
            return Verdict::Unauthorized(error);
        }
        let token = timeout_at(self.plan.until, self.way.account.tokens().current()).await;
        let Ok(Ok(token)) = token else {
            return Verdict::Unauthorized(error);
        };
        match self.attempt(request, &token).await {
            Ended::Whole(answer) => self.judge(answer),
            Ended::Broken(Verdict::Unreachable | Verdict::OutOfTime) => {
                Verdict::Unauthorized(error)
            }
            Ended::Broken(verdict) => verdict,
            Ended::Refused(error) => Verdict::Unauthorized(error),
        }
    }

    async fn attempt(&self, request: RequestId, token: &AccessToken) -> Ended {
        let Some(within) = self.time_for_one_attempt() else {
            return Ended::Broken(Verdict::OutOfTime);
        };
        let started = self.clock.now();
        let clock = Instant::now();
        self.witness.sending(request);
        let exchanged = self.exchange(request, token, within).await;
        let (ended, error) = match exchanged {
            Ok(answer) => (Ok(answer), None),
            Err((verdict, error)) => (Err(verdict), Some(error)),
        };
        let answer = ended.as_ref().ok();
        let said = answer.filter(|answer| !answer.status.is_success());
        let said = said
            .map(|answer| wire::error_body(&answer.body))
            .unwrap_or_default();
        self.witness.ended(Attempt {
            request,
            started,
            took: clock.elapsed(),
            status: answer.map(|answer| answer.status.as_u16()),
            error,
            error_code: said.code.clone(),
            transfer_status: answer.and_then(|answer| wire::transfer_status(&answer.body)),
            token: token.name().into(),
        });
        match ended {
            Ok(answer) if answer.status == StatusCode::UNAUTHORIZED => Ended::Refused(said),
            Ok(answer) => Ended::Whole(answer),
            Err(verdict) => Ended::Broken(verdict),
        }
    }

    async fn exchange(
        &self,
        request: RequestId,
        token: &AccessToken,
        within: Duration,
    ) -> Result<Answer, (Verdict, &'static str)> {
        let command = self.way.admission.command();
        let settings = self.way.account.settings();
        let request = self
            .way
            .account
            .template()
            .reject(command, token, self.plan.correlation, request)
            .map_err(|_| (Verdict::Unreachable, "address"))?;
        let http = self.way.account.http();
        let exchanged = http.exchange(request, within, settings.max_response_bytes);
        exchanged
            .await
            .inspect(|answer| self.way.account.note_mfa(answer))
            .map_err(|error| {
                warn!(upstream.error = %cause::chain(&error), "no whole answer from Partner Center");
                broken(&error)
            })
    }

    /// An attempt that the deadline is sure to cut would only make its outcome unknown.
    fn time_for_one_attempt(&self) -> Option<Duration> {
        let usual = self.way.account.settings().attempt_timeout;
        let left = self.plan.until.saturating_duration_since(Instant::now());
        (left >= usual.min(LEAST)).then(|| usual.min(left))
    }

    fn judge(&self, answer: Answer) -> Verdict {
        if !FINAL.contains(&answer.status.as_u16()) {
            return Verdict::Invalid;
        }
        if answer.status != StatusCode::OK {
            return Verdict::Answered(answer);
        }
        if wire::proves_rejection(&answer.body, self.way.admission.command().transfer) {
            Verdict::Rejected(answer)
        } else {
            Verdict::Unconfirmed
        }
    }
}

/// Tells what a missing answer means and how the record names it.
fn broken(error: &HttpError) -> (Verdict, &'static str) {
    match error {
        HttpError::Connect(_) => (Verdict::Unreachable, "connect"),
        HttpError::NoAnswer(_) => (Verdict::Unanswered, "no_answer"),
        HttpError::TimedOut { .. } => (Verdict::Unanswered, "timeout"),
        HttpError::NotHttp(_) => (Verdict::Invalid, "not_http"),
        HttpError::BrokenOff(_) => (Verdict::Invalid, "broken_off"),
        HttpError::TooLarge { .. } => (Verdict::Invalid, "too_large"),
    }
}

/// Partner Center seldom answers faster.
const LEAST: Duration = Duration::from_millis(100);

/// The statuses that end an exchange; 101, for one, would hand the connection over to who knows what.
const FINAL: std::ops::RangeInclusive<u16> = 200..=599;
