//! Draws what callers want and when.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use sandbox::{Fault, Target, Transfer, Turn};
use tokio::time::sleep;

use super::fault;
use crate::harness::{
    BILLING, World,
    call::{Answer, Call},
};

/// What is asked about one transfer that nobody else asks about.
pub(super) struct Plan {
    pub(super) customer: String,
    pub(super) transfer: String,
    pub(super) wish: Wish,
    /// The transfer's status before.
    pub(super) before: &'static str,
    at: Duration,
    turns: Vec<Turn>,
}

/// What a caller wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Read,
    Reject,
    /// To reject, and again under the same key when this has passed since the answer.
    RejectAgain(Duration),
    /// To reject, twice at the same time under the same key.
    RejectTwice,
}

impl Plan {
    pub(super) fn draw(random: &mut Rng, number: usize) -> Self {
        let transfer = format!("{number:08x}-50a4-4000-8000-0000000050a4");
        Self {
            customer: format!(
                "{:08x}-c057-4000-8000-0000000c0571",
                random.u16(..CUSTOMERS)
            ),
            wish: wish(random),
            before: match random.u8(..40) {
                0 => "InProgress",
                1 => "Complete",
                2 => "Reject",
                _ => "Active",
            },
            at: LAST_ARRIVAL.mul_f64(random.f64()),
            turns: fault::turns(random, &transfer),
            transfer,
        }
    }

    /// Has the sandbox know the transfer and its faults.
    pub(super) fn prepare(&self, world: &World) {
        world.sandbox.add_transfer(Transfer {
            id: self.transfer.clone(),
            customer: self.customer.clone(),
            status: self.before.to_owned(),
            ..Transfer::documented()
        });
        for turn in &self.turns {
            let turn = turn.clone();
            world.sandbox.push_turn(Target::PartnerCenter, turn);
        }
    }

    /// Makes the calls and returns their answers in the order of the calls.
    pub(super) async fn carry_out(&self, world: &World) -> Vec<Answer> {
        sleep(self.at).await;
        match self.wish {
            Wish::Read | Wish::Reject => vec![self.call(world).send_among_many().await],
            Wish::RejectAgain(pause) => {
                let first = self.call(world).send_among_many().await;
                sleep(pause).await;
                vec![first, self.call(world).send_among_many().await]
            }
            Wish::RejectTwice => {
                join_all([(); 2].map(|()| self.call(world).send_among_many())).await
            }
        }
    }

    pub(super) fn calls(&self) -> usize {
        match self.wish {
            Wish::Read | Wish::Reject => 1,
            Wish::RejectAgain(_) | Wish::RejectTwice => 2,
        }
    }

    fn call<'a>(&self, world: &'a World) -> Call<'a> {
        let transfer = format!("/transfers/{}/{}", self.customer, self.transfer);
        let reject = format!("{transfer}/reject");
        match self.wish {
            Wish::Read => Call::to(world, &transfer).method("GET"),
            Wish::Reject => Call::to(world, &reject),
            Wish::RejectAgain(_) | Wish::RejectTwice => {
                Call::to(world, &reject).header("Idempotency-Key", &self.transfer)
            }
        }
        .token(BILLING)
    }
}

fn wish(random: &mut Rng) -> Wish {
    match random.u8(..20) {
        0 => Wish::Read,
        1 => Wish::RejectAgain(Duration::from_millis(random.u64(..20_000))),
        2 => Wish::RejectTwice,
        _ => Wish::Reject,
    }
}

/// What befalls everybody: a network that is down, connections that are reset, tokens that are revoked or
/// refused for no reason. A token that came in place of a refused one is kept for 30 s, so what has to do
/// with tokens lies further apart.
pub(super) async fn storms(world: &World, mut random: Rng) {
    let come = |fault, requests| {
        let turn = Turn::of(fault).times(requests);
        world.sandbox.push_turn(Target::PartnerCenter, turn);
    };
    for storm in 0..STORMS {
        sleep(LAST_ARRIVAL / STORMS).await;
        match storm % 6 {
            0 | 3 => {
                world.cut_network(true);
                sleep(Duration::from_millis(random.u64(50..5000))).await;
                world.cut_network(false);
            }
            1 | 4 => come(Fault::ResetAfter, random.u64(20..100)),
            2 => world.sandbox.revoke_tokens(),
            _ => fault::refused_tokens().for_each(|fault| come(fault, 3)),
        }
    }
}

/// Some of them are throttled when a call comes, most are not.
const CUSTOMERS: u16 = 1000;

/// In the gateway's time.
pub(super) const LAST_ARRIVAL: Duration = Duration::from_mins(2);

const STORMS: u32 = 12;
