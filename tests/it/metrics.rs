//! What `/metrics` tells, and that the README lists all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use sandbox::{Fault, Target};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{
    harness::{
        CUSTOMER, TRANSFER, World, canary,
        issuer::{self, Issuer},
        served::{Served, converse, documented_call, read_answer},
        while_time_flows,
    },
    token::standing::{documented, listed},
};

#[tokio::test(start_paused = true)]
async fn tells_what_the_readme_lists_and_nothing_that_it_does_not() {
    let issuer = Issuer::new();
    let world = issuer::world(&issuer).await;
    let token = issuer::rsa().token(&issuer::claims());
    let call = world.reject().without("authorization").token(&token);
    call.send().await;

    let page = page(&world).await;

    let listed: BTreeSet<String> = listed().into_iter().collect();
    let told: BTreeSet<String> = page.samples.keys().map(|sample| row(sample)).collect();
    let unlisted: Vec<_> = told.difference(&listed).collect();
    assert!(unlisted.is_empty(), "not in the README: {unlisted:?}");
    // Those that need an account for a user, a sink, a cluster or traces are held against the README there.
    let elsewhere = |row: &&String| {
        [
            "_sink_",
            "_witness_",
            "_trace_spans_",
            "refresh_token_age",
            "credential_expiry",
            "mfa_compliant",
            "listener_certificate",
            "_idempotency_",
        ]
        .iter()
        .any(|part| row.contains(part))
    };
    let untold: Vec<_> = listed
        .difference(&told)
        .filter(|row| !elsewhere(row))
        .collect();
    assert!(untold.is_empty(), "only in the README: {untold:?}");
    for unbounded in [CUSTOMER, TRANSFER, "billing"] {
        assert!(!page.text.contains(unbounded), "{unbounded}: {}", page.text);
    }
}

#[tokio::test(start_paused = true)]
async fn counts_answers_by_what_they_were() {
    let world = World::new().await;

    world.reject().send().await;
    world.reject().send().await;
    world.reject().without("authorization").send().await;
    world.reject().at("/nowhere").send().await;

    let page = page(&world).await;
    let mut counted = page.of("calls_total");
    let failures = counted.len();
    counted.retain(|_, count| *count != "0");
    assert!(counted.len() + 30 < failures, "failures stand at 0");
    assert_eq!(
        counted,
        BTreeMap::from([
            (
                r#"{code="",forwarded="yes",operation="transfers.reject",outcome="forwarded",status="200"}"#,
                "1"
            ),
            (
                r#"{code="",forwarded="yes",operation="transfers.reject",outcome="forwarded",status="400"}"#,
                "1"
            ),
            (
                r#"{code="not_found",forwarded="no",operation="",outcome="refused",status="404"}"#,
                "1"
            ),
            (
                r#"{code="unauthenticated",forwarded="no",operation="transfers.reject",outcome="refused",status="401"}"#,
                "1"
            ),
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn tells_when_it_started_which_answers_it_keeps_and_who_waits_for_one() {
    let world = World::new().await;
    let of_keys = async || {
        let page = page(&world).await;
        ["idempotency_entries", "idempotency_waiters"].map(|name| page.number(name).to_owned())
    };
    let before = of_keys().await;
    let started: f64 = page(&world)
        .await
        .number("start_timestamp_seconds")
        .parse()
        .unwrap();
    world.network.hang("api.test");
    let keyed = || world.reject().header("Idempotency-Key", "a").send();

    let (.., meanwhile) = tokio::join!(keyed(), keyed(), async {
        while world.network.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        let meanwhile = of_keys().await;
        world.network.resume("api.test");
        meanwhile
    });

    assert_eq!(before, ["0", "0"]);
    assert_eq!(meanwhile, ["0", "1"]);
    assert_eq!(of_keys().await, ["1", "0"]);
    assert!(started > 1_700_000_000.0, "{started}");
}

#[tokio::test(start_paused = true)]
async fn tells_the_gateways_own_share_of_a_call_from_what_it_waited_for() {
    let world = World::new().await;
    world.reject().send().await;
    world.network.hang("api.test");
    let call = async {
        let waiting = world.reject().send();
        tokio::join!(waiting, async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            world.network.resume("api.test");
        })
    };

    while_time_flows(&world, call).await;

    let page = page(&world).await;
    let reject = r#"operation="transfers.reject""#;
    let quick = |name: &str| page.number(&format!("{name}_bucket{{{reject},le=\"2.5\"}}"));
    assert_eq!(quick("call_duration_seconds"), "1");
    assert_eq!(quick("call_own_duration_seconds"), "2");
    for name in ["call_duration_seconds", "call_own_duration_seconds"] {
        assert_eq!(page.number(&format!("{name}_count{{{reject}}}")), "2");
    }
    let slow = r#"upstream_request_duration_seconds_bucket{account="contoso",request="reject""#;
    let slow: Vec<_> = page
        .starting(slow)
        .filter(|line| line.contains(r#"le="+Inf""#))
        .collect();
    assert_eq!(slow.len(), 2, "one for each result: {slow:?}");
}

#[tokio::test(start_paused = true)]
async fn counts_requests_by_what_came_of_them_and_tokens_that_no_fresh_one_replaces() {
    let world = World::new().await;
    for (status, body) in [(401, r#"{"code":900420}"#), (503, "{}")] {
        let fault = Fault::Body {
            status,
            content_type: Some("application/json".to_owned()),
            body: body.to_owned(),
        };
        world.sandbox.push_fault(Target::PartnerCenter, fault);
        while_time_flows(&world, world.reject().send()).await;
    }
    world.cut_network(true);
    while_time_flows(&world, world.reject().send()).await;

    let page = page(&world).await;

    for (result, count) in [("200", "1"), ("401", "1"), ("503", "1"), ("connect", "4")] {
        let sample = format!(
            r#"upstream_request_duration_seconds_count{{account="contoso",request="reject",result="{result}"}}"#
        );
        assert_eq!(page.number(&sample), count, "{result}");
    }
    let useless = |code| {
        page.number(&format!(
            r#"token_useless_total{{account="contoso",code="{code}"}}"#
        ))
    };
    assert_eq!((useless("900420"), useless("900421")), ("1", "0"));
}

#[tokio::test(start_paused = true)]
async fn tells_how_the_journal_does_and_what_is_under_way() {
    let world = World::new().await;
    let before = page(&world).await;
    world.network.hang("api.test");
    let (during, _) = while_time_flows(&world, async {
        tokio::join!(
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let during = page(&world).await;
                world.network.resume("api.test");
                during
            },
            world.reject().send()
        )
    })
    .await;
    let after = page(&world).await;

    for (name, told) in [
        ("calls_in_flight", ["0", "1", "0"]),
        ("audit_open_intents", ["0", "1", "0"]),
        ("audit_writable", ["1", "1", "1"]),
        (
            r#"audit_wait_seconds_count{record="intent"}"#,
            ["0", "1", "1"],
        ),
        (
            r#"audit_wait_seconds_count{record="outcome"}"#,
            ["0", "0", "1"],
        ),
        ("audit_max_bytes", ["1073741824"; 3]),
    ] {
        let seen = [&before, &during, &after].map(|page| page.number(name));
        assert_eq!(seen, told, "{name}");
    }
    let grows = |name: &str| {
        let of = |page: &Page| page.number(name).parse::<f64>().unwrap();
        assert!(of(&before) < of(&after), "{name}");
    };
    [
        "audit_bytes",
        "audit_commit_duration_seconds_count",
        "audit_batch_records_sum",
    ]
    .into_iter()
    .for_each(grows);
    for name in ["audit_synced_timestamp_seconds", "audit_disk_free_bytes"] {
        assert!(after.number(name).parse::<f64>().unwrap() > 0.0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn goes_by_permitted_calls_alone_for_its_own_share_and_not_by_how_slowly_bodies_come() {
    let world = World::new().await;
    world.reject().without("authorization").send().await;
    let slow = stream::once(async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok::<_, io::Error>(Frame::data(Bytes::new()))
    });
    let slow = StreamBody::new(slow).boxed_unsync();

    while_time_flows(&world, world.reject().streamed(slow).send()).await;

    let page = page(&world).await;
    let reject = r#"operation="transfers.reject""#;
    let own = |part: &str| page.number(&format!("call_own_duration_seconds_{part}"));
    assert_eq!(own(&format!("count{{{reject}}}")), "1");
    assert_eq!(own(&format!("bucket{{{reject},le=\"2.5\"}}")), "1");
    let whole = page.number(&format!("call_duration_seconds_count{{{reject}}}"));
    assert_eq!(whole, "2");
}

#[tokio::test(start_paused = true)]
async fn tells_what_its_clock_says_and_that_nothing_waits_for_a_restart() {
    let world = World::new().await;

    let page = page(&world).await;

    let clock = page.number("clock_timestamp_seconds").parse::<f64>();
    let march = Duration::from_hours(492_312).as_secs_f64();
    assert!(clock.is_ok_and(|clock| (march..march + 3600.0).contains(&clock)));
    assert_eq!(page.number("config_keys_awaiting_restart"), "0");
}

#[tokio::test]
async fn tells_how_many_connections_there_are_and_may_be() {
    let served = Served::with(|config| config.server.max_connections = 2).await;
    let mut open = Vec::new();
    let mut told = vec![scraped(served.admin).await];

    for _ in 0..2 {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let call = documented_call();
        stream.write_all(call.as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        open.push(stream);
        told.push(scraped(served.admin).await);
    }

    for (page, count) in told.iter().zip(["0", "1", "2"]) {
        assert_eq!(page.number("connections"), count);
        assert_eq!(page.number("max_connections"), "2");
        assert_eq!(page.number("accept_failures_total"), "0");
    }
    served.stop().await.0.unwrap();
}

/// What is told at a moment.
pub(crate) struct Page {
    text: String,
    samples: BTreeMap<String, String>,
}

impl Page {
    fn read(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(sample, value)| (sample.to_owned(), value.to_owned()));
        Self {
            samples: samples.collect(),
            text,
        }
    }

    /// The labels and values of a family's samples.
    pub(crate) fn of(&self, name: &str) -> BTreeMap<&str, &str> {
        let name = format!("partner_gateway_{name}");
        let of_family = |(sample, value)| {
            let sample: &String = sample;
            let value: &String = value;
            Some((sample.strip_prefix(&name)?, value.as_str()))
        };
        self.samples.iter().filter_map(of_family).collect()
    }

    pub(crate) fn number(&self, sample: &str) -> &str {
        let found = self.samples.get(&format!("partner_gateway_{sample}"));
        found.unwrap_or_else(|| panic!("no {sample}: {}", self.text))
    }

    fn starting(&self, sample: &str) -> impl Iterator<Item = &str> {
        let sample = format!("partner_gateway_{sample}");
        let samples = self.samples.keys().map(String::as_str);
        samples.filter(move |is| is.starts_with(&sample))
    }
}

pub(crate) async fn page(world: &World) -> Page {
    let (head, ()) = Request::get("/metrics").body(()).unwrap().into_parts();
    let answer = world.gateway.admin().answer(&head).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    canary::assert_untold("/metrics", &body);
    Page::read(String::from_utf8(body.to_vec()).unwrap())
}

/// The same over the operators' listener.
async fn scraped(admin: SocketAddr) -> Page {
    let request = "GET /metrics HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    let answer = converse(admin, request.as_bytes()).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    Page::read(body.to_owned())
}

/// The row of the README that a sample belongs to.
fn row(sample: &str) -> String {
    let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
    let ends = ["_bucket", "_sum", "_count"].into_iter();
    let name = ends.fold(name, |name, end| name.strip_suffix(end).unwrap_or(name));
    let labels = labels.trim_end_matches('}').split(',');
    let labels: Vec<_> = labels
        .filter(|label| !label.is_empty() && !label.starts_with("le="))
        .collect();
    match labels.join(",").as_str() {
        "" => name.to_owned(),
        labels => documented(&format!("{name}{{{labels}}}")),
    }
}
