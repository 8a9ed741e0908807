//! On what grounds something is asked of Partner Center.

use crate::{
    authorization::permit::Admission,
    command::{OnTransfer, ReadTransfer},
};

/// On what grounds something is asked: a caller's admission, which is used up, or for reading alone the
/// gateway's own duty to find out what became of a call.
#[derive(Debug)]
pub(in crate::partner_center) struct Grounds<C>(Kind<C>);

#[derive(Debug)]
enum Kind<C> {
    Admission(Admission<C>),
    Duty(C),
}

impl<C: OnTransfer> Grounds<C> {
    /// A caller was admitted.
    pub(in crate::partner_center) fn of(admission: Admission<C>) -> Self {
        Self(Kind::Admission(admission))
    }

    /// What there are grounds for.
    pub(in crate::partner_center) fn command(&self) -> C {
        match &self.0 {
            Kind::Admission(admission) => admission.command(),
            Kind::Duty(command) => *command,
        }
    }
}

impl Grounds<ReadTransfer> {
    /// The gateway looks for itself, so that a record can tell; no caller hears what was read.
    pub(in crate::partner_center) fn duty(command: ReadTransfer) -> Self {
        Self(Kind::Duty(command))
    }
}
