//! A Kubernetes Secret as the API server spells it
//! (<https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/>).

use std::{fmt, time::SystemTime};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

/// The whole object as it was read, so that what others keep in it goes back unchanged.
#[derive(Clone)]
pub(in crate::token::refresh_store) struct SecretObject(Map<String, Value>);

impl fmt::Debug for SecretObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretObject").finish_non_exhaustive()
    }
}

impl SecretObject {
    /// Reads an answer; `None` where it is no object with a version.
    pub(in crate::token::refresh_store) fn parse(body: &[u8]) -> Option<Self> {
        let object = Self(serde_json::from_slice(body).ok()?);
        object.version()?;
        Some(object)
    }

    pub(in crate::token::refresh_store) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).unwrap_or_default()
    }

    /// What stands under a key; `None` where there is nothing, or nothing that is text.
    pub(in crate::token::refresh_store) fn text(&self, key: &str) -> Option<SecretString> {
        let encoded = self.0.get("data")?.get(key)?.as_str()?;
        let decoded = BASE64_STANDARD.decode(encoded).ok()?;
        String::from_utf8(decoded).ok().map(SecretString::from)
    }

    /// Puts a text under a key, with the moment in which that was done.
    pub(in crate::token::refresh_store) fn put(
        &mut self,
        key: &str,
        text: &SecretString,
        now: SystemTime,
    ) {
        let encoded = BASE64_STANDARD.encode(text.expose_secret());
        let moment = humantime::format_rfc3339_seconds(now).to_string();
        insert(section(&mut self.0, "data"), key, encoded);
        insert(self.annotations(), RENEWED, moment);
    }

    /// When the text was last put there by a gateway.
    pub(in crate::token::refresh_store) fn renewed(&self) -> Option<SystemTime> {
        humantime::parse_rfc3339(self.annotation(RENEWED)?).ok()
    }

    /// Who has claimed the right to present the text.
    pub(in crate::token::refresh_store) fn claim(&self) -> Option<&str> {
        self.annotation(CLAIM)
    }

    pub(in crate::token::refresh_store) fn set_claim(&mut self, claim: String) {
        insert(self.annotations(), CLAIM, claim);
    }

    pub(in crate::token::refresh_store) fn end_claim(&mut self) {
        self.annotations().remove(CLAIM);
    }

    fn version(&self) -> Option<&str> {
        self.0.get("metadata")?.get("resourceVersion")?.as_str()
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        let metadata = self.0.get("metadata")?;
        metadata.get("annotations")?.get(name)?.as_str()
    }

    fn annotations(&mut self) -> &mut Map<String, Value> {
        section(section(&mut self.0, "metadata"), "annotations")
    }
}

/// The section under a key, made where there is none; `null` is none.
fn section<'a>(object: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = object.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    #[expect(clippy::expect_used, reason = "it was made one above")]
    value.as_object_mut().expect("an object")
}

fn insert(into: &mut Map<String, Value>, key: &str, value: String) {
    into.insert(key.to_owned(), value.into());
}

/// Who presents the token now: the holder and, behind a slash, the claim's own name.
const CLAIM: &str = "partner-gateway/claim";

/// When the token was last renewed.
const RENEWED: &str = "partner-gateway/renewed";
