//! Delivery to real servers that are killed and started again, by a gateway that is killed, too, under load.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use partner_gateway::{
    audit::trail::Trail,
    ids::{CorrelationId, TraceId},
};
use serde_json::Value;

use super::{
    site::{Running, Site, private},
    transfer,
};
use crate::{
    audit::start,
    harness::{
        BILLING,
        collector::Collector,
        nats::{NatsServer, content},
        postgres::Server,
        process::asking_every,
        served::converse,
        setting::setting,
    },
};

#[tokio::test]
async fn leaves_in_the_stream_what_is_in_the_journal_whatever_is_killed() {
    let mut server = NatsServer::start().await;
    let site = Site::new().await;
    site.edit("filter: trace", "filter: info");
    site.edit(
        "/audit}",
        "/audit, sinks: [{name: central, kind: nats, required: true}]}",
    );
    let cluster = format!(
        "cluster: {{nats: {{url: 'nats://{}', replicas: 1}}}}\naudit:",
        server.address()
    );
    site.edit("audit:", &cluster);
    let records = fill(&site, setting("DELIVERY_RECORDS", 2_000)).await;

    let battered = batter(&site, 10, records, async || {
        server.kill();
        server.restart().await;
    })
    .await;

    let stream = content(&server.operator().await).await;
    battered.tell("nats", &stream);
    let journal = site.journal_text();
    assert_eq!(stream.concat_lines(), journal, "byte for byte");
    assert!(stream.len() > usize::try_from(records).unwrap());
    site.journal();
}

#[tokio::test]
async fn leaves_in_the_table_what_is_in_the_journal_whatever_is_killed() {
    let mut server = Server::start(&[]).await;
    let site = Site::new().await;
    site.edit("filter: trace", "filter: info");
    let url = site.path("postgres-url");
    private(&url, &server.url());
    let sink = format!(
        "/audit, sinks: [{{name: central, kind: postgres, required: true, url: {{file: {}}}}}]}}",
        url.display()
    );
    site.edit("/audit}", &sink);
    let records = fill(&site, setting("DELIVERY_RECORDS", 2_000) / 2).await;

    let battered = batter(&site, 5, records, async || {
        server.kill();
        server.restart().await;
    })
    .await;

    let auditor = server.auditor().await;
    let table = auditor.lines().await;
    battered.tell("postgres", &table);
    assert_eq!(table.concat_lines(), site.journal_text(), "byte for byte");
    assert_eq!(auditor.breaks().await, []);
    site.journal();
}

#[tokio::test]
async fn brings_every_record_to_a_collector_whatever_is_killed() {
    let mut collector = Collector::start().await;
    let site = Site::new().await;
    site.edit("filter: trace", "filter: info");
    let sink = format!(
        "/audit, sinks: [{{name: central, kind: otlp, required: true, endpoint: '{}'}}]}}",
        collector.endpoint("/v1/logs")
    );
    site.edit("/audit}", &sink);
    let records = fill(&site, setting("DELIVERY_RECORDS", 2_000) / 2).await;

    let battered = batter(&site, 3, records, async || {
        collector.kill();
        collector.restart().await;
    })
    .await;

    let body = |record: Value| record["body"]["stringValue"].as_str().unwrap().to_owned();
    let received: Vec<String> = collector.records().into_iter().map(body).collect();
    battered.tell("otlp", &received);
    assert_eq!(first_of_each(&received).concat_lines(), site.journal_text());
    site.journal();
}

/// What it took.
struct Battered {
    kills: u32,
    took: Duration,
    rewinds: usize,
}

impl Battered {
    #[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
    fn tell(&self, kind: &str, lines: &[String]) {
        let Self {
            kills,
            took,
            rewinds,
        } = self;
        let repeats = lines.len() - first_of_each(lines).len();
        println!(
            "{kind}: {} records, {kills} kills of the server and as many of the gateway, {repeats} repeats, \
             {rewinds} rewinds, {:.1} s",
            lines.len(),
            took.as_secs_f64()
        );
    }
}

trait Lines {
    fn concat_lines(&self) -> String;
}

impl Lines for Vec<String> {
    fn concat_lines(&self) -> String {
        self.iter().map(|line| line.clone() + "\n").collect()
    }
}

/// Has the gateway ship under load, kills the sink and then the gateway, each so many times, and lets it
/// ship the rest.
#[expect(
    clippy::disallowed_methods,
    reason = "this is real time, and only told"
)]
async fn batter(
    site: &Site,
    kills: u32,
    records: u64,
    mut kill_sink: impl AsyncFnMut(),
) -> Battered {
    let began = Instant::now();
    let step = records / u64::from(4 * kills);
    let mut rewinds = 0;
    for life in 0..kills {
        let gateway = site.start().await;
        let killing = async {
            advance(site, step).await;
            kill_sink().await;
            advance(site, step).await;
            gateway.process.signal("KILL");
        };
        tokio::join!(call_until_it_is_gone(site, &gateway, life), killing);
        rewinds += rewound(&gateway.process.ended().await.stderr);
    }
    let gateway = site.start().await;
    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    asking_every(Duration::from_millis(20), LONGEST, async || {
        let page = converse(gateway.admin, get).await;
        let lag = page.lines().find(|line| line.starts_with(LAG));
        lag.is_some_and(|line| line.ends_with(" 0"))
    })
    .await;
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;
    assert_eq!(ended.code, Some(0));
    Battered {
        kills,
        took: began.elapsed(),
        rewinds: rewinds + rewound(&ended.stderr),
    }
}

/// Waits until the sink has so many records more.
async fn advance(site: &Site, records: u64) {
    let from = cursor(site);
    asking_every(Duration::from_millis(2), LONGEST, async || {
        cursor(site) >= from + records
    })
    .await;
}

fn cursor(site: &Site) -> u64 {
    let text = fs::read_to_string(site.path("audit/cursors/central.json")).unwrap_or_default();
    let cursor: Option<Value> = serde_json::from_str(&text).ok();
    cursor.map_or(0, |cursor| cursor["seq"].as_u64().unwrap())
}

fn rewound(log: &str) -> usize {
    log.matches("audit sink has lost").count()
}

async fn call_until_it_is_gone(site: &Site, gateway: &Running, life: u32) {
    let calling = (0..CALLERS).map(|caller| async move {
        let group = format!("{:04x}", life * CALLERS + caller);
        for number in 0.. {
            let transfer = transfer(site, &group, number);
            if gateway.call(&transfer, BILLING).await.is_err() {
                return;
            }
        }
    });
    join_all(calling).await;
}

/// Writes a journal of so many records, which nobody has shipped.
async fn fill(site: &Site, records: u64) -> u64 {
    let settings = start::settings(&site.path("audit"));
    let journal = start::start_with(&settings).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let journal = &journal;
        async move {
            for _ in (writer..records).step_by(usize::try_from(WRITERS).unwrap()) {
                let peer = "10.0.0.1:40000".parse().unwrap();
                let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
                journal
                    .append(start::outcome(&trail, journal))
                    .await
                    .unwrap();
            }
        }
    });
    join_all(writers).await;
    journal.close().await.unwrap();
    records
}

/// The lines without their repeats.
fn first_of_each(lines: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let first = lines.iter().filter(|line| seen.insert(line.as_str()));
    first.cloned().collect()
}

const LAG: &str = "partner_gateway_audit_sink_lag_records";

/// How many callers there are at a time.
const CALLERS: u32 = 4;

/// How many records wait for one sync.
const WRITERS: u64 = 64;

/// For 100,000 records through a build for tests.
const LONGEST: Duration = Duration::from_mins(5);
