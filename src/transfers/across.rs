//! A call with a key among all replicas: the first of them is made, the others have its answer.
//!
//! One call of each process at a time asks the others; whoever else has the key here waits for that one.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use crate::transfers::{
    claim::Own,
    hold::{Hold, Look, Settled},
    idempotency::{Answered, Entered, Idempotency, Repeat},
    kept::{Kept, Key},
    places::{Full, Place},
    shared::pauses,
};

impl Idempotency {
    /// Makes what the replicas share, where it is absent, so that the first call need not wait for it.
    pub async fn warm_up(&self) {
        if let Some(shared) = &self.0.shared {
            shared.prepare().await;
        }
    }

    /// Asks the others once a minute while keys are not shared: a replica without calls must notice that they are again.
    pub async fn keep_sharing(&self) {
        let Some(shared) = &self.0.shared else { return };
        loop {
            sleep(AGAIN).await;
            if !shared.is_shared() {
                shared.prepare().await;
            }
        }
    }

    /// Whether keys are shared now; nothing where there are no other replicas.
    #[must_use]
    pub fn is_shared(&self) -> Option<bool> {
        self.0.shared.as_ref().map(|shared| shared.is_shared())
    }

    /// How often keys that the replicas share were lost; nothing where there are no other replicas.
    #[must_use]
    pub fn losses(&self) -> Option<u64> {
        let shared = self.0.shared.as_ref();
        shared.map(|shared| shared.board().losses())
    }

    /// Finds out whether a call is the first among all replicas, waiting for one that is under way elsewhere.
    pub(in crate::transfers) async fn across<'a>(
        &'a self,
        own: Own,
        seat: &mut Option<Place<'a>>,
        until: Instant,
    ) -> Result<Entered, Repeat> {
        let Some(shared) = &self.0.shared else {
            return Ok(Entered::First(Some(own.only())));
        };
        let key = own.key.clone();
        let hold = Hold::new(shared, &key, &own.fingerprint);
        let mut claim = own.with(hold);
        let mut was_seen = false;
        for pause in pauses() {
            match claim.look(until).await {
                Ok(Look::Ours) => return Ok(Entered::First(Some(claim))),
                Ok(Look::Answered(kept)) => return Ok(Entered::Again(claim.hand_on(kept))),
                Ok(Look::Mismatch) => return Err(Repeat::Mismatch),
                Ok(Look::UnderWay) => was_seen = true,
                // Whoever was seen at it may still be.
                Err(_) if shared.goes_on_alone() && !was_seen => {
                    return Ok(Entered::First(Some(claim.alone())));
                }
                Err(unreached) => return Err(unreached.into()),
            }
            self.sit_down(seat, &key)?;
            if until.saturating_duration_since(Instant::now()) <= pause {
                break;
            }
            sleep(pause).await;
        }
        sleep_until(until).await;
        Err(Repeat::InProgress)
    }

    /// Lets the other replicas have an answer that they could not be told of before. Where one of them has another,
    /// that counts from now on, and nothing is returned.
    pub(in crate::transfers) async fn tell(
        &self,
        own: Own,
        answered: Answered,
    ) -> Option<Arc<Kept>> {
        let kept = Arc::clone(&answered.kept);
        if let (Some(shared), Some(holder)) = (&self.0.shared, &answered.untold) {
            let mut hold = Hold::again(shared, &own.key, &own.fingerprint, holder);
            match hold.keep(&kept).await {
                Settled::There => {
                    let untold = None;
                    let told = Answered { untold, ..answered };
                    self.0.answers.insert(own.key.clone(), told);
                }
                Settled::Lost => {
                    self.0.answers.invalidate(&own.key);
                    return None;
                }
                Settled::Unreached => {}
            }
        }
        own.hand_on(&kept);
        Some(kept)
    }

    /// Takes a place among those who wait, where the call has none yet.
    pub(in crate::transfers) fn sit_down<'a>(
        &'a self,
        seat: &mut Option<Place<'a>>,
        key: &Key,
    ) -> Result<(), Full> {
        if seat.is_none() {
            *seat = Some(self.0.waiting.take(&key.principal)?);
        }
        Ok(())
    }
}

const AGAIN: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        mem::ManuallyDrop,
        sync::{Mutex, MutexGuard},
    };

    use bytes::Bytes;
    use futures_util::future::BoxFuture;
    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use tokio::{task::JoinSet, time::advance};

    use super::*;
    use crate::{
        cluster::{
            bucket_error::BucketError,
            entry::{Entry, Written},
        },
        command::Operation,
        ids::BootId,
        transfers::{
            board::Board,
            claim::{Claim, ClaimCell},
            idempotency::Settings,
            kept::Fingerprint,
            request::IdempotencyKey,
            shared::{Shared, Unreached, Without},
        },
    };

    #[tokio::test(start_paused = true)]
    async fn gives_one_of_all_replicas_the_claim_and_the_others_its_answer() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        let claim = first(&one).await;
        let mut waiting: JoinSet<_> = (0..100).map(|_| entering(&other)).collect();
        settle().await;
        assert!(waiting.try_join_next().is_none());

        claim.keep(answer("done")).await;

        while let Some(entered) = waiting.join_next().await {
            assert_eq!(kept(entered.unwrap()), answer("done"));
        }
        assert_eq!(again(&one).await, answer("done"));
        assert_eq!(again(&board.replica()).await, answer("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn asks_the_others_once_for_all_who_wait_here() {
        let board = Memory::default();
        let claim = first(&board.replica()).await;
        let other = board.replica();

        let mut waiting: JoinSet<_> = (0..100).map(|_| entering(&other)).collect();
        settle().await;
        let asked = board.cells().asked;
        claim.keep(answer("done")).await;
        while waiting.join_next().await.is_some() {}

        // A write each, a look of the one who waits, and at most one more.
        assert!(asked <= 3, "{asked}");
        let asked = board.cells().asked;
        assert!(asked <= 6, "{asked}");
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_another_request_under_a_key_of_another_replica() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        let claim = first(&one).await;
        let differs = || Fingerprint {
            reason: Some(String::new()),
            ..fingerprint()
        };

        let while_under_way = other.enter(key(), differs(), soon()).await;
        claim.keep(answer("done")).await;
        let afterwards = other.enter(key(), differs(), soon()).await;

        assert_eq!(while_under_way.err(), Some(Repeat::Mismatch));
        assert_eq!(afterwards.err(), Some(Repeat::Mismatch));
        assert_eq!(again(&other).await, answer("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn lets_another_replica_go_on_where_nothing_was_sent() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());

        for sent in [false, true] {
            let claim = first(&one).await;
            let waiting = entering(&other);
            if sent {
                held(claim).free();
            } else {
                drop(claim);
            }
            let claim = claimed(waiting.await);

            assert!(!claim.is_taken_over());
            drop(claim);
            settle().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn has_the_next_look_at_the_transfer_where_nobody_knows_what_became_of_it() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        drop(held(first(&one).await));

        // Refused before it looked, panicked before it looked, and found out.
        let refused = first(&other).await;
        assert!(refused.is_taken_over());
        drop(refused);
        let cut_off = first(&one).await;
        assert!(cut_off.is_taken_over());
        held(cut_off).free();
        let looked = first(&other).await;
        assert!(looked.is_taken_over());
        let cell = ClaimCell::default();
        cell.hold(Some(looked));
        cell.found_undone();
        cell.take().unwrap().free();

        assert!(!first(&one).await.is_taken_over());
    }

    #[tokio::test(start_paused = true)]
    async fn takes_a_key_over_once_its_holder_can_do_nothing_more() {
        let board = Memory::default();
        let (dead, alive) = (board.replica(), board.replica());
        let claim = first(&dead).await;
        advance(Duration::from_secs(30)).await;
        let began = Instant::now();
        let _dead = ManuallyDrop::new(claim);

        let early = alive.enter(key(), fingerprint(), soon()).await;
        let waited = began.elapsed();
        let claim = first(&alive).await;

        assert_eq!(early.err(), Some(Repeat::InProgress));
        assert_eq!(waited, Duration::from_secs(55));
        assert!(claim.is_taken_over());
        // By the looker's own clock: the deadline of the call and the margin, from when it was first seen.
        let whole = began.elapsed().as_secs_f64();
        assert!((60.0..60.5).contains(&whole), "{whole}");
    }

    #[tokio::test(start_paused = true)]
    async fn begins_to_count_anew_when_another_has_taken_the_key() {
        let board = Memory::default();
        let (looker, second) = (board.replica(), board.replica());
        let _dead = ManuallyDrop::new(first(&board.replica()).await);
        let until = Instant::now() + Duration::from_secs(1);
        let seen = looker.enter(key(), fingerprint(), until).await;
        assert_eq!(seen.err(), Some(Repeat::InProgress));
        let seen = second.enter(key(), fingerprint(), soon()).await;
        assert_eq!(seen.err(), Some(Repeat::InProgress));
        advance(Duration::from_secs(10)).await;

        let _dead = ManuallyDrop::new(first(&second).await);
        let entered = looker.enter(key(), fingerprint(), soon()).await;

        assert_eq!(entered.err(), Some(Repeat::InProgress));
        assert!(first(&looker).await.is_taken_over());
    }

    #[tokio::test(start_paused = true)]
    async fn writes_nothing_over_what_another_has_put_there() {
        let board = Memory::default();
        let (slow, quick) = (board.replica(), board.replica());
        let late = held(first(&slow).await);
        let early = quick.enter(key(), fingerprint(), soon()).await;
        assert_eq!(early.err(), Some(Repeat::InProgress));
        first(&quick).await.keep(answer("theirs")).await;
        let mut waiting: JoinSet<_> = (0..5).map(|_| entering(&slow)).collect();
        settle().await;

        late.keep(answer("late")).await;

        while let Some(entered) = waiting.join_next().await {
            assert_eq!(kept(entered.unwrap()), answer("theirs"));
        }
        assert_eq!(again(&slow).await, answer("theirs"));
    }

    #[tokio::test(start_paused = true)]
    async fn knows_its_own_writes_whose_answers_were_lost() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());

        board.cells().lose = 1;
        let claim = first(&one).await;
        assert!(!claim.is_taken_over());
        board.cells().lose = 1;
        claim.keep(answer("done")).await;

        assert_eq!(again(&one).await, answer("done"));
        assert_eq!(again(&other).await, answer("done"));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_while_the_others_cannot_be_asked_and_waits_for_that_once() {
        let board = Memory::default();
        let replica = board.replica();
        board.cells().is_silent = true;
        let began = Instant::now();

        let first_refused = replica.enter(key(), fingerprint(), soon()).await;
        let waited = began.elapsed();
        let refused = replica.enter(key(), fingerprint(), soon()).await;
        let waited_again = began.elapsed();
        board.cells().is_silent = false;
        advance(Duration::from_secs(2)).await;

        let retry_after = Duration::from_secs(2);
        let unreached = Some(Repeat::Unreached(Unreached { retry_after }));
        assert_eq!((first_refused.err(), refused.err()), (unreached, unreached));
        assert_eq!((waited, waited_again), (Duration::from_secs(2), waited));
        drop(first(&replica).await);
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_alone_where_it_is_told_to_and_tells_the_others_afterwards() {
        let board = Memory::default();
        let (one, other) = (board.going_on(), board.going_on());
        board.cells().is_away = true;
        let claim = first(&one).await;
        assert!(claim.is_alone());
        held(claim).keep(answer("done")).await;
        assert_eq!(again(&one).await, answer("done"));

        board.cells().is_away = false;
        advance(Duration::from_secs(3)).await;
        assert_eq!(again(&one).await, answer("done"));

        assert_eq!(again(&other).await, answer("done"));
        let asked = board.cells().asked;
        assert_eq!(again(&one).await, answer("done"));
        assert_eq!(board.cells().asked, asked, "it is told once");
    }

    #[tokio::test(start_paused = true)]
    async fn gives_way_where_another_has_made_the_call_meanwhile() {
        let board = Memory::default();
        let (one, other) = (board.going_on(), board.replica());
        board.cells().is_away = true;
        first(&one).await.keep(answer("mine")).await;

        board.cells().is_away = false;
        first(&other).await.keep(answer("theirs")).await;
        advance(Duration::from_secs(3)).await;

        assert_eq!(again(&one).await, answer("theirs"));
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_go_on_alone_where_another_was_seen_at_it() {
        let board = Memory::default();
        let one = board.going_on();
        let _claim = first(&board.replica()).await;
        let mut waiting = JoinSet::new();
        waiting.spawn(entering(&one));
        settle().await;

        board.cells().is_away = true;
        let entered = waiting.join_next().await.unwrap().unwrap();

        assert!(matches!(entered.err(), Some(Repeat::Unreached(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_the_transfer_first_where_entries_were_lost() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        first(&one).await.keep(answer("done")).await;

        board.cells().entries.clear();
        board.cells().has_lost = true;
        let claim = first(&other).await;
        assert!(claim.is_taken_over());
        drop(claim);
        settle().await;
        board.cells().entries.clear();
        board.cells().lose = 1;
        let answer_lost = first(&other).await;

        assert!(answer_lost.is_taken_over());
    }

    #[tokio::test(start_paused = true)]
    async fn knows_a_holder_from_another_under_the_same_revision() {
        let board = Memory::default();
        let looker = board.replica();
        let _dead = ManuallyDrop::new(first(&board.replica()).await);
        let seen = looker.enter(key(), fingerprint(), soon()).await;
        assert_eq!(seen.err(), Some(Repeat::InProgress));
        *board.cells() = Cells::default();

        let alive = first(&board.replica()).await;
        let entered = looker.enter(key(), fingerprint(), soon()).await;

        assert_eq!(entered.err(), Some(Repeat::InProgress));
        drop(alive);
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_an_answer_that_is_too_large_to_be_looked_up() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        let large = answer(&"x".repeat(256 << 10));

        first(&one).await.keep(large.clone()).await;

        assert_eq!(again(&one).await, large);
        assert!(first(&other).await.is_taken_over());
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_an_answer_that_the_server_does_not_take_to_be_looked_up() {
        let board = Memory::default();
        let (one, other) = (board.replica(), board.replica());
        let large = answer(&"x".repeat(1000));
        board.cells().most = Some(1000);

        first(&one).await.keep(large.clone()).await;

        let asked = board.cells().asked;
        assert_eq!(again(&one).await, large);
        assert_eq!(board.cells().asked, asked, "it is told once");
        assert!(first(&other).await.is_taken_over());
    }

    #[tokio::test(start_paused = true)]
    async fn asks_for_other_keys_where_one_entry_is_too_large() {
        let board = Memory::default();
        let replica = board.replica();
        board.cells().most = Some(0);

        let refused = replica.enter(key(), fingerprint(), soon()).await;
        board.cells().most = None;

        assert!(matches!(refused.err(), Some(Repeat::Unreached(_))));
        drop(first(&replica).await);
    }

    #[tokio::test(start_paused = true)]
    async fn notices_without_calls_that_keys_are_shared_again() {
        let board = Memory::default();
        let replica = board.replica();
        assert_eq!(replica.is_shared(), Some(true));
        board.cells().is_away = true;
        replica.warm_up().await;
        assert_eq!(replica.is_shared(), Some(false));
        let mut keeping = JoinSet::new();
        let kept = replica.clone();
        keeping.spawn(async move { kept.keep_sharing().await });
        settle().await;

        board.cells().is_away = false;
        advance(Duration::from_secs(61)).await;
        settle().await;

        assert_eq!(replica.is_shared(), Some(true));
        drop(keeping);
    }

    #[tokio::test(start_paused = true)]
    async fn touches_nothing_that_it_cannot_read() {
        let board = Memory::default();
        let replica = board.going_on();
        for text in [
            "",
            "{}",
            r#"{"v":2,"fingerprint":"","state":{"under_way":{"holder":"","lease_ms":0}}}"#,
        ] {
            drop(first(&board.replica()).await);
            settle().await;
            let name = crate::transfers::value::name(&key()).to_string();
            let value = Bytes::copy_from_slice(text.as_bytes());
            let there = board.cells().entries[&name].1;
            board
                .cells()
                .entries
                .insert(name.clone(), (Some(value.clone()), there));

            let entered = board.replica().enter(key(), fingerprint(), soon()).await;

            assert!(
                matches!(entered.err(), Some(Repeat::Unreached(_))),
                "{text}"
            );
            assert_eq!(board.cells().entries[&name], (Some(value), there));
            assert!(first(&replica).await.is_alone());
            board.cells().entries.clear();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tells_neither_caller_nor_key_nor_what_was_asked() {
        let board = Memory::default();
        let replica = board.replica();
        let claim = first(&replica).await;
        let before = format!("{:?}", board.cells().entries);
        claim.keep(answer("done")).await;

        let all = format!("{before} {:?}", board.cells().entries);

        for hidden in ["billing", "the-key", "1111", "contoso", "because"] {
            assert!(!all.contains(hidden), "{hidden} in {all}");
        }
    }

    /// Entries in memory, which may be away, silent, or lose the answers to writes.
    #[derive(Clone, Debug, Default)]
    struct Memory(Arc<Mutex<Cells>>);

    #[derive(Debug, Default)]
    struct Cells {
        entries: HashMap<String, (Option<Bytes>, u64)>,
        last: u64,
        asked: usize,
        lose: usize,
        is_away: bool,
        is_silent: bool,
        has_lost: bool,
        /// What an entry may have in bytes at most.
        most: Option<usize>,
    }

    impl Memory {
        fn replica(&self) -> Idempotency {
            self.of(Without::Refuse)
        }

        fn going_on(&self) -> Idempotency {
            self.of(Without::Local)
        }

        fn of(&self, without_cluster: Without) -> Idempotency {
            let shared = Shared::new(Box::new(self.clone()), BootId::next(), without_cluster);
            let settings = Settings {
                ttl: Duration::from_hours(24),
                max_entries: 1000,
                without_cluster,
            };
            Idempotency::new(&settings, 1000, Some(Arc::new(shared)))
        }

        fn cells(&self) -> MutexGuard<'_, Cells> {
            self.0.lock().unwrap()
        }

        async fn put(
            &self,
            name: &str,
            value: Option<Bytes>,
            revision: u64,
        ) -> Result<Written, BucketError> {
            self.reach().await?;
            let mut cells = self.cells();
            let size = value.as_ref().map_or(0, Bytes::len);
            if cells.most.is_some_and(|most| size > most) {
                return Err(BucketError::TooLarge(size.to_string()));
            }
            let there = cells.entries.get(name).map_or(0, |(_, there)| *there);
            if there != revision {
                return Ok(Written::Conflict);
            }
            cells.last += 1;
            let last = cells.last;
            cells.entries.insert(name.to_owned(), (value, last));
            if cells.lose > 0 {
                cells.lose -= 1;
                return Err(BucketError::Unanswered("lost".to_owned()));
            }
            Ok(Written::At(last))
        }

        async fn reach(&self) -> Result<(), BucketError> {
            let (is_away, is_silent) = {
                let mut cells = self.cells();
                cells.asked += 1;
                (cells.is_away, cells.is_silent)
            };
            if is_silent {
                std::future::pending::<()>().await;
            }
            tokio::task::yield_now().await;
            if is_away {
                return Err(BucketError::Unanswered("away".to_owned()));
            }
            Ok(())
        }
    }

    impl Board for Memory {
        fn prepare(&self) -> BoxFuture<'_, Result<(), BucketError>> {
            Box::pin(self.reach())
        }

        fn has_lost(&self) -> bool {
            self.cells().has_lost
        }

        fn losses(&self) -> u64 {
            self.cells().has_lost.into()
        }

        fn read<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Entry, BucketError>> {
            Box::pin(async move {
                self.reach().await?;
                let found = self.cells().entries.get(name).cloned();
                let (value, revision) = found.unwrap_or_default();
                Ok(Entry { value, revision })
            })
        }

        fn write<'a>(
            &'a self,
            name: &'a str,
            value: Bytes,
            revision: u64,
        ) -> BoxFuture<'a, Result<Written, BucketError>> {
            Box::pin(self.put(name, Some(value), revision))
        }

        fn remove<'a>(
            &'a self,
            name: &'a str,
            revision: u64,
        ) -> BoxFuture<'a, Result<Written, BucketError>> {
            Box::pin(self.put(name, None, revision))
        }
    }

    fn entering(replica: &Idempotency) -> impl Future<Output = Result<Entered, Repeat>> + use<> {
        let replica = replica.clone();
        async move { replica.enter(key(), fingerprint(), soon()).await }
    }

    async fn first(replica: &Idempotency) -> Claim {
        claimed(entering(replica).await)
    }

    fn claimed(entered: Result<Entered, Repeat>) -> Claim {
        match entered {
            Ok(Entered::First(Some(claim))) => claim,
            other => panic!("{other:?}"),
        }
    }

    async fn again(replica: &Idempotency) -> Kept {
        kept(entering(replica).await)
    }

    fn kept(entered: Result<Entered, Repeat>) -> Kept {
        match entered {
            Ok(Entered::Again(kept)) => (*kept).clone(),
            other => panic!("{other:?}"),
        }
    }

    /// The claim of a call that may have been sent.
    fn held(claim: Claim) -> Claim {
        let cell = ClaimCell::default();
        cell.hold(Some(claim));
        cell.take().unwrap()
    }

    /// Lets everything go as far as it can without time.
    async fn settle() {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }

    fn key() -> Key {
        Key {
            principal: "billing".into(),
            value: IdempotencyKey::read(b"the-key").unwrap(),
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
        let json = HeaderValue::from_static("application/json");
        Kept {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(header::CONTENT_TYPE, json)]),
            body: Bytes::copy_from_slice(body.as_bytes()),
            code: Some("upstream_unconfirmed"),
            audit: "01980000-0000-7000-8000-000000000002".parse().unwrap(),
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(55)
    }
}
