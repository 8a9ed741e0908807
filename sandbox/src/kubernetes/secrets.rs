//! The secrets that are held, and the account that may use them.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    object,
    status::{self, Status},
};
use crate::sandbox::Sandbox;

/// A Kubernetes secret as it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Secret {
    /// The values by their keys, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// What a write must name to be refused when somebody else wrote meanwhile.
    pub resource_version: String,
}

/// All secrets that the service account is granted.
#[derive(Debug)]
pub(crate) struct Secrets {
    account_token: String,
    /// `None` for a secret that was deleted; the grant outlives it.
    granted: HashMap<Name, Option<Value>>,
    /// The resource version of the latest write to any of them.
    version: u64,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Name {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// A secret as an answer shows it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) object: Value,
    pub(super) is_change: bool,
}

impl Sandbox {
    /// Makes a secret and grants it to the service account, or writes to it whoever wrote before.
    pub fn put_secret(&self, namespace: &str, name: &str, entries: &[(&str, &str)]) {
        let plain: BTreeMap<_, _> = entries.iter().copied().collect();
        let name = Name::new(namespace, name);
        let secrets = &mut self.state().secrets;
        secrets.granted.entry(name.clone()).or_default();
        let wanted = json!({"stringData": plain});
        let written = match secrets.read(&name) {
            Ok(_) => secrets.replace(&name, wanted),
            Err(_) => secrets.create(&name, wanted),
        };
        debug_assert!(written.is_ok(), "strings make a secret");
    }

    /// A secret as it stands, if there is one of that name.
    #[must_use]
    pub fn secret(&self, namespace: &str, name: &str) -> Option<Secret> {
        let state = self.state();
        let held = state.secrets.granted.get(&Name::new(namespace, name))?;
        held.as_ref().map(Secret::of)
    }

    /// Deletes a secret; the service account may still ask for it.
    pub fn delete_secret(&self, namespace: &str, name: &str) {
        let mut state = self.state();
        if let Some(held) = state.secrets.granted.get_mut(&Name::new(namespace, name)) {
            *held = None;
        }
    }

    /// The token with which the service account proves itself.
    #[must_use]
    pub fn service_account_token(&self) -> String {
        self.state().secrets.account_token.clone()
    }

    /// Puts another token in the place of the service account's, which is refused from then on.
    pub fn rotate_service_account_token(&self) {
        self.state().secrets.account_token = new_token();
    }
}

impl Secret {
    fn of(object: &Value) -> Self {
        let texts = |at: &str| {
            let fields = object.pointer(at).and_then(Value::as_object);
            let fields = fields.into_iter().flatten();
            fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?)))
        };
        let version = object.pointer("/metadata/resourceVersion");
        Self {
            data: texts("/data")
                .filter_map(|(key, value)| Some((key, STANDARD.decode(value).ok()?)))
                .collect(),
            annotations: texts("/metadata/annotations")
                .map(|(key, value)| (key, value.to_owned()))
                .collect(),
            resource_version: version
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            account_token: new_token(),
            granted: HashMap::new(),
            version: 48_213,
        }
    }
}

impl Name {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl Secrets {
    pub(super) fn is_account(&self, token: &str) -> bool {
        self.account_token == token
    }

    pub(super) fn is_granted(&self, name: &Name) -> bool {
        self.granted.contains_key(name)
    }

    pub(super) fn read(&self, name: &Name) -> Result<Written, Status> {
        Ok(Written {
            object: self.held(name)?.clone(),
            is_change: false,
        })
    }

    pub(super) fn create(&mut self, name: &Name, wanted: Value) -> Result<Written, Status> {
        if self.held(name).is_ok() {
            return Err(status::already_exists(name));
        }
        let names_version = wanted.pointer("/metadata/resourceVersion");
        if names_version.is_some_and(|version| *version != "") {
            let told = "resourceVersion should not be set on objects to be created";
            return Err(status::bad_request(told));
        }
        let settled = object::settle(name, &object::empty(name), wanted)?;
        Ok(self.keep(name, settled))
    }

    pub(super) fn replace(&mut self, name: &Name, wanted: Value) -> Result<Written, Status> {
        let held = self.held(name)?;
        let settled = object::settle(name, held, wanted)?;
        // The real one writes nothing where nothing differs, so the version stays.
        if settled == *held {
            return self.read(name);
        }
        Ok(self.keep(name, settled))
    }

    /// A patch that names no version is laid over the one that is held, and so never in conflict.
    pub(super) fn patch(&mut self, name: &Name, patch: &Value) -> Result<Written, Status> {
        let mut wanted = self.held(name)?.clone();
        object::merge(&mut wanted, patch)?;
        self.replace(name, wanted)
    }

    fn held(&self, name: &Name) -> Result<&Value, Status> {
        let held = self.granted.get(name).and_then(Option::as_ref);
        held.ok_or_else(|| status::not_found(name))
    }

    fn keep(&mut self, name: &Name, mut object: Value) -> Written {
        self.version += 1;
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            let version = self.version.to_string();
            metadata.insert("resourceVersion".to_owned(), version.into());
        }
        self.granted.insert(name.clone(), Some(object.clone()));
        Written {
            object,
            is_change: true,
        }
    }
}

fn new_token() -> String {
    format!("sandbox-service-account-{}", Uuid::new_v4().simple())
}
