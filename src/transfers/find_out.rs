//! Finds out what became of a rejection by looking at the transfer.
//!
//! One look right after a time-out proves nothing: what Partner Center has taken in may become visible
//! later. So several looks are spaced out, and only what the last of them shows is believed. The transfer is read by its own ID: the list of all transfers is throttled.

use std::time::Duration;

use crate::{
    command::RejectTransfer,
    partner_center::{answer::Answer, trip::Trip, way::LOOKS},
    spans::{self, told::Step},
};

/// How the transfer was found.
#[derive(Debug)]
pub(in crate::transfers) enum Found {
    /// Rejected, as this answer shows.
    Rejected(Answer),
    /// Not rejected.
    Otherwise,
    /// Not at all: the last look, if there was one, was not answered by the transfer.
    Nothing,
}

/// Looks at the transfer until it is found rejected, as often as time allows.
pub(in crate::transfers) async fn find_out(trip: &mut Trip<'_, RejectTransfer>) -> Found {
    let span = spans::step(Step::ReadBack);
    let found = span.current().around(look(trip)).await;
    span.end(matches!(found, Found::Nothing).then_some("not_found_out"));
    found
}

async fn look(trip: &mut Trip<'_, RejectTransfer>) -> Found {
    let mut found = Found::Nothing;
    for pause in PAUSES {
        if !trip.wait(pause).await {
            break;
        }
        found = match trip.look().await {
            Some(answer) if answer.proves_rejection(trip.transfer()) => {
                return Found::Rejected(answer);
            }
            Some(_) => Found::Otherwise,
            None => Found::Nothing,
        };
    }
    found
}

/// The pauses before the looks, as the contract has them.
const PAUSES: [Duration; LOOKS] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
