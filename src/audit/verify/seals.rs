//! Checkpoints: whether each says what stands before it, and whether its signature is the key's.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    audit::{
        chain::{Head, LineHash},
        checkpoint::statement,
        link::Link,
        public_key::{self, PublicKey},
        verify::vouched::{Hands, Vouched},
    },
    ids::JournalId,
};

/// The checkpoints of a journal as far as it was read.
#[derive(Debug)]
pub(in crate::audit) struct Seals<'a> {
    journal: JournalId,
    keys: &'a [PublicKey],
    previous: Previous,
    /// The first one, where it is not known so far on which one it was signed.
    unproved: Option<Unproved>,
    /// How many there were.
    pub(in crate::audit::verify) count: u64,
    /// Of these, those whose signature could not be checked.
    pub(in crate::audit::verify) unchecked: u64,
    /// The last record that a good signature covers, and the number of its checkpoint.
    pub(in crate::audit) signed: Option<Signed>,
    /// Whose signatures they are.
    pub(in crate::audit::verify) hands: Hands,
    /// The number of the last checkpoint, whatever its signature.
    pub(in crate::audit::verify) last: Option<u64>,
}

/// How far good signatures reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The last record that is covered.
    pub upto: u64,
    /// The checkpoint that covers it.
    pub checkpoint: u64,
}

/// A checkpoint whose signature could not be checked.
#[derive(Debug)]
struct Unproved {
    key: PublicKey,
    signed: Signed,
    head: String,
    signature: Vec<u8>,
}

/// What is wrong with a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A member is missing.
    #[error("it lacks upto, head, key_id or signature")]
    Form,
    /// It stands for another record than the one before it.
    #[error("it is for record {found}, and record {before} stands before it")]
    Upto {
        /// What it says.
        found: u64,
        /// The record before it.
        before: u64,
    },
    /// It stands for another line than the one before it.
    #[error("it is for another line than the one before it")]
    Head,
    /// It was signed with another key.
    #[error("it was signed with key {found:?}, and the key to check it with is {key}")]
    OtherKey {
        /// What it says.
        found: String,
        /// The ID of the key at hand; of several, each.
        key: String,
    },
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Signature,
}

#[derive(Clone, Debug)]
enum Previous {
    Known(LineHash),
    /// It went with older segments; only where a checkpoint was the last line of these is its hash known.
    Gone(Option<String>),
}

impl<'a> Seals<'a> {
    pub(in crate::audit::verify) fn new(journal: JournalId, keys: &'a [PublicKey]) -> Self {
        Self {
            journal,
            keys,
            previous: Previous::Known(Head::GENESIS.hash()),
            unproved: None,
            count: 0,
            unchecked: 0,
            signed: None,
            hands: Hands::from(1),
            last: None,
        }
    }

    /// The same in the middle of a journal, behind a checkpoint; one that is not known is as good as gone.
    pub(in crate::audit) fn behind(
        journal: JournalId,
        keys: &'a [PublicKey],
        checkpoint: Option<LineHash>,
    ) -> Self {
        Self {
            previous: checkpoint.map_or(Previous::Gone(None), Previous::Known),
            ..Self::new(journal, keys)
        }
    }

    /// Notes that all before a record is gone, and the hash of the last line of it.
    pub(in crate::audit::verify) fn begin_after(&mut self, first: u64, prev: &str) {
        self.hands.skip_to(first);
        self.previous = Previous::Gone(Some(prev.to_owned()));
    }

    /// Which key vouches for which records from one on.
    pub(in crate::audit) fn vouched_from(&self, first: u64) -> impl Iterator<Item = Vouched> {
        let all = self.hands.vouched.iter().cloned();
        all.map(move |it| Vouched {
            from: it.from.max(first),
            ..it
        })
    }

    /// Looks at a checkpoint that follows `before`; `hash` is its own line's.
    pub(in crate::audit) fn check(
        &mut self,
        record: &Link<'_>,
        before: Option<Head>,
        hash: LineHash,
    ) -> Result<(), Flaw> {
        let (Some(upto), Some(head), Some(key_id), Some(signature)) =
            (record.upto, &record.head, &record.key_id, &record.signature)
        else {
            return Err(Flaw::Form);
        };
        let seq_before = record.seq.saturating_sub(1);
        if upto != seq_before {
            return Err(Flaw::Upto {
                found: upto,
                before: seq_before,
            });
        }
        let is_head = before.map_or(*head == *record.prev, |it| *head == it.hash().to_string());
        if !is_head {
            return Err(Flaw::Head);
        }
        if self.keys.is_empty() {
            self.unchecked = self.unchecked.saturating_add(1);
        } else {
            let key = *public_key::named(key_id, self.keys).ok_or_else(|| Flaw::OtherKey {
                found: key_id.chars().take(64).collect(),
                key: public_key::names(self.keys),
            })?;
            self.judge(key, (upto, head, signature), record.seq)?;
        }
        self.previous = Previous::Known(hash);
        self.count = self.count.saturating_add(1);
        self.last = Some(record.seq);
        Ok(())
    }

    fn judge(
        &mut self,
        key: PublicKey,
        (upto, head, signature): (u64, &str, &str),
        checkpoint: u64,
    ) -> Result<(), Flaw> {
        let signature = BASE64_STANDARD
            .decode(signature)
            .map_err(|_| Flaw::Signature)?;
        let signed = Signed { upto, checkpoint };
        let holds = |previous: &str| {
            let text = statement(self.journal, upto, head, previous);
            key.has_signed(text.as_bytes(), &signature)
        };
        match &self.previous {
            Previous::Known(previous) if holds(&previous.to_string()) => {}
            Previous::Known(_) => return Err(Flaw::Signature),
            Previous::Gone(before) => {
                let first_ever = Head::GENESIS.hash().to_string();
                if !holds(&first_ever) && !before.as_deref().is_some_and(holds) {
                    // What it was signed over went with the segments; the next one covers it, too.
                    self.unchecked = self.unchecked.saturating_add(1);
                    let head = head.to_owned();
                    self.unproved = Some(Unproved {
                        key,
                        signed,
                        head,
                        signature,
                    });
                    return Ok(());
                }
            }
        }
        self.signed = Some(signed);
        self.hands.sign(&key.id(), upto);
        Ok(())
    }

    /// Checks the first checkpoint after all, now that it is known on which one it was signed.
    ///
    /// # Errors
    ///
    /// With its number, when its signature does not hold.
    pub(in crate::audit::verify) fn prove(
        &mut self,
        previous: LineHash,
    ) -> Result<(), (u64, Flaw)> {
        let Some(unproved) = self.unproved.take() else {
            return Ok(());
        };
        let Unproved {
            key,
            signed,
            head,
            signature,
        } = unproved;
        let text = statement(self.journal, signed.upto, &head, &previous.to_string());
        if !key.has_signed(text.as_bytes(), &signature) {
            return Err((signed.checkpoint, Flaw::Signature));
        }
        self.unchecked = self.unchecked.saturating_sub(1);
        self.signed.get_or_insert(signed);
        self.hands.sign_first(&key.id(), signed.upto);
        Ok(())
    }
}
