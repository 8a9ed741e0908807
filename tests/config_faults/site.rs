//! A directory with a configuration and the files that it names.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use partner_gateway::config::{
    Config,
    load::{Loaded, load},
};
use tempfile::TempDir;

/// The faults of a configuration among the usual files; `DIR` stands for their directory.
pub(crate) fn faults(yaml: &str) -> String {
    Site::new().faults(yaml, &[])
}

/// A sound configuration with more at its end, which starts at line 13.
pub(crate) fn with(more: &str) -> String {
    format!("{ACCOUNTS}{CALLERS}{POLICY}{more}\n")
}

/// A directory with a secret and a token file in it.
pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(tempfile::tempdir().expect("a directory"));
        site.write("secret", format!("{SECRET}\n"), 0o600);
        site.write("tokens", format!("billing:{}\n", "0".repeat(64)), 0o644);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>, mode: u32) {
        fs::write(self.path(name), content).expect("a file");
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), permissions).expect("its mode");
    }

    /// Loads a configuration; `DIR` in it and in the variables is this directory.
    pub(crate) fn load(&self, yaml: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
        self.write("config.yaml", self.real(yaml), 0o644);
        self.load_file(&self.path("config.yaml"), variables)
    }

    pub(crate) fn load_file(
        &self,
        path: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Loaded, String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), self.real(value));
        let environment = variables.iter().map(own).collect();
        load(path, &environment).map_err(|faults| self.shown(&faults.to_string()))
    }

    pub(crate) fn faults(&self, yaml: &str, variables: &[(&str, &str)]) -> String {
        self.load(yaml, variables).expect_err("a fault")
    }

    /// The faults of several configurations, without the lines that count them.
    pub(crate) fn faults_of_each(&self, texts: impl IntoIterator<Item = String>) -> String {
        let fault = |text: String| {
            let faults = self.faults(&text, &[]);
            let (_, lines) = faults.split_once('\n').unwrap_or(("", &faults));
            lines.to_owned()
        };
        texts.into_iter().map(fault).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn config(&self, yaml: &str, variables: &[(&str, &str)]) -> Config {
        self.load(yaml, variables).expect("a sound file").config
    }

    pub(crate) fn notices(&self, yaml: &str) -> String {
        self.notices_of(&self.load(yaml, &[]).expect("a sound file"))
    }

    pub(crate) fn notices_of(&self, loaded: &Loaded) -> String {
        let lines: Vec<_> = loaded.notices.iter().map(ToString::to_string).collect();
        self.shown(&lines.join("\n"))
    }

    fn shown(&self, text: &str) -> String {
        let dir = self.0.path().to_string_lossy();
        text.replace(&format!("{dir}/config.yaml"), "config.yaml")
            .replace(&*dir, "DIR")
    }

    fn real(&self, text: &str) -> String {
        text.replace("DIR", &self.0.path().to_string_lossy())
    }
}

/// What no message may repeat.
pub(crate) const SECRET: &str = "hunter2";

pub(crate) const ACCOUNTS: &str = "accounts:
  contoso:
    tenant_id: 3a9a35ce-d5be-4814-ab58-4451c36fe157
    client_id: 4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01
    credential: {client_secret: {file: DIR/secret}}
";

pub(crate) const CALLERS: &str = "callers: {token_file: DIR/tokens}
";

pub(crate) const POLICY: &str = "policy:
  - name: one
    principals: [billing]
    operations: [transfers.reject]
    customers: ['*']
    accounts: [contoso]
";
