//! What the chart says of its values.

use std::{collections::BTreeSet, fs, process::Command};

use serde_json::Value;

use crate::rendered::{chart, root, tool, values, yaml};

#[test]
fn lists_every_value_in_the_readme_as_it_stands() {
    let output = Command::new(root().join("scripts/values-table"))
        .output()
        .expect("scripts/values-table");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let table = String::from_utf8(output.stdout).expect("UTF-8");

    let readme = fs::read_to_string(chart().join("README.md")).expect("README.md");
    let marked = format!("<!-- values:begin -->\n{table}<!-- values:end -->\n");
    assert!(readme.contains(&marked), "scripts/values-table --write");
    let rows: BTreeSet<_> = table
        .lines()
        .filter_map(|row| row.split('`').nth(1))
        .collect();
    for key in &keys() {
        let listed = rows
            .iter()
            .any(|row| key == row || key.starts_with(&format!("{row}.")));
        assert!(listed, "{key}");
    }
}

#[test]
fn knows_every_value_in_the_schema_and_refuses_others() {
    let (schema, of_nats) = (schema("values"), schema("charts/nats/values"));
    let known = |key: &str| {
        let key = key
            .strip_prefix("nats.")
            .map_or((&schema, key), |below| (&of_nats, below));
        let (schema, key) = key;
        let mut at = schema;
        for part in key.split('.') {
            at = resolved(schema, &at["properties"][part]);
            if at["additionalProperties"].is_object() {
                return true;
            }
        }
        !at.is_null()
    };

    for key in &keys() {
        assert!(known(key), "{key}");
    }
    assert!(!known("image.repositry"));
    assert!(!known("nats.image.repositry"));
    let mut open = Vec::new();
    leave_open(&schema, "", &mut open);
    leave_open(&of_nats, "", &mut open);
    // What the gateway itself checks.
    open.retain(|path| !path.starts_with("/properties/config/properties/"));
    assert_eq!(open, [""; 0]);
}

/// The dependency's own schema is asked only while it is on.
#[test]
fn refuses_a_value_of_nats_that_there_is_not_though_nats_is_off() {
    let names = |schema: &Value| {
        let properties = schema["properties"].as_object().expect("properties");
        properties.keys().cloned().collect::<BTreeSet<_>>()
    };

    let own = schema("values");
    let nats = &own["properties"]["nats"];
    assert_eq!(names(nats), names(&schema("charts/nats/values")));
    assert_eq!(nats["additionalProperties"], false);
}

#[test]
fn says_after_an_install_what_to_do_next() {
    for (row, set, told) in SAID {
        let notes = notes(row, set);

        assert!(notes.contains(told), "{row} {set}: {notes}");
    }
    let sound = notes("production", "test.enabled=true");
    assert!(!sound.contains("WARNING"), "{sound}");
    assert!(!sound.contains("cuts it off"), "{sound}");
}

/// What Helm says after an install; Helm 4 needs no cluster to tell.
pub(crate) fn notes(row: &str, set: &str) -> String {
    let output = Command::new(tool("helm4"))
        .args(["install", "gw"])
        .arg(chart())
        .args(["--namespace", "partner", "--dry-run=client", "--set", set])
        .arg("--values")
        .arg(values(row))
        .output()
        .expect("helm");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, notes) = told.split_once("\nNOTES:\n").expect("notes");
    notes.to_owned()
}

/// The versions of chart, image and program go together.
#[test]
fn has_the_version_of_the_program() {
    let chart = yaml("Chart.yaml");

    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// Paths of objects that name properties and take others, too.
fn leave_open(schema: &Value, path: &str, open: &mut Vec<String>) {
    if let Some(entries) = schema.as_object() {
        if entries.contains_key("properties") && schema["additionalProperties"] != false {
            open.push(path.to_owned());
        }
        for (key, part) in entries {
            leave_open(part, &format!("{path}/{key}"), open);
        }
    }
    for part in schema.as_array().into_iter().flatten() {
        leave_open(part, path, open);
    }
}

fn resolved<'a>(schema: &'a Value, at: &'a Value) -> &'a Value {
    let Some(reference) = at["$ref"].as_str() else {
        return at;
    };
    let pointer = reference.trim_start_matches('#');
    schema.pointer(pointer).expect("a definition")
}

fn schema(values: &str) -> Value {
    let file = chart().join(format!("{values}.schema.json"));
    let text = fs::read_to_string(file).expect("a schema");
    serde_json::from_str(&text).expect("JSON")
}

/// All keys of values of the chart and of the one it depends on.
fn keys() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    name(&yaml("values.yaml"), "", &mut keys);
    name(&yaml("charts/nats/values.yaml"), "nats", &mut keys);
    keys
}

/// Names of all keys with their paths.
fn name(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for (key, below) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        name(below, &path, keys);
        keys.insert(path);
    }
}

/// Rows, a value that is set in each, and what is said of it after an install.
const SAID: [(&str, &str, &str); 21] = [
    (
        "own-nats",
        "test.enabled=true",
        "get secret gateway-nats-accounts gateway-nats-tls\n  kubectl -n partner rollout status statefulset/gateway-nats\n",
    ),
    (
        "own-nats",
        "test.enabled=true",
        "for: gateway-nats, gateway-nats.partner.svc, *.gateway-nats-headless.partner.svc\n",
    ),
    (
        "own-nats",
        "nats.tls.existingSecret=,config.cluster.nats.url=nats://gateway-nats",
        "WARNING: records and keys travel to it in the clear",
    ),
    (
        "own-nats",
        "nats.networkPolicy.enabled=false",
        "WARNING: NATS has no network policy",
    ),
    (
        "production",
        "test.enabled=true",
        "https://gw-partner-gateway.partner.svc\n",
    ),
    (
        "production",
        "test.enabled=true",
        "kubectl label namespace NAMESPACE partner-gateway/caller=true",
    ),
    (
        "production",
        "test.enabled=true",
        "helm -n partner test gw --logs",
    ),
    ("production", "test.enabled=true", "Volumes stay"),
    (
        "production",
        "audit.persistence.whenDeleted=Delete",
        "WARNING: volumes go",
    ),
    (
        "production",
        "networkPolicy.enabled=false",
        "WARNING: there is no network policy",
    ),
    (
        "minimal",
        "service.port=8080",
        "http://gw-partner-gateway.partner.svc:8080\n",
    ),
    (
        "minimal",
        "test.enabled=true",
        "WARNING: callers' tokens travel in the clear",
    ),
    (
        "minimal",
        "test.enabled=true",
        "The journal's records are nowhere else",
    ),
    (
        "minimal",
        "test.enabled=true",
        "gw-partner-gateway-admin.partner.svc:9090/metrics",
    ),
    (
        "nats",
        "test.enabled=true",
        "exec -it statefulset/gw-partner-gateway -- partner-gateway login \
             --config /etc/partner-gateway/config/gateway.yaml --account contoso",
    ),
    (
        "no-persistence",
        "test.enabled=true",
        "rollout status deployment/gw-partner-gateway",
    ),
    (
        "nats",
        "config.accounts.contoso.refresh_token.file=/var/lib/partner-gateway/token",
        "WARNING: replicas cannot share its refresh token",
    ),
    (
        "everything",
        "test.enabled=true",
        "kubectl -n partner create secret generic fabrikam-refresh-token\n",
    ),
    (
        "everything",
        "replicaCount=1,config.accounts.fabrikam.refresh_token.file=/var/lib/partner-gateway/token",
        "WARNING: replicas cannot share its refresh token",
    ),
    (
        "everything",
        "test.enabled=true",
        "WARNING: the autoscaler deletes volumes",
    ),
    (
        "minimal",
        "test.enabled=true",
        "set\nconfig.server.drain_timeout to 60s",
    ),
];
