//! Entra ID's token answers, read leniently: numbers come as numbers (v2) or as strings (v1).

use std::time::Duration;

use oauth2::{
    RefreshToken, Scope, TokenResponse, basic::BasicTokenType,
    helpers::deserialize_untagged_enum_case_insensitive,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

/// A successful answer of the token endpoint.
#[derive(Debug, Deserialize, Serialize)]
pub struct EntraTokenResponse {
    access_token: oauth2::AccessToken,
    #[serde(deserialize_with = "deserialize_untagged_enum_case_insensitive")]
    token_type: BasicTokenType,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
    #[serde(default, deserialize_with = "seconds_if_present")]
    refresh_in: Option<u64>,
}

/// A refusal of the token endpoint; only what may be logged is read.
#[derive(Debug, Default, Deserialize)]
pub struct EntraErrorBody {
    /// The OAuth error, such as `invalid_client`.
    #[serde(default)]
    pub error: String,
    /// A refinement of the error.
    #[serde(default)]
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    #[serde(default)]
    pub error_codes: Vec<u64>,
    /// Names the refusal in Microsoft's own logs.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// Names the exchange in Microsoft's own logs.
    #[serde(default)]
    pub correlation_id: Option<String>,
}

impl EntraTokenResponse {
    /// How long the token lives, as far as a sane server says.
    #[must_use]
    pub fn lasts(&self) -> Option<Duration> {
        let lasts = Duration::from_secs(self.expires_in);
        (lasts >= SHORTEST).then_some(lasts.min(LONGEST))
    }

    /// When Entra ID wants the token refreshed.
    #[must_use]
    pub fn refresh_in(&self) -> Option<Duration> {
        self.refresh_in.map(Duration::from_secs)
    }
}

impl TokenResponse for EntraTokenResponse {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &oauth2::AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.expires_in))
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match NumberOrText::deserialize(from) {
        Ok(NumberOrText::Number(seconds)) => Ok(seconds),
        Ok(NumberOrText::Text(text)) => text
            .parse()
            .map_err(|_| D::Error::custom("not a count of seconds")),
        Err(_) => Err(D::Error::custom("not a count of seconds")),
    }
}

fn seconds_if_present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    seconds(from).map(Some)
}

/// Shorter lives come from a broken server; a token for them would be refreshed on every call.
const SHORTEST: Duration = Duration::from_mins(1);

/// Entra ID's longest access tokens live 28 hours.
const LONGEST: Duration = Duration::from_hours(28);
