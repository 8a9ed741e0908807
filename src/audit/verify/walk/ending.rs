//! What a walk has found once it is over.

use std::path::Path;

use crate::audit::verify::{
    findings::{Damage, Fault, Findings, Record, Unfinished},
    lines::Spot,
    walk::Walk,
};

impl Walk<'_> {
    /// What is missing behind the last record, or before the first one; and whether the first checkpoint was
    /// signed over the one that went before it.
    pub(in crate::audit::verify) fn lacks_an_end(&mut self, dir: &Path) -> Option<Damage> {
        let seq = self.due();
        let truncated = self.kept.first_from(seq);
        let truncated = truncated.map(|kept| Fault::Truncated { seq, kept });
        if let Some(fault) = truncated.or_else(|| self.marks.short(seq)) {
            let mut end = self.damage(fault, self.lines.here());
            if end.path.as_os_str().is_empty() {
                dir.clone_into(&mut end.path);
            }
            return Some(end);
        }
        let start = Spot {
            segment: 0,
            offset: 0,
        };
        if let Some(fault) = self.marks.beginning() {
            return Some(self.damage(fault, start));
        }
        let (seq, flaw) = self.seals.prove(self.marks.checkpoint_before()?).err()?;
        let fault = Fault::Checkpoint { seq, flaw };
        Some(self.damage(fault, self.checkpoint.unwrap_or(start)))
    }

    pub(in crate::audit::verify) fn findings(
        &self,
        unfinished: Option<Unfinished>,
        damage: Option<Damage>,
    ) -> Findings {
        let first = self.first.as_ref().map(|first| first.seq);
        Findings {
            journal: self.journal,
            segments: self.lines.segments(),
            records: self.records,
            first: self.first.clone(),
            last: self
                .head
                .filter(|_| self.records > 0)
                .map(|head| (Record::at(head.seq(), &self.last_time), head.hash())),
            checkpoints: self.seals.count,
            unchecked: self.seals.unchecked,
            signed: self.seals.signed,
            vouched: self.seals.hands.vouched.clone(),
            last_checkpoint: self.seals.last,
            kept_found: self.kept_found,
            kept_before: first.map_or(0, |first| self.kept.count_before(first)),
            void_bytes: self.lines.void_bytes(),
            unfinished,
            damage,
        }
    }
}
