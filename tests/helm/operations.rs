//! How replicas come, stay, move and go.

use std::fs;

use serde_json::{Value, json};

use crate::rendered::{ROWS, Rendered, root, yaml};

#[test]
fn gives_each_replica_a_journal_of_its_own_that_outlives_it() {
    let rendered = Rendered::of("minimal", &[]);
    let workload = rendered.workload();

    assert_eq!(workload["kind"], "StatefulSet");
    let spec = &workload["spec"];
    assert_eq!(spec["replicas"], 3);
    assert_eq!(spec["podManagementPolicy"], "Parallel");
    let policy = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
    assert_eq!(spec["persistentVolumeClaimRetentionPolicy"], policy);
    let claim = &spec["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim["accessModes"], json!(["ReadWriteOncePod"]));
    assert_eq!(claim["resources"]["requests"]["storage"], "20Gi");
    let headless = rendered.one("Service", spec["serviceName"].as_str().expect("text"));
    assert_eq!(headless["spec"]["clusterIP"], "None");
}

#[test]
fn is_a_deployment_where_a_sink_keeps_the_records() {
    let rendered = Rendered::of("no-persistence", &[]);
    let workload = rendered.workload();

    assert_eq!(workload["kind"], "Deployment");
    assert!(workload["spec"]["volumeClaimTemplates"].is_null());
    let volumes = rendered.pod()["spec"]["volumes"]
        .as_array()
        .expect("volumes");
    let data = volumes.iter().find(|volume| volume["name"] == "data");
    let expected = json!({"name": "data", "emptyDir": {"sizeLimit": "2Gi"}});
    assert_eq!(data, Some(&expected));
}

#[test]
fn takes_a_volume_that_is_larger_than_the_journal_may_grow() {
    let bytes = "config.audit.max_bytes=21474836479";
    for set in [
        &["audit.persistence.size=10.5Gi"][..],
        &["audit.persistence.size=11G"][..],
        &[
            "audit.persistence.size=1.5Ti",
            "config.audit.max_bytes=1TiB",
        ][..],
        &[
            "config.audit.max_bytes=512MiB",
            "audit.persistence.size=513Mi",
        ][..],
        &[bytes][..],
    ] {
        let rendered = Rendered::of("minimal", set);

        let claims = &rendered.workload()["spec"]["volumeClaimTemplates"];
        assert_eq!(claims.as_array().map(Vec::len), Some(1), "{set:?}");
    }
}

#[test]
fn leaves_time_for_the_pause_and_the_whole_drain() {
    // The default of server.drain_timeout, by the product's own word.
    let defaults = fs::read_to_string(root().join("config/default.yaml")).expect("defaults");
    assert!(defaults.contains("\n  drain_timeout: 25s\n"));

    for (set, seconds) in [
        (&[][..], 5 + 25 + 15),
        (&["config.server.drain_timeout=2m"][..], 5 + 120 + 15),
        (&["config.server.drain_timeout=1h"][..], 5 + 3600 + 15),
        (&["config.server.drain_timeout=1500ms"][..], 5 + 2 + 15),
        (&["config.server.drain_timeout=0s"][..], 5 + 15),
        (&["shutdown.pauseSeconds=0"][..], 25 + 15),
        (
            &["shutdown.pauseSeconds=20", "shutdown.marginSeconds=30"][..],
            20 + 25 + 30,
        ),
    ] {
        let rendered = Rendered::of("minimal", set);
        let spec = &rendered.pod()["spec"];

        assert_eq!(spec["terminationGracePeriodSeconds"], seconds, "{set:?}");
    }
    let rendered = Rendered::of("minimal", &[]);
    let sleep = json!({"preStop": {"sleep": {"seconds": 5}}});
    assert_eq!(rendered.container()["lifecycle"], sleep);
    let hurried = Rendered::of("minimal", &["shutdown.pauseSeconds=0"]);
    assert!(hurried.container()["lifecycle"].is_null());
}

#[test]
fn probes_start_life_and_readiness_apart_on_the_operators_listener() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let container = rendered.container();
        let probed = ["startupProbe", "livenessProbe", "readinessProbe"];
        let probed = probed.map(|probe| container[probe]["httpGet"].clone());

        let get = |path: &str| json!({"path": path, "port": "admin"});
        assert_eq!(
            probed,
            [get("/livez"), get("/livez"), get("/readyz")],
            "{row}"
        );
        // Reading a journal of ten million records takes a minute and a half.
        let startup = &container["startupProbe"];
        let patience = ["periodSeconds", "failureThreshold"].map(|key| startup[key].as_i64());
        let [Some(period), Some(threshold)] = patience else {
            panic!("{startup}");
        };
        assert!(period * threshold >= 600, "{row}: {startup}");
    }
}

#[test]
fn listens_where_the_configuration_says() {
    for (row, public, admin, port, name) in [
        ("minimal", 8080, 9090, 80, "http"),
        ("production", 8443, 9090, 443, "https"),
        ("mtls", 8443, 9090, 443, "https"),
        ("everything", 8443, 9191, 8443, "https"),
    ] {
        let rendered = Rendered::of(row, &[]);
        let ports = &rendered.container()["ports"];
        let service = rendered.one("Service", &full_name(&rendered));

        assert_eq!(ports[0]["containerPort"], public, "{row}");
        assert_eq!(ports[1]["containerPort"], admin, "{row}");
        let ports = &service["spec"]["ports"];
        assert_eq!(ports.as_array().map(Vec::len), Some(1), "{row}");
        assert_eq!(ports[0]["port"], port, "{row}");
        assert_eq!(ports[0]["name"], name, "{row}");
        assert_eq!(ports[0]["targetPort"], "public", "{row}");
    }
}

#[test]
fn selects_its_own_pods_and_no_others() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let labels = &rendered.pod()["metadata"]["labels"];
        let own = &rendered.workload()["spec"]["selector"]["matchLabels"];
        let services = rendered.all("Service");
        let services = services.iter().map(|service| &service["spec"]["selector"]);
        let budget = &rendered.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"];
        let policy = &rendered.only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"];

        for selector in services.chain([budget, policy]) {
            assert_eq!(selector, own, "{row}");
        }
        assert!(contains(labels, own), "{row}: {labels}");
        let test = &rendered.only("Pod")["metadata"]["labels"];
        assert!(!contains(test, own), "{row}: {test}");
    }
}

#[test]
fn replaces_pods_when_the_configuration_changes_and_only_then() {
    let checksum = |set: &[&str]| {
        let rendered = Rendered::of("minimal", set);
        rendered.pod()["metadata"]["annotations"]["checksum/config"].to_string()
    };
    let in_place = "reloadInPlace=true";
    let policy = "config.policy[0].name=another";
    let deadline = "config.upstream.deadline=20s";

    assert_eq!(checksum(&[]), checksum(&["replicaCount=5"]));
    assert_ne!(checksum(&[]), checksum(&[policy]));
    assert_eq!(checksum(&[in_place]), checksum(&[in_place, policy]));
    let filter = "config.telemetry.log.filter=debug";
    let format = "config.telemetry.log.format=text";
    assert_eq!(
        checksum(&[in_place, format]),
        checksum(&[in_place, format, filter])
    );
    assert_ne!(checksum(&[in_place]), checksum(&[in_place, format]));
    assert_ne!(checksum(&[in_place]), checksum(&[in_place, deadline]));
}

#[test]
fn spreads_replicas_and_lets_one_be_away() {
    let rendered = Rendered::of("minimal", &[]);
    let spec = &rendered.pod()["spec"];

    let budget = &rendered.only("PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let spread = spec["topologySpreadConstraints"]
        .as_array()
        .expect("spread");
    let over: Vec<_> = spread.iter().map(|it| it["topologyKey"].clone()).collect();
    assert_eq!(
        over,
        ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    );
    for constraint in spread {
        let own = &rendered.workload()["spec"]["selector"];
        assert_eq!(&constraint["labelSelector"], own);
        assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway");
    }
    let none = [
        "podDisruptionBudget.enabled=false",
        "topologySpread.nodes=",
        "topologySpread.zones=",
    ];
    let rendered = Rendered::of("minimal", &none);
    assert!(rendered.all("PodDisruptionBudget").is_empty());
    assert!(rendered.pod()["spec"]["topologySpreadConstraints"].is_null());
}

#[test]
fn leaves_the_number_of_replicas_to_the_autoscaler_where_there_is_one() {
    for (row, set) in [
        ("everything", &[][..]),
        ("no-persistence", &["autoscaling.enabled=true"][..]),
    ] {
        let rendered = Rendered::of(row, set);
        let workload = rendered.workload();
        let target = &rendered.only("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"];

        assert!(workload["spec"]["replicas"].is_null(), "{row}");
        assert_eq!(target["kind"], workload["kind"], "{row}");
        assert_eq!(target["name"], workload["metadata"]["name"], "{row}");
    }
    assert!(
        Rendered::of("minimal", &[])
            .all("HorizontalPodAutoscaler")
            .is_empty()
    );
}

#[test]
fn is_scraped_by_the_operators_listener_and_once() {
    let rendered = Rendered::of("production", &[]);
    let monitor = &rendered.only("ServiceMonitor")["spec"];
    let wanted = &monitor["selector"]["matchLabels"];
    let services = rendered.all("Service");
    let mut selected = services
        .iter()
        .filter(|it| contains(&it["metadata"]["labels"], wanted));

    let service = selected.next().expect("a Service");
    assert!(selected.next().is_none());
    assert_eq!(
        service["spec"]["ports"][0]["name"],
        monitor["endpoints"][0]["port"]
    );
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "admin");
    let rendered = Rendered::of("everything", &[]);
    assert!(rendered.all("ServiceMonitor").is_empty());
    let monitor = &rendered.only("PodMonitor")["spec"];
    assert!(contains(
        &rendered.pod()["metadata"]["labels"],
        &monitor["selector"]["matchLabels"]
    ));
    assert_eq!(monitor["podMetricsEndpoints"][0]["port"], "admin");
    assert_eq!(
        rendered.only("PodMonitor")["metadata"]["labels"]["release"],
        "prometheus"
    );
}

#[test]
fn has_every_rule_and_dashboard_of_the_chart() {
    let rendered = Rendered::of("production", &[]);
    let files = |below: &str, ending: &str| {
        let entries = fs::read_dir(root().join("helm/partner-gateway").join(below));
        let names = entries
            .expect("a directory")
            .map(|entry| entry.expect("entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("UTF-8"))
            .collect();
        names.retain(|name| name.ends_with(ending));
        names.sort();
        names
    };

    let rules = files("rules", ".yaml").into_iter().flat_map(|name| {
        let groups = yaml(&format!("rules/{name}"))["groups"].clone();
        groups.as_array().cloned().unwrap_or_default()
    });
    let rules: Vec<Value> = rules.collect();
    assert_eq!(
        rendered.only("PrometheusRule")["spec"]["groups"],
        json!(rules)
    );
    let dashboards = rendered.one("ConfigMap", "gw-partner-gateway-dashboards");
    let data = dashboards["data"].as_object();
    let shown: Vec<_> = data
        .into_iter()
        .flat_map(|data| data.keys().cloned())
        .collect();
    assert_eq!(shown, files("dashboards", ".json"));
    assert_eq!(dashboards["metadata"]["labels"]["grafana_dashboard"], "1");
}

fn full_name(rendered: &Rendered) -> String {
    let name = rendered.workload()["metadata"]["name"].as_str();
    name.expect("a name").to_owned()
}

pub(crate) fn contains(labels: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_object().expect("labels");
    wanted.iter().all(|(key, value)| labels[key] == *value)
}
