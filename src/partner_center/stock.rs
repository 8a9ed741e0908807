//! The `MS-RequestId`s that a call may use.
//!
//! Microsoft's rule: an attempt that got no answer is repeated with the same value; after any answer the
//! next attempt has a new one. Documented at
//! <https://learn.microsoft.com/partner-center/developer/headers>.

use std::slice::Iter;

use crate::{ids::RequestId, partner_center::wire::request::Ask};

/// Identifiers for attempts, each given to one request and its repeats.
#[derive(Debug)]
pub(in crate::partner_center) struct Stock<'a> {
    unused: Iter<'a, RequestId>,
    /// How many attempts there may still be; a repeat is one, too.
    left: usize,
    unanswered_rejection: Option<RequestId>,
    unanswered_reading: Option<RequestId>,
}

impl<'a> Stock<'a> {
    pub(in crate::partner_center) fn of(requests: &'a [RequestId]) -> Self {
        Self {
            unused: requests.iter(),
            left: requests.len(),
            unanswered_rejection: None,
            unanswered_reading: None,
        }
    }

    /// The identifier for the next attempt; none where there have been as many as the intent allows for.
    pub(in crate::partner_center) fn next(&mut self, ask: Ask) -> Option<RequestId> {
        self.left = self.left.checked_sub(1)?;
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
        let drawn = RequestId::draw(9);
        let &[first, second, third, fourth, ..] = drawn.as_slice() else {
            panic!("nine")
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
        assert_eq!(stock.next(Ask::Read), third, "not answered either");
    }

    #[test]
    fn allows_for_as_many_attempts_as_there_are_identifiers_repeats_included() {
        let drawn = RequestId::draw(2);
        let mut stock = Stock::of(&drawn);

        assert!(stock.next(Ask::Reject).is_some());
        assert!(stock.next(Ask::Reject).is_some());
        assert_eq!(stock.next(Ask::Reject), None);
        assert_eq!(stock.next(Ask::Read), None);
    }
}
