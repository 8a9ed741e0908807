//! The right to make a call under a key, and to say what came of it.
//!
//! A claim is this process's own, and where replicas share their keys it has a hold on the key among all of them.
//! That one is given back first: whoever waits here must find the key free there.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::watch, time::Instant};

use crate::transfers::{
    hold::{Hold, Look, Settled},
    idempotency::Store,
    kept::{Fingerprint, Kept, Key},
    shared::Unreached,
};

/// The right to make a call under a key, and to say what came of it.
#[must_use = "who drops a claim lets another make the call"]
pub struct Claim {
    own: Option<Own>,
    hold: Option<Hold>,
    is_alone: bool,
}

/// The claim of this process: while it lives, nobody else here makes the call.
pub(in crate::transfers) struct Own {
    store: Arc<Store>,
    pub(in crate::transfers) key: Key,
    pub(in crate::transfers) fingerprint: Arc<Fingerprint>,
    ending: watch::Sender<Option<Arc<Kept>>>,
}

/// Where a call leaves its claim before it acts, so that whoever learns how the call ended, even by a
/// panic or a timeout, can settle it.
#[derive(Clone, Debug, Default)]
pub struct ClaimCell(Arc<Mutex<Option<Claim>>>);

impl Claim {
    /// Keeps the answer and hands it to all who wait, here and in other replicas.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is dropping the claim of a call that may have been made.
    pub async fn keep(mut self, kept: Kept) {
        let kept = Arc::new(kept);
        let settled = match &mut self.hold {
            Some(hold) => hold.keep(&kept).await,
            None => Settled::There,
        };
        let Some(own) = self.own.take() else { return };
        match settled {
            Settled::There => own.keep(kept, None),
            // What another replica has there counts, also for those who wait here.
            Settled::Lost => drop(own),
            Settled::Unreached => {
                let holder = self.hold.as_ref().map(Hold::holder);
                own.keep(kept, holder);
            }
        }
        // There is nothing to give back any more.
        self.hold = None;
    }

    /// Gives the key back after a call of which nothing was sent.
    pub fn free(mut self) {
        if let Some(hold) = &mut self.hold {
            hold.unsent();
        }
    }

    /// Finds out once how the key stands among all replicas, and takes it where it may be taken.
    pub(in crate::transfers) async fn look(&mut self, until: Instant) -> Result<Look, Unreached> {
        match &mut self.hold {
            Some(hold) => hold.look(until).await,
            None => Ok(Look::Ours),
        }
    }

    /// Hands an answer that is kept elsewhere to all who wait here.
    pub(in crate::transfers) fn hand_on(mut self, kept: Kept) -> Arc<Kept> {
        let kept = Arc::new(kept);
        if let Some(own) = self.own.take() {
            own.hand_on(&kept);
        }
        kept
    }

    /// Goes on without the others.
    pub(in crate::transfers) fn alone(mut self) -> Self {
        self.is_alone = true;
        self
    }

    /// Whether the first call under the key was another replica's, of which nobody knows what became.
    #[must_use]
    pub fn is_taken_over(&self) -> bool {
        self.hold.as_ref().is_some_and(Hold::is_taken_over)
    }

    /// Whether the other replicas could not be asked.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let (own, hold) = (self.own.take(), self.hold.take());
        let hold = hold.filter(Hold::may_stand);
        // A hold that nobody gives back runs out.
        if let (Some(hold), Ok(runtime)) = (hold, Handle::try_current()) {
            runtime.spawn(async move {
                hold.give_back().await;
                drop(own);
            });
        }
    }
}

impl Own {
    pub(in crate::transfers) fn new(
        store: &Arc<Store>,
        key: &Key,
        fingerprint: &Arc<Fingerprint>,
        ending: watch::Sender<Option<Arc<Kept>>>,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            key: key.clone(),
            fingerprint: Arc::clone(fingerprint),
            ending,
        }
    }

    /// The right to make the call, where there are no other replicas to ask.
    pub(in crate::transfers) fn only(self) -> Claim {
        Claim {
            own: Some(self),
            hold: None,
            is_alone: false,
        }
    }

    /// The same, once this hold on the key is had among all replicas.
    pub(in crate::transfers) fn with(self, hold: Hold) -> Claim {
        Claim {
            own: Some(self),
            hold: Some(hold),
            is_alone: false,
        }
    }

    /// Keeps the answer here and hands it to all who wait here. Where the other replicas have not had it, `untold`
    /// is the name that this one holds the key by.
    pub(in crate::transfers) fn keep(self, kept: Arc<Kept>, untold: Option<Arc<str>>) {
        // Before the claim goes, in `drop`, so that nobody finds neither.
        self.store.insert(&self, &kept, untold);
        // Who waits gets it from here, even if the cache had to let it go at once.
        self.ending.send_replace(Some(kept));
    }

    /// Hands an answer that is kept elsewhere to all who wait here.
    pub(in crate::transfers) fn hand_on(self, kept: &Arc<Kept>) {
        self.ending.send_replace(Some(Arc::clone(kept)));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // The sender goes after this, so who is woken by that finds the key free.
        self.store.release(&self.key);
    }
}

impl ClaimCell {
    /// Leaves a claim, where there is one, of a call that may be sent from now on.
    pub fn hold(&self, claim: Option<Claim>) {
        let mut claim = claim;
        if let Some(hold) = claim.as_mut().and_then(|claim| claim.hold.as_mut()) {
            hold.sending();
        }
        *self.held() = claim;
    }

    /// Notes that the first call, another replica's, was found not to have been done.
    pub fn found_undone(&self) {
        if let Some(hold) = self.held().as_mut().and_then(|claim| claim.hold.as_mut()) {
            hold.found_undone();
        }
    }

    /// Takes the claim that was left.
    #[must_use]
    pub fn take(&self) -> Option<Claim> {
        self.held().take()
    }

    fn held(&self) -> MutexGuard<'_, Option<Claim>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.own.as_ref().map(|own| &own.key);
        f.debug_tuple("Claim").field(&key).finish()
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Own").field(&self.key).finish()
    }
}
