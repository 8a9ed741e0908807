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
    /// By a token that an issuer signed.
    Jwt,
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

    /// A caller of any name, for tests of what comes after.
    #[cfg(test)]
    pub(crate) fn named(principal: &str) -> Self {
        Self::new(&principal.into(), None, Auth::Nothing)
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
            Self::Jwt => "jwt",
            Self::TokenFile => "token_file",
            Self::Mtls => "mtls",
            Self::Nothing => "none",
        }
    }
}

/// Whether policy and audit can know a caller by a name.
pub(in crate::identity) fn is_principal(name: &str) -> bool {
    (1..=LONGEST_PRINCIPAL_BYTES).contains(&name.len()) && !name.contains(char::is_control)
}

/// Keeps audit records within their bound.
pub(in crate::identity) const LONGEST_PRINCIPAL_BYTES: usize = 256;
