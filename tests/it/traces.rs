//! The spans of calls: which there are, what they tell, and who gets them.

mod cost;
mod exporting;
mod following;
pub(crate) mod spans;
mod tree;

use partner_gateway::delivery::{otlp, spans::Settings};
use sandbox::{Fault, Target};

use self::spans::{Spans, decoded};
use crate::harness::World;

/// A world such a share of whose calls is traced.
async fn traced(sample_ratio: f64) -> World {
    World::with(|config| config.traces = Some(settings(sample_ratio))).await
}

fn settings(sample_ratio: f64) -> Settings {
    Settings {
        collector: otlp::Settings {
            endpoint: "https://collector.test/v1/traces".parse().unwrap(),
            headers: Vec::new(),
            ca_file: None,
        },
        sample_ratio,
        propagates: false,
    }
}

/// Ends the gateway, which sends what is left, and tells what the collector has.
async fn collected(world: World) -> Spans {
    let network = world.network.clone();
    world.end().await;
    decoded(&network.collected.lock().unwrap())
}

/// Has the next requests to Partner Center meet a 401, a 503, and a silence after the deed.
pub(crate) fn trouble(sandbox: &sandbox::Sandbox) {
    let status = |status| Fault::Status {
        status,
        body: None,
        content_type: None,
        retry_after: None,
        headers: vec![],
    };
    for fault in [status(401), status(503), Fault::CommitThenHang] {
        sandbox.push_fault(Target::PartnerCenter, fault);
    }
}

/// The tree of a call that met this: each span below its parent, in the order in which they end.
pub(crate) const TREE: [&str; 13] = [
    "call > identify",
    "call > permit",
    "call > intent",
    "call > token",
    "call > attempt PATCH 401",
    "call > token",
    "call > attempt PATCH 503",
    "call > token",
    "call > attempt PATCH timeout",
    "call > read_back > token",
    "call > read_back > attempt GET 200",
    "call > read_back",
    "call > outcome",
];
