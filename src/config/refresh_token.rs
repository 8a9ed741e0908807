//! Reads `accounts.*.refresh_token`.

use std::path::PathBuf;

use http::Uri;

use crate::{
    config::{
        endpoint::base_url,
        environment::Environment,
        fault::quoted,
        scalar::{guid, path, tenant},
        secret_file,
        section::{Cursor, Section},
        workload_identity::{CLIENT, TENANT, TOKEN_FILE, WorkloadIdentity},
    },
    secret::SecretSource,
    token::{
        self, Flow, Version, credential,
        refresh_store::{
            Settings,
            encryption_key::Keys,
            settings::{KeyVault, KubernetesSecret, NatsKey},
        },
    },
};

/// Reads the one store that an App+User account has.
pub(crate) fn store(
    section: &Section<'_>,
    has_cluster: bool,
    environment: &Environment,
) -> Option<Settings> {
    let given = section.exactly_one(&KINDS)?;
    match given.key() {
        "file" => file(&given).map(Settings::File),
        "kubernetes_secret" => given
            .section(|section| kubernetes_secret(section, environment))
            .map(Settings::KubernetesSecret),
        "key_vault" => given
            .section(|section| key_vault(section, &given, environment))
            .map(Settings::KeyVault),
        _ => nats(&given, has_cluster).map(Settings::Nats),
    }
}

/// The stores that there are, of which an account has one.
pub(crate) const KINDS: [&str; 4] = ["file", "kubernetes_secret", "nats", "key_vault"];

/// The file need not be there yet: `login` makes it. It is not watched, because the gateway itself
/// changes it.
fn file(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let path = cursor.read(path)?;
    if path.exists() {
        secret_file::closed(cursor, path)
    } else {
        cursor.notice("no refresh token is there yet; `partner-gateway login` puts one there");
        Some(path)
    }
}

fn kubernetes_secret(section: &Section<'_>, environment: &Environment) -> Option<KubernetesSecret> {
    let namespace = section.required("namespace", object_name);
    let name = section.required("name", object_name);
    let key = section.required("key", data_key);
    let api = api_server(environment).map_err(|problem| section.fault_here(problem));
    Some(KubernetesSecret {
        api: api.ok()?,
        service_account: SERVICE_ACCOUNT.into(),
        namespace: namespace?,
        name: name?,
        key: key?,
    })
}

fn key_vault(
    section: &Section<'_>,
    cursor: &Cursor<'_>,
    environment: &Environment,
) -> Option<KeyVault> {
    let vault = section.required("vault_url", vault);
    let secret = section.required("secret", vault_secret_name);
    let ambient = WorkloadIdentity::of(environment);
    let refuse = |problem| section.fault_here(problem);
    let tenant = ambient.value(TENANT, tenant).map_err(refuse).ok();
    let client_id = ambient.value(CLIENT, guid).map_err(refuse).ok();
    let authority = ambient
        .authority()
        .unwrap_or_else(|| base_url(PUBLIC_AUTHORITY));
    let authority = authority.map_err(refuse).ok();
    let token = if let Some(file) = ambient.token_file() {
        secret_file::secret_file_at(cursor, file)
    } else {
        let accepted = "a pod with workload identity";
        cursor.fault(format!("{TOKEN_FILE} is not set; accepted: {accepted}"));
        None
    };
    cursor
        .notice("a vault compares nothing when it is written, so one replica alone should use it");
    let (vault, scope) = vault?;
    Some(KeyVault {
        vault,
        secret: secret?,
        identity: Box::new(token::Settings {
            authority: authority?,
            tenant: tenant?,
            client_id: client_id?,
            scope,
            version: Version::V2,
            credential: credential::Settings::FederatedToken(SecretSource::File(token?)),
            flow: Flow::App,
        }),
    })
}

fn nats(cursor: &Cursor<'_>, has_cluster: bool) -> Option<NatsKey> {
    if !has_cluster {
        cursor.fault("nats without cluster.nats; accepted: both, or another store".to_owned());
    }
    cursor.section(|section| {
        let bucket = section.required("bucket", bucket);
        let key = section.required("key", nats_key);
        let encryption_key = section.need("encryption_key").and_then(|cursor| {
            cursor.section(|section| section.need("file").and_then(|file| encryption_key(&file)))
        });
        Some(NatsKey {
            bucket: bucket?,
            key: key?,
            encryption_key: encryption_key?,
        })
    })
}

/// Reads the path of a file of keys, and looks whether it holds some.
fn encryption_key(cursor: &Cursor<'_>) -> Option<PathBuf> {
    let path = secret_file::secret_file(cursor)?;
    let content = secret_file::contents(cursor, &path)?;
    let keys = str::from_utf8(&content).ok().map(Keys::parse)?;
    keys.map_err(|no_keys| cursor.fault(format!("{}: {no_keys}", secret_file::shown(&path))))
        .ok()?;
    Some(path)
}

/// The API server as the kubelet names it to each pod
/// (<https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/>).
fn api_server(environment: &Environment) -> Result<Uri, String> {
    let Some((host, port)) = environment.get(HOST).zip(environment.get(PORT)) else {
        return base_url(IN_CLUSTER);
    };
    let named = if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    };
    base_url(&named).map_err(|_| {
        let (host, port) = (quoted(host), quoted(port));
        format!(
            "found {host} in {HOST} and {port} in {PORT}; accepted: where the API server is, as the \
             kubelet names it, or neither"
        )
    })
}

/// Reads a vault's URL, and tells the scope of tokens for it
/// (<https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates>).
fn vault(text: &str) -> Result<(Uri, String), String> {
    let uri = base_url(text)?;
    let host = uri.host().unwrap_or_default();
    let of_cloud = host
        .split_once('.')
        .map(|(_, domain)| domain)
        .filter(|domain| VAULT_DOMAINS.contains(domain));
    let loopback = uri.scheme_str() == Some("http");
    match of_cloud.or(loopback.then_some("vault.azure.net")) {
        Some(domain) => {
            let scope = format!("https://{domain}/.default");
            Ok((uri, scope))
        }
        None => Err(format!(
            "the URL of a vault, such as https://partner.vault.azure.net, in {}",
            VAULT_DOMAINS.join(", ")
        )),
    }
}

/// Reads the name of a Kubernetes object
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>).
fn object_name(text: &str) -> Result<String, String> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let sound = (1..=253).contains(&text.len())
        && text.bytes().all(plain)
        && ends
            .into_iter()
            .flatten()
            .all(|byte| byte.is_ascii_alphanumeric());
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "the name of a Kubernetes object".to_owned())
}

/// Reads a key of a Secret's data.
fn data_key(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let sound =
        (1..=253).contains(&text.len()) && text.bytes().all(plain) && ![".", ".."].contains(&text);
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "letters, digits, hyphens, full stops and underscores".to_owned())
}

/// Reads the name of a bucket
/// (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-8.md>).
fn bucket(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let sound = (1..=LONGEST_BUCKET).contains(&text.len()) && text.bytes().all(plain);
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| format!("1 to {LONGEST_BUCKET} letters, digits, hyphens and underscores"))
}

/// Reads a key of a bucket; a full stop parts it, and two have nothing between them.
fn nats_key(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=/".contains(&byte);
    let part = |part: &str| !part.is_empty() && part.bytes().all(plain);
    let sound = text.len() <= LONGEST_KEY && text.split('.').all(part);
    sound.then(|| text.to_owned()).ok_or_else(|| {
        format!("1 to {LONGEST_KEY} letters, digits, -, _, = and /, in parts with a full stop between them")
    })
}

/// Reads the name of a vault's secret.
fn vault_secret_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let sound = (1..=127).contains(&text.len()) && text.bytes().all(plain);
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| "1 to 127 letters, digits and hyphens".to_owned())
}

/// In characters; the server keeps a bucket in a directory of its name.
const LONGEST_BUCKET: usize = 64;

/// In characters.
const LONGEST_KEY: usize = 128;

/// The API server's address, as each pod has it.
const HOST: &str = "KUBERNETES_SERVICE_HOST";

/// The port there.
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// The API server's name within every cluster.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";

/// Where the kubelet puts the pod's own service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Where a workload identity is of, unless its environment says otherwise.
const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";

/// The vaults of each cloud.
const VAULT_DOMAINS: [&str; 4] = [
    "vault.azure.net",
    "vault.azure.cn",
    "vault.usgovcloudapi.net",
    "vault.microsoftazure.de",
];
