//! What an access token says of itself, where it is a JWT.
//!
//! Entra ID signs it for Partner Center, not for us, so nothing here is verified: the claims only
//! guard against a mixed-up answer and give the token its name in the audit record.

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::dangerous::insecure_decode_claims;
use serde_json::{Map, Value};

/// What was asked for, to be compared with what came.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The tenant; compared where it is a GUID.
    pub tenant: &'a str,
    /// The application.
    pub client_id: &'a str,
    /// The audience, a URI without trailing slash.
    pub audience: &'a str,
}

/// What a token says of itself, as far as a person may want to read it; nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// `aud`.
    pub audience: Option<String>,
    /// `tid`.
    pub tenant: Option<String>,
    /// `appid`, or `azp` in its place.
    pub application: Option<String>,
    /// Whether `amr` tells of a second factor; nothing where it is not there.
    pub multi_factor: Option<bool>,
    /// The name by which a person knows the account that they signed in with.
    pub user: Option<String>,
}

impl Said {
    /// Reads a token; nothing where it is not a JWT.
    #[must_use]
    pub fn by(token: &str) -> Option<Self> {
        let claims = claims(token)?;
        let shown = |claim| text(&claims, claim).map(printable);
        let user = ["upn", "preferred_username", "unique_name"]
            .into_iter()
            .find_map(shown);
        let methods = claims.get("amr").and_then(Value::as_array);
        Some(Self {
            audience: shown("aud"),
            tenant: shown("tid"),
            application: shown("appid").or_else(|| shown("azp")),
            multi_factor: methods.map(|methods| methods.iter().any(|it| it == "mfa")),
            user: user.filter(|user| !user.is_empty()),
        })
    }
}

/// Names the claim in which a received token is not the one asked for.
///
/// A token that is not a JWT, and a claim that is absent, are taken on trust: access tokens are opaque
/// to their clients.
#[must_use]
pub fn foreign_claim(token: &str, expected: Expected<'_>) -> Option<&'static str> {
    let claims = claims(token)?;
    let differs = |claim: &str, wanted: &str| {
        text(&claims, claim).is_some_and(|found| !found.eq_ignore_ascii_case(wanted))
    };
    if expected.tenant.len() == GUID_LENGTH && differs("tid", expected.tenant) {
        return Some("tid");
    }
    if differs("appid", expected.client_id) {
        return Some("appid");
    }
    if differs("azp", expected.client_id) {
        return Some("azp");
    }
    let audience = text(&claims, "aud")?;
    let is_uri = audience.contains("://");
    let same = audience
        .trim_end_matches('/')
        .eq_ignore_ascii_case(expected.audience);
    (is_uri && !same).then_some("aud")
}

/// Names a token without giving any of it away: the first 16 hexadecimal digits of the SHA-256 of its
/// `uti` or `jti` claim, or of the token where it has neither.
#[must_use]
pub fn name(token: &str) -> Box<str> {
    let claims = claims(token);
    let id = claims
        .as_ref()
        .and_then(|claims| text(claims, "uti").or_else(|| text(claims, "jti")));
    let hash = digest(&SHA256, id.unwrap_or(token).as_bytes());
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first)).into()
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    insecure_decode_claims(token).ok()
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    claims.get(claim).and_then(Value::as_str)
}

fn printable(claim: &str) -> String {
    let kept = claim.chars().filter(char::is_ascii_graphic);
    kept.take(PRINTED_LENGTH).collect()
}

const GUID_LENGTH: usize = 36;

/// Longer than any claim that is printed.
const PRINTED_LENGTH: usize = 128;
