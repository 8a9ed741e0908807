//! Reading a transfer, from the caller's credential to Partner Center's answer.

use crate::{
    audit::trail::Trail,
    command::ReadTransfer,
    partner_center::{attempt::Break, trip::Sent},
    transfers::{
        Transfers,
        noting::Noting,
        refusal::Refusal,
        request::Request,
        verdict::{Doubt, Verdict},
    },
};

impl Transfers {
    /// Reads a transfer for a caller, noting each fact on the trail.
    ///
    /// # Errors
    ///
    /// When the gateway refuses; nothing was sent then.
    pub async fn read(
        &self,
        request: Request<ReadTransfer>,
        trail: &Trail,
    ) -> Result<Verdict, Refusal> {
        let too_late = request.too_late;
        let admitted = self.admit(request, trail).await?;
        let _place = self.place(&admitted.caller, too_late)?;
        let clear = self.clear(admitted.admission, trail).await?;
        let plan = self.intend(&clear, trail).await?;
        let noting = Noting(trail);
        let _waiting = trail.facts().elsewhere();
        let mut trip = clear.begin(&plan, &self.clock, &noting);
        Ok(match trip.read().await {
            Sent::Answered(answer) => Verdict::Answered(answer),
            Sent::Refused(error) => Verdict::Unauthorized(error),
            Sent::NotMade(hindrance) => Verdict::NotMade(hindrance),
            Sent::Broken(Break::Unreachable) => Verdict::Unreachable,
            Sent::Broken(Break::Silent) => Verdict::Unread(Doubt::Silent),
            Sent::Broken(Break::Invalid) => Verdict::Unread(Doubt::Invalid),
        })
    }
}
