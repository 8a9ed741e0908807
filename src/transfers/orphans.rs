//! Closes what earlier runs left open: calls whose intent was written, and whose outcome was not.
//!
//! Whether their requests were ever sent nobody can tell any more, so the transfer is read. Where it is
//! rejected the intent has had its effect; whatever else is found, what was sent stays unknown. This runs
//! beside the calls, and what it has not closed when the gateway leaves is closed after the next start.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    future::join_all,
    stream::{self, StreamExt as _},
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::{
    audit::{
        orphans::{Closing, Orphan},
        record::Draft,
        trail::Upstream,
    },
    command::{Command as _, OnTransfer as _, ReadTransfer},
    partner_center::{
        look::{Look, Sight},
        plan::{Attempt, Departure, Witness},
        way::LOOKS,
    },
    transfers::{Transfers, noting},
};

/// An orphan of which it is not known yet how it is to be closed.
struct Pending {
    orphan: Orphan,
    upstream: Upstream,
    /// How often the transfer was found, and not rejected.
    looks: usize,
}

impl Transfers {
    /// Closes the calls that earlier runs left open, each with one outcome record. What only Partner Center
    /// can tell is asked for until it answers, for an hour at most.
    ///
    /// # Cancel safety
    ///
    /// What is not closed when the future is dropped is left to the next start.
    pub async fn close_orphans(&self) {
        let orphans = self.journal.take_orphans();
        if orphans.is_empty() {
            return;
        }
        warn!(
            audit.open = orphans.len(),
            "closing calls that an earlier run left open"
        );
        let give_up = Instant::now() + PATIENCE;
        let mut by_account = BTreeMap::<_, Vec<_>>::new();
        for orphan in orphans {
            let account = orphan.account().map(|(name, _)| name.to_owned());
            by_account
                .entry(account)
                .or_default()
                .push(Pending::new(orphan));
        }
        let each = by_account.into_values();
        join_all(each.map(|left| self.close_all(left, give_up))).await;
        info!("no call of an earlier run is open");
    }

    /// Closes the calls of one account; those of another do not wait for it.
    async fn close_all(&self, mut left: Vec<Pending>, give_up: Instant) {
        let mut pause = FIRST_PAUSE;
        loop {
            left = self.close_round(left, give_up).await;
            if left.is_empty() {
                return;
            }
            sleep(pause.min(give_up.saturating_duration_since(Instant::now()))).await;
            pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
        }
    }

    /// Looks after each, a few at a time, and returns those that it could not close yet. None keeps the
    /// others from having their turn.
    async fn close_round(&self, left: Vec<Pending>, give_up: Instant) -> Vec<Pending> {
        stream::iter(left)
            .map(|pending| self.close_if_known(pending, give_up))
            .buffer_unordered(AT_ONCE)
            .filter_map(async |pending| pending)
            .collect()
            .await
    }

    async fn close_if_known(&self, mut pending: Pending, give_up: Instant) -> Option<Pending> {
        let look = self.look(&pending.orphan);
        let Some(look) = look.filter(|_| Instant::now() < give_up) else {
            self.close(&pending, Sight::Nothing).await;
            return None;
        };
        let sight = self.take(look, &mut pending).await;
        let is_settled = match sight {
            Sight::Rejected | Sight::Missing => true,
            Sight::Otherwise => pending.looks >= LOOKS || self.is_old(&pending.orphan),
            Sight::Nothing => false,
        };
        if !is_settled {
            return Some(pending);
        }
        self.close(&pending, sight).await;
        None
    }

    /// How the transfer can be looked at; not at all where that could tell nothing, or the account is gone.
    fn look(&self, orphan: &Orphan) -> Option<Look<'_>> {
        if !may_have_changed_something(orphan) {
            return None;
        }
        let (name, tenant) = orphan.account()?;
        let command = ReadTransfer::of(orphan.customer()?, orphan.transfer()?);
        self.accounts
            .look(name, tenant, command, orphan.correlation()?)
    }

    async fn take(&self, look: Look<'_>, pending: &mut Pending) -> Sight {
        let looking = Looking(Mutex::new(mem::take(&mut pending.upstream)));
        let until = Instant::now() + self.deadline;
        let sight = look.take(until, &self.clock, &looking).await;
        pending.upstream = looking.into_upstream();
        if sight == Sight::Otherwise {
            pending.looks = pending.looks.saturating_add(1);
        }
        sight
    }

    /// Whether nothing of the call can be under way any more, so that what is seen is what stays.
    fn is_old(&self, orphan: &Orphan) -> bool {
        orphan
            .age(self.clock.now())
            .is_some_and(|age| age > self.deadline)
    }

    async fn close(&self, pending: &Pending, sight: Sight) {
        let Pending {
            orphan, upstream, ..
        } = pending;
        let (outcome, forwarded) = match sight {
            Sight::Rejected => ("reconciled", "yes"),
            _ if may_have_changed_something(orphan) => ("failed", "unknown"),
            _ => ("failed", "no"),
        };
        let closing = Closing {
            outcome,
            forwarded,
            upstream: upstream.clone(),
        };
        self.journal.vitals().closed.note(forwarded);
        let draft = Draft::closing(orphan, self.journal.boot(), &closing);
        info!(
            outcome,
            operation = orphan.operation(),
            customer.id = orphan.customer().map(tracing::field::display),
            transfer.id = orphan.transfer().map(tracing::field::display),
            audit.id = %draft.id,
            "call of an earlier run closed"
        );
        if self.journal.append(draft.clone()).await.is_err() {
            self.journal.owe(draft);
        }
    }
}

impl Pending {
    fn new(orphan: Orphan) -> Self {
        Self {
            orphan,
            upstream: Upstream::default(),
            looks: 0,
        }
    }
}

fn may_have_changed_something(orphan: &Orphan) -> bool {
    orphan.operation() != Some(ReadTransfer::OPERATION.as_str())
}

/// Notes the looks for the record.
struct Looking(Mutex<Upstream>);

impl Looking {
    fn into_upstream(self) -> Upstream {
        let mut upstream = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let too_many = upstream.attempts.len().saturating_sub(MOST_TOLD);
        upstream.attempts.drain(..too_many);
        upstream
    }
}

impl Witness for Looking {
    fn sending(&self, departure: Departure) {
        let mut upstream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        upstream.sending(noting::departure(departure));
    }

    fn ended(&self, attempt: Attempt) {
        let (attempt, transfer_status) = noting::attempt(attempt);
        let mut upstream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        upstream.ended(attempt, transfer_status);
    }
}

/// Looks of an account under way at once; those who call now come first.
const AT_ONCE: usize = 4;

/// An outage that takes longer is for people, who have the record to start from.
const PATIENCE: Duration = Duration::from_hours(1);

/// The pause after the first round; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The end of an outage is noticed this late at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The last looks stand in the record, which holds 8 KiB.
const MOST_TOLD: usize = 8;
