//! Agreeing with a sink on what it has, before it is sent more.

use tracing::{error, warn};

use crate::{
    audit::chain::LineHash,
    delivery::{
        patience::within,
        shipper::{Shipper, setback},
        sink::{Setback, Standing},
    },
};

impl Shipper {
    /// Finds out what the sink has, and goes on from there.
    pub(in crate::delivery::shipper) async fn agree(&mut self) -> Result<(), Setback> {
        let journal = self.source.journal();
        let standing = within(self.patience, self.sink.stands(journal)).await;
        match standing {
            Ok(Standing::Untold) => Ok(()),
            Ok(Standing::Nothing | Standing::Upto { seq: 0, .. }) => {
                if self.keeper.seq() > 0 && !self.has_refused_all_behind(0).await? {
                    return self.start_over().await;
                }
                if self.keeper.was_in_use() {
                    // What was there and is gone is for a person to make again; the sink says so.
                    return Ok(());
                }
                let made = within(self.patience, self.sink.establish()).await;
                made.map_err(whole)
            }
            Ok(Standing::Upto { seq, hash }) => self.go_on_from(seq, hash).await,
            Err(setback) => Err(whole(setback)),
        }
    }

    async fn start_over(&mut self) -> Result<(), Setback> {
        error!(
            audit.seq = self.keeper.seq(),
            "audit sink has lost every record that it had acknowledged, up to here; all that the journal has is sent again"
        );
        self.go_back(None).await
    }

    async fn go_on_from(&mut self, seq: u64, hash: LineHash) -> Result<(), Setback> {
        let durable = self.source.durable();
        if seq > durable {
            let why = format!(
                "the sink has record {seq} of this journal, which ends with record {durable}: its volume was restored from a snapshot, or something else writes a copy of the journal; restart the gateway: while the sink can be reached, the start ends this journal, keeps its files, and begins another one"
            );
            return Err(Setback::Held { why });
        }
        let had = self.keeper.head();
        if had.is_some_and(|had| (had.seq(), had.hash()) == (seq, hash)) {
            return Ok(());
        }
        // Where retention has removed the record, only the sink knows it.
        let own = self
            .source
            .head_at(seq)
            .await
            .map_err(|trouble| setback(&trouble))?;
        if own.is_some_and(|own| own.hash() != hash) {
            let why = format!(
                "the sink holds another record {seq} of this journal; one of the two was restored or changed, or something else writes a copy of the journal; `partner-gateway audit verify` tells whether the journal here is intact; restart the gateway: while the sink can be reached, the start ends this journal, keeps its files, and begins another one"
            );
            return Err(Setback::Held { why });
        }
        let had = self.keeper.seq();
        if seq < had && self.has_refused_all_behind(seq).await? {
            return Ok(());
        }
        if seq < had {
            let from = seq.saturating_add(1);
            warn!(
                audit.seq = from,
                audit.upto = had,
                "audit sink has lost records that it had acknowledged, from here up to there; they are sent again"
            );
            self.go_back(Some((seq, hash))).await?;
        } else {
            self.keeper.advance(seq, hash);
            self.progress.reach(seq);
        }
        Ok(())
    }

    /// Whether what the sink lacks of what counts as delivered is what it refused for good.
    async fn has_refused_all_behind(&mut self, seq: u64) -> Result<bool, Setback> {
        let lacks = seq.saturating_add(1)..=self.keeper.seq();
        let refused = self.aside.has_all(lacks).await;
        refused.map_err(|error| Setback::Passing {
            why: format!("what the sink refused cannot be read: {error}"),
            after: None,
        })
    }

    /// Retention must not remove what the sink has lost, so nothing goes on before the disk knows.
    async fn go_back(&mut self, to: Option<(u64, LineHash)>) -> Result<(), Setback> {
        self.has_lost = true;
        self.keeper.go_back(to);
        self.progress.rewound();
        self.progress.reach(self.keeper.seq());
        let kept = self.keeper.keep().await;
        kept.map_err(|error| Setback::Passing {
            why: format!("how far the sink has fallen back cannot be kept: {error}"),
            after: None,
        })
    }
}

/// No record was at stake, so none can be set aside for it.
fn whole(setback: Setback) -> Setback {
    match setback {
        Setback::Refused { why } | Setback::PartlyRefused { why } => Setback::Held { why },
        setback => setback,
    }
}
