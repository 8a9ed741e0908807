//! Who is known and what they may do, as one whole that can be replaced.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{authorization::policy::Policy, identity::Identity};

/// Who is known and what they may do.
#[derive(Debug)]
pub struct Rules {
    /// Tells callers apart.
    pub identity: Identity,
    /// Says what they may do.
    pub policy: Policy,
}

/// The rules at present. A call takes them once and is judged by them to its end.
#[derive(Debug)]
pub struct InForce(ArcSwap<Rules>);

impl InForce {
    /// Puts the first rules into force.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self(ArcSwap::from_pointee(rules))
    }

    /// The rules at present.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        self.0.load_full()
    }

    /// Puts other rules into force, for every call that begins from now on.
    pub fn replace(&self, rules: Rules) {
        self.0.store(Arc::new(rules));
    }
}
