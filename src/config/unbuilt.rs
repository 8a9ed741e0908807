//! What the contract has and this version does not do.
//!
//! Its keys are read and told of. Whoever builds one of them takes its line out here; one whose silent absence would be
//! dangerous has to stop the start instead.

use crate::config::{
    fault::Place,
    node::{Node, Value},
    report::Report,
};

/// Reports every key that is set and not served.
pub(crate) fn report_unbuilt(tree: &Node, defaults: &Node, report: &Report) {
    for pattern in IDLE {
        let default = defaults.select(pattern).pop();
        for (path, node) in tree.select(pattern) {
            let changed = default
                .as_ref()
                .is_none_or(|(_, default)| differs(node, default));
            if node.place != Place::Default && changed {
                report.notice(
                    &node.place,
                    &path,
                    "is read but has no effect in this version",
                );
            }
        }
    }
}

fn differs(node: &Node, default: &Node) -> bool {
    match (&node.value, &default.value) {
        (Value::Scalar(one), Value::Scalar(other)) => one != other,
        _ => true,
    }
}

/// Keys that tune what is not built.
const IDLE: [&str; 2] = [
    "telemetry.traces.otlp_endpoint",
    "telemetry.traces.sample_ratio",
];
