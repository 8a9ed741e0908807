//! Calls while the sinks are away, beside calls while they are there.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::net::TcpListener;

use super::{
    site::{Running, Site, private},
    transfer,
};
use crate::harness::{
    BILLING,
    collector::Collector,
    nats::NatsServer,
    postgres::{Server, url},
    process::{free_address, within},
    served::converse,
    setting::setting,
};

#[tokio::test]
async fn answers_calls_whatever_its_sinks_do() {
    let (nats, collector) = (NatsServer::start().await, Collector::start().await);
    let postgres = Server::start(&[]).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = silent.local_addr().unwrap();
    let gone = free_address();
    let places = [
        (
            "alive",
            nats.address(),
            postgres.url(),
            collector.endpoint("/v1/logs"),
        ),
        ("away", gone, url(gone), format!("http://{gone}/v1/logs")),
        (
            "silent",
            silent,
            url(silent),
            format!("http://{silent}/v1/logs"),
        ),
    ];
    let mut sites = Vec::new();
    for (name, nats, postgres, otlp) in places {
        let site = Site::new().await;
        site.edit("filter: trace", "filter: info");
        let file = site.path("postgres-url");
        private(&file, &postgres);
        let sinks = format!(
            "/audit, sinks: [{{name: stream, kind: nats}}, {{name: table, kind: postgres, url: {{file: {}}}}}, \
             {{name: collector, kind: otlp, endpoint: '{otlp}'}}]}}",
            file.display()
        );
        site.edit("/audit}", &sinks);
        let cluster = format!("cluster: {{nats: {{url: 'nats://{nats}', replicas: 1}}}}\naudit:");
        site.edit("audit:", &cluster);
        let gateway = site.start().await;
        sites.push((name, site, gateway, Vec::new()));
    }

    let rounds = setting("DELIVERY_ROUNDS", 2);
    for round in 0..rounds {
        for (_, site, gateway, took) in &mut sites {
            took.extend(call(site, gateway, round).await);
        }
        // Whoever comes first has the disk as the last one left it.
        sites.rotate_left(1);
    }

    for (name, site, gateway, mut took) in sites {
        tell(name, &mut took);
        let records = site.journal_text().lines().count();
        if name == "alive" {
            within(async || lags(&gateway).await == [0; 3]).await;
        } else {
            let left = u64::try_from(records).unwrap();
            assert_eq!(lags(&gateway).await, [left; 3], "{name}");
        }
        let calls = u64::from(CALLERS) * rounds * u64::from(CALLS);
        assert_eq!(u64::try_from(took.len()).unwrap(), calls, "{name}");
        site.journal();
    }
}

/// Has some callers reject one transfer after the other, and tells how long each call took.
#[expect(
    clippy::disallowed_methods,
    reason = "this is real time, and only told"
)]
async fn call(site: &Site, gateway: &Running, round: u64) -> Vec<Duration> {
    let calling = (0..CALLERS).map(|caller| async move {
        let mut took = Vec::new();
        for number in 0..CALLS {
            let group = format!("{:04x}", round * u64::from(CALLERS) + u64::from(caller));
            let transfer = transfer(site, &group, number);
            let began = Instant::now();
            let answer = gateway.call(&transfer, BILLING).await.unwrap();
            took.push(began.elapsed());
            assert_eq!(answer.status, 200);
        }
        took
    });
    join_all(calling).await.concat()
}

#[expect(clippy::print_stdout, reason = "the figures are what it is run for")]
fn tell(name: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let rank = |share: usize| took[(took.len() - 1) * share / 100].as_micros();
    println!(
        "sinks {name}: {} calls, p50 {} us, p90 {} us, p99 {} us",
        took.len(),
        rank(50),
        rank(90),
        rank(99)
    );
}

/// How many records each sink does not have.
async fn lags(gateway: &Running) -> Vec<u64> {
    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let page = converse(gateway.admin, get).await;
    let lags = page
        .lines()
        .filter(|line| line.starts_with("partner_gateway_audit_sink_lag_records{"));
    lags.filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect()
}

/// How many callers there are at a time.
const CALLERS: u32 = 4;

/// How many calls each makes in a round.
const CALLS: u32 = 25;
