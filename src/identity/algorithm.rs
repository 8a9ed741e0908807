//! The algorithms that callers' tokens may be signed with: asymmetric ones, so that whoever can check
//! a token cannot make one.

use std::str::FromStr;

use jsonwebtoken::Algorithm;

/// An asymmetric signing algorithm (RFC 7518, section 3.1, and RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningAlgorithm(Algorithm);

/// The name is not that of an algorithm that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl SigningAlgorithm {
    /// The names of all.
    pub const NAMES: [&'static str; 9] = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
    ];

    pub(in crate::identity) fn of(algorithm: Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512
            | Algorithm::ES256
            | Algorithm::ES384
            | Algorithm::EdDSA => Some(Self(algorithm)),
            _ => None,
        }
    }
}

impl From<SigningAlgorithm> for Algorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        algorithm.0
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        let algorithm = name.parse().map_err(|_| UnknownAlgorithm)?;
        Self::of(algorithm).ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_asymmetric_algorithms_only() {
        for name in SigningAlgorithm::NAMES {
            assert!(name.parse::<SigningAlgorithm>().is_ok(), "{name}");
        }
        for name in [
            "HS256", "HS384", "HS512", "none", "None", "rs256", "ES512", "",
        ] {
            assert_eq!(
                name.parse::<SigningAlgorithm>(),
                Err(UnknownAlgorithm),
                "{name}"
            );
        }
    }
}
