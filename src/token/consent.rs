//! What a person's consent earned: a refresh token to keep, and what there is to tell of it.
//!
//! The claims are read as in `claims`: nothing is verified, because it came over a connection of our own
//! from the authority itself.

use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;
use oauth2::{
    RefreshToken, Scope, TokenResponse, basic::BasicTokenType,
    helpers::deserialize_untagged_enum_case_insensitive,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::token::{Settings, claims, device::ConsentError, grant::GrantError};

/// A consent; `Debug` does not show the token.
#[derive(Debug)]
pub struct Consent {
    /// What is to be kept.
    pub refresh_token: SecretString,
    /// Who consented, where the tokens say.
    pub by: Option<String>,
    /// Whether they signed in with a second factor, where the tokens say.
    pub multi_factor: Option<bool>,
}

/// The token endpoint's answer to a device code that was approved.
#[derive(Debug, Deserialize, Serialize)]
pub(in crate::token) struct ConsentResponse {
    access_token: oauth2::AccessToken,
    #[serde(deserialize_with = "deserialize_untagged_enum_case_insensitive")]
    token_type: BasicTokenType,
    #[serde(default)]
    refresh_token: Option<RefreshToken>,
    #[serde(default, skip_serializing, deserialize_with = "secret")]
    id_token: Option<SecretString>,
}

impl Consent {
    /// Takes the refresh token out of an answer whose access token is the one asked for.
    pub(in crate::token) fn accept(
        response: &ConsentResponse,
        settings: &Settings,
    ) -> Result<Self, ConsentError> {
        if response.token_type != BasicTokenType::Bearer {
            return Err(GrantError::Malformed("its token type is not Bearer").into());
        }
        let access = response.access_token.secret().as_str();
        let id = response.id_token.as_ref().map(ExposeSecret::expose_secret);
        let expected = claims::Expected {
            tenant: &settings.tenant,
            client_id: &settings.client_id,
            audience: settings.resource(),
        };
        let tokens = [Some(access), id];
        for token in tokens.into_iter().flatten() {
            if let Some(claim) = claims::foreign_claim(token, expected) {
                return Err(GrantError::Foreign(claim).into());
            }
        }
        // The access token speaks first, because it is what Partner Center looks at.
        let said = tokens.map(|token| token.and_then(|it| insecure_decode_claims(it).ok()));
        let said: Vec<_> = said.into_iter().flatten().collect();
        Ok(Self {
            refresh_token: refresh_token(response)?,
            by: said.iter().find_map(user),
            multi_factor: said.iter().find_map(multi_factor),
        })
    }
}

impl TokenResponse for ConsentResponse {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

fn refresh_token(response: &ConsentResponse) -> Result<SecretString, ConsentError> {
    let token = response
        .refresh_token
        .as_ref()
        .map(|it| it.secret().as_str());
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or(ConsentError::NoRefreshToken)?;
    if token.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(token.into())
    } else {
        Err(GrantError::Malformed("its refresh token is not visible ASCII").into())
    }
}

/// The name by which a person knows the account that they signed in with.
fn user(claims: &Map<String, Value>) -> Option<String> {
    let named = |claim: &&str| claims.get(*claim)?.as_str();
    let name = ["upn", "preferred_username", "unique_name"]
        .iter()
        .find_map(named)?;
    let shown = name.chars().filter(char::is_ascii_graphic);
    let shown: String = shown.take(LONGEST_NAME).collect();
    (!shown.is_empty()).then_some(shown)
}

fn multi_factor(claims: &Map<String, Value>) -> Option<bool> {
    let methods = claims.get("amr")?.as_array()?;
    Some(methods.iter().any(|method| method == "mfa"))
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Into::into))
}

/// In characters.
const LONGEST_NAME: usize = 128;
