//! Reads `accounts`.

use std::path::PathBuf;

use http::Uri;

use crate::{
    config::{
        clouds::Cloud,
        credential,
        endpoint::{base_url, scope},
        environment::Environment,
        refresh_token,
        scalar::{guid, one_of, tenant},
        secret_file,
        section::{Cursor, Section},
        stores::Stores,
        workload_identity::WorkloadIdentity,
    },
    partner_center::AccountSettings,
    token::{self, Flow, Version},
};

/// The names of all accounts, and the accounts where every one of them could be read.
pub(crate) struct Accounts {
    pub(crate) names: Vec<String>,
    pub(crate) sound: Option<Vec<AccountSettings>>,
}

/// Where an account's calls go.
struct Endpoints {
    authority: Uri,
    api: Uri,
    scope: String,
    version: Version,
    ca_file: Option<PathBuf>,
}

/// Reads every account.
pub(crate) fn accounts(
    cursor: &Cursor<'_>,
    has_cluster: bool,
    environment: &Environment,
) -> Option<Accounts> {
    let named = cursor.named()?;
    if named.is_empty() {
        cursor.refuse("no account", "at least one");
    }
    let (mut every_name, mut read) = (Vec::new(), Vec::new());
    let mut stores = Stores::default();
    for (name, account) in named {
        if !is_account_name(name) {
            account.fault(format!(
                "not the name of an account; accepted: {ACCOUNT_NAME}"
            ));
        }
        every_name.push(name.to_owned());
        read.push(
            account.section(|section| {
                settings(section, name, (has_cluster, environment), &mut stores)
            }),
        );
    }
    Some(Accounts {
        names: every_name,
        // None of the others makes up for one that could not be read.
        sound: read.into_iter().collect(),
    })
}

fn settings(
    section: &Section<'_>,
    name: &str,
    (has_cluster, environment): (bool, &Environment),
    stores: &mut Stores,
) -> Option<AccountSettings> {
    let credential = section.section("credential", |section| {
        credential::credential(section, environment)
    });
    let federated = section.find("credential.federated_token").is_some();
    let ambient = federated.then(|| WorkloadIdentity::of(environment));
    let tenant = WorkloadIdentity::or_tenant(ambient, section, "tenant_id", tenant);
    let client_id = WorkloadIdentity::or_client_id(ambient, section, "client_id", guid);
    let endpoints = endpoints(section, ambient);
    let flow = flow(section, name, (has_cluster, environment), stores);
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
            version: endpoints.version,
            credential: credential?,
            flow: flow?,
        },
    })
}

/// A refresh token belongs to a user's consent, so the two are set together or not at all.
fn flow(
    section: &Section<'_>,
    name: &str,
    (has_cluster, environment): (bool, &Environment),
    stores: &mut Stores,
) -> Option<Flow> {
    let for_user = one_of(&[("app", false), ("app_user", true)]);
    let given = section.take("flow");
    let for_user = given.map_or(Some(false), |flow| flow.read(for_user))?;
    if for_user {
        let Some(cursor) = section.take("refresh_token") else {
            let accepted = refresh_token::KINDS.join(", ");
            let problem = format!("is missing; accepted: a section with exactly one of {accepted}");
            section.fault_of_absent("refresh_token", problem);
            return None;
        };
        let store =
            cursor.section(|section| refresh_token::store(section, has_cluster, environment))?;
        stores.note(&store, name, &cursor);
        return Some(Flow::AppUser(store));
    }
    if let Some(kept) = section.take("refresh_token") {
        kept.fault("has no use without flow app_user; accepted: nothing, leave it out".to_owned());
    }
    Some(Flow::App)
}

fn endpoints(section: &Section<'_>, ambient: Option<WorkloadIdentity<'_>>) -> Option<Endpoints> {
    let chosen = section.find("cloud").is_some();
    let mut endpoints = standard(cloud(section));
    // A cloud that was chosen says more than the cluster's own.
    match ambient
        .filter(|_| !chosen)
        .and_then(WorkloadIdentity::authority)
    {
        Some(Ok(authority)) => endpoints = endpoints.map(|it| Endpoints { authority, ..it }),
        Some(Err(problem)) => section.fault_of_absent("endpoints.authority", problem),
        None => {}
    }
    match section.take("endpoints") {
        Some(given) => given.section(|section| overridden(section, endpoints)),
        None => endpoints,
    }
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

fn standard(cloud: Cloud) -> Option<Endpoints> {
    let endpoints = cloud.endpoints();
    Some(Endpoints {
        authority: base_url(endpoints.authority).ok()?,
        api: base_url(endpoints.api).ok()?,
        scope: endpoints.scope.to_owned(),
        version: Version::V2,
        ca_file: None,
    })
}

fn overridden(section: &Section<'_>, standard: Option<Endpoints>) -> Option<Endpoints> {
    let authority = section.optional("authority", base_url);
    let api = section.optional("api", base_url);
    let scope = section.optional("scope", scope);
    let version = one_of(&[("v2", Version::V2), ("v1", Version::V1)]);
    let version = section.optional("token_version", version);
    let ca_file = section
        .take("ca_file")
        .and_then(|ca| secret_file::certificates(&ca));
    let standard = standard?;
    Some(Endpoints {
        authority: authority.unwrap_or(standard.authority),
        api: api.unwrap_or(standard.api),
        scope: scope.unwrap_or(standard.scope),
        version: version.unwrap_or(standard.version),
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
