//! The `MS-RequestId`s that a call may use.
//!
//! Microsoft's rule: an attempt that got no answer is repeated with the same value; after any answer the
//! next attempt has a new one. Documented at
//! <https://learn.microsoft.com/partner-center/developer/headers>.

use std::slice::Iter;

use crate::{ids::RequestId, partner_center::wire::Ask};

/// Identifiers for attempts, each given to one request and its repeats.
#[derive(Debug)]
pub(in crate::partner_center) struct Stock<'a> {
    unused: Iter<'a, RequestId>,
    unanswered_rejection: Option<RequestId>,
    unanswered_reading: Option<RequestId>,
}

impl<'a> Stock<'a> {
    pub(in crate::partner_center) fn of(requests: &'a [RequestId]) -> Self {
        Self {
            unused: requests.iter(),
            unanswered_rejection: None,
            unanswered_reading: None,
        }
    }

    /// The identifier for the next attempt; none where the intent names no further one.
    pub(in crate::partner_center) fn next(&mut self, ask: Ask) -> Option<RequestId> {
        let next = self.unanswered(ask).or_else(|| self.unused.next().copied());
        *self.slot(ask) = next;
        next
    }

    /// Notes that the last attempt was answered.
    pub(in crate::partner_center) fn answered(&mut self, ask: Ask) {
        *self.slot(ask) = None;
    }

    fn unanswered(&self, ask: Ask) -> Option<RequestId> {
        match ask {
            Ask::Reject => self.unanswered_rejection,
            Ask::Read => self.unanswered_reading,
        }
    }

    fn slot(&mut self, ask: Ask) -> &mut Option<RequestId> {
        match ask {
            Ask::Reject => &mut self.unanswered_rejection,
            Ask::Read => &mut self.unanswered_reading,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_what_was_not_answered_and_nothing_else() {
        let drawn = RequestId::draw(4);
        let &[first, second, third, fourth] = drawn.as_slice() else {
            panic!("four")
        };
        let [first, second, third, fourth] = [first, second, third, fourth].map(Some);
        let mut stock = Stock::of(&drawn);

        assert_eq!(stock.next(Ask::Reject), first);
        assert_eq!(stock.next(Ask::Reject), first, "no answer yet");
        assert_eq!(stock.next(Ask::Read), second, "another request");
        assert_eq!(stock.next(Ask::Reject), first, "still no answer");
        stock.answered(Ask::Read);
        assert_eq!(stock.next(Ask::Read), third);
        stock.answered(Ask::Reject);
        assert_eq!(stock.next(Ask::Reject), fourth);
        stock.answered(Ask::Reject);
        assert_eq!(stock.next(Ask::Reject), None);
        assert_eq!(stock.next(Ask::Read), third, "a repeat needs no new one");
    }
}
