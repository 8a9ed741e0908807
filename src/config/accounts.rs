//! Reads `accounts`.

use std::path::PathBuf;

use http::Uri;

use crate::{
    config::{
        clouds::Cloud,
        endpoint::{base_url, scope},
        environment::Environment,
        scalar::{guid, one_of, tenant},
        secret_file,
        section::{Cursor, Section},
    },
    partner_center::AccountSettings,
    secret::SecretSource,
    token,
};

/// The accounts as far as they could be read, and the names of all.
pub(crate) struct Accounts {
    pub(crate) names: Vec<String>,
    pub(crate) sound: Vec<AccountSettings>,
}

/// Where an account's calls go.
struct Endpoints {
    authority: Uri,
    api: Uri,
    scope: String,
    ca_file: Option<PathBuf>,
}

/// Reads every account.
pub(crate) fn accounts(cursor: &Cursor<'_>, environment: &Environment) -> Option<Accounts> {
    let named = cursor.named()?;
    if named.is_empty() {
        cursor.refuse("no account", "at least one");
    }
    let mut accounts = Accounts {
        names: Vec::new(),
        sound: Vec::new(),
    };
    for (name, account) in named {
        if !is_account_name(name) {
            account.fault(format!(
                "not the name of an account; accepted: {ACCOUNT_NAME}"
            ));
        }
        accounts.names.push(name.to_owned());
        accounts
            .sound
            .extend(account.section(|section| settings(section, name, environment)));
    }
    Some(accounts)
}

fn settings(
    section: &Section<'_>,
    name: &str,
    environment: &Environment,
) -> Option<AccountSettings> {
    let cloud = cloud(section);
    let tenant = section.required("tenant_id", tenant);
    let client_id = section.required("client_id", guid);
    section.optional("flow", one_of(&[("app", ()), ("app_user", ())]));
    section.skip("refresh_token");
    let client_secret =
        section.section("credential", |section| client_secret(section, environment));
    let mut endpoints = standard(cloud);
    if let Some(given) = section.take("endpoints") {
        endpoints = given.section(|section| overridden(section, endpoints));
    }
    let (tenant, endpoints) = (tenant?, endpoints?);
    Some(AccountSettings {
        name: name.to_owned(),
        tenant: tenant.clone(),
        api: endpoints.api,
        ca_file: endpoints.ca_file,
        token: token::Settings {
            authority: endpoints.authority,
            tenant,
            client_id: client_id?,
            scope: endpoints.scope,
            client_secret: client_secret?,
        },
    })
}

fn cloud(section: &Section<'_>) -> Cloud {
    let Some(cursor) = section.take("cloud") else {
        return Cloud::Global;
    };
    let cloud = cursor.read(one_of(&Cloud::NAMES)).unwrap_or(Cloud::Global);
    if let Some(caution) = cloud.caution() {
        cursor.notice(caution);
    }
    cloud
}

/// Takes the secret; the other kinds of credential are told of as not available elsewhere.
fn client_secret(section: &Section<'_>, environment: &Environment) -> Option<SecretSource> {
    let credential = section.exactly_one(&["client_secret", "certificate", "federated_token"])?;
    let client_secret = section.take("client_secret")?;
    (credential.path() == client_secret.path())
        .then(|| secret_file::secret(&client_secret, environment))
        .flatten()
}

fn standard(cloud: Cloud) -> Option<Endpoints> {
    let endpoints = cloud.endpoints();
    Some(Endpoints {
        authority: base_url(endpoints.authority).ok()?,
        api: base_url(endpoints.api).ok()?,
        scope: endpoints.scope.to_owned(),
        ca_file: None,
    })
}

fn overridden(section: &Section<'_>, standard: Option<Endpoints>) -> Option<Endpoints> {
    let authority = section.optional("authority", base_url);
    let api = section.optional("api", base_url);
    let scope = section.optional("scope", scope);
    section.optional("token_version", one_of(&[("v2", ()), ("v1", ())]));
    let ca_file = section
        .take("ca_file")
        .and_then(|ca| secret_file::certificates(&ca));
    let standard = standard?;
    Some(Endpoints {
        authority: authority.unwrap_or(standard.authority),
        api: api.unwrap_or(standard.api),
        scope: scope.unwrap_or(standard.scope),
        ca_file: ca_file.map(|(path, _)| path),
    })
}

/// A name goes into a header of callers, into metrics and into paths of keys.
fn is_account_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte);
    (1..=LONGEST_ACCOUNT_NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// What an account may be called.
const ACCOUNT_NAME: &str = "1 to 64 letters, digits, spaces, full stops, underscores and hyphens";

/// In characters.
const LONGEST_ACCOUNT_NAME: usize = 64;
