//! Calls that callers repeat under one key: the first is made, the others get its answer.
//!
//! Who comes first has a [`Claim`]; who comes while it is under way waits for it. A claim that is
//! dropped without an answer to keep gives way to one of those who wait, so nobody is stuck behind a
//! call that was refused, failed or panicked. Claims are never forgotten; answers are, after their time
//! or when there are too many. A key is its caller's own: nobody learns of another's.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::transfers::{
    claim::{Claim, Own},
    kept::{Fingerprint, Kept, Key},
    places::{Full, Places},
    shared::{Shared, Unreached, Without},
};

/// What an operator chooses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For how long an answer is kept.
    pub ttl: Duration,
    /// How many answers are kept at most; each begun 4 KiB of an answer counts as one.
    pub max_entries: u64,
    /// What becomes of a call with a key while the other replicas cannot be asked.
    pub without_cluster: Without,
}

/// The answers given under keys, and the calls under way.
#[derive(Clone, Debug)]
pub struct Idempotency(pub(in crate::transfers) Arc<Store>);

/// How a call may go on.
#[derive(Debug)]
pub enum Entered {
    /// It is to be made; where it has a key, under this claim.
    First(Option<Claim>),
    /// It was answered before.
    Again(Arc<Kept>),
}

/// A call cannot go on under its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Repeat {
    /// The key came with another request before.
    #[error("the key came with another request before")]
    Mismatch,
    /// The first call did not end in time.
    #[error("the first call under the key did not end in time")]
    InProgress,
    /// Too many wait.
    #[error("too many calls wait for others")]
    Crowded(#[from] Full),
    /// The other replicas cannot be asked whether they have made the call.
    #[error("the other replicas cannot be asked")]
    Unreached(#[from] Unreached),
}

/// What is known here.
pub(in crate::transfers) struct Store {
    ttl: Duration,
    pub(in crate::transfers) answers: Cache<Key, Answered>,
    /// Whoever looks at both looks here first and holds on: see [`Own::keep`].
    under_way: Mutex<HashMap<Key, UnderWay>>,
    pub(in crate::transfers) waiting: Places,
    pub(in crate::transfers) shared: Option<Arc<Shared>>,
}

/// An answer that is kept here.
#[derive(Clone)]
pub(in crate::transfers) struct Answered {
    pub(in crate::transfers) fingerprint: Arc<Fingerprint>,
    pub(in crate::transfers) kept: Arc<Kept>,
    /// What counts for its age. The cache measures age, too, by a clock that tests cannot move, and
    /// only to be rid of what is old.
    pub(in crate::transfers) since: Instant,
    /// Where the other replicas have not had the answer: the name that this one holds the key by.
    pub(in crate::transfers) untold: Option<Arc<str>>,
}

struct UnderWay {
    fingerprint: Arc<Fingerprint>,
    ending: watch::Receiver<Option<Arc<Kept>>>,
}

/// What is known of a key.
enum Found {
    Nothing(Own),
    Answered(Arc<Kept>),
    /// The other replicas have not had the answer, and this is the right to tell them.
    Untold(Own, Answered),
    UnderWay(watch::Receiver<Option<Arc<Kept>>>),
}

impl Idempotency {
    /// Begins with nothing kept; `max_waiting` calls may wait for others, shared fairly.
    #[must_use]
    pub fn new(settings: &Settings, max_waiting: usize, shared: Option<Arc<Shared>>) -> Self {
        let answers = Cache::builder()
            .max_capacity(settings.max_entries)
            .weigher(|key, answered: &Answered| answered.kept.weight(key, &answered.fingerprint))
            .time_to_live(settings.ttl)
            // The default may refuse what is new in favour of what is often asked for.
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self(Arc::new(Store {
            ttl: settings.ttl,
            answers,
            under_way: Mutex::default(),
            waiting: Places::new(max_waiting),
            shared,
        }))
    }

    /// How many answers are kept here, as `max_entries` counts them.
    #[must_use]
    pub fn entries(&self) -> u64 {
        // Else those that went or came since somebody last looked are counted wrongly.
        self.0.answers.run_pending_tasks();
        self.0.answers.weighted_size()
    }

    /// How many calls wait for others under their keys.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.0.waiting.taken()
    }

    /// Finds out whether a call is the first under its key, waiting for one that is under way.
    ///
    /// # Errors
    ///
    /// When the key came with another request, at once; when the first has not ended by `until`; when
    /// too many wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn enter(
        &self,
        key: Key,
        fingerprint: Fingerprint,
        until: Instant,
    ) -> Result<Entered, Repeat> {
        let fingerprint = Arc::new(fingerprint);
        let mut seat = None;
        loop {
            let mut ending = match self.look(&key, &fingerprint)? {
                Found::Nothing(own) => return self.across(own, &mut seat, until).await,
                Found::Answered(kept) => return Ok(Entered::Again(kept)),
                Found::Untold(own, answered) => match self.tell(own, answered).await {
                    Some(kept) => return Ok(Entered::Again(kept)),
                    None => continue,
                },
                Found::UnderWay(ending) => ending,
            };
            self.sit_down(&mut seat, &key)?;
            match timeout_at(until, ending.wait_for(Option::is_some)).await {
                Ok(Ok(kept)) => {
                    if let Some(kept) = kept.as_ref() {
                        return Ok(Entered::Again(Arc::clone(kept)));
                    }
                }
                // It ended with nothing to keep.
                Ok(Err(_)) => {}
                Err(_) => return Err(Repeat::InProgress),
            }
        }
    }

    fn look(&self, key: &Key, fingerprint: &Arc<Fingerprint>) -> Result<Found, Repeat> {
        let same = |other| {
            if fingerprint == other {
                Ok(())
            } else {
                Err(Repeat::Mismatch)
            }
        };
        let mut under_way = self.0.under_way();
        let place = match under_way.entry(key.clone()) {
            Entry::Occupied(taken) => {
                same(&taken.get().fingerprint)?;
                return Ok(Found::UnderWay(taken.get().ending.clone()));
            }
            Entry::Vacant(place) => place,
        };
        let answered = self.0.answered(key);
        if let Some(answered) = &answered {
            same(&answered.fingerprint)?;
            if answered.untold.is_none() {
                return Ok(Found::Answered(Arc::clone(&answered.kept)));
            }
        }
        let (ending, ended) = watch::channel(None);
        place.insert(UnderWay {
            fingerprint: Arc::clone(fingerprint),
            ending: ended,
        });
        let own = Own::new(&self.0, key, fingerprint, ending);
        Ok(match answered {
            Some(answered) => Found::Untold(own, answered),
            None => Found::Nothing(own),
        })
    }
}

impl Store {
    fn answered(&self, key: &Key) -> Option<Answered> {
        let found = self.answers.get(key);
        found.filter(|answered| answered.since.elapsed() < self.ttl)
    }

    /// Keeps the answer of a call. Where the other replicas have not had it, `untold` is the name that this one holds
    /// the key by.
    pub(in crate::transfers) fn insert(
        &self,
        own: &Own,
        kept: &Arc<Kept>,
        untold: Option<Arc<str>>,
    ) {
        self.answers.insert(
            own.key.clone(),
            Answered {
                fingerprint: Arc::clone(&own.fingerprint),
                kept: Arc::clone(kept),
                since: Instant::now(),
                untold,
            },
        );
    }

    /// Ends a claim.
    pub(in crate::transfers) fn release(&self, key: &Key) {
        self.under_way().remove(key);
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Key, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use tokio::{task::JoinSet, time::advance};

    use super::*;
    use crate::{command::Operation, transfers::request::IdempotencyKey};

    #[tokio::test(start_paused = true)]
    async fn gives_the_first_a_claim_and_whoever_comes_later_its_answer() {
        let store = store(10, 10);
        let claim = first(&store, "a").await;

        claim.keep(answer("done")).await;

        assert_eq!(again(&store, "a").await, answer("done"));
        assert_eq!(again(&store, "a").await, answer("done"));
        first(&store, "b").await.keep(answer("other")).await;
        assert_eq!(again(&store, "a").await, answer("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_an_answer_after_its_time_and_not_before() {
        let store = store(10, 10);
        first(&store, "a").await.keep(answer("done")).await;

        advance(TTL.checked_sub(Duration::from_millis(1)).unwrap()).await;
        assert_eq!(again(&store, "a").await, answer("done"));
        advance(Duration::from_millis(1)).await;
        let other = Fingerprint {
            reason: Some("another".to_owned()),
            ..fingerprint()
        };
        let entered = store.enter(key("a"), other, soon()).await;

        assert!(
            matches!(entered, Ok(Entered::First(Some(_)))),
            "{entered:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_another_request_under_the_same_key_at_once() {
        let store = store(10, 10);
        let others = [
            Fingerprint {
                operation: Operation::TransfersRead,
                ..fingerprint()
            },
            Fingerprint {
                customer: "22222222-2222-4222-8222-222222222222".parse().unwrap(),
                ..fingerprint()
            },
            Fingerprint {
                transfer: "22222222-2222-4222-8222-222222222222".parse().unwrap(),
                ..fingerprint()
            },
            Fingerprint {
                account: "fabrikam".into(),
                ..fingerprint()
            },
            Fingerprint {
                reason: Some("because".to_owned()),
                ..fingerprint()
            },
        ];

        let claim = first(&store, "a").await;
        for other in others.clone() {
            let entered = store.enter(key("a"), other, soon()).await;
            assert_eq!(entered.err(), Some(Repeat::Mismatch));
        }
        claim.keep(answer("done")).await;
        for other in others {
            let entered = store.enter(key("a"), other, soon()).await;
            assert_eq!(entered.err(), Some(Repeat::Mismatch));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn hands_a_key_to_one_who_waits_when_its_claim_is_dropped() {
        let store = store(10, 10);
        let claim = first(&store, "a").await;
        let mut waiting: JoinSet<_> = (0..5).map(|_| entering(&store)).collect();
        tokio::task::yield_now().await;
        assert!(waiting.try_join_next().is_none());

        drop(claim);
        for left in (1..5).rev() {
            let entered = waiting.join_next().await.unwrap().unwrap();
            assert!(
                matches!(entered, Ok(Entered::First(Some(_)))),
                "{entered:?}"
            );
            tokio::task::yield_now().await;
            assert!(waiting.try_join_next().is_none(), "two at once");
            assert_eq!(waiting.len(), left);
            drop(entered);
        }
        let Ok(Entered::First(Some(last))) = waiting.join_next().await.unwrap().unwrap() else {
            panic!("the last has no claim");
        };
        waiting.spawn(entering(&store));
        tokio::task::yield_now().await;
        last.keep(answer("done")).await;
        let entered = waiting.join_next().await.unwrap().unwrap();
        assert!(matches!(entered, Ok(Entered::Again(_))), "{entered:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_no_longer_than_it_may() {
        let store = store(10, 10);
        let _claim = first(&store, "a").await;
        let began = Instant::now();

        let until = began + Duration::from_secs(3);
        let entered = store.enter(key("a"), fingerprint(), until).await;

        assert_eq!(entered.err(), Some(Repeat::InProgress));
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn lets_no_caller_take_all_the_room_for_waiting() {
        let store = store(10, 3);
        let _claim = first(&store, "a").await;
        let mut waiting: JoinSet<_> = (0..2).map(|_| entering(&store)).collect();
        tokio::task::yield_now().await;

        let entered = store.enter(key("a"), fingerprint(), soon()).await;

        assert_eq!(entered.err(), Some(Repeat::Crowded(Full)));
        assert!(waiting.try_join_next().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_latest_answers_within_its_bound_and_every_claim() {
        let store = store(100, 10);
        let _claim = first(&store, "under way").await;

        for number in 0..1000 {
            let claim = first(&store, &number.to_string()).await;
            claim.keep(answer("done")).await;
            store.0.answers.run_pending_tasks();
        }

        assert_eq!(store.0.answers.weighted_size(), 100);
        assert_eq!(again(&store, "999").await, answer("done"));
        assert_eq!(again(&store, "900").await, answer("done"));
        drop(first(&store, "899").await);
        let entered = store.enter(key("under way"), fingerprint(), soon()).await;
        assert_eq!(entered.err(), Some(Repeat::InProgress));
    }

    #[tokio::test(start_paused = true)]
    async fn counts_a_large_answer_for_as_much_as_it_takes() {
        let store = store(100, 10);

        for number in 0..20 {
            let claim = first(&store, &number.to_string()).await;
            claim.keep(answer(&"x".repeat(10 * 4096 - 100))).await;
            store.0.answers.run_pending_tasks();
        }

        assert_eq!(store.0.answers.entry_count(), 10);
        first(&store, "too large")
            .await
            .keep(answer(&"x".repeat(101 * 4096)))
            .await;
        store.0.answers.run_pending_tasks();
        drop(first(&store, "too large").await);
        assert_eq!(store.0.answers.entry_count(), 10);
    }

    #[test]
    fn shows_a_key_as_under_way_or_answered_and_never_as_free_in_between() {
        let store = store(1000, 10);
        let keys: Vec<_> = (0..500).map(|number| key(&number.to_string())).collect();
        let look = |key| store.look(key, &Arc::new(fingerprint())).unwrap();
        let begun = Barrier::new(3);
        let free = AtomicUsize::new(0);
        let look_on = |key| {
            begun.wait();
            loop {
                match look(key) {
                    Found::Answered(_) => break,
                    Found::UnderWay(_) | Found::Untold(..) => {}
                    Found::Nothing(_) => drop(free.fetch_add(1, Ordering::Relaxed)),
                }
            }
        };

        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| keys.iter().for_each(look_on));
            }
            for key in &keys {
                let Found::Nothing(own) = look(key) else {
                    panic!("{key:?}")
                };
                begun.wait();
                own.keep(Arc::new(answer("done")), None);
            }
        });

        assert_eq!(free.into_inner(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn shows_no_body() {
        let store = store(10, 10);
        let claim = first(&store, "a").await;
        let shown = format!("{claim:?}");
        claim.keep(answer("private")).await;
        let entered = store.enter(key("a"), fingerprint(), soon()).await;

        let all = format!("{shown} {store:?} {entered:?}");

        assert!(!all.contains("private"), "{all}");
        assert!(all.contains("status: 200"), "{all}");
    }

    fn entering(store: &Idempotency) -> impl Future<Output = Result<Entered, Repeat>> + use<> {
        let store = store.clone();
        async move { store.enter(key("a"), fingerprint(), soon()).await }
    }

    async fn first(store: &Idempotency, name: &str) -> Claim {
        match store.enter(key(name), fingerprint(), soon()).await {
            Ok(Entered::First(Some(claim))) => claim,
            other => panic!("{name}: {other:?}"),
        }
    }

    async fn again(store: &Idempotency, name: &str) -> Kept {
        match store.enter(key(name), fingerprint(), soon()).await {
            Ok(Entered::Again(kept)) => (*kept).clone(),
            other => panic!("{name}: {other:?}"),
        }
    }

    fn store(max_entries: u64, max_waiting: usize) -> Idempotency {
        let settings = Settings {
            ttl: TTL,
            max_entries,
            without_cluster: Without::Refuse,
        };
        Idempotency::new(&settings, max_waiting, None)
    }

    fn key(name: &str) -> Key {
        Key {
            principal: "billing".into(),
            value: IdempotencyKey::read(name.replace(' ', "-").as_bytes()).unwrap(),
        }
    }

    fn fingerprint() -> Fingerprint {
        Fingerprint {
            operation: Operation::TransfersReject,
            customer: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
            transfer: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
            account: "contoso".into(),
            reason: None,
        }
    }

    fn answer(body: &str) -> Kept {
        Kept {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            code: None,
            audit: "01980000-0000-7000-8000-000000000001".parse().unwrap(),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(55)
    }

    const TTL: Duration = Duration::from_hours(24);
}
