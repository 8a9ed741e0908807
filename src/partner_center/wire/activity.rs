//! Partner Center's own records of what was done, on the wire: how they are asked for, and their pages.
//!
//! Documented at
//! <https://learn.microsoft.com/partner-center/developer/get-a-record-of-partner-center-activity-by-user>,
//! <https://learn.microsoft.com/partner-center/developer/auditing-resources> and
//! <https://learn.microsoft.com/rest/api/partner-center/audit-operations/gets-audit-records>. What is needed to
//! tell a rejection is wanted strictly, because a record that was passed over would be taken for one that is not
//! there; of all else, what is not there stays empty.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;
use serde_json::{Map, Value};

use crate::{
    ids::{CorrelationId, CustomerId, TransferId},
    partner_center::wire::{
        cut,
        request::{Labels, Template},
    },
    token::access_token::AccessToken,
};

/// Something that Partner Center says was done to a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Partner Center's name for the record.
    pub id: Option<String>,
    /// When it was done.
    pub time: SystemTime,
    /// To whom.
    pub customer: Option<CustomerId>,
    /// The transfer, where the record shows it.
    pub transfer: Option<TransferId>,
    /// The transfer's state afterwards, where the record shows it.
    pub transfer_status: Option<String>,
    /// The kind of operation, such as `update_transfer`.
    pub operation: Option<String>,
    /// Whether it came to anything: `succeeded`, `failed` or another word.
    pub status: Option<String>,
    /// The `MS-CorrelationId` of the request, where the record has it.
    pub correlation: Option<CorrelationId>,
    /// Who did it.
    pub user: Option<String>,
    /// Through which application.
    pub application: Option<String>,
}

/// A list of records, or the next page of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// From the version on, without the host.
    path: String,
    continuation: Option<HeaderValue>,
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The records about transfers.
    pub records: Vec<Activity>,
    /// How many records it has, those about something else included.
    pub items: u64,
    /// How many there are by its own word, of the page or of the whole list.
    pub total: u64,
    /// Where the list goes on.
    pub next: Option<Leaf>,
}

/// A page is not what is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON object.
    #[error("the page is not a JSON object")]
    NotJson,
    /// It has no list of records.
    #[error("the page has no list of items")]
    NoItems,
    /// A record is none, or does not say what it is about.
    #[error("record {place} of the page has no resourceType")]
    NoType {
        /// Which one of the page, from 1 on.
        place: usize,
    },
    /// A record does not say when it was done.
    #[error("record {place} of the page has no operationDate that can be read")]
    NoTime {
        /// Which one of the page, from 1 on.
        place: usize,
    },
    /// The list goes on at a place that cannot be asked for.
    #[error("the page does not say in a way that is known where the next one is")]
    NoWayOn,
}

impl Leaf {
    /// The first page of what was done to transfers in whole days in UTC, both included; up to now, without a
    /// last one.
    #[must_use]
    pub fn first(day: SystemTime, last: Option<SystemTime>) -> Self {
        let last = last.map_or(String::new(), |last| format!("&endDate={}", date(last)));
        Self {
            path: format!("{PATH}?startDate={}{last}&filter={FILTER}", date(day)),
            continuation: None,
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl Template {
    /// Builds the request for a page of records.
    ///
    /// # Errors
    ///
    /// When the API's address and the page's do not make a URI.
    pub fn activity(
        &self,
        leaf: &Leaf,
        token: &AccessToken,
        labels: Labels,
    ) -> http::Result<Request<Full<Bytes>>> {
        let mut out = Request::get(self.address(leaf)).body(Full::default())?;
        let headers = out.headers_mut();
        *headers = self.headers(token, labels)?;
        if let Some(continuation) = &leaf.continuation {
            headers.insert(CONTINUATION, continuation.clone());
        }
        Ok(out)
    }
}

/// The beginning of a time's day in UTC.
#[must_use]
pub fn midnight(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / DAY.as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(days.saturating_mul(DAY.as_secs()))
}

/// Reads a page that came for a leaf.
///
/// # Errors
///
/// When it lacks what is needed.
pub fn page(body: &[u8], asked: &Leaf) -> Result<Page, Unreadable> {
    // The service has put a byte order mark before its JSON.
    let bare = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let page: Map<String, Value> = serde_json::from_slice(bare).map_err(|_| Unreadable::NotJson)?;
    let items = page.get("items").and_then(Value::as_array);
    let items = items.ok_or(Unreadable::NoItems)?;
    let mut records = Vec::new();
    for (place, item) in (1..).zip(items) {
        records.extend(record(item, place)?);
    }
    Ok(Page {
        records,
        items: u64::try_from(items.len()).unwrap_or(u64::MAX),
        total: page.get("totalCount").and_then(Value::as_u64).unwrap_or(0),
        next: next(&page, asked)?,
    })
}

/// Reads a record; nothing where it is about something else than a transfer.
fn record(item: &Value, place: usize) -> Result<Option<Activity>, Unreadable> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let kept = |name: &str| {
        let said = text(name).filter(|text| !text.is_empty())?;
        Some(cut(said, LONGEST_WORD))
    };
    let kind = text("resourceType").ok_or(Unreadable::NoType { place })?;
    if !kind.eq_ignore_ascii_case("transfer") {
        return Ok(None);
    }
    let time = text("operationDate").and_then(|text| humantime::parse_rfc3339_weak(text).ok());
    let resource = text("resourceNewValue").and_then(|text| serde_json::from_str(text).ok());
    let resource: Map<String, Value> = resource.unwrap_or_default();
    let of_resource = |name: &str| {
        let mut members = resource.iter();
        let (_, value) = members.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        value.as_str()
    };
    let customer = text("customerId").or_else(|| of_resource("customerTenantId"));
    Ok(Some(Activity {
        id: kept("id"),
        time: time.ok_or(Unreadable::NoTime { place })?,
        customer: customer.and_then(|id| id.parse().ok()),
        transfer: of_resource("id").and_then(|id| id.parse().ok()),
        transfer_status: of_resource("status").map(|status| cut(status, LONGEST_WORD)),
        operation: kept("operationType"),
        status: kept("operationStatus"),
        correlation: text("originalCorrelationId").and_then(|id| id.parse().ok()),
        user: kept("userPrincipalName"),
        application: kept("applicationId"),
    }))
}

/// Where the list goes on: by a link with a header, as lists of Partner Center are documented to, or by the
/// `continuationToken` that Microsoft's own libraries read.
fn next(page: &Map<String, Value>, asked: &Leaf) -> Result<Option<Leaf>, Unreadable> {
    let link = page.get("links").and_then(|links| links.get("next"));
    let (path, continuation) = match link.filter(|link| !link.is_null()) {
        Some(link) => {
            let uri = link.get("uri").and_then(Value::as_str);
            let path = uri.and_then(within).ok_or(Unreadable::NoWayOn)?;
            (path, link_header(link))
        }
        None => match page.get("continuationToken").and_then(Value::as_str) {
            None | Some("") => return Ok(None),
            continuation => (asked.path.as_str(), continuation),
        },
    };
    let continuation = continuation.map(HeaderValue::from_str).transpose();
    Ok(Some(Leaf {
        path: path.to_owned(),
        continuation: continuation.map_err(|_| Unreadable::NoWayOn)?,
    }))
}

/// The path of a link without its version, where it is one of the same list: a token goes nowhere else.
fn within(uri: &str) -> Option<&str> {
    let path = uri.strip_prefix("/v1").unwrap_or(uri);
    let head = path.get(..PATH.len())?;
    let rest = path.get(PATH.len()..)?;
    (head.eq_ignore_ascii_case(PATH) && rest.starts_with('?')).then_some(path)
}

fn link_header(link: &Value) -> Option<&str> {
    let headers = link.get("headers")?.as_array()?;
    let text = |header: &Value, name: &str| header.get(name)?.as_str().map(str::to_owned);
    let wanted = headers.iter().find(|header| {
        text(header, "key").is_some_and(|key| key.eq_ignore_ascii_case(CONTINUATION))
    })?;
    wanted.get("value")?.as_str()
}

fn date(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    cut(&text, "2026-03-01".len())
}

/// As long as the days of a period are.
pub const DAY: Duration = Duration::from_hours(24);

const PATH: &str = "/auditrecords";

/// `{"Field":"ResourceType","Value":"transfer","Operator":"equals"}`, as a link of the documented example writes
/// it.
const FILTER: &str = "%7B%22Field%22%3A%22ResourceType%22%2C%22Value%22%3A%22transfer%22%2C%22Operator%22%3A%22equals%22%7D";

const CONTINUATION: &str = "ms-continuationtoken";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// In characters; the longest user principal name is shorter.
const LONGEST_WORD: usize = 256;
