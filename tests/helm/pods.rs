//! What pods may, and whose word they take.

use serde_json::{Value, json};

use crate::rendered::{ROWS, Rendered};

#[test]
fn keeps_every_pod_to_the_restricted_standard() {
    for row in ROWS {
        for spec in Rendered::of(row, &[]).pod_specs() {
            let pod = &spec["securityContext"];
            assert_eq!(pod["runAsNonRoot"], true, "{row}");
            assert_eq!(
                pod["seccompProfile"],
                json!({"type": "RuntimeDefault"}),
                "{row}"
            );
            for key in ["runAsUser", "runAsGroup", "fsGroup"] {
                assert_eq!(pod[key], 65532, "{row}: {key}");
            }
            for key in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
                assert!(spec[key].is_null(), "{row}: {key}");
            }
            let containers = containers(spec);
            assert!(!containers.is_empty());
            for container in containers {
                let expected = json!({
                    "allowPrivilegeEscalation": false,
                    "privileged": false,
                    "readOnlyRootFilesystem": true,
                    "runAsNonRoot": true,
                    "capabilities": {"drop": ["ALL"]},
                });
                assert_eq!(container["securityContext"], expected, "{row}");
            }
            for volume in list(&spec["volumes"]) {
                assert!(volume["hostPath"].is_null(), "{row}: {volume}");
            }
        }
    }
}

#[test]
fn gives_no_pod_a_token_for_the_kubernetes_api_that_needs_none() {
    for (row, wants_one) in [
        ("minimal", false),
        ("production", true),
        ("workload-identity", false),
        ("mtls", false),
        ("nats", false),
        ("own-nats", false),
        ("no-persistence", false),
        ("everything", true),
    ] {
        let rendered = Rendered::of(row, &[]);

        for spec in rendered.pod_specs() {
            assert_eq!(spec["automountServiceAccountToken"], false, "{row}");
            assert_eq!(spec["enableServiceLinks"], false, "{row}");
        }
        for account in rendered.all("ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{row}");
        }
        let mounted = mounts(rendered.container());
        let at = "/var/run/secrets/kubernetes.io/serviceaccount";
        assert_eq!(
            mounted.iter().any(|(_, path)| path == at),
            wants_one,
            "{row}"
        );
    }
}

#[test]
fn may_read_and_write_the_secret_of_a_refresh_token_and_no_other() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        assert!(rendered.all("ClusterRole").is_empty(), "{row}");
        assert!(rendered.all("ClusterRoleBinding").is_empty(), "{row}");
        let roles = rendered.all("Role");
        assert_eq!(roles.len(), usize::from(row == "everything"), "{row}");
        assert_eq!(rendered.all("RoleBinding").len(), roles.len(), "{row}");
    }
    let rendered = Rendered::of("everything", &[]);
    let role = rendered.only("Role");
    let binding = rendered.only("RoleBinding");

    let rules = json!([{
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": ["fabrikam-refresh-token"],
        "verbs": ["get", "update"],
    }]);
    assert_eq!(role["rules"], rules);
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    let subject = json!([{"kind": "ServiceAccount", "name": "gateway", "namespace": "partner"}]);
    assert_eq!(binding["subjects"], subject);
    assert!(
        Rendered::of("everything", &["kubernetesApi.rbac=false"])
            .all("Role")
            .is_empty()
    );
}

#[test]
fn makes_no_secret_and_shows_none() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);

        assert!(rendered.all("Secret").is_empty(), "{row}");
        let spec = &rendered.pod()["spec"];
        for volume in list(&spec["volumes"]) {
            let modes = [&volume["projected"]["defaultMode"], &volume["secret"]];
            assert!(modes[1].is_null(), "{row}: {volume}");
            if !volume["projected"].is_null() {
                assert_eq!(modes[0], 0o440, "{row}: {volume}");
            }
        }
    }
    let env = Rendered::of("nats", &[]).container()["env"].clone();
    let reference =
        json!({"secretKeyRef": {"name": "partner-gateway-credentials", "key": "client-secret"}});
    assert_eq!(
        env,
        json!([{"name": "PARTNER_CLIENT_SECRET", "valueFrom": reference}])
    );
}

#[test]
fn checks_what_it_serves_with_the_same_image_files_and_variables() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let spec = &rendered.pod()["spec"];
        let (check, serve) = (&spec["initContainers"][0], &spec["containers"][0]);

        let config = "/etc/partner-gateway/config/gateway.yaml";
        assert_eq!(check["args"], json!(["check", "--config", config]), "{row}");
        assert_eq!(serve["args"], json!(["serve", "--config", config]), "{row}");
        for key in ["image", "env", "volumeMounts", "imagePullPolicy"] {
            assert_eq!(check[key], serve[key], "{row}: {key}");
        }
    }
}

#[test]
fn writes_nowhere_but_on_the_volume_of_the_journal() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        for container in containers(&rendered.pod()["spec"]) {
            let writable: Vec<_> = list(&container["volumeMounts"])
                .iter()
                .filter(|mount| mount["readOnly"] != true)
                .map(|mount| mount["mountPath"].clone())
                .collect();

            assert_eq!(writable, ["/var/lib/partner-gateway"], "{row}");
        }
    }
}

#[test]
fn mounts_every_volume_and_has_every_volume_that_it_mounts() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let workload = &rendered.workload()["spec"];
        let claims = list(&workload["volumeClaimTemplates"]);
        let claims = claims.iter().map(|claim| &claim["metadata"]["name"]);
        let volumes = list(&rendered.pod()["spec"]["volumes"]);
        let volumes = volumes.iter().map(|volume| &volume["name"]);
        let mut names: Vec<_> = claims.chain(volumes).cloned().collect();
        let mounted = mounts(rendered.container());
        let mut mounted: Vec<_> = mounted
            .into_iter()
            .map(|(name, _)| Value::from(name))
            .collect();
        names.sort_by_key(ToString::to_string);
        mounted.sort_by_key(ToString::to_string);

        assert_eq!(names, mounted, "{row}");
    }
}

#[test]
fn is_known_to_the_webhook_of_workload_identity_where_that_is_wanted() {
    let with = Rendered::of("workload-identity", &[]);
    let without = Rendered::of("minimal", &[]);

    let key = "azure.workload.identity/use";
    assert_eq!(with.pod()["metadata"]["labels"][key], "true");
    assert!(without.pod()["metadata"]["labels"][key].is_null());
    let account = with.one("ServiceAccount", "gw-partner-gateway");
    let expected = json!({
        "azure.workload.identity/client-id": "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01",
        "azure.workload.identity/tenant-id": "3a9a35ce-d5be-4814-ab58-4451c36fe157",
        "azure.workload.identity/service-account-token-expiration": "3600",
    });
    assert_eq!(account["metadata"]["annotations"], expected);
}

#[test]
fn projects_tokens_for_the_audience_that_was_asked_for() {
    let rendered = Rendered::of("everything", &[]);
    let volumes = list(&rendered.pod()["spec"]["volumes"]);
    let token = volumes
        .iter()
        .find(|volume| volume["name"] == "token-entra");

    let source = &token.expect("a volume")["projected"]["sources"][0]["serviceAccountToken"];
    let expected = json!({"path": "token", "audience": "api://AzureADTokenExchange", "expirationSeconds": 3600});
    assert_eq!(source, &expected);
    let mounted = mounts(rendered.container());
    let mount = (
        "token-entra".to_owned(),
        "/var/run/secrets/entra".to_owned(),
    );
    assert!(mounted.contains(&mount), "{mounted:?}");
}

#[test]
fn runs_the_image_by_its_digest_where_there_is_one() {
    for (set, image) in [
        ("image.tag=", "partner-gateway:0.1.0"),
        ("image.tag=v9", "partner-gateway:v9"),
    ] {
        assert_eq!(Rendered::of("minimal", &[set]).container()["image"], image);
    }
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("registry.example.com/partner-gateway@{digest}");
    assert_eq!(Rendered::of("production", &[]).container()["image"], image);
}

pub(crate) fn containers(spec: &Value) -> Vec<&Value> {
    let kinds = ["initContainers", "containers"];
    kinds.iter().flat_map(|kind| list(&spec[*kind])).collect()
}

/// Names of volumes and where they are mounted.
pub(crate) fn mounts(container: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mounts = list(&container["volumeMounts"]).iter();
    let mounts = mounts.map(|mount| (text(&mount["name"]), text(&mount["mountPath"])));
    mounts.collect()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
