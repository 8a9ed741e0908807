//! A real Prometheus as a process, which scrapes one gateway and goes by the rules of the chart.

use std::{fmt::Write as _, fs, net::SocketAddr, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    process::{Process, free_address, within},
    served::converse,
};

/// A server; it is gone when this is dropped.
pub(super) struct Prometheus {
    address: SocketAddr,
    process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes a gateway, as often as it can, and waits until it listens.
    pub(super) async fn scraping(gateway: SocketAddr) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let address = free_address();
        let rules = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/helm/partner-gateway/rules/partner-gateway.yaml"
        );
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
             rule_files: ['{rules}']\n\
             scrape_configs:\n\
             - {{job_name: gateway, static_configs: [{{targets: ['{gateway}'], labels: {{namespace: partner}}}}]}}\n"
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).expect("file");
        let process = Process::spawn(
            Command::new("prometheus")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    dir.path().join("data").display()
                ))
                .arg(format!("--web.listen-address={address}")),
        );
        let mut server = Self {
            address,
            process,
            _dir: dir,
        };
        within(async || {
            assert!(!server.process.has_ended(), "{}", server.process.stderr());
            server
                .process
                .stderr()
                .contains("Server is ready to receive web requests")
        })
        .await;
        server
    }

    /// The `data` of an answer of its API.
    pub(super) async fn api(&self, path: &str) -> Value {
        let get = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: prometheus\r\n\r\n");
        let answer = converse(self.address, get.as_bytes()).await;
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let mut answer: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].take()
    }

    /// The values that an expression has now.
    pub(super) async fn values(&self, expression: &str) -> Vec<f64> {
        let mut query = String::from("query?query=");
        for byte in expression.bytes() {
            write!(query, "%{byte:02x}").expect("text");
        }
        let data = self.api(&query).await;
        let samples = data["result"].as_array().expect("samples").iter();
        samples
            .map(|sample| sample["value"][1].as_str().expect("a value"))
            .map(|value| value.parse().expect("a number"))
            .collect()
    }
}
