//! An account, and the grounds to do one thing through it.

use tokio::time::Instant;

use crate::{
    clock::SharedClock,
    command::OnTransfer,
    ids::{CorrelationId, RequestId},
    partner_center::{
        account::Account,
        attempt::latest_start,
        breaker::Open,
        grounds::Grounds,
        plan::{Plan, Witness},
        stock::Stock,
        throttle::Held,
        trip::Trip,
        wire::request::Ask,
    },
};

/// An account, and the grounds to do one thing through it.
///
/// [`Accounts::through`](crate::partner_center::account::Accounts::through) makes it by the admission's
/// own word, so it cannot be used with another account's credentials. A [`Look`](crate::partner_center::look::Look)
/// holds one that can only read.
#[derive(Debug)]
pub struct Way<'a, C> {
    pub(in crate::partner_center) account: &'a Account,
    pub(in crate::partner_center) grounds: Grounds<C>,
}

/// A way with nothing in it at present.
#[derive(Debug)]
pub struct Clear<'a, C>(Way<'a, C>);

/// Something is in the way; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Partner Center wants to be left alone about this customer for longer than the call can wait.
    #[error("Partner Center throttles calls for the customer")]
    Throttled(#[from] Held),
    /// Too much went wrong of late.
    #[error("the circuit to Partner Center is open")]
    Open(#[from] Open),
}

impl<'a, C: OnTransfer> Way<'a, C> {
    /// The account.
    #[must_use]
    pub fn account(&self) -> &'a Account {
        self.account
    }

    /// Waits until Partner Center may be asked about the customer, if `until` leaves the time.
    ///
    /// # Errors
    ///
    /// When it may not, or when too much went wrong of late.
    pub async fn clear(self, until: Instant) -> Result<Clear<'a, C>, Blocked> {
        let customer = self.grounds.command().customer();
        let gate = self.account.gate();
        let least = self.account.settings().least(Ask::of::<C>());
        gate.pass(customer, latest_start(until, least)).await?;
        self.account.breaker().check()?;
        self.account.budget().deposit();
        Ok(Clear(self))
    }
}

impl<'a, C: OnTransfer> Clear<'a, C> {
    /// Draws identifiers for all that the call may have to send.
    #[must_use]
    pub fn plan(&self, correlation: CorrelationId, until: Instant) -> Plan {
        let attempts = usize::from(self.0.account.settings().max_attempts.get());
        let looks = match Ask::of::<C>() {
            // Each rejection may have to be found out about.
            Ask::Reject => attempts.saturating_mul(LOOKS),
            Ask::Read => 0,
        };
        // One more is for another token.
        let possible = attempts.saturating_add(looks).saturating_add(1);
        Plan {
            correlation,
            until,
            requests: RequestId::draw(possible.min(MOST_REQUESTS)),
        }
    }

    /// Begins the call, of which nothing was sent yet.
    pub fn begin(
        self,
        plan: &'a Plan,
        clock: &'a SharedClock,
        witness: &'a dyn Witness,
    ) -> Trip<'a, C> {
        let Self(Way { account, grounds }) = self;
        Trip {
            account,
            grounds,
            pass: None,
            plan,
            stock: Stock::of(&plan.requests),
            clock,
            witness,
            made: 0,
            renewed: false,
            acted: false,
        }
    }
}

/// How often a transfer is looked at to find out what became of one attempt to reject it.
pub const LOOKS: usize = 3;

/// The attempts of a call all stand in one audit record, which holds 8 KiB.
const MOST_REQUESTS: usize = 16;
