//! Rejecting a transfer, from the caller's credential to Partner Center's answer.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    audit::{
        journal::{Journal, Unwritable},
        record::Draft,
        trail::{self, Through, Trail, Who},
    },
    authorization::{policy::Denial, rate::OverRate},
    clock::SharedClock,
    identity::{Unidentified, caller::Caller},
    ids::RequestId,
    partner_center::{
        account::Accounts,
        verdict::{Attempt, Plan, Verdict, Witness},
    },
    transfers::{
        in_force::{InForce, Rules},
        request::{Malformed, Presented, RejectRequest},
    },
};

/// Everything that rejecting a transfer needs.
#[derive(Debug)]
pub struct Transfers {
    /// Who is known and what they may do.
    pub in_force: InForce,
    /// The ways to Partner Center.
    pub accounts: Accounts,
    /// Where it is written down.
    pub journal: Journal,
    /// The wall clock.
    pub clock: SharedClock,
    /// A place for each call that may be in flight at once.
    pub places: Semaphore,
    /// How long a call may take upstream, from its first byte on.
    pub deadline: Duration,
}

/// The gateway says no before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows the caller.
    #[error("the caller is not known")]
    Unidentified(#[from] Unidentified),
    /// The request cannot be understood.
    #[error("the request cannot be understood")]
    Malformed(#[from] Malformed),
    /// The account is not there, or not for this caller.
    #[error("the account is not for this caller")]
    Account,
    /// Policy says no.
    #[error("policy does not allow it")]
    Denied,
    /// The caller comes too often.
    #[error("the caller comes too often")]
    OverRate(#[from] OverRate),
    /// The call came after the gateway was told to leave.
    #[error("the gateway is leaving")]
    Leaving,
    /// As many calls as may be are in flight.
    #[error("too many calls are in flight")]
    Full,
    /// It could not be written down.
    #[error("the intent could not be written down")]
    Unwritable(#[from] Unwritable),
}

impl Refusal {
    /// What a caller is told who is denied and named this account, or none.
    #[must_use]
    pub fn of(denial: Denial, named: Option<&str>) -> Self {
        match denial {
            // Who names an account must not learn whether there is one of that name.
            Denial::Stranger if named.is_some() => Self::Account,
            Denial::Stranger | Denial::Operation => Self::Denied,
            Denial::Account => Self::Account,
        }
    }
}

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
    pub async fn reject(&self, request: RejectRequest, trail: &Trail) -> Result<Verdict, Refusal> {
        let facts = trail.facts();
        let rules = self.in_force.rules();
        let caller = self.identify(&rules, &request.presented, trail).await?;

        let arguments = request.arguments?;
        if let Some(reason) = arguments.reason {
            facts.reason.get_or_init(|| reason);
        }

        facts.policy.get_or_init(|| rules.policy.hash().into());
        let name = self.accounts.name(arguments.account.as_deref());
        let name = name.ok_or(Refusal::Account)?;
        let permit = rules
            .policy
            .permit(&caller, arguments.command, name)
            .map_err(|denial| Refusal::of(denial, arguments.account.as_deref()))?;
        facts.rule.get_or_init(|| Arc::clone(permit.rule()));
        let admission = permit.admit()?;
        if request.too_late {
            return Err(Refusal::Leaving);
        }
        let _place = self.places.try_acquire().map_err(|_| Refusal::Full)?;
        let way = self.accounts.through(admission).ok_or(Refusal::Account)?;
        facts.account.get_or_init(|| Through {
            account: Arc::clone(way.account().name()),
            partner_tenant: Arc::clone(way.account().tenant()),
            flow: way.account().flow(),
        });

        let plan = Plan {
            correlation: facts.correlation,
            until: facts.began + self.deadline,
            requests: [RequestId::random(), RequestId::random()],
        };
        let intent = Draft::intent(facts, self.journal.boot(), &plan.requests);
        self.journal.append(intent).await?;

        Ok(way.reject(&plan, &self.clock, &Noting(trail)).await)
    }

    /// Finds out who it is whose call is refused for another reason, so that its record tells.
    pub async fn know(&self, presented: &Presented, trail: &Trail) {
        let rules = self.in_force.rules();
        // Who is not known is refused all the same.
        drop(self.identify(&rules, presented, trail).await);
    }

    async fn identify(
        &self,
        rules: &Rules,
        presented: &Presented,
        trail: &Trail,
    ) -> Result<Caller, Unidentified> {
        let Presented {
            credential,
            certificate,
        } = presented;
        let now = self.clock.now();
        let caller = rules
            .identity
            .identify(credential, certificate.as_ref(), now)
            .await?;
        trail.facts().caller.get_or_init(|| Who {
            principal: Arc::clone(caller.principal()),
            issuer: caller.issuer().cloned(),
            auth: caller.auth().as_str(),
        });
        Ok(caller)
    }
}

/// Notes what happens upstream on the trail.
struct Noting<'a>(&'a Trail);

impl Witness for Noting<'_> {
    fn sending(&self, request: RequestId) {
        self.0.sending(request);
    }

    fn ended(&self, attempt: Attempt) {
        let Attempt {
            request,
            started,
            took,
            status,
            error,
            error_code,
            transfer_status,
            token,
        } = attempt;
        let token = Some(token);
        let took = Some(took);
        self.0.ended(
            trail::Attempt {
                request,
                started,
                took,
                status,
                error,
                error_code,
                token,
            },
            transfer_status,
        );
    }
}
