//! One call's dealings with Partner Center: attempts, repeated as far as number, deadline, budget and
//! breaker allow.
//!
//! What is asked for again stands in [`Trip::judge`]; everything it does not name is an answer.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::{
    clock::SharedClock,
    command::{OnTransfer, ReadTransfer, RejectTransfer},
    http_client::retry_after,
    ids::TransferId,
    partner_center::{
        account::Account,
        answer::Answer,
        attempt::{Break, Ended, Hindrance},
        backoff::backoff,
        breaker::Pass,
        grounds::Grounds,
        plan::{Plan, Witness},
        stock::Stock,
        wire::{self, ErrorBody, request::Ask},
    },
    token::{access_token::AccessToken, cell::Replacement},
};

/// One call under way upstream, with the grounds for what it does.
pub struct Trip<'a, C> {
    pub(in crate::partner_center) account: &'a Account,
    pub(in crate::partner_center) grounds: Grounds<C>,
    /// Leave to try, from the first attempt on.
    pub(in crate::partner_center) pass: Option<Pass<'a>>,
    pub(in crate::partner_center) plan: &'a Plan,
    pub(in crate::partner_center) stock: Stock<'a>,
    pub(in crate::partner_center) clock: &'a SharedClock,
    pub(in crate::partner_center) witness: &'a dyn Witness,
    /// How many attempts to do what was asked have been made; looks do not count.
    pub(in crate::partner_center) made: u8,
    /// Whether a refused token was replaced already.
    pub(in crate::partner_center) renewed: bool,
    /// Whether an attempt may have had its effect, for all that came back.
    pub(in crate::partner_center) acted: bool,
}

/// What came of asking, repeats included.
#[derive(Debug)]
pub enum Sent {
    /// Partner Center answered.
    Answered(Answer),
    /// Partner Center refused the gateway's own token.
    Refused(ErrorBody),
    /// No whole answer came.
    Broken(Break),
    /// No attempt was made.
    NotMade(Hindrance),
}

/// What to do about an attempt that has ended.
enum Next {
    /// Leave it at that.
    End,
    /// Show another token than this one, once.
    Renew(Arc<AccessToken>),
    /// Ask again, not before this has passed.
    Again(Duration),
}

impl<C> fmt::Debug for Trip<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trip")
            .field("account", self.account.name())
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

impl Trip<'_, RejectTransfer> {
    /// Rejects the transfer, as often as it takes to get an answer and as is right.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may cut a `PATCH` in half; the witness has heard of it.
    pub async fn reject(&mut self) -> Sent {
        self.send().await
    }

    /// Looks once how the transfer stands: a whole answer that tells of it, or nothing.
    pub async fn look(&mut self) -> Option<Answer> {
        match self.attempt(Ask::Read).await {
            Ended::Answered(answer) => answer.tells_of(self.transfer()).then_some(answer),
            Ended::Refused(error, refused) => {
                // The next look may be luckier.
                self.renew(&refused, &error);
                None
            }
            Ended::Broken(_) | Ended::NotMade(_) => None,
        }
    }
}

impl Trip<'_, ReadTransfer> {
    /// Reads the transfer, as often as it takes to get an answer and as is right.
    pub async fn read(&mut self) -> Sent {
        self.send().await
    }
}

impl<C: OnTransfer> Trip<'_, C> {
    /// Asks until there is an answer, or no further attempt would be right.
    async fn send(&mut self) -> Sent {
        let ask = Ask::of::<C>();
        let mut last = None;
        loop {
            let ended = self.attempt(ask).await;
            let (sent, next) = self.judge(ask, ended);
            let goes_on = match (&sent, next) {
                (Sent::Refused(error), Next::Renew(refused)) => self.renew(&refused, error),
                (_, Next::Again(wait)) => self.may_repeat(wait).await,
                _ => false,
            };
            let sent = newest(ask, last, sent);
            if !goes_on {
                return sent;
            }
            last = Some(sent);
        }
    }

    /// Whether what was asked may be asked again, not before this has passed; it has when this returns.
    pub async fn may_repeat(&mut self, wait: Duration) -> bool {
        self.has_attempts_left()
            && self.left() >= wait.saturating_add(self.least(Ask::of::<C>()))
            && self.may_go_on()
            && self.account.budget().withdraw()
            && self.wait(wait).await
            && self.may_go_on()
    }

    /// Lets time pass, where the deadline leaves it.
    pub async fn wait(&self, time: Duration) -> bool {
        let fits = self.left() >= time.saturating_add(self.least(Ask::Read));
        if fits {
            sleep(time).await;
        }
        fits
    }

    /// Whether an attempt that was not answered for good may have had its effect all the same.
    #[must_use]
    pub fn may_have_acted(&self) -> bool {
        self.acted
    }

    /// The transfer that all of it is about.
    #[must_use]
    pub fn transfer(&self) -> TransferId {
        self.grounds.command().transfer()
    }

    pub(in crate::partner_center) fn left(&self) -> Duration {
        self.plan.until.saturating_duration_since(Instant::now())
    }

    fn judge(&self, ask: Ask, ended: Ended) -> (Sent, Next) {
        let pause = backoff(u32::from(self.made.saturating_sub(1)));
        match ended {
            Ended::NotMade(hindrance) => (Sent::NotMade(hindrance), Next::End),
            Ended::Refused(error, token) => (Sent::Refused(error), Next::Renew(token)),
            Ended::Broken(broken) if broken == Break::Unreachable || ask == Ask::Read => {
                (Sent::Broken(broken), Next::Again(pause))
            }
            Ended::Broken(broken) => (Sent::Broken(broken), Next::End),
            Ended::Answered(answer) => {
                let asked = retry_after::read(answer.headers(), self.clock.now());
                let next = match (answer.status(), asked) {
                    (429 | 503, Some(wait)) => Next::Again(wait.max(pause)),
                    (500 | 503, _) => Next::Again(pause),
                    // A rejection may have had its effect, which must be found out first.
                    (408 | 502 | 504, _) if ask == Ask::Read => Next::Again(pause),
                    _ => Next::End,
                };
                (Sent::Answered(answer), next)
            }
        }
    }

    /// Sees to it that the next attempt shows another token than the refused one. This is no retry in
    /// the sense of the budget: it comes once a call, and once a token.
    fn renew(&mut self, refused: &Arc<AccessToken>, error: &ErrorBody) -> bool {
        let tokens = self.account.tokens();
        if wire::no_token_will_do(StatusCode::UNAUTHORIZED, error) {
            // Once a person has mended it, the next call must not show the old token again. But as long
            // as Microsoft demands the second factor of a part of all calls only, the same token passes
            // at one time and fails at another, so it is not given up before there is another.
            self.account.tally().note_useless(error.code.as_deref());
            tokens.doubt(refused);
            return false;
        }
        let due = !self.renewed && tokens.invalidate(refused) == Replacement::Due;
        self.renewed = true;
        due
    }

    /// The time without which an attempt is not begun. Once nobody knows anyway, a rejection on the last
    /// moment can only help.
    pub(in crate::partner_center) fn least(&self, ask: Ask) -> Duration {
        let ask = if self.acted { Ask::Read } else { ask };
        self.account.settings().least(ask)
    }

    fn may_go_on(&self) -> bool {
        self.pass.as_ref().is_none_or(Pass::may_go_on)
    }

    fn has_attempts_left(&self) -> bool {
        self.made < self.account.settings().max_attempts.get()
    }
}

/// A later failure to ask does not unsay an earlier answer. A rejection that was sent and not answered
/// does: it may have had an effect.
fn newest(ask: Ask, last: Option<Sent>, sent: Sent) -> Sent {
    match (last, sent) {
        (Some(last), Sent::NotMade(_) | Sent::Broken(Break::Unreachable)) => last,
        (Some(last), Sent::Broken(_)) if ask == Ask::Read => last,
        (_, sent) => sent,
    }
}
