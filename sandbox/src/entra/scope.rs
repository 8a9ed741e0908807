//! What a token is asked for.

use super::{
    form::Form,
    refusal::{Refusal, invalid_grant, refusal},
};
use crate::{routes::Version, settings::Settings, tokens::VAULT_AUDIENCE};

/// What is asked for on behalf of a user.
#[derive(Clone, Debug)]
pub(super) struct Scopes {
    pub(super) audience: String,
    pub(super) offline_access: bool,
    pub(super) openid: bool,
}

/// The audience of the token that an application wants for itself.
pub(super) fn of_application(
    form: &Form,
    settings: &Settings,
    version: Version,
) -> Result<String, Refusal> {
    let audience = match version {
        Version::V1 => form.need("resource")?,
        Version::V2 => {
            let scope = form.need("scope")?;
            let resource = scope.strip_suffix("/.default");
            resource
                .filter(|resource| !resource.contains(' '))
                .ok_or_else(|| invalid_scope(scope))?
        }
    };
    let known = [settings.audience.as_str(), OLD_AUDIENCE, VAULT_AUDIENCE];
    if known.contains(&audience) {
        Ok(audience.to_owned())
    } else {
        Err(unknown_resource(audience))
    }
}

/// The scopes of a token on behalf of a user; the first resource that is named is the one.
pub(super) fn of_user(
    form: &Form,
    settings: &Settings,
    version: Version,
) -> Result<Scopes, Refusal> {
    let words: Vec<_> = form.field("scope").unwrap_or_default().split(' ').collect();
    let named = match version {
        // Version 1 names the resource apart, and takes no notice of other scopes than `openid`.
        Version::V1 => form.field("resource"),
        Version::V2 => resource(&words)?,
    };
    let audience = match named {
        Some(named) => named,
        None if version == Version::V2 && form.field("scope").is_some() => GRAPH,
        None => &settings.audience,
    };
    match audience {
        OLD_AUDIENCE | GRAPH => {}
        VAULT_AUDIENCE => {
            let told = "The user or administrator has not consented to use the application.";
            return Err(invalid_grant(65_001, told).of_kind("consent_required"));
        }
        audience if audience == settings.audience => {}
        other => return Err(unknown_resource(other)),
    }
    Ok(Scopes {
        audience: audience.to_owned(),
        offline_access: words.contains(&"offline_access"),
        openid: words.contains(&"openid"),
    })
}

fn resource<'a>(words: &[&'a str]) -> Result<Option<&'a str>, Refusal> {
    let mut first = None;
    for word in words {
        if word.is_empty() || OPENID_SCOPES.contains(word) {
            continue;
        }
        let named = word
            .strip_suffix("/.default")
            .or_else(|| word.strip_suffix("/user_impersonation"))
            .ok_or_else(|| invalid_scope(word))?;
        first = first.or(Some(named));
    }
    Ok(first)
}

fn invalid_scope(scope: &str) -> Refusal {
    let told = format!(
        "The provided value for the input parameter 'scope' is not valid. The scope {scope} is not \
         valid."
    );
    refusal(400, "invalid_scope", 70_011, &told)
}

fn unknown_resource(audience: &str) -> Refusal {
    let told = format!("The resource principal named {audience} was not found in the tenant.");
    refusal(400, "invalid_resource", 500_011, &told)
}

/// The audience of applications from before 2025, for which tokens are still issued and no longer taken.
const OLD_AUDIENCE: &str = "https://graph.windows.net";

/// Whose tokens come when no resource is named.
const GRAPH: &str = "https://graph.microsoft.com";

const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];
