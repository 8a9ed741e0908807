//! A caller's JWT: its form, before any key is asked for, and its signature, with a key at hand.
//!
//! Nothing that a header says about keys is believed, and what is not understood is refused: a header
//! that asks for more than a signature over the payload is not a token for us (RFC 7515, section 4.1).

use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, dangerous::insecure_decode_claims, decode,
    decode_header,
};

use crate::identity::{algorithm::SigningAlgorithm, claims::Claims};

/// A JWT of a sound form, whose claims nobody has vouched for yet.
#[derive(Debug)]
pub(in crate::identity) struct Presented<'a> {
    token: &'a str,
    algorithm: SigningAlgorithm,
    key_id: Option<String>,
    kind: Kind,
    issuer: String,
}

/// What the header says that the token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::identity) enum Kind {
    /// Nothing, or `JWT`.
    Plain,
    /// `JOSE`, which SPIFFE allows.
    Jose,
    /// An access token (RFC 9068, section 2.1).
    AccessToken,
}

impl<'a> Presented<'a> {
    /// Reads a token's form; nothing where it cannot be a JWT that we would take from anybody.
    pub(in crate::identity) fn read(token: &'a str) -> Option<Self> {
        let Header {
            typ,
            alg,
            kid,
            cty,
            jku,
            jwk,
            x5u,
            x5c,
            crit,
            enc,
            zip,
            extras,
            x5t: _,
            x5t_s256: _,
            url: _,
            nonce: _,
        } = decode_header(token).ok()?;
        let brings_keys = jku.is_some() || jwk.is_some() || x5u.is_some() || x5c.is_some();
        let wants_more = crit.is_some()
            || cty.is_some()
            || enc.is_some()
            || zip.is_some()
            || extras.inner().contains_key("b64");
        if brings_keys || wants_more || kid.as_ref().is_some_and(|id| id.len() > LONGEST_KEY_ID) {
            return None;
        }
        let claims: Claims = insecure_decode_claims(token).ok()?;
        Some(Self {
            token,
            algorithm: SigningAlgorithm::of(alg)?,
            key_id: kid,
            kind: kind(typ.as_deref())?,
            issuer: claims.text("iss")?.to_owned(),
        })
    }

    /// What the token says about who issued it.
    pub(in crate::identity) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What the token says about how it is signed.
    pub(in crate::identity) fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// What the token says about the key that signed it.
    pub(in crate::identity) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// What the token says that it is.
    pub(in crate::identity) fn kind(&self) -> Kind {
        self.kind
    }

    /// The claims, where the key did sign them, for one of the audiences. When they count is not
    /// looked at: the library reads a clock of its own.
    pub(in crate::identity) fn signed_by(
        &self,
        key: &DecodingKey,
        audiences: &[String],
    ) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::from(self.algorithm));
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let signed = decode(self.token, key, &validation).ok()?;
        Some(signed.claims)
    }
}

fn kind(typ: Option<&str>) -> Option<Kind> {
    let Some(typ) = typ else {
        return Some(Kind::Plain);
    };
    let lower = typ.to_ascii_lowercase();
    match lower.strip_prefix("application/").unwrap_or(&lower) {
        "jwt" => Some(Kind::Plain),
        "jose" => Some(Kind::Jose),
        "at+jwt" => Some(Kind::AccessToken),
        _ => None,
    }
}

/// In bytes; identifiers of keys are thumbprints or short names.
const LONGEST_KEY_ID: usize = 256;
