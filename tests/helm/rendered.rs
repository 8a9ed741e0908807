//! What Helm makes of values.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use marked_yaml::{LoaderOptions, Node, parse_yaml_with_options};
use serde_json::{Map, Value};

/// The files of `ci/`, without their endings: the ways to run the gateway that are tried.
pub(crate) const ROWS: [&str; 8] = [
    "minimal",
    "production",
    "workload-identity",
    "mtls",
    "nats",
    "own-nats",
    "no-persistence",
    "everything",
];

/// The versions of Helm, by the names that `scripts/chart-tools` gives them.
pub(crate) const HELMS: [&str; 2] = ["helm3", "helm4"];

/// The objects of one row.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    /// What the gateway consists of.
    pub(crate) objects: Vec<Value>,
    /// What the NATS beside it consists of; nothing where there is none.
    pub(crate) nats: Vec<Value>,
}

impl Rendered {
    /// Renders a file of `ci/` with further values, each as `--set` takes it.
    pub(crate) fn of(row: &str, set: &[&str]) -> Self {
        Self::from(&values(row), set)
    }

    /// Likewise with a file from anywhere.
    pub(crate) fn from(values: &Path, set: &[&str]) -> Self {
        Self::released(RELEASE, values, set)
    }

    /// Likewise under another name of the release.
    pub(crate) fn released(release: &str, values: &Path, set: &[&str]) -> Self {
        let output = template_as(release, HELMS[0], Some(values), set);
        Self::read(&output, set)
    }

    /// Likewise with values as `--set-json` takes them.
    pub(crate) fn given(row: &str, set: &[&str]) -> Self {
        Self::read(&template_json(HELMS[0], row, set), set)
    }

    fn read(output: &Output, set: &[&str]) -> Self {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{set:?}: {said}");
        let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
        let is_of_nats =
            |object: &Value| object["metadata"]["labels"]["app.kubernetes.io/name"] == "nats";
        let (nats, objects) = documents(&text).map(parsed).partition(is_of_nats);
        Self {
            text,
            objects,
            nats,
        }
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        let of_kind = |object: &&Value| object["kind"] == kind;
        self.objects.iter().filter(of_kind).collect()
    }

    /// The object of a kind and name.
    pub(crate) fn one(&self, kind: &str, name: &str) -> &Value {
        let mut found = self.all(kind);
        found.retain(|object| object["metadata"]["name"] == name);
        assert_eq!(found.len(), 1, "{kind} {name}");
        found[0]
    }

    /// The only object of a kind.
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found = self.all(kind);
        assert_eq!(found.len(), 1, "{kind}");
        found[0]
    }

    /// What runs the gateway: a `StatefulSet` or a `Deployment`.
    pub(crate) fn workload(&self) -> &Value {
        let found = [self.all("StatefulSet"), self.all("Deployment")].concat();
        assert_eq!(found.len(), 1, "one workload");
        found[0]
    }

    /// The gateway's pods.
    pub(crate) fn pod(&self) -> &Value {
        &self.workload()["spec"]["template"]
    }

    /// The gateway's container.
    pub(crate) fn container(&self) -> &Value {
        &self.pod()["spec"]["containers"][0]
    }

    /// Specs of all pods, those of `helm test` and of NATS included.
    pub(crate) fn pod_specs(&self) -> Vec<&Value> {
        let test = self.all("Pod").into_iter().map(|pod| &pod["spec"]);
        let nats = self.nats.iter().filter(|it| it["kind"] == "StatefulSet");
        let nats = nats.map(|set| &set["spec"]["template"]["spec"]);
        let own = [&self.pod()["spec"]].into_iter();
        own.chain(test).chain(nats).collect()
    }

    /// The only object of a kind that NATS consists of.
    pub(crate) fn of_nats(&self, kind: &str) -> &Value {
        let of_kind = |object: &&Value| object["kind"] == kind;
        let found: Vec<_> = self.nats.iter().filter(of_kind).collect();
        assert_eq!(found.len(), 1, "{kind}");
        found[0]
    }

    /// The gateway's configuration as its `ConfigMap` has it.
    pub(crate) fn configuration(&self) -> &str {
        let of_gateway = |object: &&Value| !object["data"]["gateway.yaml"].is_null();
        let found = self.all("ConfigMap").into_iter().find(of_gateway);
        let text = found.expect("a ConfigMap")["data"]["gateway.yaml"].as_str();
        text.expect("text")
    }
}

/// Has Helm render the chart with values in JSON, which it reads as it reads a file.
pub(crate) fn template_json(helm: &str, row: &str, set: &[&str]) -> Output {
    let mut command = templating(RELEASE, helm, Some(&values(row)));
    for set in set {
        command.args(["--set-json", set]);
    }
    command.output().expect("helm")
}

/// Has Helm render the chart.
pub(crate) fn template(helm: &str, values: Option<&Path>, set: &[&str]) -> Output {
    template_as(RELEASE, helm, values, set)
}

fn template_as(release: &str, helm: &str, values: Option<&Path>, set: &[&str]) -> Output {
    let mut command = templating(release, helm, values);
    for set in set {
        command.args(["--set", set]);
    }
    command.output().expect("helm")
}

fn templating(release: &str, helm: &str, values: Option<&Path>) -> Command {
    let mut command = Command::new(tool(helm));
    command.args(["template", release]).arg(chart()).args([
        "--namespace",
        "partner",
        "--kube-version",
        "1.37.0",
    ]);
    if let Some(values) = values {
        command.arg("--values").arg(values);
    }
    command
}

/// The chart's directory.
pub(crate) fn chart() -> PathBuf {
    root().join("helm/partner-gateway")
}

/// A file of `ci/`.
pub(crate) fn values(row: &str) -> PathBuf {
    chart().join(format!("ci/{row}-values.yaml"))
}

/// What `scripts/chart-tools` has built.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tool = root().join("tests/helm/bin").join(name);
    assert!(tool.exists(), "scripts/chart-tools builds {name}");
    tool
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Reads a YAML file of the chart.
pub(crate) fn yaml(path: &str) -> Value {
    parsed(&fs::read_to_string(chart().join(path)).expect("a file of the chart"))
}

fn documents(text: &str) -> impl Iterator<Item = &str> {
    let is_filled = |document: &&str| document.contains("kind:");
    text.split("\n---\n")
        .map(|document| document.trim_start_matches("---\n"))
        .filter(is_filled)
}

fn parsed(document: &str) -> Value {
    let options = LoaderOptions::default()
        .error_on_duplicate_keys(true)
        .prevent_coercion(true);
    let node = parse_yaml_with_options(0, document, options);
    value(&node.unwrap_or_else(|error| panic!("{error}:\n{document}")))
}

/// A scalar that stands without quotes is what it looks like.
fn value(node: &Node) -> Value {
    match node {
        Node::Scalar(scalar) => {
            let plain = scalar.may_coerce().then(|| scalar.as_str());
            match plain {
                Some("" | "null" | "~") => Value::Null,
                Some("true") => true.into(),
                Some("false") => false.into(),
                Some(text) => text
                    .parse::<i64>()
                    .map_or_else(|_| text.into(), Value::from),
                None => scalar.as_str().into(),
            }
        }
        Node::Mapping(map) => {
            let entries = map.iter();
            let entries = entries.map(|(key, node)| (key.as_str().to_owned(), value(node)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Node::Sequence(list) => list.iter().map(value).collect(),
    }
}

/// What the release is called where its name is not the point.
const RELEASE: &str = "gw";
