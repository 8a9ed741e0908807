//! Rejecting a transfer, from the caller's credential to what became of it.

use std::{sync::Arc, time::Duration};

use crate::{
    audit::trail::{Facts, Trail},
    command::{Command as _, RejectTransfer},
    partner_center::{
        answer::Answer,
        attempt::Break,
        trip::{Sent, Trip},
    },
    spans::{self, told::Step},
    transfers::{
        Transfers,
        claim::{Claim, ClaimCell},
        entering::Admitted,
        find_out::{Found, find_out},
        idempotency::{Entered, Repeat},
        kept::{Fingerprint, Kept, Key},
        noting::Noting,
        refusal::Refusal,
        request::Request,
        verdict::{Doubt, Verdict},
    },
};

impl Transfers {
    /// Rejects a transfer for a caller, noting each fact on the trail.
    ///
    /// # Errors
    ///
    /// When the gateway refuses; nothing was sent then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future after the intent may cut a `PATCH` in half. The front runs it in a task
    /// that no caller can drop.
    pub async fn reject(
        &self,
        request: Request<RejectTransfer>,
        cell: &ClaimCell,
        trail: &Trail,
    ) -> Result<Ended, Refusal> {
        let too_late = request.too_late;
        let admitted = self.admit(request, trail).await?;
        let claim = match self.enter(&admitted, trail.facts()).await? {
            Entered::First(claim) => claim,
            Entered::Again(kept) => return Ok(Ended::Before(kept)),
        };
        let _place = self.place(&admitted.caller, too_late)?;
        let clear = self.clear(admitted.admission, trail).await?;
        let plan = self.intend(&clear, trail).await?;
        let is_taken_over = claim.as_ref().is_some_and(Claim::is_taken_over);
        // From here on the claim is settled by whoever learns how the call ended.
        cell.hold(claim);
        let noting = Noting(trail);
        let _waiting = trail.facts().elsewhere();
        let mut trip = clear.begin(&plan, &self.clock, &noting);
        if is_taken_over {
            match find_out(&mut trip).await {
                Found::Rejected(answer) => return Ok(Ended::Anew(Verdict::Reconciled(answer))),
                Found::Nothing => return Ok(Ended::Anew(Verdict::Unknown(Doubt::Silent))),
                Found::Otherwise => cell.found_undone(),
            }
        }
        Ok(Ended::Anew(settle(&mut trip).await))
    }

    /// Finds out whether the call was made before, where its caller gave it a key.
    async fn enter(
        &self,
        admitted: &Admitted<RejectTransfer>,
        facts: &Facts,
    ) -> Result<Entered, Repeat> {
        let Some(value) = admitted.idempotency_key.clone() else {
            return Ok(Entered::First(None));
        };
        let RejectTransfer { customer, transfer } = admitted.admission.command();
        let asked = Fingerprint {
            operation: RejectTransfer::OPERATION,
            customer,
            transfer,
            account: Arc::clone(admitted.admission.account()),
            reason: facts.reason.get().cloned(),
        };
        let principal = Arc::clone(admitted.caller.principal());
        let key = Key { principal, value };
        let _waiting = facts.elsewhere();
        let until = self.until(facts);
        let entering = self.idempotency.enter(key, asked, until);
        let entered = spans::within(Step::Key, entering, |_| "repeated").await?;
        if matches!(&entered, Entered::First(Some(claim)) if claim.is_alone()) {
            facts.alone.get_or_init(|| ());
        }
        Ok(entered)
    }
}

/// How a call ended that was not refused.
#[derive(Debug)]
pub enum Ended {
    /// It was made.
    Anew(Verdict),
    /// It had been made before, under the same key.
    Before(Arc<Kept>),
}

/// Sends the rejection and finds out what became of it, again if it had no effect.
async fn settle(trip: &mut Trip<'_, RejectTransfer>) -> Verdict {
    let mut before = None;
    loop {
        let (verdict, standing) = weigh(trip.reject().await, trip);
        let verdict = verdict.given(before.take());
        if standing == Standing::Settled {
            return verdict;
        }
        match (standing, find_out(trip).await) {
            (_, Found::Rejected(answer)) => return Verdict::Reconciled(answer),
            (Standing::Unproven, _) => return verdict,
            (_, Found::Nothing) => {
                return Verdict::Unknown(verdict.doubt().unwrap_or(Doubt::Silent));
            }
            (Standing::Open, Found::Otherwise) if trip.may_repeat(Duration::ZERO).await => {
                before = Some(verdict);
            }
            (_, Found::Otherwise) => return verdict,
        }
    }
}

/// What is left to find out once Partner Center has been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing.
    Settled,
    /// Whether the transfer shows what the answer does not.
    Unproven,
    /// Whether an earlier attempt of this call is what the answer speaks of.
    Repeated,
    /// What became of it; if nothing did, it may be asked again.
    Open,
}

fn weigh(sent: Sent, trip: &Trip<'_, RejectTransfer>) -> (Verdict, Standing) {
    match sent {
        Sent::Answered(answer) => weigh_answer(answer, trip),
        Sent::Refused(error) => (Verdict::Unauthorized(error), Standing::Settled),
        Sent::NotMade(hindrance) => (Verdict::NotMade(hindrance), Standing::Settled),
        Sent::Broken(Break::Unreachable) => (Verdict::Unreachable, Standing::Settled),
        Sent::Broken(Break::Silent) => (Verdict::Unknown(Doubt::Silent), Standing::Open),
        Sent::Broken(Break::Invalid) => (Verdict::Unknown(Doubt::Invalid), Standing::Open),
    }
}

fn weigh_answer(answer: Answer, trip: &Trip<'_, RejectTransfer>) -> (Verdict, Standing) {
    let speaks_of_a_request = || answer.says_it_had_ended() || answer.says_it_is_in_progress();
    let standing = match answer.status() {
        200 if answer.proves_rejection(trip.transfer()) => {
            return (Verdict::Rejected(answer), Standing::Settled);
        }
        200 => return (Verdict::Unconfirmed, Standing::Unproven),
        // These speak for somebody on the way who does not know either.
        408 | 502 | 504 => Standing::Open,
        _ if trip.may_have_acted() && speaks_of_a_request() => Standing::Repeated,
        _ => Standing::Settled,
    };
    (Verdict::Answered(answer), standing)
}
