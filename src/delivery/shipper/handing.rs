//! Handing records over to a sink, each until the sink has it or has refused it for good.

use tracing::{debug, error};

use crate::{
    audit::refused::Refusal,
    delivery::{
        aside::MOST_IN_A_ROW,
        batch::{Batch, Line},
        patience::within,
        shipper::Shipper,
        sink::Setback,
    },
};

impl Shipper {
    /// Hands records over until the sink has each or has refused it. Those that are refused together go
    /// again in parts, because one of them may be why.
    pub(in crate::delivery::shipper) async fn hand_over(
        &mut self,
        lines: Vec<Line>,
    ) -> Result<(), Setback> {
        let mut left: Vec<Batch> = Batch::of(self.source.journal(), lines)
            .into_iter()
            .collect();
        while let Some(batch) = left.pop() {
            let delivered = within(self.patience, self.sink.deliver(&batch)).await;
            let is_whole = matches!(delivered, Err(Setback::Refused { .. }));
            match (delivered, batch.lines()) {
                (Ok(()), [.., last]) => self.acknowledged(last),
                (Ok(()), []) => {}
                (Err(Setback::Refused { why } | Setback::PartlyRefused { why }), [one]) => {
                    self.set_aside(one, why).await?;
                }
                (Err(Setback::Refused { why } | Setback::PartlyRefused { why }), many) => {
                    debug!(
                        error = why,
                        "audit sink refused records; they go again in parts"
                    );
                    let most = if is_whole { many.len().div_ceil(2) } else { 1 };
                    left.extend(batch.parts(most).into_iter().rev());
                }
                (Err(setback), _) => return Err(setback),
            }
            self.keep_in_time().await;
        }
        Ok(())
    }

    fn acknowledged(&mut self, last: &Line) {
        self.keeper.advance(last.seq, last.hash);
        self.progress.reach(last.seq);
        self.progress.acknowledged(self.aside.now());
        self.goes_on();
    }

    async fn set_aside(&mut self, line: &Line, reason: String) -> Result<(), Setback> {
        if self.keeper.set_aside() >= MOST_IN_A_ROW {
            let why = format!(
                "it refuses every record, so none is set aside any more, and the sink or its settings need a look: {reason}"
            );
            return Err(Setback::Held { why });
        }
        let refusal = Refusal {
            seq: line.seq,
            id: line.id,
            line: line.text.clone(),
            reason,
        };
        let (seq, id, reason) = (refusal.seq, refusal.id, refusal.reason.clone());
        // Before the cursor moves, so that a crash in between loses nothing.
        let kept = self.aside.enter(refusal).await;
        kept.map_err(|error| Setback::Passing {
            why: format!("a record that the sink refused is not set aside: {error}"),
            after: None,
        })?;
        if self.progress.refuses().is_power_of_two() {
            error!(
                audit.seq = seq,
                audit.id = %id,
                error = reason,
                refused = self.progress.refused(),
                "audit sink refused a record for good; it is set aside"
            );
        } else {
            debug!(audit.seq = seq, audit.id = %id, error = reason, "audit record set aside");
        }
        self.keeper.pass(line.seq, line.hash);
        self.progress.reach(line.seq);
        self.goes_on();
        Ok(())
    }
}
