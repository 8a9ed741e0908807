//! What the audit journal costs a call: two records, strict against relaxed against none.
//!
//! `cargo bench --bench audit` runs all in turn on the same directory and prints one line each, so that
//! the lines can be held against one another. `AUDIT_BENCH_DIR` names another disk than that of the
//! temporary files.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench is read by whoever runs it, and measures real time"
)]

use std::{
    env, fs,
    net::SocketAddr,
    num::NonZeroU32,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use partner_gateway::{
    audit::{
        Durability, Settings,
        journal::Journal,
        record::{Draft, Ending},
        recovery,
        segment::Bounds,
        trail::{Attempt, Departure, Through, Trail, Who},
    },
    clock::SystemClock,
    ids::{CorrelationId, RecordId, RequestId, TraceId},
};

/// How a call's records are kept.
#[derive(Clone, Copy)]
enum Kept {
    /// Built and thrown away.
    Nowhere,
    Relaxed,
    Strict,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("runtime");
    println!("in flight  journal    calls/s   p50 us   p99 us  max us  cpu us/call");
    for in_flight in [1, 8, 64, 256] {
        for (name, kept) in [
            ("none", Kept::Nowhere),
            ("relaxed", Kept::Relaxed),
            ("strict", Kept::Strict),
        ] {
            let figures = runtime.block_on(measure(kept, in_flight));
            println!("{in_flight:9}  {name:8}  {figures}");
        }
    }
}

/// Has so many callers go round for a while, and says what a round took.
async fn measure(kept: Kept, in_flight: usize) -> String {
    let dir = match env::var_os("AUDIT_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("directory");
    let journal = start(dir.path(), kept).await;
    let (cpu, begun) = (cpu(), Instant::now());
    let callers = (0..in_flight).map(|_| tokio::spawn(go_round(journal.clone(), begun + RUN)));
    let mut took = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        took.extend(caller.await.expect("caller"));
    }
    let (cpu, elapsed) = (self::cpu().saturating_sub(cpu), begun.elapsed());
    took.sort_unstable();
    let calls = took.len();
    let micros = |duration: Duration| duration.as_micros();
    let rank = |share: usize| micros(took[(calls - 1) * share / 100]);
    let cpu_each = cpu.as_secs_f64() * 1e6 / count(calls);
    let each_second = count(calls) / elapsed.as_secs_f64();
    let most = micros(took[calls - 1]);
    format!(
        "{each_second:8.0} {:8} {:8} {most:7} {cpu_each:12.1}",
        rank(50),
        rank(99)
    )
}

async fn go_round(journal: Option<Journal>, until: Instant) -> Vec<Duration> {
    let mut took = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        call(journal.as_ref()).await;
        took.push(begun.elapsed());
        tokio::task::yield_now().await;
    }
    took
}

/// The records of a call that rejects a transfer.
async fn call(journal: Option<&Journal>) {
    let trail = trail();
    let facts = trail.facts();
    let boot = journal.map_or_else(partner_gateway::ids::BootId::next, Journal::boot);
    let requests = RequestId::draw(4);
    trail.intending();
    let intent = Draft::intent(facts, boot, &requests);
    if let Some(journal) = journal {
        journal.promise(intent).await.expect("written");
    }
    let departure = Departure {
        request: requests[0],
        started: SystemTime::now(),
        token: Arc::from("0123456789abcdef"),
    };
    trail.sending(departure.clone());
    let attempt = Attempt {
        departure,
        took: Duration::from_millis(40),
        open: false,
        status: Some(200),
        error: None,
        error_code: None,
    };
    trail.ended(attempt, Some("reject".to_owned()));
    let ending = Ending {
        decision: Some("allowed"),
        status: 200,
        code: None,
        outcome: "forwarded",
        replay_of: None,
        forwarded: "yes",
        body: br#"{"id":"00000000-0000-4000-8000-000000000000","status":"reject"}"#,
    };
    let outcome = Draft::outcome(RecordId::next(), facts, boot, &ending);
    if let Some(journal) = journal {
        journal.append(outcome).await.expect("written");
    }
}

fn trail() -> Trail {
    let peer = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
    let facts = trail.facts();
    facts.operation.get_or_init(|| "transfers.reject");
    let id = "5ab1a1c9-6a2c-4a5c-9d9b-0c9d6e2f8f11";
    facts.customer.get_or_init(|| id.parse().expect("a GUID"));
    facts.transfer.get_or_init(|| id.parse().expect("a GUID"));
    facts.caller.get_or_init(|| Who {
        principal: Arc::from("system:serviceaccount:billing:billing-api"),
        issuer: Some(Arc::from("https://kubernetes.default.svc")),
        auth: "jwt",
    });
    facts.account.get_or_init(|| Through {
        account: Arc::from("contoso"),
        partner_tenant: Arc::from(id),
        flow: "app",
    });
    facts.rule.get_or_init(|| Arc::from("billing"));
    facts.policy.get_or_init(|| Arc::from("0123456789abcdef"));
    trail
}

async fn start(dir: &Path, kept: Kept) -> Option<Journal> {
    let durability = match kept {
        Kept::Nowhere => return None,
        Kept::Relaxed => Durability::Relaxed {
            flush_interval: Duration::from_secs(1),
        },
        Kept::Strict => Durability::Strict,
    };
    let settings = Settings {
        dir: dir.to_owned(),
        durability,
        unauthenticated_rate: NonZeroU32::MIN,
        signing_key_file: None,
        checkpoint_interval: Duration::from_mins(1),
        segment: Bounds {
            bytes: 64 << 20,
            age: Duration::from_hours(1),
        },
        max_bytes: 10 << 30,
        retention: Duration::from_hours(24),
        keep_after_ack: Duration::ZERO,
        required_sinks: Vec::new(),
    };
    let opened = recovery::open(&settings.dir).expect("opened");
    let clock = Arc::new(SystemClock);
    let journal = Journal::start(opened, &settings, "0123456789abcdef", clock).await;
    Some(journal.expect("journal"))
}

/// What this process has used so far, the writer's thread and the kernel's work for it included.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("stat");
    let after_name = stat.rsplit(')').next().expect("fields");
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|it| it.parse::<u32>().expect("ticks")).sum();
    ticks * TICK
}

fn count(calls: usize) -> f64 {
    f64::from(u32::try_from(calls).expect("few calls"))
}

/// How long each line is measured.
const RUN: Duration = Duration::from_secs(3);

/// The unit of `/proc/self/stat` on Linux.
const TICK: Duration = Duration::from_millis(10);
