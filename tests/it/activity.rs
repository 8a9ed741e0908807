//! Reading what Partner Center has on record of transfers.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime},
};

use partner_gateway::{
    app::{Surroundings, activity},
    clock::{Clock as _, SharedClock},
    config::Config,
    http_client::HttpClient,
    partner_center::activity::{Activities, Unavailable},
};
use sandbox::{Activity, Fault, Sandbox, Seen, Settings, Target, Turn};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::{
    CORRELATION, CUSTOMER, StandingClock, TRANSFER, canary, config, for_a_user, tempdir,
    transport::ToSandbox,
};

#[tokio::test(start_paused = true)]
async fn reads_90_days_over_several_lists_and_pages_each_record_once() {
    let site = Site::new();
    for days in [0, 1, 28, 29, 30, 31, 58, 59, 87, 90] {
        site.done(days);
    }
    for _ in 0..1003 {
        site.done(2);
    }

    let found = site.read(90).await.unwrap();

    assert_eq!((found.records.len(), found.pages), (1013, 6));
    assert!(found.records.is_sorted_by_key(|it| it.time));
    let periods: Vec<_> = site.asked().iter().map(period).collect();
    let lists = [
        "2025-12-01 2025-12-30",
        "2025-12-30 2026-01-28",
        "2026-01-28 2026-02-26",
    ];
    assert_eq!(periods[..3], lists);
    assert_eq!(periods[3..], ["2026-02-26"; 3]);
    for (place, request) in site.asked().iter().enumerate() {
        let header = |name: &str| request.headers.iter().any(|(header, _)| header == name);
        assert_eq!(header("ms-continuationtoken"), place > 3, "{request:?}");
        assert!(header("ms-correlationid") && header("ms-requestid"));
        assert!(request.path.contains("ResourceType"), "{}", request.path);
    }
    let one = &found.records[0];
    assert_eq!(one.customer, CUSTOMER.parse().ok());
    assert_eq!(one.transfer, TRANSFER.parse().ok());
    assert_eq!(one.correlation, CORRELATION.parse().ok());
    assert_eq!(one.transfer_status.as_deref(), Some("Reject"));
}

#[tokio::test(start_paused = true)]
async fn asks_no_further_back_than_is_answered() {
    let site = Site::new();
    site.done(90);

    let found = site.read(91).await.unwrap();

    assert_eq!(found.records.len(), 1);
    assert_eq!(period(&site.asked()[0]), "2025-12-01 2025-12-30");
}

#[tokio::test(start_paused = true)]
async fn waits_and_asks_again_where_an_answer_is_put_off_or_lost() {
    let put_off =
        |status: u16| fault(json!({"fault": "status", "status": status, "retry_after": "57"}));
    let status = |status: u16| fault(json!({"fault": "status", "status": status}));
    for (fault, least) in [
        (put_off(429), 57),
        (put_off(503), 57),
        (status(500), 0),
        (status(502), 0),
        (status(504), 0),
        (Fault::CutBody, 0),
        (Fault::DropBefore, 0),
        (Fault::Hang, 60),
    ] {
        let site = Site::new();
        site.done(1);
        site.sandbox
            .push_fault(Target::PartnerCenter, fault.clone());
        let began = Instant::now();

        let found = site.read(7).await;

        assert_eq!(found.unwrap().records.len(), 1, "{fault:?}");
        let took = began.elapsed().as_secs();
        assert!((least..=least + 1).contains(&took), "{fault:?}: {took} s");
        let ids: Vec<_> = site.asked().iter().map(request_id).collect();
        assert_eq!(ids.len(), 2, "{fault:?}");
        assert_ne!(ids[0], ids[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn replaces_a_refused_token_once() {
    let site = Site::new();
    site.done(1);
    let refusal = fault(json!({"fault": "status", "status": 401}));
    site.sandbox
        .push_fault(Target::PartnerCenter, refusal.clone());

    let found = site.read(7).await;
    let tokens = site.sandbox.token_requests().len();
    site.sandbox
        .push_turn(Target::PartnerCenter, Turn::of(refusal).times(2));
    let refused = site.read(7).await;

    assert_eq!((found.unwrap().records.len(), tokens), (1, 2));
    assert!(refused.unwrap_err().to_string().contains("401"));
    assert_eq!(site.asked().len(), 4);
    assert_eq!(site.sandbox.token_requests().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn tells_why_there_is_no_list_and_takes_no_part_for_the_whole() {
    for (fault, requests, told) in refused().into_iter().chain(misshapen()) {
        let site = Site::new();
        site.done(1);
        let turn = Turn::of(fault.clone()).always();
        site.sandbox.push_turn(Target::PartnerCenter, turn);

        let why = site.read(7).await.unwrap_err().to_string();

        assert!(why.contains(told), "{fault:?}: {why}");
        assert_eq!(site.asked().len(), requests, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tells_that_there_is_no_token_and_no_connection() {
    let site = Site::new();
    let refusal =
        fault(json!({"fault": "status", "status": 400, "body": r#"{"error":"invalid_client"}"#}));
    site.sandbox
        .push_turn(Target::Token, Turn::of(refusal).always());

    let no_token = site.read(7).await.unwrap_err();
    site.sandbox.forget_turns(Target::Token);
    site.network.refuse("api.test", 4);
    let unconnected = site.read(7).await.unwrap_err();

    assert!(matches!(no_token, Unavailable::NoToken(_)), "{no_token}");
    assert!(
        matches!(unconnected, Unavailable::Broken(_)),
        "{unconnected}"
    );
    assert_eq!(site.asked().len(), 0);
}

#[tokio::test]
async fn keeps_the_refresh_token_that_its_own_access_token_came_with() {
    let mut site = Site::new();
    let (held, flow) = for_a_user(&site.sandbox);
    site.config.accounts[0].token.flow = flow;
    let path = held.path().join("refresh-token");
    let before = std::fs::read_to_string(&path).unwrap();
    site.done(1);

    let found = site.read(7).await;
    let after = std::fs::read_to_string(&path).unwrap();
    let again = site.read(7).await;

    assert_eq!(found.unwrap().records.len(), 1);
    assert_ne!(before, after, "the one that took its place is kept");
    assert_eq!(again.unwrap().records.len(), 1);
}

/// A fault that every request meets, how many are made, and what is told.
type Failing = (Fault, usize, &'static str);

fn refused() -> Vec<Failing> {
    vec![
        (
            fault(json!({"fault": "status", "status": 403})),
            1,
            r#"refused to list activity: 403, "800003""#,
        ),
        (
            fault(
                json!({"fault": "status", "status": 401, "body": r#"{"code":"900421","description":"MFA"}"#}),
            ),
            1,
            r#"refused to list activity: 401, "900421", "MFA""#,
        ),
        (
            fault(json!({"fault": "status", "status": 404})),
            1,
            "refused to list activity: 404",
        ),
        (
            fault(json!({"fault": "status", "status": 429})),
            1,
            "refused to list activity: 429",
        ),
        (
            fault(json!({"fault": "status", "status": 429, "retry_after": "601"})),
            1,
            "no sooner than in 601 s",
        ),
        (
            fault(json!({"fault": "status", "status": 503, "retry_after": "1"})),
            4,
            "no sooner than in 1 s",
        ),
        (
            fault(json!({"fault": "status", "status": 500})),
            4,
            "refused to list activity: 500",
        ),
        (
            Fault::CutBody,
            4,
            "no whole answer came from Partner Center: reading the answer's body",
        ),
        (
            Fault::Huge {
                bytes: (32 << 20) + 1,
            },
            1,
            "is over 33554432 bytes",
        ),
    ]
}

fn misshapen() -> Vec<Failing> {
    let page = |page: serde_json::Value| {
        fault(json!({"fault": "body", "status": 200, "body": page.to_string()}))
    };
    let item = json!({"resourceType": "transfer", "operationDate": "2026-02-28T00:00:00Z"});
    let elsewhere = json!({"uri": "https://other.test/auditrecords?a", "headers": []});
    let of_others = json!({"uri": "/customers?seekOperation=Next", "headers": []});
    let split = json!({"uri": "/auditrecords?a", "headers": [{"key": "MS-ContinuationToken", "value": "a\nb"}]});
    vec![
        (Fault::WrongJson, 1, "the page is not a JSON object"),
        (Fault::Html, 1, "the page is not a JSON object"),
        (page(json!([])), 1, "the page is not a JSON object"),
        (
            page(json!({"totalCount": 0})),
            1,
            "the page has no list of items",
        ),
        (
            page(json!({"items": [item, {}]})),
            1,
            "record 2 of the page has no resourceType",
        ),
        (
            page(json!({"items": [item, {"resourceType": "Transfer"}]})),
            1,
            "record 2 of the page has no operationDate",
        ),
        (
            page(json!({"items": [item], "totalCount": 2})),
            1,
            "it tells of 2 records and has 1",
        ),
        (
            page(json!({"items": [], "links": {"next": elsewhere}})),
            1,
            "where the next one is",
        ),
        (
            page(json!({"items": [], "links": {"next": of_others}})),
            1,
            "where the next one is",
        ),
        (
            page(json!({"items": [], "links": {"next": split}})),
            1,
            "where the next one is",
        ),
        (
            page(json!({"items": [item], "continuationToken": "a"})),
            2,
            "does not end within 2000 pages",
        ),
    ]
}

struct Site {
    sandbox: Sandbox,
    network: ToSandbox,
    clock: SharedClock,
    config: Config,
    _dir: TempDir,
    _listening: canary::Listening,
}

impl Site {
    fn new() -> Self {
        let listening = canary::Listening::begin();
        let sandbox = Sandbox::new(Settings::default());
        let clock = StandingClock::default();
        sandbox.set_wall_time(clock.now());
        let dir = tempdir();
        Self {
            network: ToSandbox::new(sandbox.clone()),
            sandbox,
            clock: Arc::new(clock),
            config: config(&dir),
            _dir: dir,
            _listening: listening,
        }
    }

    fn ago(&self, days: u64) -> SystemTime {
        self.clock.now() - Duration::from_hours(24 * days)
    }

    /// Has a rejection on record, of so many days ago.
    fn done(&self, days: u64) {
        let activity = Activity::rejection(CUSTOMER, TRANSFER, self.ago(days));
        self.sandbox.add_activity(Activity {
            correlation: Some(CORRELATION.to_owned()),
            ..activity
        });
    }

    async fn read(&self, days: u64) -> Result<Activities, Unavailable> {
        let client = self.network.clone();
        let surroundings = Surroundings {
            clock: Arc::clone(&self.clock),
            connect: Arc::new(move |_| Ok(HttpClient::over(client.clone()))),
        };
        let since = self.ago(days);
        let read = activity::read(
            &self.config,
            "contoso",
            since,
            &surroundings,
            pending::<()>(),
        );
        read.await.expect("account").expect("nobody stops it")
    }

    /// What Partner Center was asked.
    fn asked(&self) -> Vec<Seen> {
        self.sandbox.seen()
    }
}

/// The dates that a request names.
fn period(request: &Seen) -> String {
    let (_, query) = request.path.split_once('?').expect("query");
    let dates = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        matches!(name, "startDate" | "endDate").then_some(value)
    });
    dates.collect::<Vec<_>>().join(" ")
}

fn request_id(request: &Seen) -> String {
    let found = request
        .headers
        .iter()
        .find(|(name, _)| name == "ms-requestid");
    found.expect("a request ID").1.clone()
}

fn fault(fault: serde_json::Value) -> Fault {
    serde_json::from_value(fault).expect("a fault")
}
