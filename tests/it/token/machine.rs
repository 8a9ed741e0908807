//! The token cell by itself, through whatever may happen to it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use partner_gateway::{
    clock::{Clock, SharedClock, SystemClock},
    http_client::{HttpClient, Sending, Transport},
    token::{
        access_token::AccessToken,
        cell::{Replacement, TokenCell},
        standing::Obstacle,
    },
};
use proptest::prelude::*;
use serde_json::json;
use tokio::time::{Instant, advance};

use crate::harness;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// The token endpoint treats whoever asks like this from now on.
    Endpoint(Mood),
    /// So many calls want a token at once, some of which leave before they have it.
    Calls(u8),
    /// The last token that was handed out is refused.
    Refuse,
}

/// How the token endpoint treats whoever asks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    /// It hands out tokens that live so long, in seconds.
    Good(u64),
    /// It hands out the same token again and again.
    Repeating,
    Broken,
    /// It wants to be left alone for so long, in seconds.
    Throttling(u64),
    /// The same in disguise, for a minute.
    Looping,
    WrongSecret,
    Hanging,
}

/// A token endpoint that watches who asks.
#[derive(Clone, Debug)]
struct Endpoint(Arc<Mutex<Watched>>);

#[derive(Debug)]
struct Watched {
    mood: Mood,
    under_way: u32,
    fetches: u64,
    not_before: Instant,
    /// The tokens handed out, with the ends of their lives.
    issued: Vec<(String, Instant)>,
    faults: Vec<String>,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_hands_out_an_expired_token_nor_asks_twice_at_once_nor_when_told_not_to(
        steps in proptest::collection::vec(step(), 1..60)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("runtime");
        runtime.block_on(live_through(&steps))?;
    }
}

#[tokio::test(start_paused = true)]
async fn waits_a_minute_where_a_throttle_does_not_say_how_long() {
    for (mood, obstacle) in [
        (Mood::Looping, Obstacle::Throttled),
        (Mood::WrongSecret, Obstacle::Failing),
    ] {
        let (endpoint, cell) = cell(mood);

        let refused = cell.current().await.expect_err("no token");

        assert_eq!(refused.retry_after, Duration::from_mins(1));
        assert_eq!(cell.standing().obstacle, Some(obstacle));
        advance(Duration::from_millis(59_999)).await;
        cell.current().await.expect_err("still no token");
        assert_eq!(endpoint.watched().fetches, 1);
        endpoint.watched().mood = Mood::Good(3600);
        advance(Duration::from_millis(1)).await;
        cell.current().await.expect("a token");
        assert_eq!(cell.standing().obstacle, None);
    }
}

#[tokio::test(start_paused = true)]
async fn does_not_hand_out_again_what_was_refused_while_others_waited_for_it() {
    let (endpoint, cell) = cell(Mood::Good(3600));
    let mut slow = Box::pin(cell.current());
    assert!(futures_util::poll!(&mut slow).is_pending());
    let quick = cell.current().await.expect("a token");

    assert_eq!(cell.invalidate(&quick), Replacement::Due);
    let other = slow.await.expect("another token");

    assert_ne!(other.authorization(), quick.authorization());
    assert_eq!(endpoint.watched().fetches, 2);
}

#[tokio::test(start_paused = true)]
async fn does_not_take_the_very_token_that_was_refused_from_an_endpoint_that_repeats_itself() {
    let (endpoint, cell) = cell(Mood::Repeating);
    let first = cell.current().await.expect("a token");

    assert_eq!(cell.invalidate(&first), Replacement::Due);
    let refused = cell.current().await.expect_err("no other token");

    assert_eq!(
        refused.cause.to_string(),
        "the token endpoint's answer is not usable: its token was refused a moment ago"
    );
    assert_eq!(endpoint.watched().fetches, 2);
}

#[tokio::test(start_paused = true)]
async fn replaces_a_refused_token_at_once_and_its_replacement_only_30_s_later() {
    let (endpoint, cell) = cell(Mood::Good(3600));
    let first = cell.current().await.expect("a token");
    assert_eq!(cell.invalidate(&first), Replacement::Due);
    let second = cell.current().await.expect("a token");

    assert_eq!(
        cell.invalidate(&first),
        Replacement::Due,
        "another is there already"
    );
    assert_eq!(cell.invalidate(&second), Replacement::TooSoon);
    let kept = cell.current().await.expect("a token");
    advance(Duration::from_secs(30)).await;
    assert_eq!(cell.invalidate(&second), Replacement::Due);
    let third = cell.current().await.expect("a token");

    assert_eq!(kept.authorization(), second.authorization());
    assert_ne!(third.authorization(), second.authorization());
    assert_eq!(endpoint.watched().fetches, 3);
}

#[tokio::test(start_paused = true)]
async fn does_not_care_how_the_wall_clock_jumps() {
    let wall = Jumping::default();
    let clock: SharedClock = Arc::new(wall.clone());
    let (endpoint, cell) = cell_by(Mood::Good(3600), &clock);
    cell.current().await.expect("a token");

    for hours in [1, -1] {
        wall.0.store(hours, Ordering::SeqCst);
        cell.current().await.expect("the same token");
    }
    let fetched = endpoint.watched().fetches;
    advance(Duration::from_hours(1)).await;
    cell.current().await.expect("another token");

    assert_eq!((fetched, endpoint.watched().fetches), (1, 2));
    assert!(cell.standing().left > Some(Duration::from_mins(59)));
}

#[tokio::test(start_paused = true)]
async fn waits_out_a_throttle_although_its_token_was_refused() {
    let (endpoint, cell) = cell(Mood::Good(3600));
    let token = cell.current().await.expect("a token");
    endpoint.watched().mood = Mood::Throttling(120);
    advance(Duration::from_mins(51)).await;
    cell.current()
        .await
        .expect("the old token, while another is asked for");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cell.standing().obstacle, Some(Obstacle::Throttled));

    assert_eq!(cell.invalidate(&token), Replacement::Due);
    let refused = cell.current().await.expect_err("no token");

    assert_eq!(refused.retry_after.as_secs(), 119);
    assert_eq!(endpoint.watched().fetches, 2);
}

async fn live_through(steps: &[Step]) -> Result<(), TestCaseError> {
    let (endpoint, cell) = cell(Mood::Good(3600));
    let mut last = None;
    for step in steps {
        match step {
            Step::Pass(seconds) => advance(Duration::from_secs(*seconds)).await,
            Step::Endpoint(mood) => endpoint.watched().mood = *mood,
            Step::Calls(calls) => last = call(&endpoint, &cell, *calls).await?.or(last),
            Step::Refuse => {
                let refused: Option<Arc<AccessToken>> = last.take();
                refuse(&cell, refused.as_ref()).await?;
            }
        }
        prop_assert_eq!(&endpoint.watched().faults, &Vec::<String>::new());
        prop_assert_eq!(cell.standing().waiters, 0);
    }
    Ok(())
}

async fn call(
    endpoint: &Endpoint,
    cell: &TokenCell,
    calls: u8,
) -> Result<Option<Arc<AccessToken>>, TestCaseError> {
    if calls > 3 {
        let leaving = cell.current();
        drop(tokio::time::timeout(Duration::from_millis(1), leaving).await);
    }
    let all = futures_util::future::join_all((0..calls).map(|_| cell.current())).await;
    let mut last = None;
    for token in all.into_iter().flatten() {
        let shown = token.authorization().to_str().expect("text");
        let watched = endpoint.watched();
        let issued = watched.issued.iter().rev();
        let ends = issued
            .clone()
            .find(|(it, _)| it == shown)
            .map(|(_, end)| *end);
        let left = ends
            .expect("issued")
            .saturating_duration_since(Instant::now());
        prop_assert!(
            left >= Duration::from_secs(20),
            "a token with {left:?} left"
        );
        drop(watched);
        last = Some(token);
    }
    Ok(last)
}

async fn refuse(cell: &TokenCell, refused: Option<&Arc<AccessToken>>) -> Result<(), TestCaseError> {
    let Some(refused) = refused else {
        return Ok(());
    };
    if cell.invalidate(refused) == Replacement::Due
        && let Ok(next) = cell.current().await
    {
        prop_assert_ne!(next.authorization(), refused.authorization());
    }
    Ok(())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop_oneof![1..90_u64, 90..4000_u64].prop_map(Step::Pass),
        2 => mood().prop_map(Step::Endpoint),
        4 => (1..6_u8).prop_map(Step::Calls),
        1 => Just(Step::Refuse),
    ]
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        3 => prop_oneof![Just(3600), Just(90_000), 60..900_u64].prop_map(Mood::Good),
        1 => Just(Mood::Repeating),
        2 => Just(Mood::Broken),
        2 => prop_oneof![0..2_u64, 0..4000_u64].prop_map(Mood::Throttling),
        1 => Just(Mood::Looping),
        1 => Just(Mood::WrongSecret),
        1 => Just(Mood::Hanging),
    ]
}

/// A cell over an endpoint that is in this mood.
fn cell(mood: Mood) -> (Endpoint, TokenCell) {
    let clock: SharedClock = Arc::new(SystemClock);
    cell_by(mood, &clock)
}

fn cell_by(mood: Mood, clock: &SharedClock) -> (Endpoint, TokenCell) {
    let endpoint = Endpoint(Arc::new(Mutex::new(Watched {
        mood,
        under_way: 0,
        fetches: 0,
        not_before: Instant::now(),
        issued: Vec::new(),
        faults: Vec::new(),
    })));
    let settings = harness::config(&harness::tempdir())
        .accounts
        .remove(0)
        .token;
    let http = HttpClient::over(endpoint.clone());
    let grant = harness::grant_by(settings, http, clock);
    (endpoint, TokenCell::new("contoso".into(), grant))
}

/// A wall clock that somebody sets, by so many hours from a time like any other.
#[derive(Clone, Debug, Default)]
struct Jumping(Arc<AtomicI64>);

impl Clock for Jumping {
    fn now(&self) -> SystemTime {
        let hours = 492_312 + self.0.load(Ordering::SeqCst);
        SystemTime::UNIX_EPOCH + Duration::from_hours(hours.unsigned_abs())
    }
}

impl Endpoint {
    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.0.lock().expect("watched")
    }

    fn begin(&self) -> Mood {
        let mut watched = self.watched();
        watched.fetches += 1;
        watched.under_way += 1;
        if watched.under_way > 1 {
            watched.faults.push("two fetches at once".to_owned());
        }
        let early = watched.not_before.saturating_duration_since(Instant::now());
        if early > Duration::ZERO {
            watched.faults.push(format!("a fetch {early:?} too early"));
        }
        watched.mood
    }

    fn end(&self, mood: Mood) -> Response<String> {
        let mut watched = self.watched();
        watched.under_way -= 1;
        let now = Instant::now();
        let (status, wait, body) = match mood {
            Mood::Good(_) | Mood::Repeating => {
                let (lasts, number) = match mood {
                    Mood::Good(lasts) => (lasts, watched.issued.len()),
                    _ => (3600, 999_999),
                };
                let token = format!("token-{number}");
                let end = now + Duration::from_secs(lasts);
                watched.issued.push((format!("Bearer {token}"), end));
                let body =
                    json!({"token_type": "Bearer", "expires_in": lasts, "access_token": token});
                (200, None, body)
            }
            Mood::Throttling(wait) => (429, Some(wait), json!({})),
            Mood::Looping => (
                400,
                None,
                json!({"error": "invalid_grant", "error_codes": [50196]}),
            ),
            Mood::WrongSecret => (401, None, json!({"error": "invalid_client"})),
            Mood::Broken | Mood::Hanging => (503, None, json!({})),
        };
        let wait_at_least = match mood {
            Mood::Throttling(wait) => wait.clamp(1, 3600),
            Mood::Looping => 60,
            _ => 0,
        };
        watched.not_before = now + Duration::from_secs(wait_at_least);
        let mut answer = Response::builder().status(status);
        if let Some(wait) = wait {
            answer = answer.header("retry-after", wait);
        }
        answer.body(body.to_string()).expect("answer")
    }
}

impl Transport for Endpoint {
    fn send(&self, _: Request<Full<Bytes>>) -> Sending {
        let endpoint = self.clone();
        let mood = endpoint.begin();
        Box::pin(async move {
            let takes = match mood {
                Mood::Hanging => Duration::from_secs(9),
                _ => Duration::from_millis(200),
            };
            tokio::time::sleep(takes).await;
            let answer = endpoint.end(mood);
            Ok(answer.map(|body| {
                let body = Full::new(Bytes::from(body));
                body.map_err(|never| match never {}).boxed_unsync()
            }))
        })
    }
}
