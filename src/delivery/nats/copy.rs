//! Reading the stream back, with no more rights than delivering needs: by its messages' numbers, without a consumer.

use futures_util::{
    TryStreamExt as _,
    future::{BoxFuture, join_all},
};

use crate::{
    audit::verify::copy::Entry,
    delivery::{
        copy::{Holding, Readable},
        nats::{
            Nats,
            stream::{self, all_subjects, subject},
            trouble,
        },
        sink::Setback,
    },
    ids::JournalId,
};

impl Nats {
    async fn holding(&self, journal: JournalId) -> Result<Holding, Setback> {
        let connected = self.connected().await?;
        let settings = self.cluster.settings();
        let Some(stream) = stream::find(&connected, settings).await? else {
            return Ok(Holding::default());
        };
        let (own, name) = (subject(journal), &settings.stream);
        let last = trouble::answered(&connected, name, async {
            trouble::found(stream.get_last_raw_message_by_subject(&own).await)
        });
        let upto = last.await?.map_or(0, |message| message.sequence);
        let counts = trouble::answered(&connected, name, async {
            let counts = stream.info_with_subjects(all_subjects()).await;
            let counts = counts.map_err(|error| trouble::asking(&error))?;
            let counts: Result<Vec<(String, usize)>, _> = counts.try_collect().await;
            counts.map_err(|error| trouble::asking(&error))
        });
        let others = counts.await?.into_iter().filter(|(of, _)| *of != own);
        let mut others: Vec<(String, u64)> = others
            .map(|(of, count)| {
                let journal = of.rsplit('.').next().unwrap_or_default().to_owned();
                (journal, u64::try_from(count).unwrap_or(u64::MAX))
            })
            .collect();
        others.sort_unstable();
        Ok(Holding { upto, others })
    }

    /// Asks for the next message of the journal from each of so many numbers on, all at once. Where other journals
    /// stand in between, some answers are the same.
    async fn entries(
        &self,
        journal: JournalId,
        behind: u64,
        upto: u64,
    ) -> Result<Vec<Entry>, Setback> {
        let first = behind.saturating_add(1);
        if first > upto {
            return Ok(Vec::new());
        }
        let connected = self.connected().await?;
        let name = &self.cluster.settings().stream;
        let stream = connected.jetstream.get_stream_no_info(name).await;
        let stream = stream.map_err(|error| trouble::asking(&error))?;
        let subject = subject(journal);
        let numbers = (first..=upto).take(AT_ONCE);
        let asked = numbers.map(|number| stream.get_first_raw_message_by_subject(&subject, number));
        let answers = trouble::answered(&connected, name, async { Ok(join_all(asked).await) });
        let mut entries: Vec<Entry> = Vec::new();
        for answer in answers.await? {
            let Some(message) = trouble::found(answer)? else {
                break;
            };
            let at = message.sequence;
            let is_new = entries.last().is_none_or(|last| last.at < at);
            if is_new && at <= upto {
                let line = message.payload.to_vec();
                entries.push(Entry { at, line });
            }
        }
        Ok(entries)
    }
}

impl Readable for Nats {
    fn holds(&self, journal: JournalId) -> BoxFuture<'_, Result<Holding, Setback>> {
        Box::pin(self.holding(journal))
    }

    fn read(
        &self,
        journal: JournalId,
        behind: u64,
        upto: u64,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Setback>> {
        Box::pin(self.entries(journal, behind, upto))
    }
}

/// As many messages as are asked for before the first answer has come; of 16 KiB at most each.
const AT_ONCE: usize = 64;
