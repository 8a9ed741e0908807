//! Notes what happens upstream on the trail.

use crate::{
    audit::trail::{self, Trail},
    partner_center::plan::{Attempt, Departure, Witness},
};

/// Notes what happens upstream on a call's trail.
pub(in crate::transfers) struct Noting<'a>(pub(in crate::transfers) &'a Trail);

impl Witness for Noting<'_> {
    fn sending(&self, begun: Departure) {
        self.0.sending(departure(begun));
    }

    fn ended(&self, ended: Attempt) {
        let (attempt, transfer_status) = attempt(ended);
        self.0.ended(attempt, transfer_status);
    }
}

/// An attempt in the words of the record, and the transfer's state that its answer told.
pub(in crate::transfers) fn attempt(ended: Attempt) -> (trail::Attempt, Option<String>) {
    let Attempt {
        departure: begun,
        took,
        open,
        status,
        error,
        error_code,
        transfer_status,
    } = ended;
    let attempt = trail::Attempt {
        departure: departure(begun),
        took,
        open,
        status,
        error,
        error_code,
    };
    (attempt, transfer_status)
}

/// The beginning of an attempt in the words of the record.
pub(in crate::transfers) fn departure(begun: Departure) -> trail::Departure {
    let Departure {
        request,
        started,
        token,
    } = begun;
    trail::Departure {
        request,
        started,
        token,
    }
}
