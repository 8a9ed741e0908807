//! A look at a transfer that no caller asks for.

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    clock::SharedClock,
    command::ReadTransfer,
    ids::CorrelationId,
    partner_center::{
        account::Accounts, answer::Answer, grounds::Grounds, plan::Witness, trip::Sent, way::Way,
    },
};

/// Leave to look how one transfer stands, for the audit record of a call that nobody knows the end of.
///
/// It needs no admission, because it changes nothing and hands out nothing that was read but a [`Sight`].
#[derive(Debug)]
pub struct Look<'a> {
    way: Way<'a, ReadTransfer>,
    correlation: CorrelationId,
}

/// How the transfer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Rejected.
    Rejected,
    /// Not rejected.
    Otherwise,
    /// Partner Center does not know it.
    Missing,
    /// Not at all: nothing was sent, or no answer tells of the transfer.
    Nothing,
}

impl Accounts {
    /// A look through an account, if there still is one of that name for that tenant, under the correlation
    /// ID of the call that it is about.
    #[must_use]
    pub fn look(
        &self,
        name: &str,
        tenant: &str,
        command: ReadTransfer,
        correlation: CorrelationId,
    ) -> Option<Look<'_>> {
        let account = self.named(name)?;
        let grounds = Grounds::duty(command);
        let way = Way { account, grounds };
        (**account.tenant() == *tenant).then_some(Look { way, correlation })
    }
}

impl Look<'_> {
    /// Looks, as often as it takes to get an answer and as is right until then.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future but the witness's last word.
    pub async fn take(self, until: Instant, clock: &SharedClock, witness: &dyn Witness) -> Sight {
        let Self { way, correlation } = self;
        let transfer = way.grounds.command().transfer;
        let Ok(clear) = way.clear(until).await else {
            return Sight::Nothing;
        };
        let plan = clear.plan(correlation, until);
        match clear.begin(&plan, clock, witness).read().await {
            Sent::Answered(answer) if answer.proves_rejection(transfer) => Sight::Rejected,
            Sent::Answered(answer) if answer.tells_of(transfer) => Sight::Otherwise,
            Sent::Answered(answer) if is_missing(&answer) => Sight::Missing,
            _ => Sight::Nothing,
        }
    }
}

fn is_missing(answer: &Answer) -> bool {
    answer.status() == StatusCode::NOT_FOUND
}
