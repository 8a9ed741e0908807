//! The configured headers, read anew for each request, so that a rotated secret needs no restart.

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    cause,
    delivery::sink::Setback,
    file::Disk,
    secret::{SecretError, SecretSource},
};

/// Headers with values that must not be told.
pub(in crate::delivery::otlp) struct Credentials {
    headers: HeaderMap,
    values: Vec<SecretString>,
}

impl Credentials {
    /// Reads every header's value.
    pub(in crate::delivery::otlp) async fn read(
        sources: &[(HeaderName, SecretSource)],
        disk: &Disk,
    ) -> Result<Self, Setback> {
        let mut read = Self {
            headers: HeaderMap::new(),
            values: Vec::new(),
        };
        for (name, source) in sources {
            let value = source.read(disk).await;
            let value = value.map_err(|error| unread(name, &error))?;
            let mut line =
                HeaderValue::from_str(value.expose_secret()).map_err(|_| Setback::Held {
                    why: format!(
                        "the value of the header {name} has characters that no header has"
                    ),
                })?;
            line.set_sensitive(true);
            read.headers.append(name, line);
            read.values.push(value);
        }
        Ok(read)
    }

    pub(in crate::delivery::otlp) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The values, for taking them out of what is told.
    pub(in crate::delivery::otlp) fn values(&self) -> &[SecretString] {
        &self.values
    }
}

fn unread(name: &HeaderName, error: &SecretError) -> Setback {
    let why = format!("the header {name}: {}", cause::chain(error));
    if error.is_passing() {
        Setback::Passing { why, after: None }
    } else {
        Setback::Held { why }
    }
}
