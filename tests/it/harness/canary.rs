//! Canaries: every secret that a test plants has a mark, and whatever leaves the gateway in any test is
//! searched for the marks: its log at `trace`, its journal, its answers, its metrics, its `Debug`, and
//! what its process says.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    io::{self, Write},
    sync::{
        Mutex, MutexGuard, Once, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use partner_gateway::telemetry::log::discreet;
use tracing_subscriber::{fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Has a secret that somebody else made, and so has no mark, be searched for from now on.
pub(crate) fn plant(secret: &str) {
    let mut planted = PLANTED.write().unwrap_or_else(PoisonError::into_inner);
    planted.insert(secret.trim().to_owned());
}

/// Searches what was said for marks; `what` tells where it was said.
#[track_caller]
pub(crate) fn assert_untold(what: &str, said: &[u8]) {
    assert_eq!(told(said), None, "a secret in {what}");
}

/// Searches how something shows itself to a programmer.
#[track_caller]
pub(crate) fn assert_not_shown(thing: &impl Debug) {
    assert_untold("Debug", format!("{thing:?} {thing:#?}").as_bytes());
}

/// Looks at how something shows itself after each of its first calls and then after every so many: a look
/// costs more than a call, and a test may make ten thousand.
#[derive(Default)]
pub(crate) struct Looks(AtomicU64);

impl Looks {
    /// Counts a call, and searches where it is time to.
    #[track_caller]
    pub(crate) fn after_call(&self, thing: &impl Debug) {
        let calls = self.0.fetch_add(1, Ordering::Relaxed);
        if calls < FIRST_CALLS || calls.is_multiple_of(FIRST_CALLS) {
            assert_not_shown(thing);
        }
    }
}

/// A time in which the log of this process, at `trace`, is searched; in its end every mark that was
/// heard fails the test, whichever test made the gateway say it.
pub(crate) struct Listening(());

impl Listening {
    pub(crate) fn begin() -> Self {
        static BEGIN: Once = Once::new();
        BEGIN.call_once(|| {
            let all = fmt::layer().with_writer(|| Ear);
            tracing_subscriber::registry()
                .with(discreet())
                .with(all)
                .init();
        });
        Self(())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let marked = marked();
            assert!(marked.is_empty(), "a secret in the log: {marked:#?}");
        }
    }
}

/// What the log is written to: each event at once.
pub(crate) struct Ear;

impl Write for Ear {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        HEARD.fetch_add(1, Ordering::Relaxed);
        if let Some(mark) = told(event) {
            let event = String::from_utf8_lossy(event);
            marked().push(format!("{mark}: {event}"));
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first mark in a text.
fn told(said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said);
    let mark = MARKS.into_iter().find(|mark| text.contains(mark));
    let planted = PLANTED.read().unwrap_or_else(PoisonError::into_inner);
    let planted = planted.iter().find(|planted| text.contains(&***planted));
    mark.map(ToOwned::to_owned)
        .or_else(|| planted.cloned())
        .or_else(|| jwt(&text))
}

/// A part of a JWT: its header and its claims are JSON objects, whose base64url begins alike.
fn jwt(text: &str) -> Option<String> {
    let encoded = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let long = |(at, _): (usize, &str)| {
        let part = text.get(at..)?;
        let part = part.split(|c| !encoded(c)).next()?;
        (part.len() >= SHORTEST_PART).then(|| part.to_owned())
    };
    text.match_indices(OBJECT).find_map(long)
}

fn marked() -> MutexGuard<'static, Vec<String>> {
    MARKED.lock().unwrap_or_else(PoisonError::into_inner)
}

static HEARD: AtomicU64 = AtomicU64::new(0);
static PLANTED: RwLock<BTreeSet<String>> = RwLock::new(BTreeSet::new());
static MARKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the secrets of all tests contain: the application's secrets, refresh tokens (as they are, and in
/// the base64 of a Kubernetes Secret), device codes, the token of the pod's service account, callers'
/// tokens, keys in PEM, and how the base64 of every Ed25519 key begins. Access tokens, assertions and
/// callers' JWTs are known by their shape.
const MARKS: [&str; 10] = [
    "sandbox-client-secret",
    "the-secret-of-",
    "1.sandbox-",
    "MS5zYW5kYm94",
    "sandbox-device-",
    "sandbox-service-account-",
    super::BILLING,
    "stranger-token",
    "PRIVATE KEY",
    "MC4CAQAwBQYDK2Vw",
];

/// More than almost any test makes.
const FIRST_CALLS: u64 = 64;

/// How `{"` begins in base64url.
const OBJECT: &str = "eyJ";

/// The shortest part of a JWT that gives anything away.
const SHORTEST_PART: usize = 16;

#[test]
fn hears_a_secret_wherever_it_stands() {
    let header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";
    let token = format!("{header}.eyJhdWQiOiJodHRwczovL2FwaSJ9.c2ln");

    let kept = BASE64_STANDARD.encode("1.sandbox-0a1b2c");
    plant("a-secret-of-others\n");

    for said in [
        "client_secret=sandbox-client-secret&x",
        &format!("Bearer {}", super::BILLING),
        "-----BEGIN RSA PRIVATE KEY-----",
        &format!(r#"{{"data":{{"refresh-token":"{kept}"}}}}"#),
        "token=a-secret-of-others",
        &token,
        header,
    ] {
        assert!(told(said.as_bytes()).is_some(), "{said}");
    }
    for said in ["", "eyJ", "token=eyJhbGci", "sandbox", "\u{1f424}eyJ"] {
        assert_eq!(told(said.as_bytes()), None, "{said}");
    }
}

#[test]
fn hears_what_the_log_says_at_every_level() {
    let _listening = Listening::begin();
    let before = HEARD.load(Ordering::Relaxed);

    tracing::trace!("nothing");

    assert!(HEARD.load(Ordering::Relaxed) > before);
}

#[test]
fn looks_after_the_first_calls_and_then_now_and_then() {
    struct Shown(AtomicU64);
    impl Debug for Shown {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }
    let looks = Looks::default();

    let shown = [FIRST_CALLS, FIRST_CALLS, FIRST_CALLS].map(|calls| {
        let shown = Shown(AtomicU64::new(0));
        for _ in 0..calls {
            looks.after_call(&shown);
        }
        shown.0.into_inner()
    });

    // Each look is at both forms of `Debug`.
    assert_eq!(shown, [2 * FIRST_CALLS, 2, 2]);
}
