//! Reads `callers.issuers`.

use std::collections::{BTreeSet, HashSet};

use http::Uri;

use crate::{
    config::{
        endpoint::{document_url, issuer_url},
        environment::Environment,
        fault::quoted,
        node::Value,
        scalar::{name, path, truth},
        secret_file,
        section::{Cursor, Section},
    },
    identity::{
        algorithm::SigningAlgorithm,
        credibility::{Demands, entra_tenant},
        issuer::IssuerSettings,
        jwks::KeySet,
        key_source::KeySourceSettings,
        published::Published,
        spiffe,
    },
};

/// Reads every issuer.
pub(crate) fn issuers(
    cursor: &Cursor<'_>,
    environment: &Environment,
) -> Option<Vec<IssuerSettings>> {
    if matches!(cursor.value(), Value::List(items) if items.is_empty()) {
        return Some(Vec::new());
    }
    let mut taken = HashSet::new();
    let mut issuers = Vec::new();
    let items = cursor.items()?;
    for item in &items {
        issuers.extend(item.section(|section| settings(section, environment, &mut taken)));
    }
    (issuers.len() == items.len()).then_some(issuers)
}

fn settings(
    section: &Section<'_>,
    environment: &Environment,
    taken: &mut HashSet<String>,
) -> Option<IssuerSettings> {
    let name = section
        .need("name")
        .and_then(|cursor| unique(&cursor, "name", name, taken));
    let issuer = section
        .need("issuer")
        .and_then(|cursor| unique(&cursor, "issuer", issuer, taken));
    let keys = section.need("jwks").and_then(|cursor| {
        cursor.section(|section| key_source(section, issuer.as_deref(), environment))
    });
    let audiences = section
        .need("audiences")
        .and_then(|cursor| cursor.each(|text| audience(text, issuer.as_deref())));
    let algorithms = match section.take("algorithms") {
        Some(cursor) => cursor.each(algorithm),
        None => Some(
            DEFAULT_ALGORITHMS
                .iter()
                .filter_map(|name| name.parse().ok())
                .collect(),
        ),
    };
    let principal_claim = match section.take("principal_claim") {
        Some(cursor) => cursor.read(claim),
        None => Some(DEFAULT_PRINCIPAL_CLAIM.to_owned()),
    };
    let demands = demands(section, issuer.as_deref());
    Some(IssuerSettings {
        name: name?,
        issuer: issuer?,
        keys: keys?,
        audiences: audiences?,
        algorithms: algorithms?,
        principal_claim: principal_claim?,
        demands: demands?,
    })
}

/// Keys are found by the issuer, and operators find issuers by name.
fn unique(
    cursor: &Cursor<'_>,
    what: &str,
    read: impl FnOnce(&str) -> Result<String, String>,
    taken: &mut HashSet<String>,
) -> Option<String> {
    let text = cursor.read(read)?;
    if taken.insert(format!("{what} {text}")) {
        return Some(text);
    }
    let found = format!("{}, the {what} of another entry", quoted(&text));
    cursor.refuse(&found, "one of its own");
    None
}

fn key_source(
    section: &Section<'_>,
    issuer: Option<&str>,
    environment: &Environment,
) -> Option<KeySourceSettings> {
    let chosen = section.exactly_one(&["discovery", "url", "file"]);
    let ca_file = section
        .take("ca_file")
        .map(|cursor| secret_file::certificates(&cursor));
    let bearer_token = section
        .take("bearer_token")
        .map(|cursor| secret_file::secret(&cursor, environment));
    let alone = ca_file.is_none() && bearer_token.is_none();
    let ca_file = match ca_file {
        Some(read) => Some(read?.0),
        None => None,
    };
    let bearer_token = match bearer_token {
        Some(read) => Some(read?),
        None => None,
    };
    let published = |url: Uri| Published {
        url,
        ca_file,
        bearer_token,
    };
    let chosen = chosen?;
    if section.take("discovery").is_some() {
        let url = discovery(&chosen, issuer)?;
        return Some(KeySourceSettings::Discovery(published(url)));
    }
    if section.take("url").is_some() {
        let url = chosen.read(document_url)?;
        return Some(KeySourceSettings::Url(published(url)));
    }
    if !alone {
        let problem = "ca_file and bearer_token go with discovery or url; accepted: file alone";
        section.fault_here(problem.to_owned());
        return None;
    }
    key_file(&chosen)
}

/// The document of OpenID Connect Discovery 1.0, section 4, or RFC 8414 in its form.
fn discovery(cursor: &Cursor<'_>, issuer: Option<&str>) -> Option<Uri> {
    if !cursor.read(truth)? {
        cursor.refuse("false", "true, or url or file in its place");
        return None;
    }
    let issuer = issuer?;
    let document = issuer_url(issuer);
    if document.is_none() {
        cursor.fault(format!(
            "the issuer {} is no URL to start from; accepted: an issuer that is an https:// URL \
             (http:// only on loopback), or url or file",
            quoted(issuer)
        ));
    }
    document
}

fn key_file(cursor: &Cursor<'_>) -> Option<KeySourceSettings> {
    let path = cursor.read(path)?;
    let json = secret_file::contents(cursor, &path)?;
    if let Err(bad) = KeySet::parse(&json) {
        cursor.fault(format!(
            "{}: {bad}; accepted: a JSON Web Key Set with a public RSA, EC or Ed25519 key",
            quoted(&path.to_string_lossy())
        ));
        return None;
    }
    Some(KeySourceSettings::File(path))
}

/// Entra ID gives every application of a tenant a token for every other, unasked:
/// <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
fn demands(section: &Section<'_>, issuer: Option<&str>) -> Option<Demands> {
    let roles = words(section, "required_roles");
    let authorized_parties = words(section, "authorized_parties");
    let trust_domain = match section.take("trust_domain") {
        Some(cursor) => Some(cursor.read(trust_domain)?),
        None => None,
    };
    let (roles, authorized_parties) = (roles?, authorized_parties?);
    let open = roles.is_empty() && authorized_parties.is_empty();
    if open && issuer.and_then(entra_tenant).is_some() {
        section.fault_of_absent(
            "required_roles",
            "is missing, and Entra ID gives every application of the tenant a token; accepted: \
             roles, or authorized_parties with client IDs"
                .to_owned(),
        );
        return None;
    }
    Some(Demands {
        roles,
        authorized_parties,
        trust_domain,
    })
}

fn words(section: &Section<'_>, key: &str) -> Option<BTreeSet<String>> {
    match section.take(key) {
        Some(cursor) => Some(cursor.each(word)?.into_iter().collect()),
        None => Some(BTreeSet::new()),
    }
}

/// Tokens of `kubernetes/serviceaccount` lie in secrets and never expire.
fn issuer(text: &str) -> Result<String, String> {
    let sound = word(text).ok().filter(|issuer| issuer != LEGACY_ISSUER);
    sound.ok_or_else(|| {
        format!("the iss of the issuer's tokens, letter for letter; never {LEGACY_ISSUER}")
    })
}

/// Whoever holds a token for the API server, or for an exchange at Entra ID, must not be able to show
/// it to us.
fn audience(text: &str, issuer: Option<&str>) -> Result<String, String> {
    let foreign = Some(text) == issuer
        || text.starts_with("https://kubernetes.default.svc")
        || text.eq_ignore_ascii_case("api://AzureADTokenExchange");
    let sound = word(text).is_ok() && !foreign;
    sound.then(|| text.to_owned()).ok_or_else(|| {
        "an audience that stands for the gateway alone, such as partner-gateway; not the issuer's \
         own, the API server's or api://AzureADTokenExchange"
            .to_owned()
    })
}

fn algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    text.parse().map_err(|_| SigningAlgorithm::NAMES.join(", "))
}

fn claim(text: &str) -> Result<String, String> {
    word(text).map_err(|_| "the name of a claim, such as sub or azp".to_owned())
}

fn word(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && (1..=LONGEST_WORD).contains(&text.len()))
        .then(|| text.to_owned())
        .ok_or_else(|| format!("1 to {LONGEST_WORD} visible ASCII characters"))
}

fn trust_domain(text: &str) -> Result<String, String> {
    spiffe::is_trust_domain(text)
        .then(|| text.to_owned())
        .ok_or_else(|| "the name of a trust domain, such as example.org".to_owned())
}

/// What Kubernetes and most other issuers sign with.
const DEFAULT_ALGORITHMS: [&str; 2] = ["RS256", "ES256"];

/// The subject of RFC 7519, section 4.1.2.
const DEFAULT_PRINCIPAL_CLAIM: &str = "sub";

/// The issuer of tokens that lie in secrets:
/// <https://kubernetes.io/docs/concepts/security/service-accounts/>.
const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// In characters; longer than most URLs.
const LONGEST_WORD: usize = 512;
