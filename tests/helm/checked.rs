//! What the chart renders, the gateway takes: `check` reads the configuration of each row and every file that it
//! names, where the pod's volumes would put them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output},
};

use crate::rendered::{ROWS, Rendered, root};

#[test]
fn renders_configurations_that_the_gateway_takes() {
    for row in ROWS {
        let rendered = Rendered::of(row, &[]);

        let output = check(&rendered, |_| true);

        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{row}: {told}");
        assert!(told.contains("gateway.yaml: sound"), "{row}: {told}");
    }
}

/// The way that the README shows to a new operator.
#[test]
fn takes_the_configuration_that_the_readme_shows() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let (_, marked) = readme
        .split_once("<!-- values:production -->\n```yaml\n")
        .expect("a mark");
    let (values, _) = marked.split_once("```\n").expect("an end");
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join("values.yaml");
    fs::write(&file, values).expect("written");
    let rendered = Rendered::from(&file, &[]);

    let output = check(&rendered, |_| true);

    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    // Sound, and with nothing that is suspicious.
    assert_eq!(told.lines().count(), 1, "{told}");
    let spec = &rendered.pod()["spec"];
    for files in spec["volumes"].as_array().expect("volumes") {
        let secret = &files["projected"]["sources"][0]["secret"]["name"];
        let made = secret.as_str().map(|name| format!(" {name} --"));
        assert!(made.is_none_or(|made| readme.contains(&made)), "{secret}");
    }
}

/// Shows that the files of the test stand where volumes are, and nowhere else.
#[test]
fn names_no_file_that_no_volume_brings() {
    for (row, volume) in [
        ("minimal", "files-partner"),
        ("production", "kubernetes-api"),
        ("mtls", "files-callers"),
        ("nats", "files-nats-ca"),
        ("everything", "token-entra"),
    ] {
        let rendered = Rendered::of(row, &[]);

        let output = check(&rendered, |name| name != volume);

        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{row}: {told}");
        assert!(told.contains("No such file"), "{row}: {told}");
    }
}

/// Runs the init container's command over a directory that stands for the pod's file system, with the volumes that
/// are wanted.
fn check(rendered: &Rendered, is_wanted: impl Fn(&str) -> bool) -> Output {
    let dir = tempfile::tempdir().expect("directory");
    let root = dir.path();
    let container = &rendered.pod()["spec"]["initContainers"][0];
    for mount in container["volumeMounts"].as_array().expect("mounts") {
        let name = mount["name"].as_str().expect("a name");
        let path = mount["mountPath"].as_str().expect("a path");
        // The configuration itself is written below.
        if is_wanted(name) && mount["subPath"].is_null() {
            project(root, path);
        }
    }
    let config = container["args"][2].as_str().expect("a path");
    let mut text = rendered.configuration().to_owned();
    for directory in [
        "/etc/partner-gateway",
        "/var/run/secrets",
        "/var/lib/partner-gateway",
    ] {
        let moved = root.join(directory.trim_start_matches('/'));
        text = text.replace(&format!("{directory}/"), &format!("{}/", moved.display()));
    }
    let config = root.join(config.trim_start_matches('/'));
    fs::create_dir_all(config.parent().expect("a directory")).expect("directory");
    fs::write(&config, text).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_partner-gateway"));
    command
        .arg("check")
        .arg("--config")
        .arg(&config)
        .env_clear();
    for variable in container["env"].as_array().into_iter().flatten() {
        command.env(variable["name"].as_str().expect("a name"), "some-secret");
    }
    if rendered.pod()["metadata"]["labels"]["azure.workload.identity/use"] == "true" {
        by_the_webhook(root, &mut command);
    }
    command.output().expect("partner-gateway")
}

/// What the webhook of workload identity adds to a pod that is labelled for it.
fn by_the_webhook(root: &Path, command: &mut Command) {
    project(root, "/var/run/secrets/azure/tokens");
    let token = root.join("var/run/secrets/azure/tokens/azure-identity-token");
    command
        .env("AZURE_CLIENT_ID", "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01")
        .env("AZURE_TENANT_ID", "3a9a35ce-d5be-4814-ab58-4451c36fe157")
        .env("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/")
        .env("AZURE_FEDERATED_TOKEN_FILE", token);
}

/// Puts the files of a volume where it is mounted, as a projected volume has them: by links through `..data`.
fn project(root: &Path, path: &str) {
    let directory = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(directory.join("..version")).expect("directory");
    symlink("..version", directory.join("..data")).expect("link");
    for (name, content) in content(path) {
        let file = directory.join("..version").join(name);
        fs::write(&file, content).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).expect("mode");
        symlink(format!("..data/{name}"), directory.join(name)).expect("link");
    }
}

/// What stands in the objects that the rows refer to, by where it is mounted.
fn content(path: &str) -> Vec<(&'static str, String)> {
    match path {
        "/var/run/secrets/partner" => {
            let (certificate, key) = pair(&rcgen::PKCS_RSA_SHA256);
            vec![
                ("client-secret", "some-secret".to_owned()),
                ("encryption-key", "0f".repeat(32)),
                ("tls.crt", certificate),
                ("tls.key", key),
            ]
        }
        "/var/run/secrets/app" => {
            let (certificate, key) = pair(&rcgen::PKCS_RSA_SHA256);
            vec![("app.crt", certificate), ("app.key", key)]
        }
        "/etc/partner-gateway/tls" => {
            let (certificate, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
            vec![("tls.crt", certificate), ("tls.key", key)]
        }
        "/etc/partner-gateway/callers" => {
            let tokens = format!("billing:{}\n", "0f".repeat(32));
            vec![("tokens", tokens), ("ca.crt", authority())]
        }
        "/etc/partner-gateway/nats" | "/etc/partner-gateway/otel" => vec![("ca.crt", authority())],
        "/var/run/secrets/kubernetes.io/serviceaccount" => vec![
            ("ca.crt", authority()),
            ("token", "header.claims.signature".to_owned()),
            ("namespace", "partner".to_owned()),
        ],
        "/var/run/secrets/audit" => vec![("signing-key", pair(&rcgen::PKCS_ED25519).1)],
        "/var/run/secrets/postgres" => {
            vec![(
                "url",
                "postgresql://gateway:pw@db.example.com/audit".to_owned(),
            )]
        }
        "/var/run/secrets/nats" => vec![("credentials", seed())],
        "/var/run/secrets/entra" => vec![("token", "header.claims.signature".to_owned())],
        "/var/run/secrets/azure/tokens" => {
            vec![("azure-identity-token", "header.claims.signature".to_owned())]
        }
        _ => Vec::new(),
    }
}

/// A certificate that is good today, and its key.
fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).expect("key");
    let mut params = rcgen::CertificateParams::new(["gateway.test".to_owned()]).expect("names");
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    let certificate = params.self_signed(&key).expect("certificate");
    (certificate.pem(), key.serialize_pem())
}

fn authority() -> String {
    let key = rcgen::KeyPair::generate().expect("key");
    let mut params = rcgen::CertificateParams::new(Vec::new()).expect("names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).expect("certificate").pem()
}

/// The seed of a NATS user.
fn seed() -> String {
    nkeys::KeyPair::new_user().seed().expect("seed")
}
