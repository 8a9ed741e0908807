//! An image, its files laid out, and a node that runs them.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::LazyLock,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::rendered::{Rendered, root};

/// An image on the disk, its files laid out, and what is mounted into them.
pub(crate) struct Image {
    oci: PathBuf,
    dir: TempDir,
}

/// The program in the image's file system, serving.
pub(crate) struct Gateway {
    child: Child,
    stderr: BufReader<ChildStderr>,
    public: String,
    admin: String,
}

impl Image {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        let oci = BUILT.join("oci");
        let image = Self { oci, dir };
        for made in ["root", "volume", "configuration"] {
            fs::create_dir(image.path(made)).expect("directory");
        }
        image.tar(&["--extract", "--same-owner", "--directory"], Some("root"));
        image
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    fn index(&self) -> Value {
        read(&self.oci.join("index.json"))
    }

    fn blob(&self, descriptor: &Value) -> PathBuf {
        let digest = descriptor["digest"].as_str().expect("a digest");
        self.oci.join("blobs").join(digest.replace(':', "/"))
    }

    fn manifest(&self) -> Value {
        read(&self.blob(&self.index()["manifests"][0]))
    }

    pub(crate) fn config(&self) -> Value {
        read(&self.blob(&self.manifest()["config"]))
    }

    /// Files of the image and their sizes.
    pub(crate) fn files(&self) -> BTreeMap<String, u64> {
        let listing = self.tar(&["--list", "--verbose"], None);
        let fields = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            let is_file = !line.starts_with('d');
            is_file.then(|| (fields[5].clone(), fields[2].parse().expect("a size")))
        };
        listing.lines().filter_map(fields).collect()
    }

    fn tar(&self, arguments: &[&str], directory: Option<&str>) -> String {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().expect("layers");
        assert_eq!(layers.len(), 1);
        let output = Command::new("tar")
            .arg("--file")
            .arg(self.blob(&layers[0]))
            .args(arguments)
            .args(directory.map(|directory| self.path(directory)))
            .output()
            .expect("tar");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Writes a configuration that reaches nobody, with one caller who may search the journal.
    pub(crate) fn configure(&self, audit: &str) {
        let configuration = self.path("configuration");
        // SHA-256 of `audit-token-with-32-bytes-of-entropy`.
        let hash = "18bff71e0d887cb2b6e6b4853bd3b5856d0f8dfc77df681b8b7cc8c67d40480a";
        fs::write(configuration.join("callers"), format!("auditor:{hash}\n")).expect("written");
        let text = format!(
            "
            server: {{listen: '127.0.0.1:0'}}
            admin: {{listen: '127.0.0.1:0'}}
            accounts:
              contoso:
                tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
                client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
                credential: {{client_secret: {{file: /etc/partner-gateway/config/secret}}}}
                endpoints: {{authority: 'http://localhost:1', api: 'http://127.0.0.1:1'}}
            callers: {{token_file: /etc/partner-gateway/config/callers}}
            policy:
              - name: auditors search
                principals: [auditor]
                operations: [audit.read]
                customers: '*'
                accounts: [contoso]
            audit: {{dir: {audit}}}
            "
        );
        fs::write(configuration.join("gateway.yaml"), text).expect("written");
        fs::write(configuration.join("hosts"), "127.0.0.1 localhost\n").expect("written");
        let secret = configuration.join("secret");
        fs::write(&secret, "some-secret").expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o440)).expect("mode");
        chown(&secret, None, Some(USER)).expect("root's right");
    }

    fn confined(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(root().join("tests/helm/confined"));
        command
            .args(["root", "volume", "configuration"].map(|below| self.path(below)))
            .args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.confined(arguments).output().expect("confined")
    }

    pub(crate) fn serve(&self) -> Gateway {
        let mut child = self
            .confined(&["serve", "--config", CONFIG])
            .stderr(Stdio::piped())
            .spawn()
            .expect("confined");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let public = address(&mut stderr, "serving callers");
        let admin = address(&mut stderr, "serving operators");
        Gateway {
            child,
            stderr,
            public,
            admin,
        }
    }

    /// Kinds of the last two records of the journal.
    pub(crate) fn last_kinds(&self) -> Vec<Value> {
        let audit = self.path("volume/audit");
        let mut segments: Vec<_> = fs::read_dir(audit)
            .expect("a journal")
            .map(|entry| entry.expect("entry").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
            .collect();
        segments.sort();
        let text = fs::read_to_string(segments.last().expect("a segment")).expect("UTF-8");
        let kinds = text.lines().rev().take(2).map(|line| {
            let record: Value = serde_json::from_str(line).expect("a record");
            record["kind"].clone()
        });
        let mut kinds: Vec<_> = kinds.collect();
        kinds.reverse();
        kinds
    }
}

impl Gateway {
    /// Runs what the pod of `helm test` runs, with the token of somebody.
    pub(crate) fn tested_by(&self, token: &str) -> Output {
        let rendered = Rendered::of("production", &[]);
        let container = &rendered.only("Pod")["spec"]["containers"][0];
        let script = container["args"][0].as_str().expect("a script");
        let dir = tempfile::tempdir().expect("directory");
        let token_file = dir.path().join("token");
        fs::write(&token_file, format!("{token}\n")).expect("written");
        Command::new("sh")
            .args(["-ec", script])
            .env("HOST", "127.0.0.1")
            .env("SCHEME", "http")
            .env("PUBLIC_PORT", &self.public)
            .env("ADMIN_PORT", &self.admin)
            .env("READ_RECORD", "true")
            .env("TOKEN_FILE", token_file)
            .output()
            .expect("sh")
    }

    /// Tells process 1 of the container to leave; returns its exit code and the rest of what it said.
    pub(crate) fn leave(mut self) -> (Option<i32>, String) {
        let unshare = self.child.id();
        let children = format!("/proc/{unshare}/task/{unshare}/children");
        let child = fs::read_to_string(children).expect("children");
        let asked = Command::new("kill").args(["-TERM", child.trim()]).status();
        assert!(asked.is_ok_and(|status| status.success()), "{child}");
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).expect("UTF-8");
        let status = self.child.wait().expect("an end");
        (status.code(), said)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Its child goes with it (`--kill-child`).
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The port in the log line that says so.
fn address(stderr: &mut BufReader<ChildStderr>, message: &str) -> String {
    let mut said = String::new();
    loop {
        let mut line = String::new();
        let length = stderr.read_line(&mut line).expect("UTF-8");
        assert_ne!(length, 0, "{message}: {said}");
        said.push_str(&line);
        if line.contains(message) {
            let (_, port) = line.split_once("127.0.0.1:").expect("an address");
            return port.chars().take_while(char::is_ascii_digit).collect();
        }
    }
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).expect("a file of the image");
    serde_json::from_str(&text).expect("JSON")
}

/// Has `scripts/image` build the image of the release program.
pub(crate) fn build(out: PathBuf) -> PathBuf {
    let tests = Path::new(env!("CARGO_BIN_EXE_partner-gateway")).parent();
    let target = tests.and_then(Path::parent).expect("a target directory");
    let program = target.join("release/partner-gateway");
    assert!(
        program.exists(),
        "cargo build --release --locked --bin partner-gateway"
    );
    let output = Command::new(root().join("scripts/image"))
        .args([&program, &out])
        .output()
        .expect("scripts/image");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    out
}

/// The image that all tests look at, and none changes.
pub(crate) static BUILT: LazyLock<PathBuf> =
    LazyLock::new(|| build(Path::new(env!("CARGO_TARGET_TMPDIR")).join("image")));

/// The image's user and group.
const USER: u32 = 65532;

/// Where the configuration is mounted.
pub(crate) const CONFIG: &str = "/etc/partner-gateway/config/gateway.yaml";
