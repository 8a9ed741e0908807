//! Values that are given in unusual ways, and what becomes of them.

use serde_json::{Value, json};

use crate::rendered::{HELMS, Rendered, template_json, yaml};

#[test]
fn refuses_a_null_in_place_of_a_default_or_does_without() {
    let mut keys = Vec::new();
    list(&yaml("values.yaml"), "", &mut keys);
    for (key, default) in keys {
        let set = format!("{key}=null");

        let output = template_json(HELMS[0], "minimal", &[&set]);

        let said = String::from_utf8_lossy(&output.stderr);
        let is_named = ["missing propert", "got null", "is missing"]
            .iter()
            .any(|words| said.contains(words));
        assert!(output.status.success() || is_named, "{set}: {said}");
        let means_something = default.is_number() || default.is_boolean();
        let is_free = key.starts_with("securityContext.");
        assert!(is_named || is_free || !means_something, "{set}: {said}");
    }
}

#[test]
fn leaves_it_to_the_cluster_who_the_processes_are() {
    let set =
        ["runAsUser", "runAsGroup", "fsGroup"].map(|key| format!("securityContext.{key}=null"));
    let rendered = Rendered::given("minimal", &set.each_ref().map(String::as_str));

    for spec in rendered.pod_specs() {
        let context = spec["securityContext"].as_object().expect("a context");
        let mut keys: Vec<_> = context.keys().map(String::as_str).collect();
        keys.retain(|key| *key != "fsGroupChangePolicy");
        assert_eq!(keys, ["runAsNonRoot", "seccompProfile"]);
    }
}

#[test]
fn reads_numbers_as_they_are_meant() {
    for (drain, seconds) in [("0600s", 600), ("010m", 600), ("00s", 0)] {
        let set = format!(r#"config.server.drain_timeout="{drain}""#);
        let rendered = Rendered::given("minimal", &[&set]);

        let spec = &rendered.pod()["spec"];
        assert_eq!(spec["terminationGracePeriodSeconds"], 5 + seconds + 15);
    }
    // One byte less than the volume.
    let bytes = "max_bytes: 21474836479";
    let rendered = Rendered::given("minimal", &["config.audit.max_bytes=21474836479"]);
    assert!(rendered.configuration().contains(bytes));
}

#[test]
fn takes_labels_and_annotations_that_the_chart_has_itself() {
    let set = [
        r#"commonLabels={"app.kubernetes.io/component":"own","helm.sh/chart":"own"}"#,
        r#"podAnnotations={"checksum/config":"own","kubectl.kubernetes.io/default-container":"own"}"#,
        r#"podLabels={"app.kubernetes.io/component":"own"}"#,
    ];
    let rendered = Rendered::given("minimal", &set);

    let component = "app.kubernetes.io/component";
    let labels = |object: &Value| object["metadata"]["labels"][component].clone();
    assert_eq!(labels(rendered.workload()), "gateway");
    assert_eq!(labels(rendered.pod()), "gateway");
    let admin = rendered.one("Service", "gw-partner-gateway-admin");
    assert_eq!(labels(admin), "admin");
    let annotations = &rendered.pod()["metadata"]["annotations"];
    let named = annotations["kubectl.kubernetes.io/default-container"].clone();
    assert_eq!(named, "gateway");
    assert_ne!(annotations["checksum/config"], "own");
}

#[test]
fn lets_in_only_whom_it_is_told_to() {
    let callers = json!([{"namespaceSelector": {"matchLabels": {"team": "billing"}}}]);
    let set = ["callers", "monitoring"].map(|key| format!("networkPolicy.ingress.{key}={callers}"));
    let set = [&set[0], &set[1], "test.enabled=false"];
    let rendered = Rendered::given("minimal", &set);

    let rules = rendered.only("NetworkPolicy")["spec"]["ingress"].clone();
    assert_eq!(rules[0]["from"], callers);
    assert_eq!(rules[1]["from"], callers);
    assert_eq!(rules.as_array().map(Vec::len), Some(2));
}

#[test]
fn lets_pods_out_to_ports_as_they_are_behind_a_service() {
    let ports = |set: &[&str]| {
        let set = [&["nats.enabled=false"], set].concat();
        let rendered = Rendered::given("everything", &set);
        let rules = rendered.only("NetworkPolicy")["spec"]["egress"].clone();
        let rules = rules.as_array().into_iter().flatten();
        let ports = rules.flat_map(|rule| rule["ports"].as_array().cloned().unwrap_or_default());
        let ports: Vec<_> = ports.filter_map(|port| port["port"].as_i64()).collect();
        // Behind those of the DNS, of Microsoft and of the API, and before those of PostgreSQL and of the proxy.
        ports[5..ports.len() - 2].to_vec()
    };
    let traces = |url: &str| format!(r#"config.telemetry.traces.otlp_endpoint="{url}""#);
    let sink = |url: &str| format!(r#"config.audit.sinks[3].endpoint="{url}""#);
    let own = [traces("https://a.example"), sink("https://a.example")];

    // Peers of a collector are let out to on 443, too.
    assert_eq!(ports(&own.each_ref().map(String::as_str)), [4222, 443]);
    let url = r#"config.cluster.nats.url="tls://a:4223, tls://b, tls://c:4223,""#;
    assert_eq!(ports(&[url]), [4222, 4223, 4318]);
    let behind = [
        "networkPolicy.egress.natsPorts=[14222]",
        "networkPolicy.egress.collectorPorts=[14318]",
    ];
    assert_eq!(ports(&behind), [14222, 14318]);
}

#[test]
fn takes_other_ports_that_a_further_rule_opens() {
    let authority =
        r#"config.accounts.contoso.endpoints={"authority":"https://login.example.com:8443"}"#;
    for rule in [
        r#"{"ports":[{"port":8443}]}"#,
        r#"{"ports":[{"port":8000,"endPort":9000}]}"#,
        r#"{"to":[{"ipBlock":{"cidr":"10.0.0.1/32"}}]}"#,
    ] {
        let rule = format!("networkPolicy.egress.extra=[{rule}]");
        let rendered = Rendered::given("minimal", &[authority, &rule]);

        assert_eq!(rendered.all("NetworkPolicy").len(), 1, "{rule}");
    }
    let loopback = r#"config.accounts.contoso.endpoints={"authority":"http://127.0.0.1:8443"}"#;
    Rendered::given("minimal", &[loopback]);
    Rendered::given("minimal", &[authority, "networkPolicy.enabled=false"]);
    // The port of the Kubernetes API, which this row may use.
    let api = r#"config.callers.issuers[0].jwks.url="https://kubernetes.default.svc:6443/keys""#;
    Rendered::given("production", &[api]);
}

#[test]
fn keeps_what_runs_to_the_configuration_that_it_started_with() {
    for (row, kept) in [("minimal", true), ("everything", false)] {
        let rendered = Rendered::of(row, &[]);

        let mounts = rendered.container()["volumeMounts"].as_array();
        let mut mounts = mounts.into_iter().flatten();
        let config = mounts.find(|mount| mount["name"] == "config");
        let whole =
            json!({"name": "config", "mountPath": "/etc/partner-gateway/config", "readOnly": true});
        let alone = json!({
            "name": "config",
            "mountPath": "/etc/partner-gateway/config/gateway.yaml",
            "subPath": "gateway.yaml",
            "readOnly": true,
        });
        assert_eq!(config, Some(if kept { &alone } else { &whole }), "{row}");
    }
}

/// Helm 3 takes the pod away before it shows its log, where it may.
#[test]
fn leaves_the_pod_of_the_test_for_its_log() {
    let rendered = Rendered::of("minimal", &[]);

    let policy = "before-hook-creation";
    let account = rendered.one("ServiceAccount", "gw-partner-gateway-test");
    for hook in [rendered.only("Pod"), account] {
        let annotations = &hook["metadata"]["annotations"];
        assert_eq!(annotations["helm.sh/hook"], "test");
        assert_eq!(annotations["helm.sh/hook-delete-policy"], policy);
    }
}

#[test]
fn names_a_replica_by_its_pod() {
    let expected =
        json!([{"sourceLabels": ["__meta_kubernetes_pod_name"], "targetLabel": "instance"}]);
    let monitor = Rendered::of("production", &[]);
    let found = &monitor.only("ServiceMonitor")["spec"]["endpoints"][0]["relabelings"];
    assert_eq!(*found, expected);
    let monitor = Rendered::of("everything", &[]);
    let found = &monitor.only("PodMonitor")["spec"]["podMetricsEndpoints"][0]["relabelings"];
    assert_eq!(*found, expected);
}

#[test]
fn links_alerts_to_where_the_runbook_is() {
    let links = |set: &[&str]| {
        let rendered = Rendered::given("production", set);
        let groups = rendered.only("PrometheusRule")["spec"]["groups"].clone();
        let groups = groups.as_array().into_iter().flatten();
        let rules = groups.flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default());
        let links = rules.filter_map(|rule| {
            rule["annotations"]["runbook_url"]
                .as_str()
                .map(str::to_owned)
        });
        links.collect::<Vec<_>>()
    };
    let based = links(&[r#"metrics.prometheusRule.runbookBase="https://git.example.com/""#]);
    let plain = links(&[]);

    assert!(plain.len() > 20, "{plain:?}");
    let expected: Vec<_> = plain
        .iter()
        .map(|link| format!("https://git.example.com/{link}"))
        .collect();
    assert_eq!(based, expected);
}

/// Paths of all keys, and their defaults.
fn list(value: &Value, path: &str, keys: &mut Vec<(String, Value)>) {
    for (key, below) in value.as_object().into_iter().flatten() {
        // Labels are nobody's defaults.
        if key.contains('/') || key == "grafana_dashboard" {
            continue;
        }
        let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
        list(below, &path, keys);
        keys.push((path, below.clone()));
    }
}
