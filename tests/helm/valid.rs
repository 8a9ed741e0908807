//! What Helm and Kubernetes say of the chart.

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use crate::rendered::{HELMS, ROWS, Rendered, chart, root, template, tool, values};

#[test]
fn passes_the_strict_lint_of_both_versions_of_helm() {
    for helm in HELMS {
        for row in ROWS {
            let output = Command::new(tool(helm))
                .args(["lint", "--strict"])
                .arg(chart())
                .arg("--values")
                .arg(values(row))
                .output()
                .expect("helm");

            assert!(output.status.success(), "{helm} {row}: {}", said(&output));
        }
    }
}

#[test]
fn renders_the_same_with_both_versions_of_helm() {
    for row in ROWS {
        let [one, other] = HELMS.map(|helm| template(helm, Some(&values(row)), &[]));

        assert!(one.status.success(), "{row}: {}", said(&one));
        assert_eq!(
            sorted(&one.stdout),
            sorted(&other.stdout),
            "{row}: {}",
            said(&other)
        );
    }
}

#[test]
fn renders_objects_that_three_minor_versions_of_kubernetes_know() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);
        for version in versions() {
            let output = kubeconform(&version, &rendered.text);

            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{row}, {version}: {told}");
            assert!(told.contains("Errors: 0"), "{row}, {version}: {told}");
            let monitors = rendered.objects.iter();
            let monitors = monitors.filter(|it| it["apiVersion"] == "monitoring.coreos.com/v1");
            let skipped = format!("Skipped: {}", monitors.count());
            assert!(told.contains(&skipped), "{row}, {version}: {told}");
        }
    }
}

#[test]
fn renders_monitors_and_rules_that_the_prometheus_operator_knows() {
    for (row, expected) in [
        ("minimal", ""),
        ("production", "PrometheusRule\nServiceMonitor\n"),
        ("everything", "PodMonitor\nPrometheusRule\n"),
    ] {
        let rendered = Rendered::of(row, &[]);

        let output = fed(Command::new(tool("monitors")), &rendered.text);

        assert!(output.status.success(), "{row}: {}", said(&output));
        let mut read: Vec<_> = std::str::from_utf8(&output.stdout)
            .expect("UTF-8")
            .lines()
            .collect();
        read.sort_unstable();
        assert_eq!(read, expected.lines().collect::<Vec<_>>(), "{row}");
        let wrong = rendered.text.replace("interval:", "intervall:");
        let output = fed(Command::new(tool("monitors")), &wrong);
        assert_eq!(output.status.success(), row == "minimal", "{row}");
    }
}

#[test]
fn has_a_misspelt_field_noticed() {
    let rendered = Rendered::of("minimal", &[]);
    for (right, wrong) in [
        ("seccompProfile:", "seccompProfil:"),
        ("whenScaled: Retain", "whenScaled: 1"),
        ("containerPort: 8080", "containerPort: \"8080\""),
    ] {
        let text = rendered.text.replace(right, wrong);
        assert_ne!(text, rendered.text, "{right}");

        for version in versions() {
            let output = kubeconform(&version, &text);

            assert!(!output.status.success(), "{version}: {wrong}");
        }
    }
}

#[test]
fn tries_every_file_of_values_that_the_chart_has() {
    let mut files: Vec<_> = fs::read_dir(chart().join("ci"))
        .expect("ci")
        .map(|entry| entry.expect("entry").path())
        .collect();
    let mut tried = ROWS.map(values);
    files.sort();
    tried.sort();

    assert_eq!(files, tried);
}

/// The minor versions that `scripts/chart-tools` has taken schemas of.
fn versions() -> Vec<String> {
    let schemas = fs::read_dir(root().join("tests/helm/schemas")).expect("scripts/chart-tools");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("entry").file_name();
    let versions: Vec<_> = schemas
        .map(name)
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    assert_eq!(versions.len(), 3, "{versions:?}");
    versions
}

/// Kinds of the Prometheus Operator have no schema in Kubernetes.
fn kubeconform(version: &str, text: &str) -> Output {
    let schemas = root().join("tests/helm/schemas").join(version);
    let location = format!(
        "{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
        schemas.display()
    );
    let mut command = Command::new(tool("kubeconform"));
    command
        .args(["-strict", "-summary", "-schema-location", &location])
        .args(["-skip", "ServiceMonitor,PodMonitor,PrometheusRule", "-"]);
    fed(command, text)
}

fn fed(mut command: Command, text: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a tool");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin.write_all(text.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("a tool")
}

/// The versions order objects of one kind differently.
fn sorted(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    let mut documents: Vec<_> = text.split("---\n").map(|it| it.trim().to_owned()).collect();
    documents.retain(|document| !document.is_empty());
    documents.sort();
    documents
}

fn said(output: &Output) -> String {
    let told = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    told.concat()
}
