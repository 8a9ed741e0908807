//! What a call needs and nobody asks for a while, because it failed too often.

/// What failed too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Calls to Partner Center.
    PartnerCenter,
    /// Asking the other replicas about an idempotency key.
    Replicas,
}
