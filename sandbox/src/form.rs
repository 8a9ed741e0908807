//! The form of a token request, and what it earns.

use bytes::Bytes;
use http::{Request, header};

use crate::{
    refusal::{Refusal, refusal},
    routes::Version,
    sandbox::Settings,
};

/// The form's fields; a secret's value is not shown.
pub(crate) fn shown_form(body: &[u8]) -> Vec<(String, String)> {
    let shown = |(name, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
        let secret = matches!(
            &*name,
            "client_secret" | "client_assertion" | "refresh_token"
        );
        let value = if secret {
            "(not shown)".to_owned()
        } else {
            value.into_owned()
        };
        (name.into_owned(), value)
    };
    form_urlencoded::parse(body).map(shown).collect()
}

pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The fields; none where the body is not declared to be a form.
    pub(crate) fn of(request: &Request<Bytes>) -> Self {
        let media = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|it| it.to_str().ok());
        if !media.is_some_and(|media| media.starts_with("application/x-www-form-urlencoded")) {
            return Self(Vec::new());
        }
        Self(
            form_urlencoded::parse(request.body())
                .into_owned()
                .collect(),
        )
    }

    fn field(&self, name: &str) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(is, value)| is == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    fn need(&self, name: &str) -> Result<&str, Refusal> {
        let missing = || {
            let told = format!("The request body must contain the following parameter: '{name}'.");
            refusal(400, "invalid_request", 900_144, &told)
        };
        self.field(name).ok_or_else(missing)
    }

    /// The audience of the token that the form earns.
    pub(crate) fn granted_audience(
        &self,
        settings: &Settings,
        secret: &str,
        version: Version,
    ) -> Result<String, Refusal> {
        if self.need("grant_type")? != "client_credentials" {
            return Err(refusal(
                400,
                "unsupported_grant_type",
                70_003,
                "Unsupported grant type.",
            ));
        }
        if self.need("client_id")? != settings.client_id {
            return Err(refusal(
                401,
                "invalid_client",
                700_016,
                "Application not found.",
            ));
        }
        let shown = self.field("client_secret").ok_or_else(|| {
            refusal(
                401,
                "invalid_client",
                7_000_218,
                "A client_secret or assertion is needed.",
            )
        })?;
        if shown != secret {
            return Err(refusal(
                401,
                "invalid_client",
                7_000_215,
                "Invalid client secret provided.",
            ));
        }
        let resource = match version {
            Version::V1 => self.need("resource")?,
            Version::V2 => self
                .need("scope")?
                .strip_suffix("/.default")
                .ok_or_else(|| {
                    refusal(
                        400,
                        "invalid_scope",
                        70_011,
                        "The scope must end in /.default.",
                    )
                })?,
        };
        if resource != settings.audience && resource != OLD_AUDIENCE {
            return Err(refusal(
                400,
                "invalid_resource",
                500_011,
                "Resource principal not found.",
            ));
        }
        Ok(resource.to_owned())
    }
}

/// The audience of applications from before 2025, for which tokens are still issued and no longer taken.
const OLD_AUDIENCE: &str = "https://graph.windows.net";
