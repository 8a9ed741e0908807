//! Who may come in, and where pods may go: both ways denied but for what is listed.

use serde_json::{Value, json};

use crate::rendered::{ROWS, Rendered};

#[test]
fn denies_both_ways_what_is_not_listed() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let policy = &rendered.only("NetworkPolicy")["spec"];

        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "{row}");
        for rule in policy["ingress"].as_array().expect("rules") {
            assert!(is_narrow(rule, "from"), "{row}: {rule}");
        }
        for rule in policy["egress"].as_array().expect("rules") {
            assert!(is_narrow(rule, "to"), "{row}: {rule}");
        }
    }
}

#[test]
fn lets_callers_in_by_the_label_of_their_namespace() {
    let rendered = Rendered::of("minimal", &[]);

    let from = peers(&rendered, "ingress", &json!("public"));
    assert_eq!(from.len(), 2, "{from:?}");
    assert_eq!(
        from[0],
        json!({"namespaceSelector": {"matchLabels": {"partner-gateway/caller": "true"}}})
    );
    assert_eq!(from[1], test_pod());
    let without = Rendered::of("minimal", &["test.enabled=false"]);
    assert_eq!(peers(&without, "ingress", &json!("public")), from[..1]);
}

#[test]
fn lets_monitoring_in_at_the_operators_listener_and_nobody_else() {
    let rendered = Rendered::of("minimal", &[]);

    let from = peers(&rendered, "ingress", &json!("admin"));
    let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    assert_eq!(from, [monitoring, test_pod()]);
    let rules = rendered.only("NetworkPolicy")["spec"]["ingress"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(2));
}

#[test]
fn lets_pods_out_to_what_the_configuration_needs() {
    let dns = json!([{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]);
    for (row, expected) in [
        ("minimal", &[&[443][..]][..]),
        ("production", &[&[443], &[443, 6443], &[5432]]),
        ("workload-identity", &[&[443]]),
        ("mtls", &[&[443]]),
        ("nats", &[&[443], &[4222]]),
        ("no-persistence", &[&[443], &[4318]]),
        ("own-nats", &[&[443], &[4222]]),
        (
            "everything",
            &[&[443], &[443, 6443], &[4222], &[4318], &[5432], &[3128]],
        ),
    ] {
        let rendered = Rendered::of(row, &[]);
        let rules = rendered.only("NetworkPolicy")["spec"]["egress"].as_array();
        let ports: Vec<_> = rules
            .into_iter()
            .flatten()
            .map(|rule| rule["ports"].clone())
            .collect();

        let tcp = |port: &i64| json!({"port": port, "protocol": "TCP"});
        let expected = expected.iter().map(|rule| rule.iter().map(tcp).collect());
        let expected: Vec<Value> = [dns.clone()].into_iter().chain(expected).collect();
        assert_eq!(ports, expected, "{row}");
    }
    let rendered = Rendered::of("minimal", &[]);
    let rules = rendered.only("NetworkPolicy")["spec"]["ingress"].clone();
    for (rule, port) in [(0, "public"), (1, "admin")] {
        let expected = json!([{"port": port, "protocol": "TCP"}]);
        assert_eq!(rules[rule]["ports"], expected);
    }
}

#[test]
fn lets_pods_out_to_where_the_values_say_that_it_is() {
    let rendered = Rendered::of("everything", &[]);
    let observability = json!({"kubernetes.io/metadata.name": "observability"});

    for (port, peer) in [
        (
            4318,
            json!({"namespaceSelector": {"matchLabels": observability}}),
        ),
        (5432, json!({"ipBlock": {"cidr": "10.20.0.0/24"}})),
        (3128, json!({"ipBlock": {"cidr": "10.30.0.1/32"}})),
    ] {
        assert_eq!(peers(&rendered, "egress", &json!(port)), [peer], "{port}");
    }
    let dns = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    });
    assert_eq!(peers(&rendered, "egress", &json!(53)), [dns]);
}

#[test]
fn keeps_pods_from_the_metadata_service_of_their_node() {
    let rendered = Rendered::of("production", &[]);

    for port in [443, 6443] {
        let to = peers(&rendered, "egress", &json!(port));
        assert!(!to.is_empty());
        for peers in to.chunks(2) {
            let blocks = json!([
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
                {"ipBlock": {
                    "cidr": "::/0",
                    "except": ["fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"],
                }},
            ]);
            assert_eq!(json!(peers), blocks);
        }
    }
    let narrowed = Rendered::of("everything", &[]);
    let microsoft = json!({"ipBlock": {"cidr": "20.0.0.0/8"}});
    assert_eq!(peers(&narrowed, "egress", &json!(443))[0], microsoft);
}

/// A rule that lacks ports or peers would open all of them, and so would a selector of nothing.
pub(crate) fn is_narrow(rule: &Value, peers: &str) -> bool {
    let listed = |part: &str| rule[part].as_array().filter(|part| !part.is_empty());
    let narrow = |peer: &Value| {
        let selectors = peer.as_object().expect("a peer");
        !selectors.is_empty() && selectors.values().all(|selector| *selector != json!({}))
    };
    listed("ports").is_some() && listed(peers).is_some_and(|peers| peers.iter().all(narrow))
}

/// Peers of all rules of the gateway's policy that name a port.
fn peers(rendered: &Rendered, direction: &str, port: &Value) -> Vec<Value> {
    peers_of(rendered.only("NetworkPolicy"), direction, port)
}

/// Peers of all rules that name a port.
pub(crate) fn peers_of(policy: &Value, direction: &str, port: &Value) -> Vec<Value> {
    let key = if direction == "ingress" { "from" } else { "to" };
    let rules = &policy["spec"][direction];
    let names_it = |rule: &&Value| {
        let ports = rule["ports"].as_array().into_iter().flatten();
        ports.into_iter().any(|it| it["port"] == *port)
    };
    let rules = rules.as_array().into_iter().flatten().filter(names_it);
    rules
        .flat_map(|rule| rule[key].as_array().cloned().unwrap_or_default())
        .collect()
}

fn test_pod() -> Value {
    json!({"podSelector": {"matchLabels": {
        "app.kubernetes.io/name": "partner-gateway",
        "app.kubernetes.io/instance": "gw",
        "app.kubernetes.io/component": "test",
    }}})
}
