//! What watches a gateway: rules, dashboard and runbook fit each other, what the gateway tells, and the program.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod dashboard;
mod firing;
mod prometheus;
mod reading;
mod rules;
mod runbook;

/// Where the rules are.
const RULES: &str = "helm/partner-gateway/rules/partner-gateway.yaml";
