//! What anybody may ask the operator listener.

/// A question that needs no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Is the process alive?
    Alive,
    /// May traffic come?
    Ready,
    /// What do its numbers say?
    Metrics,
}

impl Probe {
    /// Every question, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Alive, Self::Ready, Self::Metrics];

    /// The question that has this path.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|probe| probe.path() == path)
    }

    /// Its path.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Alive => "/livez",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
        }
    }
}
