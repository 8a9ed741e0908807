//! Which claims count, once they are known to be signed: their times, and what the tokens of
//! Kubernetes, SPIFFE and Entra ID owe beyond RFC 7519.
//!
//! The rules of a kind of token are chosen by what the token says of itself, not by what the operator
//! remembered to configure.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Uri;

use crate::identity::{
    caller,
    claims::{Claims, Odd},
    jwt::Kind,
    kubernetes, spiffe,
};

/// What an operator asks of an issuer's tokens beyond the rules of their kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// One of these must be among `roles`; anything goes where there are none.
    pub roles: BTreeSet<String>,
    /// These alone may be `azp`, `appid` or `client_id`, and one of the three must be there; anything
    /// goes where there are none.
    pub authorized_parties: BTreeSet<String>,
    /// The trust domain of SPIFFE IDs; any where there is none.
    pub trust_domain: Option<String>,
}

/// Why signed claims do not count. For the log only; a caller is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::identity) enum Incredible {
    #[error("exp, nbf or iat is not a time in whole seconds")]
    OddTime,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    TooEarly,
    #[error("the token lives longer than 24 h")]
    LivesTooLong,
    #[error("the claim that names the caller is absent or no name")]
    Nameless,
    #[error("the token is bound to a key that was not shown")]
    Bound,
    #[error("the token is an ID token, which tells a client who signed in")]
    IdToken,
    #[error("the header's typ is not one of this kind of token")]
    WrongType,
    #[error("the service account in sub is not the one in kubernetes.io")]
    ServiceAccount,
    #[error("the service account token has no iat")]
    NoIssuedAt,
    #[error("the service account token is not for the gateway alone")]
    OtherAudience,
    #[error("sub is not the SPIFFE ID of a workload of the trust domain")]
    SpiffeId,
    #[error("tid is not the tenant of the issuer")]
    Tenant,
    #[error("none of the required roles is among roles")]
    Role,
    #[error("azp, appid or client_id is not one of the authorized parties, or all are absent")]
    AuthorizedParty,
}

impl From<Odd> for Incredible {
    fn from(Odd: Odd) -> Self {
        Self::OddTime
    }
}

/// Signed claims, and what they are held against.
#[derive(Debug)]
pub(in crate::identity) struct Case<'a> {
    /// The claims.
    pub(in crate::identity) claims: &'a Claims,
    /// What the header says that the token is.
    pub(in crate::identity) kind: Kind,
    /// Who signed them.
    pub(in crate::identity) issuer: &'a str,
    /// The claim that names the caller.
    pub(in crate::identity) principal_claim: &'a str,
    /// What the operator asks of them.
    pub(in crate::identity) demands: &'a Demands,
    /// When.
    pub(in crate::identity) now: SystemTime,
}

/// Claims that count.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::identity) struct Credible<'a> {
    /// Whom they name.
    pub(in crate::identity) principal: &'a str,
    /// Until when they count.
    pub(in crate::identity) expires: SystemTime,
}

impl<'a> Case<'a> {
    /// Judges the claims.
    ///
    /// # Errors
    ///
    /// The first reason why they do not count.
    pub(in crate::identity) fn judge(&self) -> Result<Credible<'a>, Incredible> {
        let claims = self.claims;
        let expires = times(claims, self.now)?;
        if claims.has("cnf") {
            return Err(Incredible::Bound);
        }
        if OF_ID_TOKENS.iter().any(|name| claims.has(name)) {
            return Err(Incredible::IdToken);
        }
        let subject = claims.text("sub").unwrap_or_default();
        let principal = claims.text(self.principal_claim);
        let principal = principal.filter(|name| caller::is_principal(name));
        let principal = principal.ok_or(Incredible::Nameless)?;
        // Whichever claim names the caller, a name of that kind is believed on that kind's terms only.
        for name in [subject, principal] {
            self.name(name)?;
        }
        if claims.has("tid") || entra_tenant(self.issuer).is_some() {
            tenant(claims, self.issuer)?;
        }
        demanded(claims, self.demands)?;
        Ok(Credible { principal, expires })
    }

    fn name(&self, name: &str) -> Result<(), Incredible> {
        if kubernetes::claims_to_be(name) || self.claims.has("kubernetes.io") {
            service_account(self.claims, name)?;
        }
        if spiffe::claims_to_be(name) || self.demands.trust_domain.is_some() {
            return spiffe_workload(name, self.kind, self.demands);
        }
        if self.kind == Kind::Jose {
            return Err(Incredible::WrongType);
        }
        Ok(())
    }
}

/// The tenant in the name of an issuer of Entra ID; nothing for any other issuer.
#[must_use]
pub fn entra_tenant(issuer: &str) -> Option<&str> {
    let url: Uri = issuer.parse().ok()?;
    let host = url.host()?.to_ascii_lowercase();
    let is_entra = ENTRA_HOSTS.contains(&&*host) || host.ends_with(ENTRA_EXTERNAL_HOSTS);
    let (_, path) = issuer.split_once("://")?.1.split_once('/')?;
    is_entra.then(|| path.split('/').next().unwrap_or_default())
}

/// `exp` must lie ahead and `nbf` and `iat` behind, give or take a leeway, and the life in between must
/// not be long. RFC 7519 asks for neither `iat` nor `nbf`; of a token without them, what is left of its
/// life must not be long.
fn times(claims: &Claims, now: SystemTime) -> Result<SystemTime, Incredible> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let expires = claims.seconds("exp")?.ok_or(Incredible::OddTime)?;
    let not_before = claims.seconds("nbf")?;
    let issued = claims.seconds("iat")?;
    if expires.saturating_add(LEEWAY) <= now {
        return Err(Incredible::Expired);
    }
    let ahead = |time: Option<u64>| time.is_some_and(|time| time > now.saturating_add(LEEWAY));
    if ahead(not_before) || ahead(issued) {
        return Err(Incredible::TooEarly);
    }
    let began = issued.or(not_before).unwrap_or(now);
    if expires.saturating_sub(began) > LONGEST_LIFE {
        return Err(Incredible::LivesTooLong);
    }
    Ok(UNIX_EPOCH + Duration::from_secs(expires))
}

/// A token of `system:serviceaccount:<namespace>:<name>`, from the `TokenRequest` API: it repeats both
/// names in a claim of its own, and is for one audience, lest that other party pass for the caller.
fn service_account(claims: &Claims, subject: &str) -> Result<(), Incredible> {
    let within = |path: &[&str]| claims.text_within("kubernetes.io", path);
    let told = within(&["namespace"]).zip(within(&["serviceaccount", "name"]));
    if told.is_none() || told != kubernetes::service_account(subject) {
        return Err(Incredible::ServiceAccount);
    }
    if !claims.has("iat") {
        return Err(Incredible::NoIssuedAt);
    }
    if claims.texts("aud").len() != 1 {
        return Err(Incredible::OtherAudience);
    }
    Ok(())
}

/// <https://github.com/spiffe/spiffe/blob/main/standards/JWT-SVID.md>, sections 2 and 3.
fn spiffe_workload(subject: &str, kind: Kind, demands: &Demands) -> Result<(), Incredible> {
    if kind == Kind::AccessToken {
        return Err(Incredible::WrongType);
    }
    let domain = spiffe::trust_domain(subject).ok_or(Incredible::SpiffeId)?;
    let wanted = demands.trust_domain.as_deref();
    if wanted.is_none_or(|wanted| wanted == domain) {
        Ok(())
    } else {
        Err(Incredible::SpiffeId)
    }
}

/// Entra ID signs for every tenant with the same keys, so the tenant must be that of the issuer:
/// <https://learn.microsoft.com/entra/identity-platform/claims-validation>.
fn tenant(claims: &Claims, issuer: &str) -> Result<(), Incredible> {
    let tenant = claims.text("tid").filter(|tid| tid.len() == GUID_LENGTH);
    let named = tenant.is_some_and(|tenant| {
        issuer
            .split('/')
            .any(|part| part.eq_ignore_ascii_case(tenant))
    });
    if named {
        Ok(())
    } else {
        Err(Incredible::Tenant)
    }
}

fn demanded(claims: &Claims, demands: &Demands) -> Result<(), Incredible> {
    let roles = claims.texts("roles");
    if !demands.roles.is_empty() && !roles.iter().any(|role| demands.roles.contains(*role)) {
        return Err(Incredible::Role);
    }
    if demands.authorized_parties.is_empty() || is_from_authorized(claims, demands) {
        Ok(())
    } else {
        Err(Incredible::AuthorizedParty)
    }
}

/// A token that names two parties is from neither alone, so both must be authorized.
fn is_from_authorized(claims: &Claims, demands: &Demands) -> bool {
    let authorized = |name: &str| {
        let party = claims.text(name);
        party.is_some_and(|party| demands.authorized_parties.contains(party))
    };
    let mut named = PARTIES
        .into_iter()
        .filter(|name| claims.has(name))
        .peekable();
    named.peek().is_some() && named.all(authorized)
}

/// Claims that ID tokens alone have, from OpenID Connect Core 1.0, sections 2 and 3.3.2.11.
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// The claims that name the client: of OpenID Connect Core 1.0, section 2, of Entra ID's first version,
/// and of RFC 9068, section 2.2.
const PARTIES: [&str; 3] = ["azp", "appid", "client_id"];

/// The hosts in the issuer names of Entra ID, older ones among them: v2.0 and v1.0, worldwide, China and
/// US government (<https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>).
const ENTRA_HOSTS: [&str; 7] = [
    "login.microsoftonline.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
    "sts.chinacloudapi.cn",
];

/// What such hosts of external tenants end in, after the tenant's name or ID:
/// <https://learn.microsoft.com/entra/external-id/customers/concept-custom-url-domain>.
const ENTRA_EXTERNAL_HOSTS: &str = ".ciamlogin.com";

/// In seconds; clocks of one cluster are closer than that.
const LEEWAY: u64 = 60;

/// In seconds: 24 h. What lives longer was not made for calls.
const LONGEST_LIFE: u64 = 86_400;

const GUID_LENGTH: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_tenant_in_the_name_of_an_issuer_of_entra_id() {
        for (issuer, tenant) in [
            ("https://login.microsoftonline.com/t/v2.0", Some("t")),
            ("https://LOGIN.microsoftonline.com/t/v2.0", Some("t")),
            ("https://sts.windows.net/t/", Some("t")),
            ("https://login.windows.net/t/", Some("t")),
            ("https://login.microsoftonline.us/t/v2.0", Some("t")),
            ("https://login.partner.microsoftonline.cn/t/v2.0", Some("t")),
            ("https://login.chinacloudapi.cn/t/", Some("t")),
            ("https://sts.chinacloudapi.cn/t/", Some("t")),
            ("https://contoso.ciamlogin.com/t/v2.0", Some("t")),
            ("https://Contoso.CIAMlogin.com/t/v2.0", Some("t")),
            ("https://ciamlogin.com/t/v2.0", None),
            ("https://evilciamlogin.com/t/v2.0", None),
            ("https://contoso.ciamlogin.com.test/t/v2.0", None),
            ("https://login.microsoftonline.com", None),
            ("https://issuer.test/t/v2.0", None),
            ("kubernetes/serviceaccount", None),
        ] {
            assert_eq!(entra_tenant(issuer), tenant, "{issuer}");
        }
    }
}
