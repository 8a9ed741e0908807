//! Who is to blame where the chain breaks.

use crate::audit::{
    chain::{Break, LineHash},
    link::Link,
    verify::{
        Unreadable,
        findings::{Damage, Fault},
        lines::{Next, Spot},
        walk::Walk,
    },
};

impl Walk<'_> {
    /// Finds out which of two records that do not fit together is the wrong one.
    pub(in crate::audit::verify::walk) fn blame(
        &mut self,
        fault: Fault,
        record: &Link<'_>,
        line: &[u8],
        spot: Spot,
    ) -> Result<Damage, Unreadable> {
        match (&fault, self.last) {
            (Fault::Chain(Break::Number { found, .. }), _)
                if self
                    .before
                    .is_some_and(|before| before.precedes(*found, &record.prev).is_ok()) =>
            {
                Ok(self.damage(Fault::Twice { seq: *found }, spot))
            }
            (Fault::Chain(Break::Hash { seq }), Some(last)) if !self.is_known_before(record) => {
                let changed = seq.saturating_sub(1);
                if self.is_denied_by_the_next(*seq, line)? {
                    return Ok(self.damage(fault, spot));
                }
                Ok(self.damage(Fault::Changed { seq: changed }, last))
            }
            _ => Ok(self.damage(fault, spot)),
        }
    }

    /// Whether a checkpoint names the line before it in its other member.
    fn is_known_before(&self, record: &Link<'_>) -> bool {
        let before = self.head.map(|head| head.hash().to_string());
        record.is_checkpoint() && record.head.as_deref() == before.as_deref()
    }

    /// Whether the record after this line names another one, or follows the last good record itself, so that
    /// this line is the wrong one.
    fn is_denied_by_the_next(&mut self, seq: u64, line: &[u8]) -> Result<bool, Unreadable> {
        let mut next = Vec::new();
        let due = seq.saturating_add(1);
        let Next::Line(_) = self.lines.next(due, &mut next)? else {
            return Ok(false);
        };
        let hash = LineHash::of(line).to_string();
        let (head, next) = (self.head, Link::read(&next));
        let stands_in_its_place =
            |it: &Link<'_>| head.is_some_and(|head| head.precedes(it.seq, &it.prev).is_ok());
        Ok(next.is_some_and(|it| stands_in_its_place(&it) || it.seq == due && it.prev != hash))
    }
}
