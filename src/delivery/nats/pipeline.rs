//! Many records on the way at once, none of which can be stored without the one before it.
//!
//! The server compares the number that a message says stands last under its subject with what does, and where the
//! message says so, too, the number that stands last in the stream. Other journals share the stream: as long as nobody
//! else writes, the numbers of messages on the way are known beforehand. A message among others names both, so it is
//! stored only at its own number and behind its own predecessor. The subject alone would not do: one that somebody
//! else pushed back by one gets the number that the next but one waits for. Where somebody else writes, the rest is
//! refused, and goes on with a message alone, which names its subject's number only and so always gets through.

use std::collections::VecDeque;

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishErrorKind},
    message::PublishMessage,
    publish::PublishAck,
    stream::{LastRawMessageErrorKind, Stream},
};
use bytes::Bytes;
use serde::Deserialize;

use crate::{
    audit::chain::LineHash,
    cluster::Connected,
    delivery::{
        batch::{Batch, Line},
        nats::{
            stream::{end, subject},
            trouble::{self, held},
        },
        sink::{Setback, Standing},
    },
    ids::JournalId,
};

/// Where a journal ends in the stream.
#[derive(Debug)]
pub(in crate::delivery::nats) struct Position {
    journal: JournalId,
    /// The connection over which it was asked.
    times: u64,
    stream: String,
    /// The last record, if there is one.
    last: Option<(u64, LineHash)>,
    /// The number of its message; 0 where there is none.
    stored: u64,
    /// The number of the last message in the stream, as far as known.
    end: u64,
}

/// What became of the messages on the way.
enum Told {
    Stored,
    /// Somebody else wrote in between.
    Overtaken,
}

/// What of a stored record is asked for.
#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Position {
    /// Asks the stream.
    pub(in crate::delivery::nats) async fn ask(
        connected: &Connected,
        stream: Stream,
        journal: JournalId,
    ) -> Result<Self, Setback> {
        let info = stream.cached_info();
        let (name, end) = (info.config.name.clone(), end(info));
        let subject = subject(journal);
        let found = trouble::answered(connected, &name, async {
            Ok(stream.get_last_raw_message_by_subject(&subject).await)
        });
        let (last, stored) = match found.await? {
            Ok(message) => {
                let numbered: Numbered =
                    serde_json::from_slice(&message.payload).map_err(|_| {
                        held(&format!(
                            "message {} of the stream is no record",
                            message.sequence
                        ))
                    })?;
                let hash = LineHash::of(&message.payload);
                (Some((numbered.seq, hash)), message.sequence)
            }
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => (None, 0),
                LastRawMessageErrorKind::JetStream(said) => return Err(trouble::said(&said)),
                _ => return Err(trouble::asking(&error)),
            },
        };
        Ok(Self {
            journal,
            times: connected.times,
            stream: name,
            last,
            stored,
            end: end.max(stored),
        })
    }

    pub(in crate::delivery::nats) fn standing(&self) -> Standing {
        self.last
            .map_or(Standing::Nothing, |(seq, hash)| Standing::Upto {
                seq,
                hash,
            })
    }

    pub(in crate::delivery::nats) fn holds_for(
        &self,
        connected: &Connected,
        journal: JournalId,
    ) -> bool {
        self.times == connected.times && self.journal == journal
    }

    /// Sends what the stream does not have yet.
    pub(in crate::delivery::nats) async fn advance(
        &mut self,
        connected: &Connected,
        batch: &Batch,
    ) -> Result<(), Setback> {
        let mut at_once = 1;
        while let Some(due) = self.due(batch)?.filter(|due| !due.is_empty()) {
            let some = due.get(..at_once).unwrap_or(due);
            let subject = subject(self.journal);
            let told = trouble::answered(connected, &subject, async {
                self.send(connected, some).await
            });
            at_once = match told.await? {
                Told::Stored => at_once.saturating_mul(GROWTH).min(MOST_AT_ONCE),
                Told::Overtaken => 1,
            };
        }
        Ok(())
    }

    /// The records behind the stream's last one, which has to be the one that the journal has.
    fn due<'a>(&self, batch: &'a Batch) -> Result<Option<&'a [Line]>, Setback> {
        let lines = batch.lines();
        let Some((seq, hash)) = self.last else {
            return Ok(Some(lines));
        };
        if let Some(same) = lines.iter().find(|line| line.seq == seq)
            && same.hash != hash
        {
            return Err(held(&format!(
                "the stream has another line for record {seq} of journal {}: the stream or the journal was \
                 tampered with, or two gateways have the same journal",
                self.journal
            )));
        }
        let there = lines.iter().take_while(|line| line.seq <= seq).count();
        Ok(lines.get(there..))
    }

    async fn send(&mut self, connected: &Connected, lines: &[Line]) -> Result<Told, Setback> {
        let mut on_the_way = VecDeque::with_capacity(lines.len());
        let is_alone = lines.len() == 1;
        let mut before = self.stored;
        for (line, end) in lines.iter().zip(self.end..) {
            let end = (!is_alone).then_some(end);
            on_the_way.push_back((line, self.publish(connected, line, before, end).await?));
            before = end.unwrap_or_default().saturating_add(1);
        }
        while let Some((line, acknowledgement)) = on_the_way.pop_front() {
            match acknowledgement.await {
                Ok(stored) => self.note(line, &stored)?,
                Err(error) if error.kind() == PublishErrorKind::WrongLastSequence && !is_alone => {
                    // The others are refused for the same reason; once they are, nothing is on the way.
                    for (_, refused) in on_the_way {
                        drop(refused.await);
                    }
                    return Ok(Told::Overtaken);
                }
                Err(error) => return Err(trouble::publishing(&error)),
            }
        }
        Ok(Told::Stored)
    }

    async fn publish(
        &self,
        connected: &Connected,
        line: &Line,
        before: u64,
        end: Option<u64>,
    ) -> Result<PublishAckFuture, Setback> {
        let mut message = PublishMessage::build()
            .payload(Bytes::copy_from_slice(line.text.as_bytes()))
            .message_id(line.id.to_string())
            .expected_stream(&self.stream)
            .expected_last_subject_sequence(before);
        if let Some(end) = end {
            message = message.expected_last_sequence(end);
        }
        let sent = connected
            .jetstream
            .send_publish(subject(self.journal), message)
            .await;
        sent.map_err(|error| trouble::publishing(&error))
    }

    /// A repeat is acknowledged with the number of the first; one that stands before what was said to be the last is
    /// no record of ours that is still there.
    fn note(&mut self, line: &Line, stored: &PublishAck) -> Result<(), Setback> {
        if stored.sequence <= self.stored {
            return Err(held(&format!(
                "the stream says that it has record {}, and that a record before it is the last",
                line.seq
            )));
        }
        self.last = Some((line.seq, line.hash));
        self.stored = stored.sequence;
        self.end = self.end.max(stored.sequence);
        Ok(())
    }
}

/// After a message alone 4 are on the way, then 16, 64, 256.
const GROWTH: usize = 4;

/// A whole batch.
const MOST_AT_ONCE: usize = 256;
