//! What every call passes before anything is sent, whatever it asks for.

use std::sync::Arc;

use tokio::time::Instant;

use crate::{
    audit::{
        record::Draft,
        trail::{Facts, Through, Trail, Who},
        unwritable::Broken,
    },
    authorization::permit::Admission,
    command::OnTransfer,
    identity::{Unidentified, caller::Caller},
    partner_center::{plan::Plan, way::Clear},
    spans::{self, told::Step},
    transfers::{
        Transfers,
        in_force::Rules,
        places::Place,
        refusal::Refusal,
        request::{Arguments, IdempotencyKey, Malformed, Presented, Request},
    },
};

/// A call that policy allows.
#[derive(Debug)]
pub(in crate::transfers) struct Admitted<C> {
    /// Who calls.
    pub(in crate::transfers) caller: Caller,
    /// What it may do.
    pub(in crate::transfers) admission: Admission<C>,
    /// The caller's key for the call, if it has one.
    pub(in crate::transfers) idempotency_key: Option<IdempotencyKey>,
}

impl Transfers {
    /// Finds out who it is whose call is refused for another reason, so that its record tells.
    pub async fn know(&self, presented: &Presented, trail: &Trail) {
        let rules = self.in_force.rules();
        // Who is not known is refused all the same.
        drop(self.identify(&rules, presented, trail).await);
    }

    /// Finds out who calls and whether they may, now.
    pub(in crate::transfers) async fn admit<C: OnTransfer>(
        &self,
        request: Request<C>,
        trail: &Trail,
    ) -> Result<Admitted<C>, Refusal> {
        let facts = trail.facts();
        let rules = self.in_force.rules();
        let caller = self.identify(&rules, &request.presented, trail).await?;

        let span = spans::step(Step::Permit);
        let permitted = self.permit(&rules, &caller, request.arguments, facts);
        span.end(permitted.as_ref().err().map(Refusal::as_str));
        let (admission, idempotency_key) = permitted?;
        Ok(Admitted {
            caller,
            admission,
            idempotency_key,
        })
    }

    /// Asks policy whether a caller may do what it asks for, now.
    fn permit<C: OnTransfer>(
        &self,
        rules: &Rules,
        caller: &Caller,
        arguments: Result<Arguments<C>, Malformed>,
        facts: &Facts,
    ) -> Result<(Admission<C>, Option<IdempotencyKey>), Refusal> {
        let arguments = arguments?;
        if let Some(reason) = arguments.reason {
            facts.reason.get_or_init(|| reason);
        }

        facts.policy.get_or_init(|| rules.policy.hash().into());
        let name = self.accounts.name(arguments.account.as_deref());
        let name = name.ok_or(Refusal::Account)?;
        let permit = rules
            .policy
            .permit(caller, arguments.command, name)
            .map_err(|denial| Refusal::of(denial, arguments.account.as_deref()))?;
        facts.rule.get_or_init(|| Arc::clone(permit.rule()));
        let admission = permit.admit()?;
        Ok((admission, arguments.idempotency_key))
    }

    /// Takes a place among the calls in flight.
    pub(in crate::transfers) fn place(
        &self,
        caller: &Caller,
        too_late: bool,
    ) -> Result<Place<'_>, Refusal> {
        if too_late {
            return Err(Refusal::Leaving);
        }
        Ok(self.places.take(caller.principal())?)
    }

    /// Finds the account and waits until nothing is in the way there.
    pub(in crate::transfers) async fn clear<C: OnTransfer>(
        &self,
        admission: Admission<C>,
        trail: &Trail,
    ) -> Result<Clear<'_, C>, Refusal> {
        let way = self.accounts.through(admission).ok_or(Refusal::Account)?;
        let facts = trail.facts();
        facts.account.get_or_init(|| Through {
            account: Arc::clone(way.account().name()),
            partner_tenant: Arc::clone(way.account().tenant()),
            flow: way.account().flow(),
        });
        let _waiting = facts.elsewhere();
        Ok(way.clear(self.until(facts)).await?)
    }

    /// Writes down what is about to be sent.
    pub(in crate::transfers) async fn intend<C: OnTransfer>(
        &self,
        clear: &Clear<'_, C>,
        trail: &Trail,
    ) -> Result<Plan, Refusal> {
        let facts = trail.facts();
        let plan = clear.plan(facts.correlation, self.until(facts));
        let intent = Draft::intent(facts, self.journal.boot(), &plan.requests);
        trail.intending();
        let _waiting = facts.elsewhere();
        let promising = self.journal.promise(intent);
        match spans::within(Step::Intent, promising, |_| "unwritable").await {
            Ok(()) => Ok(plan),
            Err(Broken::Never(why)) => {
                trail.unintended();
                Err(why.into())
            }
            // It stays to be closed.
            Err(Broken::Perhaps(why)) => Err(why.into()),
        }
    }

    /// When a call must have ended.
    pub(in crate::transfers) fn until(&self, facts: &Facts) -> Instant {
        facts.began + self.deadline
    }

    async fn identify(
        &self,
        rules: &Rules,
        presented: &Presented,
        trail: &Trail,
    ) -> Result<Caller, Unidentified> {
        let caller = self.recognise(rules, presented).await?;
        Self::note(&caller, trail);
        Ok(caller)
    }

    /// Finds out who calls.
    pub(in crate::transfers) async fn recognise(
        &self,
        rules: &Rules,
        presented: &Presented,
    ) -> Result<Caller, Unidentified> {
        let Presented {
            credential,
            certificate,
        } = presented;
        let now = self.clock.now();
        let identity = &rules.identity;
        let identifying = identity.identify(credential, certificate.as_ref(), now);
        spans::within(Step::Identify, identifying, |_| "unauthenticated").await
    }

    /// Notes who calls.
    pub(in crate::transfers) fn note(caller: &Caller, trail: &Trail) {
        trail.facts().caller.get_or_init(|| Who {
            principal: Arc::clone(caller.principal()),
            issuer: caller.issuer().cloned(),
            auth: caller.auth().as_str(),
        });
    }
}
