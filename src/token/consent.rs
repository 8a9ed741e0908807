//! What a person's consent earned: a refresh token to keep, and what there is to tell of it.
//!
//! The claims are read as in `claims`: nothing is verified, because it came over a connection of our own
//! from the authority itself.

use oauth2::{TokenResponse as _, basic::BasicTokenType};
use secrecy::{ExposeSecret, SecretString};

use crate::token::{
    Settings,
    claims::{self, Said},
    device::ConsentError,
    grant::GrantError,
    refresh_store::well_formed,
    response::EntraTokenResponse,
};

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

impl Consent {
    /// Takes the refresh token out of an answer whose access token is the one asked for.
    pub(in crate::token) fn accept(
        response: &EntraTokenResponse,
        settings: &Settings,
    ) -> Result<Self, ConsentError> {
        if *response.token_type() != BasicTokenType::Bearer {
            return Err(GrantError::Malformed("its token type is not Bearer").into());
        }
        let access = response.access_token().secret().as_str();
        let id = response.id_token().map(ExposeSecret::expose_secret);
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
        let said = tokens.map(|token| token.and_then(Said::by));
        let said: Vec<_> = said.into_iter().flatten().collect();
        Ok(Self {
            refresh_token: refresh_token(response)?,
            by: said.iter().find_map(|said| said.user.clone()),
            multi_factor: said.iter().find_map(|said| said.multi_factor),
        })
    }
}

fn refresh_token(response: &EntraTokenResponse) -> Result<SecretString, ConsentError> {
    let token = response.refresh_token().map(|it| it.secret().as_str());
    let token = token.filter(|token| !token.is_empty());
    let token = token.ok_or(ConsentError::NoRefreshToken)?;
    let unfit = GrantError::Malformed("its refresh token is not visible ASCII");
    well_formed(token).ok_or(unfit.into())
}
