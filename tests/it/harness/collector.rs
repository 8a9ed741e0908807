//! A real OpenTelemetry Collector, which nobody here wrote, as a process: its own receiver of OTLP, and behind it the
//! exporter of `tests/otlp`, which writes down what the receiver understood, as the Collector's own JSON. The answer
//! comes when the exporter is done, because no queue is configured.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    canary,
    process::{Process, free_address, within},
};

/// A collector; it is gone when this is dropped.
pub(crate) struct Collector {
    process: Option<Process>,
    address: SocketAddr,
    file: PathBuf,
    spans: PathBuf,
    dir: TempDir,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// One whose receiver has a further setting.
    pub(crate) async fn with(setting: &str) -> Self {
        Self::writing_to(Path::new("received.jsonl"), setting).await
    }

    pub(crate) async fn writing_to(file: &Path, setting: &str) -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let (file, address) = (dir.path().join(file), free_address());
        let spans = dir.path().join("spans.jsonl");
        let text = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '{address}', {setting}}}}}}}}}\n\
             exporters: {{lines: {{path: '{}'}}, lines/spans: {{path: '{}'}}}}\n\
             service:\n  telemetry: {{metrics: {{level: none}}, logs: {{encoding: json}}}}\n  \
             pipelines:\n    logs: {{receivers: [otlp], exporters: [lines]}}\n    \
             traces: {{receivers: [otlp], exporters: [lines/spans]}}\n",
            file.display(),
            spans.display()
        );
        fs::write(dir.path().join(SETTINGS), text).expect("file");
        let mut collector = Self {
            process: None,
            address,
            file,
            spans,
            dir,
        };
        collector.restart().await;
        collector
    }

    /// Starts it, and waits until it listens.
    pub(crate) async fn restart(&mut self) {
        let settings = self.dir.path().join(SETTINGS);
        let mut command = Command::new(installed());
        let mut process = Process::spawn(command.arg("--config").arg(settings));
        within(async || {
            assert!(!process.has_ended(), "{}", process.stderr());
            listens(&process.stderr())
        })
        .await;
        self.process = Some(process);
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    pub(crate) fn endpoint(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The log records that it has passed on, in their order. A line that a kill cut short is nothing passed on.
    pub(crate) fn records(&self) -> Vec<Value> {
        received(&self.file, ["resourceLogs", "scopeLogs", "logRecords"])
    }

    /// The spans that it has passed on, in their order.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let written = fs::read(&self.spans).expect("a file");
        canary::assert_untold("spans that a collector passed on", &written);
        received(&self.spans, ["resourceSpans", "scopeSpans", "spans"])
    }
}

fn received(file: &Path, [resources, scopes, items]: [&str; 3]) -> Vec<Value> {
    let written = fs::read_to_string(file).expect("a file");
    let requests = written
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let below = |value: Value, name: &str| value[name].as_array().expect(name).clone();
    requests
        .flat_map(|request: Value| below(request, resources))
        .flat_map(|resource| below(resource, scopes))
        .flat_map(|scope| below(scope, items))
        .collect()
}

/// Whether its log says so, in a whole line.
fn listens(log: &str) -> bool {
    let lines = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let mut events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.any(|event| event["msg"] == "Starting HTTP server")
}

/// The collector as `scripts/collector` builds it.
fn installed() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/otlp/bin/collector");
    assert!(
        program.is_file(),
        "the OpenTelemetry Collector is not built: run scripts/collector"
    );
    program
}

const SETTINGS: &str = "collector.yaml";
