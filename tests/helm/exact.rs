//! What the chart says without a value, to the letter.

use serde_json::{Value, json};

use crate::rendered::Rendered;

#[test]
fn rolls_out_one_replica_after_the_other() {
    let kept = Rendered::of("everything", &["fullnameOverride=gateway"]);
    let spec = &kept.workload()["spec"];

    assert_eq!(spec["minReadySeconds"], 5);
    assert_eq!(spec["revisionHistoryLimit"], 5);
    assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate"}));
    assert_eq!(spec["serviceName"], "gateway-headless");
    let left = Rendered::of("no-persistence", &[]);
    let strategy = &left.workload()["spec"]["strategy"];
    let rolling = json!({"maxUnavailable": 0, "maxSurge": 1});
    let expected = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
    assert_eq!(*strategy, expected);
    let policy = &kept.pod()["spec"]["securityContext"]["fsGroupChangePolicy"];
    assert_eq!(policy, "OnRootMismatch");
}

#[test]
fn scales_by_the_share_of_cpu_and_down_slowly() {
    let rendered = Rendered::of("everything", &[]);

    let spec = &rendered.only("HorizontalPodAutoscaler")["spec"];
    let target = json!({"type": "Utilization", "averageUtilization": 70});
    let resource = json!({"type": "Resource", "resource": {"name": "cpu", "target": target}});
    let slowly = json!([{"type": "Pods", "value": 1, "periodSeconds": 120}]);
    let down = json!({"stabilizationWindowSeconds": 600, "policies": slowly});
    let expected = json!({
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "gateway"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": [resource],
        "behavior": {"scaleDown": down},
    });
    assert_eq!(*spec, expected);
}

/// A replica that is not ready is scraped and searched, and never called.
#[test]
fn shows_replicas_that_are_not_ready_to_operators_only() {
    let rendered = Rendered::of("everything", &[]);

    for (name, shown) in [
        ("gateway", Value::Null),
        ("gateway-headless", true.into()),
        ("gateway-admin", true.into()),
    ] {
        let service = &rendered.one("Service", name)["spec"];
        assert_eq!(service["publishNotReadyAddresses"], shown, "{name}");
    }
}

#[test]
fn brings_each_file_where_it_is_named() {
    let rendered = Rendered::of("everything", &[]);
    let volumes = rendered.pod()["spec"]["volumes"].clone();
    let volume = |name: &str| {
        let volumes = volumes.as_array().into_iter().flatten();
        let mut found = volumes.filter(|volume| volume["name"] == name);
        found.next().cloned().unwrap_or_default()
    };
    let projected = |source: Value| json!({"defaultMode": 288, "sources": [source]});

    let secret = projected(json!({"secret": {"name": "gateway-tls"}}));
    assert_eq!(volume("files-tls")["projected"], secret);
    let config_map = projected(json!({"configMap": {"name": "callers-ca"}}));
    assert_eq!(volume("files-callers")["projected"], config_map);
    let items = json!([{"key": "uri", "path": "url"}]);
    let own = projected(json!({"secret": {"name": "gateway-postgres", "items": items}}));
    assert_eq!(volume("files-postgres")["projected"], own);
    let csi = json!({
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": true,
        "volumeAttributes": {"secretProviderClass": "partner-gateway"},
    });
    assert_eq!(volume("files-partner")["csi"], csi);
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    let api = json!([
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]);
    assert_eq!(volume("kubernetes-api")["projected"]["sources"], api);
    let renamed = Rendered::of("production", &[]);
    let volumes = renamed.pod()["spec"]["volumes"].as_array();
    let audit = volumes
        .into_iter()
        .flatten()
        .find(|volume| volume["name"] == "files-audit");
    let items = json!([{"key": "ed25519.pem", "path": "signing-key"}]);
    let sources = json!([{"secret": {"name": "partner-gateway-audit", "items": items}}]);
    let sources_found = audit.map(|audit| &audit["projected"]["sources"]);
    assert_eq!(sources_found, Some(&sources));
}

#[test]
fn projects_a_token_for_as_long_as_was_asked_for() {
    let set = ["serviceAccountTokens.entra.expirationSeconds=7200"];
    let rendered = Rendered::of("everything", &set);

    let volumes = rendered.pod()["spec"]["volumes"].as_array();
    let token = volumes
        .into_iter()
        .flatten()
        .find(|volume| volume["name"] == "token-entra");
    let source = token.map(|token| &token["projected"]["sources"][0]["serviceAccountToken"]);
    assert_eq!(
        source.map(|it| &it["expirationSeconds"]),
        Some(&7200.into())
    );
}

#[test]
fn lets_a_refresh_token_be_kept_where_its_secret_is() {
    let store = "config.accounts.fabrikam.refresh_token.kubernetes_secret";
    let set = format!("{store}.namespace=vault");
    let rendered = Rendered::of("everything", &[&set]);

    for kind in ["Role", "RoleBinding"] {
        assert_eq!(
            rendered.only(kind)["metadata"]["namespace"],
            "vault",
            "{kind}"
        );
    }
    let subject = &rendered.only("RoleBinding")["subjects"][0];
    assert_eq!(subject["namespace"], "partner");
}

#[test]
fn is_called_by_the_pod_of_the_test_with_what_it_must_know() {
    for (row, host, scheme, public, admin, reads) in [
        (
            "minimal",
            "gw-partner-gateway",
            "http",
            "8080",
            "9090",
            "false",
        ),
        ("everything", "gateway", "https", "8443", "9191", "true"),
    ] {
        let rendered = Rendered::of(row, &[]);

        let env = &rendered.only("Pod")["spec"]["containers"][0]["env"];
        let host = format!("{host}-headless.partner.svc");
        let expected = json!([
            {"name": "HOST", "value": host},
            {"name": "SCHEME", "value": scheme},
            {"name": "PUBLIC_PORT", "value": public},
            {"name": "ADMIN_PORT", "value": admin},
            {"name": "READ_RECORD", "value": reads},
            {"name": "TOKEN_FILE", "value": "/var/run/secrets/partner-gateway/token"},
        ]);
        assert_eq!(*env, expected, "{row}");
    }
}

#[test]
fn scrapes_the_namespace_of_the_release() {
    for (row, set, kind, endpoints) in [
        (
            "production",
            "test.enabled=true",
            "ServiceMonitor",
            "endpoints",
        ),
        (
            "everything",
            "test.enabled=true",
            "PodMonitor",
            "podMetricsEndpoints",
        ),
    ] {
        let rendered = Rendered::of(row, &[set]);

        let spec = &rendered.only(kind)["spec"];
        assert_eq!(
            spec["namespaceSelector"],
            json!({"matchNames": ["partner"]})
        );
        let endpoint = &spec[endpoints][0];
        assert_eq!(endpoint["path"], "/metrics", "{kind}");
        assert_eq!(endpoint["interval"], "30s", "{kind}");
        assert_eq!(spec[endpoints].as_array().map(Vec::len), Some(1), "{kind}");
    }
}
