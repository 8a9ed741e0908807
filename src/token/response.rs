//! Entra ID's token answers, read leniently: numbers come as numbers (v2) or as strings (v1), and a field
//! that is odd spoils no other.

use std::{
    borrow::Cow,
    collections::HashMap,
    time::{Duration, SystemTime},
};

use oauth2::{
    RefreshToken, Scope, TokenResponse, basic::BasicTokenType,
    helpers::deserialize_untagged_enum_case_insensitive,
};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A successful answer of the token endpoint.
#[derive(Debug, Deserialize, Serialize)]
pub struct EntraTokenResponse {
    #[serde(default = "no_token", deserialize_with = "access_token")]
    access_token: oauth2::AccessToken,
    #[serde(default = "no_type", deserialize_with = "token_type")]
    token_type: BasicTokenType,
    #[serde(default, deserialize_with = "life")]
    expires_in: Told,
    #[serde(default, deserialize_with = "number")]
    expires_on: Option<u64>,
    #[serde(default, deserialize_with = "number")]
    refresh_in: Option<u64>,
    #[serde(default, deserialize_with = "lenient")]
    refresh_token: Option<RefreshToken>,
    #[serde(default, skip_serializing, deserialize_with = "secret")]
    id_token: Option<SecretString>,
}

/// A refusal of the token endpoint; only what may be logged is read.
#[derive(Debug, Default)]
pub struct EntraErrorBody {
    /// The OAuth error, such as `invalid_client`.
    pub error: String,
    /// A refinement of the error.
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    pub error_codes: Vec<u64>,
    /// Whether claims are demanded, by whichever words.
    pub demands_claims: bool,
    /// Names the refusal in Microsoft's own logs.
    pub trace_id: Option<String>,
    /// Names the exchange in Microsoft's own logs.
    pub correlation_id: Option<String>,
}

impl EntraTokenResponse {
    /// How long the token lives from `now` on, as far as a sane server says: by `expires_in`, or by
    /// `expires_on` where that alone is there.
    #[must_use]
    pub fn lasts(&self, now: SystemTime) -> Option<Duration> {
        let lasts = match self.expires_in {
            Told::Seconds(seconds) => Duration::from_secs(seconds),
            Told::Nothing => {
                let end = Duration::from_secs(self.expires_on?);
                let end = SystemTime::UNIX_EPOCH.checked_add(end)?;
                end.duration_since(now).ok()?
            }
            Told::Nonsense => return None,
        };
        (lasts >= SHORTEST).then_some(lasts.min(LONGEST))
    }

    /// When Entra ID wants the token refreshed; nothing where it says so oddly.
    #[must_use]
    pub fn refresh_in(&self) -> Option<Duration> {
        let after = Duration::from_secs(self.refresh_in?);
        (after >= SHORTEST).then_some(after)
    }

    /// What tells who the user is, where the answer is to a sign-in.
    pub(in crate::token) fn id_token(&self) -> Option<&SecretString> {
        self.id_token.as_ref()
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
        match self.expires_in {
            Told::Seconds(seconds) => Some(Duration::from_secs(seconds)),
            Told::Nothing | Told::Nonsense => None,
        }
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

impl EntraErrorBody {
    /// Reads a body of any kind; what is not there, or odd, stays empty.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        // One byte that is not UTF-8, in words that nobody reads, must not hide what is refused.
        let body = String::from_utf8_lossy(body);
        let members: HashMap<Cow<'_, str>, &RawValue> =
            serde_json::from_str(&body).unwrap_or_default();
        let member = |name: &str| members.get(name).copied();
        let text = |name: &str| member(name).and_then(plain::<String>);
        let codes: Vec<&RawValue> = member("error_codes")
            .and_then(|codes| serde_json::from_str(codes.get()).ok())
            .unwrap_or_default();
        Self {
            error: text("error").unwrap_or_default(),
            suberror: text("suberror"),
            error_codes: codes
                .into_iter()
                .filter_map(count)
                .take(MOST_CODES)
                .collect(),
            demands_claims: member("claims").is_some_and(|claims| !is_empty(claims)),
            trace_id: text("trace_id"),
            correlation_id: text("correlation_id"),
        }
    }
}

/// What an answer says of the life of its token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
enum Told {
    #[default]
    Nothing,
    Nonsense,
    Seconds(u64),
}

/// Odd like an absent one: empty, which is no token. A refresh token beside it is not lost.
fn access_token<'de, D: Deserializer<'de>>(from: D) -> Result<oauth2::AccessToken, D::Error> {
    Ok(lenient(from)?.unwrap_or_else(no_token))
}

fn no_token() -> oauth2::AccessToken {
    oauth2::AccessToken::new(String::new())
}

fn token_type<'de, D: Deserializer<'de>>(from: D) -> Result<BasicTokenType, D::Error> {
    let told: Option<Type> = lenient(from)?;
    Ok(told.map_or_else(no_type, |told| told.0))
}

fn no_type() -> BasicTokenType {
    BasicTokenType::Extension(String::new())
}

/// A token type in any case.
#[derive(Deserialize)]
struct Type(
    #[serde(deserialize_with = "deserialize_untagged_enum_case_insensitive")] BasicTokenType,
);

fn life<'de, D: Deserializer<'de>>(from: D) -> Result<Told, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    Ok(match count(&raw) {
        Some(seconds) => Told::Seconds(seconds),
        None if is_empty(&raw) => Told::Nothing,
        None => Told::Nonsense,
    })
}

fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(count(&Box::<RawValue>::deserialize(from)?))
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(lenient::<D, String>(from)?.map(Into::into))
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    Ok(plain(&Box::<RawValue>::deserialize(from)?))
}

/// A whole number, as such or in quotes.
fn count(raw: &RawValue) -> Option<u64> {
    plain(raw).or_else(|| plain::<String>(raw)?.parse().ok())
}

fn plain<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn is_empty(raw: &RawValue) -> bool {
    matches!(raw.get(), "null" | "\"\"")
}

/// Shorter lives come from a broken server; a token for them would be refreshed on every call.
const SHORTEST: Duration = Duration::from_mins(1);

/// Entra ID's longest access tokens live 28 hours.
const LONGEST: Duration = Duration::from_hours(28);

/// A refusal has one or two; keeps log lines short.
const MOST_CODES: usize = 8;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn gives_each_form_of_a_life_one_meaning() {
        let hour = Some(Duration::from_hours(1));
        let end = 1_000_000 + 3600;

        for (fields, lasts) in [
            (r#""expires_in":3600"#, hour),
            (r#""expires_in":"3600""#, hour),
            (r#""expires_in":60"#, Some(SHORTEST)),
            (r#""expires_in":18446744073709551615"#, Some(LONGEST)),
            (r#""expires_in":59"#, None),
            (r#""expires_in":0"#, None),
            (r#""expires_in":-1"#, None),
            (r#""expires_in":1e99"#, None),
            (r#""expires_in":1e999"#, None),
            (r#""expires_in":3600.5"#, None),
            (r#""expires_in":"x""#, None),
            (r#""expires_in":[3600]"#, None),
            (r#""expires_in":null"#, None),
            (r#""ext_expires_in":3600"#, None),
            (&format!(r#""expires_on":"{end}""#), hour),
            (&format!(r#""expires_in":null,"expires_on":{end}"#), hour),
            (&format!(r#""expires_in":0,"expires_on":{end}"#), None),
            (r#""expires_on":"18446744073709551615""#, None),
            (r#""expires_on":"999999""#, None),
            (r#""expires_on":"01/02/2026 15:04:05""#, None),
        ] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);

            assert_eq!(response(fields).lasts(now), lasts, "{fields}");
        }
    }

    #[test]
    fn takes_a_token_whose_other_fields_are_odd() {
        for (fields, refresh_in) in [
            (r#""refresh_in":1800"#, Some(1800)),
            (r#""refresh_in":"1800""#, Some(1800)),
            (r#""refresh_in":0"#, None),
            (r#""refresh_in":-1"#, None),
            (r#""refresh_in":1e999"#, None),
            (r#""refresh_in":{"a":[]}"#, None),
            (r#""refresh_in":null"#, None),
            (r#""refresh_token":7,"id_token":null,"scope":[]"#, None),
        ] {
            let read = response(fields);

            let refresh_in = refresh_in.map(Duration::from_secs);
            assert_eq!(read.refresh_in(), refresh_in, "{fields}");
            assert!(read.refresh_token().is_none());
        }
    }

    #[test]
    fn keeps_a_refresh_token_and_does_not_show_it() {
        let read = response(r#""expires_in":3600,"refresh_token":"0.AAA","id_token":"e30.e30.""#);

        let kept = read.refresh_token().map(|token| token.secret().as_str());
        assert_eq!(kept, Some("0.AAA"));
        let shown = format!("{read:?}");
        assert!(
            !shown.contains("0.AAA") && !shown.contains("e30"),
            "{shown}"
        );
        assert!(!shown.contains("secret-token"), "{shown}");
    }

    #[test]
    fn keeps_a_refresh_token_beside_an_access_token_that_is_odd_or_absent() {
        for fields in [
            "",
            r#""access_token":7,"#,
            r#""access_token":null,"token_type":null,"#,
            r#""access_token":"a","token_type":["Bearer"],"#,
            r#""access_token":{"a":1e999},"token_type":"mac","#,
        ] {
            let body = format!(r#"{{{fields}"refresh_token":"0.AAA"}}"#);
            let read: EntraTokenResponse = serde_json::from_str(&body).unwrap();

            let kept = read.refresh_token().map(|token| token.secret().as_str());
            assert_eq!(kept, Some("0.AAA"), "{fields}");
            assert_ne!(*read.token_type(), BasicTokenType::Bearer, "{fields}");
        }
        assert_eq!(
            *response(r#""scope":"""#).token_type(),
            BasicTokenType::Bearer
        );
    }

    #[test]
    fn reads_a_refusal_whose_words_are_not_utf_8() {
        let body = b"{\"error\":\"invalid_client\",\"error_description\":\"caf\xe9\",\"error_codes\":[7000215]}";

        let read = EntraErrorBody::read(body);

        assert_eq!(read.error, "invalid_client");
        assert_eq!(read.error_codes, [7_000_215]);
    }

    #[test]
    fn reads_each_field_of_a_refusal_by_itself() {
        let sound = json!({
            "error": "invalid_grant",
            "error_description": "AADSTS50076: \r\n\"quoted\"",
            "error_codes": [50076],
            "suberror": "basic_action",
            "trace_id": "t",
            "correlation_id": "c",
            "claims": "{}",
        });
        let all = json!(["invalid_grant", [50076], "basic_action", "t", "c", true]);
        let nothing = ["\"\"", "[]", "null", "null", "null", "false"];

        assert_eq!(told(&sound.to_string()), all);
        let names = [
            "error",
            "error_codes",
            "suberror",
            "trace_id",
            "correlation_id",
            "claims",
        ];
        for (at, name) in names.into_iter().enumerate() {
            for odd in ["1e999", "{}", "true", "null", "[[1]]", r#""\ud800""#] {
                let spoilt = format!(r#""{name}":{odd}"#);
                let member = format!(r#""{name}":{}"#, sound[name]);
                let read = told(&sound.to_string().replace(&member, &spoilt));

                let mut expected = all.clone();
                let claims = name == "claims" && odd != "null";
                if !claims {
                    expected[at] = serde_json::from_str::<Value>(nothing[at]).unwrap();
                }
                assert_eq!(read, expected, "{spoilt}");
            }
        }
        for body in ["", "plain text", "<html>", "[]", "{", "\u{feff}{}"] {
            assert_eq!(
                told(body),
                json!(["", [], null, null, null, false]),
                "{body}"
            );
        }
        assert_eq!(
            told(r#"{"error_codes":["7",8,1e999,-1,{}]}"#)[1],
            json!([7, 8])
        );
    }

    fn told(body: &str) -> Value {
        let EntraErrorBody {
            error,
            suberror,
            error_codes,
            demands_claims,
            trace_id,
            correlation_id,
        } = EntraErrorBody::read(body.as_bytes());
        json!([
            error,
            error_codes,
            suberror,
            trace_id,
            correlation_id,
            demands_claims
        ])
    }

    fn response(fields: &str) -> EntraTokenResponse {
        let body = format!(r#"{{"token_type":"bearer","access_token":"secret-token",{fields}}}"#);
        serde_json::from_str(&body).unwrap()
    }
}
