//! A real Prometheus that watches the program.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use sandbox::{Fault, Target};
use serde_json::Value;

use super::{prometheus::Prometheus, site::Site};
use crate::harness::{TRANSFER, process::within, served::converse};

#[tokio::test]
async fn tells_what_prometheus_own_tool_finds_no_fault_with() {
    let site = Site::new().await;
    let sink = "/audit, sinks: [{name: lines, kind: stdout}]}";
    site.edit("/audit}", sink);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let get = b"GET /metrics HTTP/1.0\r\nhost: x\r\n\r\n";

    let answer = converse(gateway.admin, get).await;

    let (_, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        page.contains("partner_gateway_audit_sink_lag_records{"),
        "{page}"
    );
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool: run scripts/test, which installs it");
    tool.stdin
        .take()
        .unwrap()
        .write_all(page.as_bytes())
        .unwrap();
    let found = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&found.stdout) + String::from_utf8_lossy(&found.stderr);
    assert_eq!((found.status.code(), &*said), (Some(0), ""));
}

#[tokio::test]
async fn is_watched_without_an_alarm_while_all_is_well_and_with_one_when_it_is_not() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let prometheus = Prometheus::scraping(gateway.admin).await;

    within(async || {
        gateway.reject(TRANSFER).await;
        prometheus.values(FAILED_SHARE).await == [0.0]
    })
    .await;
    within(async || {
        healths(&prometheus)
            .await
            .iter()
            .all(|health| health == "ok")
    })
    .await;
    let targets = prometheus.api("targets").await;
    let alarms = firing(&prometheus).await;
    let useless = Fault::Body {
        status: 401,
        content_type: Some("application/json".to_owned()),
        body: r#"{"code":900420}"#.to_owned(),
    };
    site.sandbox.push_fault(Target::PartnerCenter, useless);
    gateway.reject(TRANSFER).await;
    let mut alarmed = Vec::new();
    within(async || {
        alarmed = firing(&prometheus).await;
        !alarmed.is_empty()
    })
    .await;

    let targets = targets["activeTargets"].as_array().unwrap();
    let [target] = &targets[..] else {
        panic!("{targets:?}")
    };
    assert_eq!(
        (&target["health"], &target["lastError"]),
        (&"up".into(), &"".into())
    );
    assert!(alarms.is_empty(), "{alarms:?}");
    let [alarm] = &alarmed[..] else {
        panic!("{alarmed:?}")
    };
    let labels = &alarm["labels"];
    assert_eq!(labels["alertname"], "PartnerGatewayTokenUseless");
    assert_eq!(
        (&labels["severity"], &labels["account"]),
        (&"page".into(), &"contoso".into())
    );
    let description = alarm["annotations"]["description"].as_str().unwrap();
    assert!(
        description.contains("account contoso with 900420"),
        "{description}"
    );
}

/// How each rule does; one that fails ends the wait for it.
async fn healths(prometheus: &Prometheus) -> Vec<Value> {
    let rules = prometheus.api("rules").await;
    let groups = rules["groups"].as_array().unwrap();
    let all = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    all.map(|rule| {
        assert_ne!(rule["health"], "err", "{rule}");
        rule["health"].clone()
    })
    .collect()
}

async fn firing(prometheus: &Prometheus) -> Vec<Value> {
    let alerts = prometheus.api("alerts").await;
    let mut alerts = alerts["alerts"].as_array().unwrap().clone();
    alerts.retain(|alert| alert["state"] == "firing");
    alerts
}

const FAILED_SHARE: &str =
    r#"namespace_job:partner_gateway_failed_calls:ratio_rate5m{job="gateway"}"#;
