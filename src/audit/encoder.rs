//! Drafts become lines: numbered, chained, and signed where that is asked for.

use std::time::SystemTime;

use crate::{
    audit::{chain::Head, checkpoint, record::Draft, signing::SigningKey},
    ids::{BootId, JournalId},
};

/// What every line of this run has in common.
#[derive(Debug)]
pub(in crate::audit) struct Encoder {
    pub(in crate::audit) journal: JournalId,
    pub(in crate::audit) boot: BootId,
    pub(in crate::audit) key: SigningKey,
}

/// Lines that follow one another.
#[derive(Debug)]
pub(in crate::audit) struct Lines {
    /// The lines, each with its newline.
    pub(in crate::audit) bytes: Vec<u8>,
    /// Where the chain stands after them.
    pub(in crate::audit) head: Head,
    /// The line of the checkpoint that ends them, where one does.
    pub(in crate::audit) checkpoint: Option<Vec<u8>>,
}

impl Encoder {
    /// Numbers and chains drafts from a head on.
    pub(in crate::audit) fn lines<'a>(
        &self,
        drafts: impl Iterator<Item = &'a Draft>,
        head: Head,
        time: SystemTime,
    ) -> Lines {
        let room = drafts.size_hint().0.saturating_mul(TYPICAL_LINE_BYTES);
        let mut lines = Lines {
            bytes: Vec::with_capacity(room),
            head,
            checkpoint: None,
        };
        for draft in drafts {
            let line = self.line(draft, &lines.head, time);
            lines.head = lines.head.then(&line);
            lines.put(&line);
        }
        lines
    }

    /// Adds a checkpoint over everything before.
    pub(in crate::audit) fn sign(&self, lines: &mut Lines, time: SystemTime) {
        let over = lines.head;
        let signature = self
            .key
            .sign(checkpoint::over(self.journal, &over).as_bytes());
        let draft = Draft::checkpoint(self.boot, &over, self.key.id(), &signature);
        let line = self.line(&draft, &over, time);
        lines.head = over.then_checkpoint(&line);
        lines.put(&line);
        lines.checkpoint = Some(line);
    }

    fn line(&self, draft: &Draft, after: &Head, time: SystemTime) -> Vec<u8> {
        let seq = after.seq().saturating_add(1);
        draft.line(self.journal, seq, time, after.hash())
    }
}

impl Lines {
    fn put(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
    }
}

/// Most records are between 700 and 1100 bytes.
const TYPICAL_LINE_BYTES: usize = 1024;
