//! Notes what happens upstream on the trail.

use crate::{
    audit::trail::{self, Trail},
    partner_center::plan::{Attempt, Departure, Witness},
};

/// Notes what happens upstream on a call's trail.
pub(in crate::transfers) struct Noting<'a>(pub(in crate::transfers) &'a Trail);

impl Witness for Noting<'_> {
    fn sending(&self, departure: Departure) {
        self.0.sending(noted(departure));
    }

    fn ended(&self, attempt: Attempt) {
        let Attempt {
            departure,
            took,
            open,
            status,
            error,
            error_code,
            transfer_status,
        } = attempt;
        self.0.ended(
            trail::Attempt {
                departure: noted(departure),
                took,
                open,
                status,
                error,
                error_code,
            },
            transfer_status,
        );
    }
}

fn noted(departure: Departure) -> trail::Departure {
    let Departure {
        request,
        started,
        token,
    } = departure;
    trail::Departure {
        request,
        started,
        token,
    }
}
