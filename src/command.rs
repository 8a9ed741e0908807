//! What a caller may ask for: a closed set of typed operations.

use crate::ids::{CustomerId, TransferId};

/// Asks for the rejection of one subscription transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RejectTransfer {
    /// The customer whose subscriptions would move.
    pub customer: CustomerId,
    /// The transfer to reject.
    pub transfer: TransferId,
}

/// Asks how one subscription transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadTransfer {
    /// The customer whose subscriptions would move.
    pub customer: CustomerId,
    /// The transfer to read.
    pub transfer: TransferId,
}

/// Asks for records of the audit journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAudit {
    /// The only customer whose records are asked for, if there is one.
    pub customer: Option<CustomerId>,
}

/// A typed command: what policy needs to know of it.
pub trait Command: Copy {
    /// The operation that policy must grant.
    const OPERATION: Operation;

    /// The customer it is about; all of them, where none is named.
    fn about(&self) -> Option<CustomerId>;
}

/// A command that concerns one transfer.
pub trait OnTransfer: Command {
    /// Puts the command together.
    fn of(customer: CustomerId, transfer: TransferId) -> Self;

    /// The customer it concerns.
    fn customer(&self) -> CustomerId;

    /// The transfer it concerns.
    fn transfer(&self) -> TransferId;
}

/// Names an operation in policy and in the audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Rejects a transfer.
    TransfersReject,
    /// Reads a transfer.
    TransfersRead,
    /// Reads the audit journal.
    AuditRead,
}

impl Command for RejectTransfer {
    const OPERATION: Operation = Operation::TransfersReject;

    fn about(&self) -> Option<CustomerId> {
        Some(self.customer)
    }
}

impl OnTransfer for RejectTransfer {
    fn of(customer: CustomerId, transfer: TransferId) -> Self {
        Self { customer, transfer }
    }

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn transfer(&self) -> TransferId {
        self.transfer
    }
}

impl Command for ReadTransfer {
    const OPERATION: Operation = Operation::TransfersRead;

    fn about(&self) -> Option<CustomerId> {
        Some(self.customer)
    }
}

impl OnTransfer for ReadTransfer {
    fn of(customer: CustomerId, transfer: TransferId) -> Self {
        Self { customer, transfer }
    }

    fn customer(&self) -> CustomerId {
        self.customer
    }

    fn transfer(&self) -> TransferId {
        self.transfer
    }
}

impl Command for ReadAudit {
    const OPERATION: Operation = Operation::AuditRead;

    fn about(&self) -> Option<CustomerId> {
        self.customer
    }
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::TransfersReject, Self::TransfersRead, Self::AuditRead];

    /// The name used in policy rules and audit records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransfersReject => "transfers.reject",
            Self::TransfersRead => "transfers.read",
            Self::AuditRead => "audit.read",
        }
    }
}
