//! What operators are told to type names what the chart makes: pods, containers, labels, ports, and where the
//! configuration is. Held against it are the runbook, both READMEs, and what Helm says after an install.

use std::fs;

use serde_json::Value;

use crate::{
    documented::notes,
    pods::{containers, list},
    rendered::{ROWS, Rendered, root, values},
};

/// The listener of the documents speaks TLS.
const TLS: [&str; 4] = [
    "files.tls.existingSecret=partner-gateway-tls",
    "files.tls.mountPath=/etc/partner-gateway/tls",
    "config.server.tls.certificate_file=/etc/partner-gateway/tls/tls.crt",
    "config.server.tls.private_key_file=/etc/partner-gateway/tls/tls.key",
];

#[test]
fn tells_operators_to_type_only_what_names_something() {
    let rendered = Rendered::released("partner-gateway", &values("own-nats"), &TLS);

    for file in [
        "docs/runbook.md",
        "README.md",
        "helm/partner-gateway/README.md",
    ] {
        let text = fs::read_to_string(root().join(file)).expect("a document");
        let commands = commands(&text);

        assert!(commands.len() >= 3, "{file}: {commands:?}");
        for command in commands {
            assert_eq!(faults(&command, &rendered), [""; 0], "{file}: {command}");
        }
    }
}

#[test]
fn says_after_an_install_only_what_names_something() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        let commands = commands(&notes(row, "test.enabled=true"));

        assert!(commands.len() >= 3, "{row}: {commands:?}");
        for command in commands {
            assert_eq!(faults(&command, &rendered), [""; 0], "{row}: {command}");
        }
    }
}

#[test]
fn notices_a_name_of_nothing() {
    let rendered = Rendered::released("partner-gateway", &values("own-nats"), &TLS);
    for (command, fault) in [
        ("kubectl -n other get pods", "other"),
        ("kubectl -n partner logs gateway-0", "gateway-0"),
        (
            "kubectl -n partner logs partner-gateway-3",
            "partner-gateway-3",
        ),
        (
            "kubectl -n partner logs partner-gateway-0 -c checks",
            "checks",
        ),
        (
            "kubectl -n partner rollout status deployment/partner-gateway",
            "deployment/partner-gateway",
        ),
        (
            "kubectl -n partner describe pod partner-gateway",
            "partner-gateway",
        ),
        (
            "kubectl -n partner get pods --selector app=gateway",
            "app=gateway",
        ),
        (
            "kubectl -n partner port-forward pod/partner-gateway-0 9091",
            "9091",
        ),
        ("kubectl -n partner get secret gateway-nats", "gateway-nats"),
        (
            "kubectl -n partner get secret gone || kubectl -n partner create secret generic gone",
            "gone",
        ),
        (
            "kubectl -n partner port-forward service/partner-gateway 8443:8443",
            "8443:8443",
        ),
        (
            "kubectl -n partner port-forward service/gateway 8443:443",
            "8443:443",
        ),
        (
            "kubectl -n partner get pods -l app=gateway); do",
            "app=gateway",
        ),
        (
            "kubectl label namespace billing partner-gateway/call=true",
            "partner-gateway/call=true",
        ),
        (
            "kubectl -n partner exec partner-gateway-0 -- partner-gateway check --config /etc/gateway.yaml",
            "/etc/gateway.yaml",
        ),
    ] {
        assert_eq!(faults(command, &rendered), [fault], "{command}");
    }
}

/// The words of a command that name nothing.
fn faults(command: &str, rendered: &Rendered) -> Vec<String> {
    // What comes behind it, or around it, is another command.
    let command = command.split([';', ')', '|', '#']).next();
    let mut words = command.unwrap_or_default().split_whitespace().skip(1);
    let mut faults = Vec::new();
    let mut plain = Vec::new();
    while let Some(word) = words.next() {
        let names = match word {
            "-n" | "--namespace" => |it: &str, _: &Rendered| it == "partner",
            "-c" | "--container" => is_container,
            "-l" | "--selector" => is_label,
            "--config" => is_config,
            _ => {
                plain.push(word);
                continue;
            }
        };
        let value = words.next().unwrap_or_default();
        if !names(value, rendered) {
            faults.push(value.to_owned());
        }
    }
    plain.retain(|word| !word.starts_with('-'));
    faults.extend(unnamed(&plain, rendered).into_iter().map(str::to_owned));
    faults
}

/// Whether something of the chart has a name.
type Names = fn(&str, &Rendered) -> bool;

/// Those of the words without options that name nothing.
fn unnamed<'a>(plain: &[&'a str], rendered: &Rendered) -> Vec<&'a str> {
    let (names, checked): (Names, &[&str]) = match plain {
        ["exec" | "logs", name, ..] | ["rollout", _, name] => {
            (is_object, std::slice::from_ref(name))
        }
        ["describe" | "get", "pod", name, ..] => (is_pod, std::slice::from_ref(name)),
        ["get", "secret", names @ ..] => (is_secret, names),
        ["label", "namespace", _, label] => (lets_in, std::slice::from_ref(label)),
        ["port-forward", name, ports @ ..] => {
            if let Some(service) = name.strip_prefix("service/") {
                let of_service = |port: &&&str| !is_port_of(service, port, rendered);
                return ports.iter().filter(of_service).copied().collect();
            }
            let mut faults = unnamed(&["logs", name], rendered);
            faults.extend(ports.iter().filter(|port| !is_port(port, rendered)));
            return faults;
        }
        _ => return Vec::new(),
    };
    let nothing = checked.iter().filter(|name| !names(name, rendered));
    nothing.copied().collect()
}

/// A pod, or an object that has pods with its kind before it.
fn is_object(name: &str, rendered: &Rendered) -> bool {
    // Each in turn, by a loop around the command.
    if name == "\"$pod\"" {
        return true;
    }
    let Some((kind, name)) = name.split_once('/') else {
        return is_pod(name, rendered);
    };
    let is_it = |workload: &Value| {
        let of_kind = workload["kind"].as_str().map(str::to_lowercase);
        of_kind.as_deref() == Some(kind) && workload["metadata"]["name"] == name
    };
    kind == "pod" && is_pod(name, rendered) || workloads(rendered).into_iter().any(is_it)
}

/// Replicas of a `StatefulSet` have numbers.
fn is_pod(name: &str, rendered: &Rendered) -> bool {
    let Some((set, number)) = name.rsplit_once('-') else {
        return false;
    };
    let is_it = |workload: &Value| {
        let replicas = workload["spec"]["replicas"].as_i64();
        let number = number.parse::<i64>().ok();
        workload["kind"] == "StatefulSet"
            && workload["metadata"]["name"] == set
            && number
                .zip(replicas)
                .is_some_and(|(number, replicas)| number < replicas)
    };
    workloads(rendered).into_iter().any(is_it)
}

fn is_container(name: &str, rendered: &Rendered) -> bool {
    let own = containers(&rendered.pod()["spec"]);
    own.iter().any(|container| container["name"] == name)
}

fn is_label(labels: &str, rendered: &Rendered) -> bool {
    let pod = &rendered.pod()["metadata"]["labels"];
    let is_one = |label: &str| {
        label
            .split_once('=')
            .is_some_and(|(key, value)| pod[key] == value)
    };
    labels.split(',').all(is_one)
}

/// The one that the gateway has, or, on the machine of whoever tries one, any that is not in its directories.
fn is_config(path: &str, rendered: &Rendered) -> bool {
    !path.starts_with('/') || rendered.container()["args"][2] == path
}

fn is_secret(name: &str, rendered: &Rendered) -> bool {
    let sets = workloads(rendered).into_iter();
    let volumes = sets.flat_map(|set| list(&set["spec"]["template"]["spec"]["volumes"]));
    let mut sources = volumes.flat_map(|volume| list(&volume["projected"]["sources"]));
    let is_mounted = sources.any(|source| source["secret"]["name"] == name);
    is_mounted
        || rendered
            .configuration()
            .contains(&format!("name: {name}\n"))
}

fn is_port(port: &str, rendered: &Rendered) -> bool {
    let ports = list(&rendered.container()["ports"]);
    let port = port.parse::<i64>().ok();
    ports.iter().any(|it| it["containerPort"].as_i64() == port)
}

/// Whether a Service has the port that stands behind a local one.
fn is_port_of(service: &str, ports: &str, rendered: &Rendered) -> bool {
    let port = ports
        .rsplit(':')
        .next()
        .and_then(|port| port.parse::<i64>().ok());
    let services = rendered.all("Service").into_iter();
    let mut own = services.filter(|it| it["metadata"]["name"] == service);
    own.any(|it| {
        list(&it["spec"]["ports"])
            .iter()
            .any(|it| it["port"].as_i64() == port)
    })
}

/// Whether the network policy lets in who has the label.
fn lets_in(label: &str, rendered: &Rendered) -> bool {
    let rules = list(&rendered.only("NetworkPolicy")["spec"]["ingress"]);
    let mut peers = rules.iter().flat_map(|rule| list(&rule["from"]));
    label.split_once('=').is_some_and(|(key, value)| {
        peers.any(|peer| peer["namespaceSelector"]["matchLabels"][key] == value)
    })
}

fn workloads(rendered: &Rendered) -> Vec<&Value> {
    let nats = rendered
        .nats
        .iter()
        .filter(|it| it["kind"] == "StatefulSet");
    std::iter::once(rendered.workload()).chain(nats).collect()
}

/// The commands of `kubectl` in a text, each in one line.
fn commands(text: &str) -> Vec<String> {
    let text = text.replace("\\\n", " ");
    let found = text.lines().flat_map(|line| line.split('`'));
    let found = found.filter_map(|piece| {
        let at = piece.find("kubectl ")?;
        piece.get(at..).map(|command| command.trim().to_owned())
    });
    found.collect()
}
