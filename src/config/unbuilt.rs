//! What the contract has and this version does not do.
//!
//! Keys that merely tune something are read and told of; features whose silent absence would be
//! dangerous stop the start. Whoever builds one of them takes its line out here.

use crate::config::{
    fault::Place,
    node::{Node, Value},
    report::Report,
};

/// Reports every key that is set and not served.
pub(crate) fn report_unbuilt(tree: &Node, defaults: &Node, report: &Report) {
    for pattern in REFUSED {
        for (path, node) in tree.select(pattern) {
            let problem = "not available in this version; accepted: nothing, leave the key out";
            report.fault(&node.place, &path, problem.to_owned());
        }
    }
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

/// Keys whose silent absence would be dangerous or useless.
const REFUSED: [&str; 1] = ["accounts.*.refresh_token.nats"];

/// Keys that tune what is not built.
const IDLE: [&str; 2] = [
    "telemetry.traces.otlp_endpoint",
    "telemetry.traces.sample_ratio",
];
