//! The NATS that the chart brings where it is wanted: what it consists of, who reaches it, and that the gateway goes there.

use std::fs;

use serde_json::{Value, json};

use crate::{
    network::{is_narrow, peers_of},
    operations::contains,
    pods::{containers, list, mounts},
    rendered::{ROWS, Rendered, root, yaml},
};

#[test]
fn has_nothing_of_nats_unless_it_is_wanted() {
    for row in ROWS.into_iter().filter(|row| !WITH_NATS.contains(row)) {
        let rendered = Rendered::of(row, &[]);

        assert!(rendered.nats.is_empty(), "{row}");
        assert!(!rendered.text.contains("charts/nats"), "{row}");
    }
    for row in WITH_NATS {
        let rendered = Rendered::of(row, &[]);

        let mut kinds: Vec<_> = rendered.nats.iter().map(|it| it["kind"].clone()).collect();
        kinds.sort_by_key(ToString::to_string);
        assert_eq!(
            kinds,
            [
                "ConfigMap",
                "NetworkPolicy",
                "PodDisruptionBudget",
                "Service",
                "Service",
                "ServiceAccount",
                "StatefulSet"
            ],
            "{row}"
        );
    }
}

#[test]
fn gives_the_servers_no_rights_no_token_and_one_place_to_write() {
    for row in WITH_NATS {
        let rendered = Rendered::of(row, &[]);
        let spec = pod(&rendered);

        let account = rendered.of_nats("ServiceAccount");
        assert_eq!(account["automountServiceAccountToken"], false, "{row}");
        let name = &account["metadata"]["name"];
        assert_eq!(&spec["spec"]["serviceAccountName"], name, "{row}");
        let [container] = &containers(&spec["spec"])[..] else {
            panic!("{row}: one container");
        };
        let writable: Vec<_> = list(&container["volumeMounts"])
            .iter()
            .filter(|mount| mount["readOnly"] != true)
            .map(|mount| mount["mountPath"].clone())
            .collect();
        assert_eq!(writable, ["/var/lib/nats"], "{row}");
    }
}

#[test]
fn shows_the_servers_their_configuration_and_the_secrets_that_were_named() {
    for (row, accounts, key, tls) in [
        (
            "own-nats",
            "gateway-nats-accounts",
            "accounts.conf",
            "gateway-nats-tls",
        ),
        ("everything", "nats-accounts", "nats.conf", "nats-tls"),
    ] {
        let rendered = Rendered::of(row, &[]);
        let volumes = &pod(&rendered)["spec"]["volumes"];
        let secret = |name: &str| json!({"name": name});
        let mut who = secret(accounts);
        who["items"] = json!([{"key": key, "path": "accounts.conf"}]);

        let config = rendered.of_nats("ConfigMap")["metadata"]["name"].clone();
        let projected =
            |secret: Value| json!({"defaultMode": 0o440, "sources": [{"secret": secret}]});
        let expected = json!([
            {"name": "config", "configMap": {"name": config}},
            {"name": "accounts", "projected": projected(who)},
            {"name": "tls", "projected": projected(secret(tls))},
        ]);
        assert_eq!(volumes, &expected, "{row}");
        let expected = [
            ("config", "/etc/nats/nats.conf"),
            ("accounts", "/etc/nats/accounts"),
            ("tls", "/etc/nats/tls"),
            ("data", "/var/lib/nats"),
        ];
        let expected = expected.map(|(name, path)| (name.to_owned(), path.to_owned()));
        assert_eq!(mounts(server(&rendered)), expected, "{row}");
    }
}

#[test]
fn lets_in_gateways_of_the_release_other_servers_and_monitoring_and_nobody_else() {
    for row in WITH_NATS {
        let rendered = Rendered::of(row, &[]);
        let policy = rendered.of_nats("NetworkPolicy");
        let labels = &pod(&rendered)["metadata"]["labels"];

        assert_eq!(
            policy["spec"]["policyTypes"],
            json!(["Ingress", "Egress"]),
            "{row}"
        );
        for (direction, key) in [("ingress", "from"), ("egress", "to")] {
            for rule in list(&policy["spec"][direction]) {
                assert!(is_narrow(rule, key), "{row}: {rule}");
            }
        }
        assert_eq!(list(&policy["spec"]["ingress"]).len(), 3, "{row}");
        assert_eq!(list(&policy["spec"]["egress"]).len(), 2, "{row}");
        let gateways = only_pods(&peers_of(policy, "ingress", &json!("client"))[..1]);
        assert!(
            contains(&rendered.pod()["metadata"]["labels"], &gateways),
            "{row}"
        );
        for other in [labels, &rendered.only("Pod")["metadata"]["labels"]] {
            assert!(!contains(other, &gateways), "{row}: {other}");
        }
        assert_eq!(gateways["app.kubernetes.io/instance"], "gw", "{row}");
        for direction in ["ingress", "egress"] {
            let servers = only_pods(&peers_of(policy, direction, &json!("cluster")));
            assert!(contains(labels, &servers), "{row}: {direction}");
            assert!(
                !contains(&rendered.pod()["metadata"]["labels"], &servers),
                "{row}"
            );
        }
    }
    let rendered = Rendered::of("everything", &[]);
    let policy = rendered.of_nats("NetworkPolicy");
    let audit = json!({"namespaceSelector": {"matchLabels": {"team": "audit"}}});
    assert_eq!(peers_of(policy, "ingress", &json!("client"))[1..], [audit]);
    let monitoring = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}});
    let nodes = json!({"ipBlock": {"cidr": "10.0.0.0/24"}});
    assert_eq!(
        peers_of(policy, "ingress", &json!("monitoring")),
        [monitoring, nodes]
    );
}

#[test]
fn lets_gateways_out_to_the_servers() {
    let given = json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "nats"}}});
    for (row, others) in [("own-nats", &[][..]), ("everything", &[given][..])] {
        let rendered = Rendered::of(row, &[]);

        let peers = peers_of(rendered.only("NetworkPolicy"), "egress", &json!(4222));
        let (own, before) = peers.split_last().expect("a peer");
        assert_eq!(before, others, "{row}");
        let own = only_pods(std::slice::from_ref(own));
        assert!(
            contains(&pod(&rendered)["metadata"]["labels"], &own),
            "{row}"
        );
        assert_eq!(own["app.kubernetes.io/instance"], "gw", "{row}");
    }
}

#[test]
fn selects_servers_and_no_gateways() {
    for row in WITH_NATS {
        let rendered = Rendered::of(row, &[]);
        let own = &rendered.of_nats("StatefulSet")["spec"]["selector"]["matchLabels"];
        let services = rendered.nats.iter().filter(|it| it["kind"] == "Service");
        let selectors = services.map(|service| &service["spec"]["selector"]).chain([
            &rendered.of_nats("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            &rendered.of_nats("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ]);

        for selector in selectors {
            assert_eq!(selector, own, "{row}");
        }
        assert!(
            contains(&pod(&rendered)["metadata"]["labels"], own),
            "{row}"
        );
        assert!(
            !contains(&rendered.pod()["metadata"]["labels"], own),
            "{row}"
        );
        let gateways = &rendered.workload()["spec"]["selector"]["matchLabels"];
        assert!(
            !contains(&pod(&rendered)["metadata"]["labels"], gateways),
            "{row}"
        );
    }
}

#[test]
fn finds_servers_by_names_that_the_headless_service_has() {
    for row in WITH_NATS {
        let rendered = Rendered::of(row, &[]);
        let set = rendered.of_nats("StatefulSet");
        let name = set["metadata"]["name"].as_str().expect("a name");

        let headless = format!("{name}-headless");
        assert_eq!(set["spec"]["serviceName"], headless, "{row}");
        let services = rendered.nats.iter().filter(|it| it["kind"] == "Service");
        let mut services = services.filter(|it| it["metadata"]["name"] == headless);
        let spec = &services.next().expect("a Service")["spec"];
        assert_eq!(spec["clusterIP"], "None", "{row}");
        assert_eq!(spec["publishNotReadyAddresses"], true, "{row}");
        assert_eq!(set["spec"]["podManagementPolicy"], "Parallel", "{row}");
        for at in 0..3 {
            let route = format!("\"nats-route://{name}-{at}.{headless}.partner.svc:6222\"\n");
            assert!(conf(&rendered).contains(&route), "{row}: {route}");
        }
        assert_eq!(conf(&rendered).matches("nats-route:").count(), 3, "{row}");
    }
}

#[test]
fn is_one_server_without_a_cluster_where_one_is_wanted() {
    let one = ["nats.replicas=1", "config.cluster.nats.replicas=1"];
    let rendered = Rendered::of("own-nats", &one);

    assert_eq!(rendered.of_nats("StatefulSet")["spec"]["replicas"], 1);
    assert!(!conf(&rendered).contains("cluster"), "{}", conf(&rendered));
    assert!(!rendered.of_nats("StatefulSet").to_string().contains("6222"));
    let policy = &rendered.of_nats("NetworkPolicy")["spec"];
    assert_eq!(policy["egress"], json!([]));
    assert_eq!(list(&policy["ingress"]).len(), 2);
}

#[test]
fn keeps_streams_on_a_volume_that_they_cannot_fill_and_syncs_before_it_acknowledges() {
    for (set, size, room, sync) in [
        (&[][..], "20Gi", 19_327_352_832_u64, "always"),
        (
            &["nats.persistence.size=1000M"][..],
            "1000M",
            900_000_000,
            "always",
        ),
        (&["nats.syncInterval=2m"][..], "20Gi", 19_327_352_832, "2m"),
    ] {
        let rendered = Rendered::of("own-nats", set);
        let spec = &rendered.of_nats("StatefulSet")["spec"];

        let claim = &spec["volumeClaimTemplates"][0];
        assert_eq!(claim["metadata"]["name"], "data");
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], size);
        assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOncePod"]));
        let policy = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
        assert_eq!(spec["persistentVolumeClaimRetentionPolicy"], policy);
        for line in [
            "store_dir: \"/var/lib/nats\"".to_owned(),
            format!("max_file_store: {room}"),
            format!("sync_interval: \"{sync}\""),
        ] {
            assert!(conf(&rendered).contains(&format!("  {line}\n")), "{line}");
        }
    }
}

#[test]
fn leaves_as_a_lame_duck_and_has_the_time_to() {
    for (row, duck, seconds) in [("own-nats", "30s", 50), ("everything", "45s", 60)] {
        let rendered = Rendered::of(row, &[]);
        let duration = format!("lame_duck_duration: \"{duck}\"\n");

        assert!(conf(&rendered).contains(&duration), "{row}");
        let grace = &pod(&rendered)["spec"]["terminationGracePeriodSeconds"];
        assert_eq!(grace, &json!(seconds), "{row}");
        let command = json!(["nats-server", "--signal", "ldm=1"]);
        assert_eq!(
            server(&rendered)["lifecycle"]["preStop"]["exec"]["command"],
            command
        );
    }
}

#[test]
fn spreads_servers_and_lets_one_be_away() {
    let rendered = Rendered::of("own-nats", &[]);

    let budget = &rendered.of_nats("PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    let spread = list(&pod(&rendered)["spec"]["topologySpreadConstraints"]);
    let over = spread
        .iter()
        .map(|it| [&it["topologyKey"], &it["whenUnsatisfiable"]]);
    let expected = [
        ["kubernetes.io/hostname", "DoNotSchedule"],
        ["topology.kubernetes.io/zone", "ScheduleAnyway"],
    ];
    assert_eq!(over.collect::<Vec<_>>(), expected);
    for constraint in spread {
        let own = &rendered.of_nats("StatefulSet")["spec"]["selector"];
        assert_eq!(&constraint["labelSelector"], own);
    }
    let off = Rendered::of("own-nats", &["nats.podDisruptionBudget=false"]);
    assert!(
        !off.nats
            .iter()
            .any(|it| it["kind"] == "PodDisruptionBudget")
    );
}

#[test]
fn replaces_servers_when_their_configuration_changes_and_only_then() {
    let checksum = |set: &[&str]| {
        let rendered = Rendered::of("own-nats", set);
        pod(&rendered)["metadata"]["annotations"]["checksum/config"].to_string()
    };

    assert_eq!(checksum(&[]), checksum(&["config.policy[0].name=another"]));
    assert_ne!(checksum(&[]), checksum(&["nats.syncInterval=2m"]));
}

#[test]
fn runs_the_server_that_the_tests_run_or_what_a_digest_names() {
    let modules = fs::read_to_string(root().join("tests/helm/go.mod")).expect("go.mod");
    let (_, tested) = modules.split_once("nats-server/v2 v").expect("a version");
    let tested = tested.split_whitespace().next().expect("a version");

    assert_eq!(yaml("charts/nats/Chart.yaml")["appVersion"], tested);
    let rendered = Rendered::of("own-nats", &[]);
    assert_eq!(server(&rendered)["image"], format!("nats:{tested}"));
    let tagged = Rendered::of("own-nats", &["nats.image.tag=v9"]);
    assert_eq!(server(&tagged)["image"], "nats:v9");
    let digest = format!("registry.example.com/nats@sha256:{}", "0".repeat(64));
    assert_eq!(server(&Rendered::of("everything", &[]))["image"], digest);
}

#[test]
fn takes_every_name_of_the_servers_that_is_theirs() {
    for url in [
        "tls://gateway-nats:4222",
        "tls://gateway-nats.partner",
        "tls://gateway-nats.partner.svc",
        "tls://gateway-nats.partner.svc.cluster.local:4222",
        "tls://gateway-nats-0.gateway-nats-headless.partner.svc\\,tls://gateway-nats-1.gateway-nats-headless.partner.svc",
    ] {
        let set = format!("config.cluster.nats.url={url}");
        let rendered = Rendered::of("own-nats", &[&set]);

        assert_eq!(rendered.nats.len(), 7, "{url}");
    }
    let clear = [
        "nats.tls.existingSecret=",
        "config.cluster.nats.url=nats://gateway-nats",
    ];
    let rendered = Rendered::of("own-nats", &clear);
    assert!(!conf(&rendered).contains("tls"), "{}", conf(&rendered));
    let named = [
        "nats.fullnameOverride=",
        "config.cluster.nats.url=tls://gw-nats.partner.svc",
    ];
    let rendered = Rendered::of("own-nats", &named);
    assert_eq!(
        rendered.of_nats("StatefulSet")["metadata"]["name"],
        "gw-nats"
    );
}

fn pod(rendered: &Rendered) -> &Value {
    &rendered.of_nats("StatefulSet")["spec"]["template"]
}

fn server(rendered: &Rendered) -> &Value {
    &pod(rendered)["spec"]["containers"][0]
}

/// `nats.conf`.
pub(crate) fn conf(rendered: &Rendered) -> &str {
    let conf = rendered.of_nats("ConfigMap")["data"]["nats.conf"].as_str();
    conf.expect("text")
}

/// Labels of the one peer there is, which is pods of the same namespace.
fn only_pods(peers: &[Value]) -> Value {
    let [peer] = peers else {
        panic!("{peers:?}");
    };
    assert_eq!(
        peer.as_object().map(serde_json::Map::len),
        Some(1),
        "{peer}"
    );
    peer["podSelector"]["matchLabels"].clone()
}

/// The rows that bring NATS.
pub(crate) const WITH_NATS: [&str; 2] = ["own-nats", "everything"];
