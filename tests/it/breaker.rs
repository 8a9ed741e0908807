//! What the log tells of a circuit breaker.

use std::time::Duration;

use partner_gateway::partner_center::breaker::{Breaker, Health, Settings};
use tokio::time::advance;

use crate::harness::log::Log;

#[tokio::test(start_paused = true)]
async fn tells_each_change_once_and_of_which_account() {
    let log = Log::begin();
    let open_for = Duration::from_secs(5);
    let breaker = Breaker::new(
        "contoso".into(),
        Settings {
            failure_ratio: 0.5,
            min_calls: 1,
            window: Duration::from_secs(10),
            open_for,
        },
    );
    let enter = || breaker.enter().expect("a pass");

    let early = enter();
    enter().note(Health::Up);
    enter().note(Health::Down);
    early.note(Health::Down);
    assert!(breaker.enter().is_err());
    advance(open_for).await;
    drop(enter());
    enter().note(Health::Down);
    advance(open_for).await;
    enter().note(Health::Up);

    let told = |state: &str| {
        let lines = log.lines(&format!("circuit breaker {state}"));
        assert!(lines.iter().all(|line| line["account"] == "contoso"));
        let levels: Vec<_> = lines.iter().map(|line| line["level"].to_string()).collect();
        levels.join(" ")
    };
    assert_eq!(told("opened"), r#""WARN" "WARN""#);
    assert_eq!(told("half open"), r#""INFO" "INFO""#);
    assert_eq!(told("closed"), r#""INFO""#);
}
