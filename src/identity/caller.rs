//! A caller that has proved itself.

use std::sync::Arc;

/// Who calls. Only this room makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    principal: Arc<str>,
    issuer: Option<Arc<str>>,
    auth: Auth,
}

/// How a caller proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// By a token whose hash stands in the token file.
    TokenFile,
    /// By a client certificate.
    Mtls,
    /// Not at all; possible on a loopback listener only.
    Nothing,
}

impl Caller {
    pub(in crate::identity) fn new(
        principal: &Arc<str>,
        issuer: Option<Arc<str>>,
        auth: Auth,
    ) -> Self {
        Self {
            principal: Arc::clone(principal),
            issuer,
            auth,
        }
    }

    pub(in crate::identity) fn anonymous() -> Self {
        Self {
            principal: Arc::from("anonymous"),
            issuer: None,
            auth: Auth::Nothing,
        }
    }

    /// The one string that policy and audit know the caller by.
    #[must_use]
    pub fn principal(&self) -> &Arc<str> {
        &self.principal
    }

    /// Who vouches for the principal, where somebody does.
    #[must_use]
    pub fn issuer(&self) -> Option<&Arc<str>> {
        self.issuer.as_ref()
    }

    /// How the caller proved itself.
    #[must_use]
    pub fn auth(&self) -> Auth {
        self.auth
    }
}

impl Auth {
    /// The word that audit records use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TokenFile => "token_file",
            Self::Mtls => "mtls",
            Self::Nothing => "none",
        }
    }
}
