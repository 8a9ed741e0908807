//! A secret as the server keeps it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    secrets::Name,
    status::{Status, bad_request, conflict, invalid},
};
use crate::time;

/// A secret that nobody has written to yet.
pub(super) fn empty(name: &Name) -> Value {
    let Name { namespace, name } = name;
    json!({
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": Uuid::new_v4().to_string(),
            "creationTimestamp": time::stamp(),
        },
        "data": {},
        "type": "Opaque",
    })
}

/// What a wish makes of the secret that is held: fields of the server's own stay.
pub(super) fn settle(name: &Name, held: &Value, wanted: Value) -> Result<Value, Status> {
    let Value::Object(mut wanted) = wanted else {
        return Err(bad_request("a Secret is an object"));
    };
    is_of_this_kind(&wanted)?;
    let metadata = settled_metadata(name, held, wanted.remove("metadata"))?;
    let data = settled_data(wanted.remove("data"), wanted.remove("stringData"))?;
    let kind = held.get("type").cloned().unwrap_or_default();
    if wanted.get("type").is_some_and(|wanted| *wanted != kind) {
        return Err(invalid(name, "type: field is immutable"));
    }
    Ok(json!({
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": metadata,
        "data": data,
        "type": kind,
    }))
}

/// Applies a merge patch (RFC 7396). For secrets, a strategic one does the same: they have no lists but in
/// metadata that the sandbox does not keep.
pub(super) fn merge(into: &mut Value, patch: &Value) -> Result<(), Status> {
    let Value::Object(patch) = patch else {
        patch.clone_into(into);
        return Ok(());
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    let Some(into) = into.as_object_mut() else {
        return Ok(());
    };
    for (name, value) in patch {
        if name.starts_with('$') {
            let told = format!("the sandbox knows no directives in patches, such as {name}");
            return Err(bad_request(&told));
        }
        if value.is_null() {
            into.remove(name);
        } else {
            merge(into.entry(name.as_str()).or_insert(Value::Null), value)?;
        }
    }
    Ok(())
}

fn is_of_this_kind(wanted: &Map<String, Value>) -> Result<(), Status> {
    for (field, is) in [("kind", "Secret"), ("apiVersion", "v1")] {
        if wanted.get(field).is_some_and(|wanted| wanted != is) {
            let told = format!("the {field} of the object does not match the expected one ({is})");
            return Err(bad_request(&told));
        }
    }
    Ok(())
}

fn settled_metadata(name: &Name, held: &Value, wanted: Option<Value>) -> Result<Value, Status> {
    let mut settled = held.get("metadata").cloned().unwrap_or_default();
    let wanted = wanted.unwrap_or_else(|| json!({}));
    is_for(name, &wanted)?;
    fits(name, &settled, &wanted)?;
    for field in ["annotations", "labels"] {
        let Some(fields) = settled.as_object_mut() else {
            continue;
        };
        match wanted.get(field) {
            Some(Value::Object(texts)) if !texts.is_empty() => {
                if !texts.values().all(Value::is_string) {
                    return Err(bad_request(&format!("{field} are strings")));
                }
                fields.insert(field.to_owned(), Value::Object(texts.clone()));
            }
            _ => drop(fields.remove(field)),
        }
    }
    Ok(settled)
}

fn is_for(name: &Name, wanted: &Value) -> Result<(), Status> {
    for (field, is) in [("name", &name.name), ("namespace", &name.namespace)] {
        let other = text(wanted, field).filter(|wanted| wanted != is);
        if let Some(other) = other {
            let told = format!(
                "the {field} of the object ({other}) does not match the {field} on the URL ({is})"
            );
            return Err(bad_request(&told));
        }
    }
    Ok(())
}

/// Whether a wish was made for the object that is held, and for the version that is held.
fn fits(name: &Name, held: &Value, wanted: &Value) -> Result<(), Status> {
    let differs = |field: &str| {
        let wanted = text(wanted, field).filter(|wanted| !wanted.is_empty());
        wanted.is_some() && wanted != text(held, field)
    };
    if differs("uid") {
        let shown = |metadata| text(metadata, "uid").unwrap_or_default();
        let told = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {}",
            shown(wanted),
            shown(held),
        );
        return Err(conflict(name, &told));
    }
    if differs("resourceVersion") {
        return Err(conflict(name, MODIFIED));
    }
    Ok(())
}

fn text<'a>(metadata: &'a Value, field: &str) -> Option<&'a str> {
    metadata.get(field)?.as_str()
}

/// The data with the plain texts put in, which the server takes and never shows.
fn settled_data(data: Option<Value>, plain: Option<Value>) -> Result<Value, Status> {
    let fields = |value: Option<Value>| match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields),
        Some(_) => Err(bad_request("data and stringData are objects")),
    };
    let mut data = fields(data)?;
    for (key, value) in &data {
        let text = value.as_str();
        if text.is_none_or(|text| STANDARD.decode(text).is_err()) {
            let told = format!(
                "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data in {key}"
            );
            return Err(bad_request(&told));
        }
    }
    for (key, value) in fields(plain)? {
        let text = value
            .as_str()
            .ok_or_else(|| bad_request("stringData holds strings"))?;
        data.insert(key, STANDARD.encode(text).into());
    }
    Ok(Value::Object(data))
}

const MODIFIED: &str = "the object has been modified; please apply your changes to the latest version \
                        and try again";
