//! Gateways that witness each other's journals over a real server.

use std::{fs, sync::Arc, time::Duration};

use async_nats::jetstream::stream::Config;
use partner_gateway::{
    audit::{chain::LineHash, journal::Journal},
    delivery::{
        nats::checkpoints::Checkpoints,
        witness::{self, Exchange, Tally},
    },
    ids::{BootId, JournalId},
    shutdown::Tasks,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::{
    audit::start::{settings, start_with},
    harness::{
        journal::segments,
        log::Log,
        nats::{NatsServer, STREAM, content_of},
        process::within,
        tempdir,
    },
};

#[tokio::test]
async fn writes_down_the_checkpoints_of_others_as_they_were_published() {
    let server = NatsServer::start().await;
    let (one, other) = (Gateway::new().await, Gateway::new().await);

    let telling = one.publish(&server);
    within(async || telling.count("published") > 0).await;
    let hearing = other.hear(&server);
    within(async || hearing.count("witnessed") > 0).await;

    let published = published(&server, one.journal.id()).await;
    let lines = one.lines();
    assert!(published.iter().all(|line| lines.contains(line)));
    let witness = other.witnesses().remove(0);
    let seen = published.iter().map(|line| json(line));
    let same = |line: &Value| line["upto"] == witness["witnessed"]["upto"];
    let seen = seen.into_iter().find(same).unwrap();
    let expected = json!({
        "journal": one.journal.id().to_string(),
        "upto": seen["upto"], "head": seen["head"], "time": seen["time"], "key_id": seen["key_id"],
    });
    assert_eq!(witness["witnessed"], expected);
    assert_eq!(witness["contradicts"], Value::Null);
    assert_eq!(witness["boot"], other.journal.boot().to_string());
    assert_eq!(hearing.end().await, (0, 0));
}

#[tokio::test]
async fn tells_of_a_journal_that_falls_back_and_of_one_with_another_history() {
    let server = NatsServer::start().await;
    let gateway = Gateway::new().await;
    let [back, other, odd] = [(); 3].map(|()| JournalId::random());
    let first = BootId::next();
    Checkpoints::new(server.cluster())
        .publish(back, forged(back, 9, "a", first).into())
        .await
        .unwrap();
    let own = gateway.journal.id();
    for (journal, upto, line, boot) in [
        (back, 4, "b", BootId::next()),
        (other, 5, "c", first),
        (other, 5, "d", first),
        (own, 77, "e", first),
    ] {
        publish(&server, journal, &forged(journal, upto, line, boot)).await;
    }
    publish(&server, odd, &forged(back, 99, "x", first)).await;
    publish(&server, odd, "{}").await;
    let log = Log::begin();

    let hearing = gateway.hear(&server);
    within(async || gateway.witnesses().len() == 3).await;

    let hash = |line: &str| LineHash::of(line.as_bytes()).to_string();
    let told = gateway.witnesses();
    let told: Vec<_> = told
        .iter()
        .map(|it| (&it["witnessed"], &it["contradicts"]))
        .map(|(seen, denied)| {
            json!([
                seen["journal"],
                seen["upto"],
                seen["head"],
                denied["upto"],
                denied["head"]
            ])
        })
        .collect();
    let found = gateway.journal.found();
    assert_eq!(
        told,
        [
            json!([back.to_string(), 4, hash("b"), 9, hash("a")]),
            json!([other.to_string(), 5, hash("d"), 5, hash("c")]),
            json!([
                own.to_string(),
                77,
                hash("e"),
                found.seq(),
                found.hash().to_string()
            ]),
        ]
    );
    assert_eq!(hearing.end().await, (3, 2));
    assert!(SAID.iter().all(|said| log.lines(said).len() == 1));
    let is_error = |said: &&str| log.lines(said)[0]["level"] == "ERROR";
    assert!(SAID.iter().all(is_error));
}

#[tokio::test]
async fn goes_on_where_the_server_was_away_and_keeps_nobody_waiting() {
    let mut server = NatsServer::start().await;
    let gateway = Gateway::new().await;
    let telling = gateway.publish(&server);
    within(async || telling.count("published") > 0).await;

    server.kill();
    let away = gateway.checkpoints();
    within(async || gateway.checkpoints() > away + 5).await;
    server.restart().await;
    let back = telling.count("published");
    within(async || telling.count("published") > back).await;
    server.kill();
    let began = tokio::time::Instant::now();
    gateway.journal.stop().await.unwrap();
    telling.end().await;

    assert!(began.elapsed() < Duration::from_secs(3));
    server.restart().await;
    let lines = gateway.lines();
    let published = published(&server, gateway.journal.id()).await;
    assert!(published.iter().all(|line| lines.contains(line)));
}

#[tokio::test]
async fn publishes_the_last_checkpoint_of_a_run() {
    let server = NatsServer::start().await;
    let gateway = Gateway::new().await;
    let telling = gateway.publish(&server);
    within(async || telling.count("published") > 0).await;

    gateway.journal.stop().await.unwrap();
    telling.end().await;

    let published = published(&server, gateway.journal.id()).await;
    assert_eq!(published.last(), gateway.lines().last());
}

#[tokio::test]
async fn makes_a_stream_that_takes_nothing_longer_than_a_record_and_takes_one_without_that_limit() {
    let server = NatsServer::start().await;
    let (checkpoints, journal) = (Checkpoints::new(server.cluster()), JournalId::random());
    let line = |upto| forged(journal, upto, "a", BootId::next());
    checkpoints.publish(journal, line(1).into()).await.unwrap();
    let operator = server.operator().await;
    let stream = operator.get_stream(format!("{STREAM}_CHECKPOINTS")).await;
    let made = stream.unwrap().cached_info().config.clone();

    let send = async || {
        let subject = format!("partner_gateway.checkpoints.{journal}");
        let sent = operator.publish(subject, vec![b'x'; 20 << 10].into()).await;
        sent.unwrap().await
    };
    let before = send().await;
    let limitless = Config {
        max_message_size: -1,
        ..made.clone()
    };
    operator.update_stream(&limitless).await.unwrap();
    let after = send().await;
    let taken = checkpoints.publish(journal, line(2).into()).await;

    assert_eq!(made.max_message_size, 16 << 10);
    assert!(before.is_err() && after.is_ok(), "{before:?} {after:?}");
    assert!(taken.is_ok(), "{taken:?}");
}

/// A journal that is signed all the time.
struct Gateway {
    dir: TempDir,
    journal: Journal,
}

struct Running {
    tally: Arc<Tally>,
    end: CancellationToken,
    tasks: Tasks,
}

impl Gateway {
    async fn new() -> Self {
        let dir = tempdir();
        let mut settings = settings(dir.path());
        settings.checkpoint_interval = Duration::from_millis(20);
        let journal = start_with(&settings).await.unwrap();
        Self { dir, journal }
    }

    fn publish(&self, server: &NatsServer) -> Running {
        let (journal, checkpoints) = (self.journal.id(), self.journal.watch_checkpoint());
        Running::of(|with| witness::publish(exchange(server), journal, checkpoints, with))
    }

    fn hear(&self, server: &NatsServer) -> Running {
        Running::of(|with| witness::hear(exchange(server), &self.journal, with))
    }

    fn lines(&self) -> Vec<String> {
        let texts = segments(self.dir.path()).into_iter();
        let text: String = texts.map(|it| fs::read_to_string(it).unwrap()).collect();
        // What is being written at this moment is no line yet.
        let whole = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        whole.map(str::to_owned).collect()
    }

    fn witnesses(&self) -> Vec<Value> {
        let lines = self.lines().into_iter().map(|line| json(&line));
        lines.filter(|line| line["kind"] == "witness").collect()
    }

    fn checkpoints(&self) -> usize {
        let lines = self.lines().into_iter().map(|line| json(&line));
        lines.filter(|line| line["kind"] == "checkpoint").count()
    }
}

impl Running {
    fn of<F: Future<Output = ()> + Send + 'static>(
        run: impl FnOnce((Arc<Tally>, CancellationToken)) -> F,
    ) -> Self {
        let (tally, end) = (Arc::<Tally>::default(), CancellationToken::new());
        let tasks = Tasks::default();
        tasks.spawn(run((Arc::clone(&tally), end.clone())));
        Self { tally, end, tasks }
    }

    fn count(&self, result: &str) -> u64 {
        let counts = self.tally.by_result();
        counts.iter().find(|(is, _)| *is == result).unwrap().1
    }

    /// Ends it, and tells how much was contradicted and how much unreadable.
    async fn end(self) -> (u64, u64) {
        self.end.cancel();
        let counts = (self.count("contradicted"), self.count("unreadable"));
        self.tasks.idle().await;
        counts
    }
}

fn exchange(server: &NatsServer) -> Arc<dyn Exchange> {
    Arc::new(Checkpoints::new(server.cluster()))
}

async fn publish(server: &NatsServer, journal: JournalId, line: &str) {
    let operator = server.operator().await;
    let subject = format!("partner_gateway.checkpoints.{journal}");
    let sent = operator.publish(subject, line.to_owned().into()).await;
    sent.unwrap().await.unwrap();
}

async fn published(server: &NatsServer, journal: JournalId) -> Vec<String> {
    let all = content_of(&server.operator().await, &format!("{STREAM}_CHECKPOINTS")).await;
    let own = |line: &String| json(line)["journal"] == journal.to_string();
    all.into_iter().filter(own).collect()
}

fn forged(journal: JournalId, upto: u64, line: &str, boot: BootId) -> String {
    let head = LineHash::of(line.as_bytes());
    format!(
        r#"{{"v":1,"journal":"{journal}","seq":{},"time":"2026-11-22T04:00:00.000001Z","kind":"checkpoint","boot":"{boot}","upto":{upto},"head":"{head}","key_id":"0123456789abcdef","signature":"x","prev":"y"}}"#,
        upto + 1
    )
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

const SAID: [&str; 3] = [
    "a journal has fallen back: it was cut off, its disk restored to an earlier state, or two gateways write it",
    "a journal has another history than it had: its checkpoint names another line for the same record",
    "somebody else writes this gateway's journal, or its disk was restored to an earlier state: a checkpoint was \
     published that this journal does not have",
];
