//! Values that would not do are refused, in words that tell what would.

use std::process::Command;

use crate::rendered::{HELMS, Rendered, chart, template, template_json, tool, values};

#[test]
fn refuses_what_the_schema_does_not_know_and_names_it() {
    for (set, told) in [
        (
            "replicaCout=3",
            "additional properties 'replicaCout' not allowed",
        ),
        (
            "config.sever.listen=1",
            "at '/config': additional properties 'sever' not allowed",
        ),
        (
            "image.digest=latest",
            "at '/image/digest': 'latest' does not match pattern",
        ),
        (
            "replicaCount=many",
            "at '/replicaCount': got string, want integer",
        ),
        (
            "securityContext.runAsUser=0",
            "at '/securityContext/runAsUser': minimum: got 0, want 1",
        ),
        (
            "securityContext.privileged=true",
            "additional properties 'privileged' not allowed",
        ),
        (
            "audit.persistence.accessMode=ReadWriteMany",
            "at '/audit/persistence/accessMode'",
        ),
        (
            "networkPolicy.egress.nats[0].cidr=1",
            "additional properties 'cidr' not allowed",
        ),
        (
            "files.partner.existingConfigMap=x",
            "at '/files/partner': 'oneOf' failed",
        ),
        (
            "files.partner.mountPath=etc",
            "at '/files/partner/mountPath'",
        ),
        (
            "serviceAccountTokens.a.mountPath=/a",
            "missing property 'audience'",
        ),
        ("env[0].name=A", "at '/env/0'"),
    ] {
        refuses("minimal", &[set], told);
    }
}

#[test]
fn refuses_what_no_schema_can_see_and_says_what_would_do() {
    for (row, set, told) in UNSEEN {
        refuses(row, &[set], told);
    }
    let name = "env[0].name=PARTNER_GATEWAY__SERVER__DRAIN_TIMEOUT";
    refuses(
        "minimal",
        &[name, "env[0].value=1h"],
        "Write the key under `config`",
    );
}

#[test]
fn refuses_what_would_leak_be_lost_or_be_refused_later() {
    let rows = include_str!("refused.txt").lines();
    for line in rows.filter(|line| !line.starts_with('#')) {
        let parts: Vec<_> = line.split(" | ").collect();
        let set: Vec<_> = parts[1].split(" && ").collect();
        for helm in HELMS {
            let output = template_json(helm, parts[0], &set);

            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{helm} {line}");
            assert!(said.contains(parts[2]), "{helm} {line}: {said}");
            // What was found may be a secret.
            let shown = ["abc", "0f0f", "SUAC"]
                .iter()
                .find(|it| said.contains(**it));
            let is_secret = parts[2].contains("only refer");
            assert!(!(is_secret && shown.is_some()), "{helm} {line}: {said}");
        }
    }
}

#[test]
fn refuses_a_policy_that_would_keep_the_gateway_from_its_sinks() {
    let nats = ["config.cluster.nats.url=nats://nats:4222"];
    refuses("minimal", &nats, "networkPolicy.egress.nats does not say");
    let sink = |kind: &str| {
        let sink = format!("config.audit.sinks[0].kind={kind}");
        [sink, "config.audit.sinks[0].name=central".to_owned()]
    };
    let [postgres, name] = sink("postgres");
    refuses(
        "minimal",
        &[&postgres, &name],
        "networkPolicy.egress.postgres does not say",
    );
    let [otlp, name] = sink("otlp");
    let endpoint = "config.audit.sinks[0].endpoint=http://otel:4318/v1/logs";
    refuses(
        "minimal",
        &[&otlp, &name, endpoint],
        "networkPolicy.egress.collector does not say",
    );

    // On 443 it is open already.
    let endpoint = "config.audit.sinks[0].endpoint=https://otel.example.com/v1/logs";
    let rendered = Rendered::of("minimal", &[&otlp, &name, endpoint]);
    assert_eq!(rendered.all("NetworkPolicy").len(), 1);
    let off = ["networkPolicy.enabled=false", nats[0]];
    assert!(
        Rendered::of("minimal", &off)
            .all("NetworkPolicy")
            .is_empty()
    );
}

#[test]
fn refuses_a_nats_of_its_own_that_nobody_would_go_to_or_anybody_could() {
    let elsewhere = [
        "tls://nats.other.svc",
        "tls://gateway-nats.other.svc",
        "tls://gateway-nats.partner.svc:4223",
        "nats://gateway-nats",
        "tls://gateway-nats\\,tls://nats.other.svc",
        "tls://gateway-nats-headless",
    ];
    for url in elsewhere {
        let url = format!("config.cluster.nats.url={url}");
        refuses(
            "own-nats",
            &[&url],
            "Accepted: tls://gateway-nats.partner.svc, or",
        );
    }
    for (row, set, told) in [
        (
            "own-nats",
            "nats.accounts.existingSecret=",
            "nats.accounts.existingSecret is missing",
        ),
        (
            "own-nats",
            "nats.replicas=1",
            "there cannot be more copies than servers",
        ),
        ("own-nats", "nats.replicas=2", "at '/replicas'"),
        (
            "own-nats",
            "nats.shutdown.lameDuckSeconds=29",
            "at '/shutdown/lameDuckSeconds'",
        ),
        ("own-nats", "nats.image.digest=latest", "at '/image/digest'"),
        (
            "minimal",
            "nats.enabld=true",
            "additional properties 'enabld' not allowed",
        ),
    ] {
        refuses(row, &[set], told);
    }
    let unused = ["nats.enabled=true", "nats.accounts.existingSecret=accounts"];
    refuses(
        "minimal",
        &unused,
        "nobody would use it. Accepted: url: nats://gw-nats.partner.svc, with",
    );
    let open = [
        "nats.tls.existingSecret=",
        "config.cluster.nats.url=nats://gateway-nats",
        "nats.networkPolicy.enabled=false",
    ];
    refuses(
        "own-nats",
        &open,
        "whoever reaches a server could join the cluster",
    );
}

#[test]
fn refuses_to_run_without_accounts_and_callers() {
    for helm in HELMS {
        let output = template(helm, None, &[]);

        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{helm}");
        assert!(
            said.contains("config.accounts is missing"),
            "{helm}: {said}"
        );
        let output = template(helm, None, &["config.accounts.a.client_id=b"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("config.callers is missing"), "{helm}: {said}");
    }
}

/// Older ones do not know the pause before SIGTERM.
#[test]
fn refuses_a_kubernetes_that_is_too_old() {
    for helm in HELMS {
        let output = Command::new(tool(helm))
            .args(["template", "gw", "--kube-version", "1.29.9"])
            .arg(chart())
            .arg("--values")
            .arg(values("minimal"))
            .output()
            .expect("helm");

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{helm}");
        assert!(
            said.contains("chart requires kubeVersion: >=1.30.0-0"),
            "{helm}: {said}"
        );
    }
}

fn refuses(row: &str, set: &[&str], told: &str) {
    for helm in HELMS {
        let output = template(helm, Some(&values(row)), set);

        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{helm} {set:?}");
        assert!(said.contains(told), "{helm} {set:?}: {said}");
    }
}

/// Rows, a value that is set in each, and what is told of it.
const UNSEEN: [(&str, &str, &str); 18] = [
    (
        "minimal",
        "audit.persistence.size=10Gi",
        "may grow to 10GiB",
    ),
    (
        "minimal",
        "config.audit.max_bytes=30GiB",
        "audit.persistence.size is 20Gi, but the journal may grow to 30GiB",
    ),
    (
        "minimal",
        "config.audit.max_bytes=20GiB",
        "audit.persistence.size is 20Gi",
    ),
    (
        "no-persistence",
        "audit.persistence.size=900M",
        "may grow to 1GiB",
    ),
    (
        "no-persistence",
        "config.audit.sinks[0].required=false",
        "must then have a sink with `required: true`",
    ),
    ("minimal", "config.callers=", "got string, want object"),
    (
        "minimal",
        "audit.persistence.enabled=false",
        "must then have a sink with `required: true`",
    ),
    (
        "minimal",
        "config.audit.dir=/tmp/audit",
        "a directory inside /var/lib/partner-gateway",
    ),
    (
        "minimal",
        "config.server.listen=127.0.0.1:8080",
        "nobody outside of the pod can reach",
    ),
    (
        "minimal",
        "config.admin.listen=[::1]:9090",
        "nobody outside of the pod can reach",
    ),
    (
        "minimal",
        "config.server.listen=localhost:8080",
        "an IP address and a port",
    ),
    (
        "minimal",
        "config.server.drain_timeout=25",
        "a duration such as 500ms, 30s, 5m, 1h",
    ),
    (
        "minimal",
        "config.accounts.contoso.credential.client_secret=abc",
        "no place for one",
    ),
    (
        "minimal",
        "files.partner.mountPath=/var/lib/partner-gateway/x",
        "is taken",
    ),
    (
        "minimal",
        "workloadIdentity.enabled=true",
        "does not say for which application",
    ),
    (
        "everything",
        "metrics.serviceMonitor.enabled=true",
        "counted twice",
    ),
    ("nats", "networkPolicy.egress.nats=", "want array"),
    ("production", "networkPolicy.egress.postgres=", "want array"),
];
