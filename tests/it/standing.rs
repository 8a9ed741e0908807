//! How the way to Partner Center stands, as operators see it.

use http::Request;
use http_body_util::BodyExt as _;
use sandbox::{Fault, Target};
use serde_json::Value;

use crate::harness::{CUSTOMER, World, while_time_flows};

#[tokio::test(start_paused = true)]
async fn tells_of_customers_that_are_throttled() {
    let world = World::new().await;
    let before = Told::of(&world).await;
    let throttle = Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some("57".to_owned()),
        headers: vec![],
    };
    world.sandbox.push_fault(Target::PartnerCenter, throttle);

    let answer = world.reject().send().await;

    assert_eq!(answer.status, 429);
    let throttled = "partner_gateway_throttled_customers{account=\"contoso\"}";
    assert_eq!(before.number(throttled), "0");
    let after = Told::of(&world).await;
    assert_eq!(after.number(throttled), "1");
    assert!(after.account.ends_with("; 1 customer throttled"));
    assert!(!after.metrics.contains(CUSTOMER));
    assert!(!after.account.contains(CUSTOMER));
}

#[tokio::test(start_paused = true)]
async fn tells_how_the_circuit_stands_and_how_the_budget_was_used() {
    let world = World::new().await;
    world.reject().send().await;
    let closed = Told::of(&world).await;
    world.cut_network(true);

    for _ in 0..16 {
        while_time_flows(&world, world.reject().send()).await;
    }
    let open = Told::of(&world).await;
    tokio::time::advance(std::time::Duration::from_secs(6)).await;
    let half_open = Told::of(&world).await;
    world.cut_network(false);
    world.reject().send().await;
    let closed_again = Told::of(&world).await;

    let state = "partner_gateway_circuit_breaker_state{account=\"contoso\"}";
    let states = [&closed, &open, &half_open, &closed_again].map(|told| told.number(state));
    assert_eq!(states, ["0", "2", "1", "0"]);
    assert!(open.account.ends_with("; circuit open"));
    assert!(half_open.account.ends_with("; circuit half open"));
    assert!(!closed_again.account.contains("circuit"));
    let made = |told: &Told| told.number("partner_gateway_retries_total{result=\"granted\"}");
    assert_eq!(made(&closed), "0");
    assert_ne!(made(&open), "0");
}

/// What operators are told.
struct Told {
    metrics: String,
    /// How the account stands, in words.
    account: String,
}

impl Told {
    async fn of(world: &World) -> Self {
        let checks: Vec<Value> =
            serde_json::from_str(&ask(world, "/readyz?verbose").await).unwrap();
        let account = checks
            .iter()
            .find(|check| check["check"] == "account")
            .unwrap();
        Self {
            metrics: ask(world, "/metrics").await,
            account: account["detail"].as_str().unwrap().to_owned(),
        }
    }

    fn number(&self, sample: &str) -> String {
        let mut lines = self.metrics.lines();
        let line = lines.find_map(|line| line.strip_prefix(sample));
        line.unwrap_or_else(|| panic!("no {sample}"))
            .trim()
            .to_owned()
    }
}

async fn ask(world: &World, target: &str) -> String {
    let (head, ()) = Request::get(target).body(()).unwrap().into_parts();
    let answer = world.gateway.admin().answer(&head).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}
