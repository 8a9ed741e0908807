//! Transfers and their states.

use std::collections::HashMap;

use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use crate::time::stamp;

/// A transfer that the sandbox holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// A GUID in lower case.
    pub id: String,
    /// The customer's GUID in lower case.
    pub customer: String,
    /// `Active`, `InProgress`, `Complete`, `Reject`, or whatever a test needs.
    pub status: String,
    /// When it last changed, as RFC 3339 text without a fraction.
    pub last_modified: String,
}

impl Transfer {
    /// The transfer of Microsoft's documented example, still active.
    #[must_use]
    pub fn documented() -> Self {
        Self {
            id: "ac4a9d22-ba07-444e-890f-cfe084eed498".to_owned(),
            customer: "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0".to_owned(),
            status: "Active".to_owned(),
            last_modified: "2020-03-27T17:50:32Z".to_owned(),
        }
    }

    /// The transfer as Partner Center writes it: an all-lower-case `partnertenantid`, times with and
    /// without fraction, line items that repeat their number, a link without its version.
    pub(crate) fn entity(&self) -> Entity<'_> {
        let Self {
            id,
            customer,
            status,
            last_modified,
        } = self;
        Entity {
            id,
            created_time: "2020-03-25T22:05:25.1057725Z",
            last_modified_time: last_modified,
            last_modified_user: "9d0e6f3b-3c7a-4f55-8f52-1a7b8f9f0c11",
            customer_tenant_id: customer,
            partner_tenant_id: "9b3a4c6f-6f57-4f6b-a6ae-8a2b1a0a6a5c",
            source_partner_name: "Tailspin Toys",
            source_partner_tenant_id: "0d5f1d3c-2c3d-4e70-9a52-5f0a8d7b6e21",
            target_partner_name: "Contoso Distribution",
            target_partner_tenant_id: "9b3a4c6f-6f57-4f6b-a6ae-8a2b1a0a6a5c",
            status,
            line_items: line_items(),
            links: json!({"self": {
                "uri": format!("/customers/{customer}/transfers/{id}"),
                "method": "GET",
                "headers": [],
            }}),
            attributes: json!({"objectType": "TransferEntity"}),
        }
    }
}

fn line_items() -> Value {
    json!([
        {
            "id": 0,
            "subscriptionId": "E9D9D6C1-63E8-4F75-8C8A-2F1F6E1D7B10",
            "quantity": 25,
            "billingCycle": "monthly",
            "friendlyName": "Office 365 E3",
            "partnerIdOnRecord": "4847383",
            "offerId": "796B6B5F-613C-4E24-A17C-EBA730D49C02",
            "addonItems": [],
            "transferGroupId": "0",
        },
        {
            "id": 0,
            "subscriptionId": "4B2D2F7E-1D0C-4C9B-9D4A-7A8E5C3B2F90",
            "quantity": 1,
            "billingCycle": "annual",
            "friendlyName": "Azure, R&D",
            "offerId": "MS-AZR-0145P",
            "transferGroupId": "1",
        },
    ])
}

/// The wire form of a transfer, fields in the documented order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entity<'a> {
    id: &'a str,
    created_time: &'a str,
    last_modified_time: &'a str,
    last_modified_user: &'a str,
    customer_tenant_id: &'a str,
    #[serde(rename = "partnertenantid")]
    partner_tenant_id: &'a str,
    source_partner_name: &'a str,
    source_partner_tenant_id: &'a str,
    target_partner_name: &'a str,
    target_partner_tenant_id: &'a str,
    status: &'a str,
    line_items: Value,
    links: Value,
    attributes: Value,
}

/// What Partner Center was asked about a transfer, and what came of it; requests that met a fault are in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct History {
    /// The `MS-RequestId` of each `PATCH` in the order in which they came, empty where one had none.
    pub request_ids: Vec<String>,
    /// How many of them changed the transfer.
    pub effects: u64,
    /// How many times it was read.
    pub reads: u64,
}

/// All transfers, by customer and ID.
#[derive(Debug, Default)]
pub(crate) struct Transfers(HashMap<(String, String), Held>);

#[derive(Debug)]
struct Held {
    transfer: Transfer,
    /// The `MS-RequestId` that rejected it.
    ended_by: Option<String>,
    late: Option<Late>,
    history: History,
}

/// A change that reads do not show yet.
#[derive(Debug)]
struct Late {
    before: Transfer,
    reads: u64,
}

/// What came of an attempt to reject.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// It is rejected now, or was by this very request before.
    Yes(Transfer, Change),
    Unknown,
    InProgress,
    /// It had ended; with this status.
    Ended(String),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    New,
    Repeated,
}

impl Transfers {
    pub(crate) fn add(&mut self, transfer: Transfer) {
        let key = (transfer.customer.clone(), transfer.id.clone());
        let held = Held {
            transfer,
            ended_by: None,
            late: None,
            history: History::default(),
        };
        self.0.insert(key, held);
    }

    /// The transfer as it is, whatever reads show.
    pub(crate) fn get(&self, customer: &str, id: &str) -> Option<&Transfer> {
        self.held(customer, id).map(|held| &held.transfer)
    }

    pub(crate) fn history(&self, customer: &str, id: &str) -> Option<&History> {
        self.held(customer, id).map(|held| &held.history)
    }

    /// Notes a request as it comes.
    pub(crate) fn note(&mut self, customer: &str, id: &str, method: &Method, request_id: &str) {
        let Some(Held { history, .. }) = self.held_mut(customer, id) else {
            return;
        };
        match *method {
            Method::GET => history.reads += 1,
            Method::PATCH => history.request_ids.push(request_id.to_owned()),
            _ => {}
        }
    }

    /// The transfer as a read shows it.
    pub(crate) fn read(&mut self, customer: &str, id: &str) -> Option<Transfer> {
        let held = self.held_mut(customer, id)?;
        let late = held.late.take().filter(|late| late.reads > 0);
        let Some(Late { before, reads }) = late else {
            return Some(held.transfer.clone());
        };
        let shown = before.clone();
        let reads = reads - 1;
        held.late = Some(Late { before, reads });
        Some(shown)
    }

    /// Rejects a transfer; so many reads do not show it yet.
    pub(crate) fn reject(
        &mut self,
        (customer, id): (&str, &str),
        request_id: &str,
        late_by: u64,
    ) -> Rejected {
        let Some(held) = self.held_mut(customer, id) else {
            return Rejected::Unknown;
        };
        if held.ended_by.as_deref() == Some(request_id) {
            return Rejected::Yes(held.transfer.clone(), Change::Repeated);
        }
        match held.transfer.status.as_str() {
            "Active" | "Pending" => {
                held.late = (late_by > 0).then(|| Late {
                    before: held.transfer.clone(),
                    reads: late_by,
                });
                "Reject".clone_into(&mut held.transfer.status);
                held.transfer.last_modified = stamp();
                held.ended_by = Some(request_id.to_owned());
                held.history.effects += 1;
                Rejected::Yes(held.transfer.clone(), Change::New)
            }
            "InProgress" => Rejected::InProgress,
            ended => Rejected::Ended(ended.to_owned()),
        }
    }

    fn held(&self, customer: &str, id: &str) -> Option<&Held> {
        self.0.get(&(customer.to_owned(), id.to_owned()))
    }

    fn held_mut(&mut self, customer: &str, id: &str) -> Option<&mut Held> {
        self.0.get_mut(&(customer.to_owned(), id.to_owned()))
    }
}
