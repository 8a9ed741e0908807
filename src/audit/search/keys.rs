//! What can be asked for by its exact value, as a number that an index can hold.

use aws_lc_rs::digest::{Context, SHA256};

use crate::audit::search::fields::Fields;

/// A member of a record with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::audit::search) struct Key(u128);

impl Key {
    pub(in crate::audit::search) fn of(member: &str, value: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(member.as_bytes());
        // No name has it.
        context.update(b"\0");
        context.update(value.as_bytes());
        let hash = context.finish();
        let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
        Self(u128::from_be_bytes(first))
    }

    /// All keys of a record.
    pub(in crate::audit::search) fn all<'a>(
        fields: &'a Fields<'_>,
    ) -> impl Iterator<Item = Self> + 'a {
        let members = [
            (ID, Some(&fields.id)),
            (CUSTOMER, fields.customer.as_ref()),
            (TRANSFER, fields.transfer.as_ref()),
            (PRINCIPAL, fields.principal.as_ref()),
            (CORRELATION_ID, fields.correlation_id.as_ref()),
        ];
        members
            .into_iter()
            .filter_map(|(member, value)| Some(Self::of(member, value?.as_str())))
    }

    pub(in crate::audit::search) fn bits(self) -> u128 {
        self.0
    }
}

pub(in crate::audit::search) const ID: &str = "id";
pub(in crate::audit::search) const CUSTOMER: &str = "customer";
pub(in crate::audit::search) const TRANSFER: &str = "transfer";
pub(in crate::audit::search) const PRINCIPAL: &str = "principal";
pub(in crate::audit::search) const CORRELATION_ID: &str = "correlation_id";
