//! Puts the pretend services, their files and the gateway in their places.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use partner_gateway::{
    app::{Gateway, Surroundings, bound::Bound},
    audit::chain::LineHash,
    cause,
    config::{
        environment::Environment,
        load::{self, Loaded},
    },
    shutdown::Drain,
    telemetry::log,
};
use sandbox::{Listening, Sandbox, Script, Settings};
use uuid::Uuid;

use crate::Fault;

/// Where everything is to be.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) dir: PathBuf,
    pub(crate) script: Option<PathBuf>,
    pub(crate) log: &'static str,
}

/// Everything in its place; the gateway listens and is still to be served.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    pub(crate) bound: Bound,
    pub(crate) drain: Drain,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) journal: PathBuf,
    /// The token of the caller `billing`.
    pub(crate) token: String,
    _listening: Listening,
}

impl Site {
    pub(crate) async fn build(wanted: Wanted) -> Result<Self, Fault> {
        let script = wanted
            .script
            .as_deref()
            .map_or(Ok(Script::default()), script)?;
        let settings = Settings {
            script,
            ..Settings::default()
        };
        let secret = settings.client_secret.clone();
        let sandbox = Sandbox::new(settings);
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listening = sandbox.listen(anywhere, anywhere).await?;

        let dir = wanted.dir;
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let callers = format!("billing:{}\n", sha256(token.as_bytes()));
        let files = Files {
            config: keep(&dir, "gateway.yaml", CONFIG)?,
            secret: keep(&dir, "client-secret", &secret)?,
            callers: keep(&dir, "callers", &callers)?,
            journal: dir.join("audit"),
        };
        let overrides = files.overrides(wanted.listen, wanted.admin, wanted.log, &listening);
        let environment = overrides.collect::<Environment>();
        let Loaded { config, .. } = load::load(&files.config, &environment)?;
        log::init(&config.telemetry)?;
        let gateway = Gateway::build(config, Surroundings::real())
            .await
            .map_err(whole)?;
        let bound = gateway.bind().await.map_err(whole)?;
        Ok(Self {
            sandbox,
            drain: bound.drain(),
            address: bound.address()?,
            admin: bound.admin_address()?,
            bound,
            journal: files.journal,
            token,
            _listening: listening,
        })
    }
}

struct Files {
    config: PathBuf,
    secret: PathBuf,
    callers: PathBuf,
    journal: PathBuf,
}

impl Files {
    /// What differs from `config/sandbox.yaml` at this start, as overrides in the environment would.
    fn overrides(
        &self,
        listen: SocketAddr,
        admin: SocketAddr,
        log: &str,
        listening: &Listening,
    ) -> impl Iterator<Item = (String, String)> {
        let path = |path: &Path| path.display().to_string();
        [
            ("SERVER__LISTEN", listen.to_string()),
            ("ADMIN__LISTEN", admin.to_string()),
            ("AUDIT__DIR", path(&self.journal)),
            ("CALLERS__TOKEN_FILE", path(&self.callers)),
            ("TELEMETRY__LOG__FILTER", log.to_owned()),
            (
                "ACCOUNTS__CONTOSO__CREDENTIAL__CLIENT_SECRET__FILE",
                path(&self.secret),
            ),
            (
                "ACCOUNTS__CONTOSO__ENDPOINTS__AUTHORITY",
                format!("http://{}", listening.entra),
            ),
            (
                "ACCOUNTS__CONTOSO__ENDPOINTS__API",
                format!("http://{}", listening.partner_center),
            ),
        ]
        .into_iter()
        .map(|(key, value)| (format!("PARTNER_GATEWAY__{key}"), value))
    }
}

/// Writes a file that only its owner may read.
fn keep(dir: &Path, name: &str, content: &str) -> Result<PathBuf, Fault> {
    let path = dir.join(name);
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path);
    let written = file.and_then(|mut file| file.write_all(content.as_bytes()));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn script(file: &Path) -> Result<Script, Fault> {
    let told = |error: &dyn std::fmt::Display| format!("--script: {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(|error| told(&error))?;
    Ok(Script::from_json(&text).map_err(|error| told(&error))?)
}

/// An error with its causes.
fn whole(error: impl std::error::Error + 'static) -> Fault {
    cause::chain(&error).into()
}

/// The SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    LineHash::of(bytes).to_string()
}

const CONFIG: &str = include_str!("../../config/sandbox.yaml");
