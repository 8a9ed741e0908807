//! Partner Center's own records of what was done: `GET /v1/auditrecords`.
//!
//! As documented at <https://learn.microsoft.com/partner-center/developer/get-a-record-of-partner-center-activity-by-user>,
//! with the bound of 30 days from <https://learn.microsoft.com/rest/api/partner-center/audit-operations/gets-audit-records>.

mod asked;

use std::time::SystemTime;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use self::asked::Asked;
use crate::{
    partner_center::{Refusal, refused},
    sandbox::Sandbox,
    tokens::{Subject, USER_NAME},
    transfers::{Change, Rejected, Transfer},
};

/// Something that was done to a transfer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Activity {
    /// When.
    pub time: SystemTime,
    /// The customer's GUID.
    pub customer: String,
    /// The transfer's GUID; absent where the record does not show the resource.
    pub transfer: Option<String>,
    /// The transfer's state afterwards, where the record shows the resource.
    pub status: String,
    /// `update_transfer`, or another `operationType`.
    pub operation: String,
    /// `succeeded`, or another `operationStatus`.
    pub outcome: String,
    /// Who did it.
    pub user: String,
    /// Through which application.
    pub application: Option<String>,
    /// The `MS-CorrelationId` of the request, where the record has it.
    pub correlation: Option<String>,
}

impl Activity {
    /// A rejection, as a person makes it in the portal.
    #[must_use]
    pub fn rejection(customer: &str, transfer: &str, time: SystemTime) -> Self {
        Self {
            time,
            customer: customer.to_owned(),
            transfer: Some(transfer.to_owned()),
            status: "Reject".to_owned(),
            operation: "update_transfer".to_owned(),
            outcome: "succeeded".to_owned(),
            user: USER_NAME.to_owned(),
            application: Some("Partner Center Web UI".to_owned()),
            correlation: Some(Uuid::new_v4().to_string()),
        }
    }

    /// What a request rejected.
    pub(crate) fn of_request(
        transfer: &Transfer,
        subject: Option<Subject>,
        client_id: &str,
        correlation: String,
        time: SystemTime,
    ) -> Self {
        let user = match subject {
            Some(Subject::User { .. }) => USER_NAME,
            Some(Subject::Application) | None => client_id,
        };
        Self {
            user: user.to_owned(),
            application: Some(client_id.to_owned()),
            correlation: Some(correlation),
            ..Self::rejection(&transfer.customer, &transfer.id, time)
        }
    }

    fn value(&self, status: &str) -> Option<String> {
        let Self {
            customer, transfer, ..
        } = self;
        let transfer = transfer.as_ref()?;
        let resource = json!({
            "Id": transfer,
            "Status": status,
            "CustomerTenantId": customer,
            "Links": {"Self": {
                "Uri": format!("/customers/{customer}/transfers/{transfer}"),
                "Method": "GET",
                "Headers": [],
            }},
            "Attributes": {"ObjectType": "TransferEntity"},
        });
        Some(resource.to_string())
    }

    fn entity(&self, number: usize, partner: &str) -> Value {
        let (customer, operation) = (&self.customer, self.operation.replace('_', ""));
        let mut entity = json!({
            "id": format!("{partner}_{customer}_{operation}_{:018}", number + 1),
            "partnerId": partner,
            "customerId": customer,
            "customerName": "Relecloud",
            "userPrincipalName": self.user,
            "resourceType": RESOURCE_TYPE,
            "operationType": self.operation,
            "operationDate": stamp(self.time),
            "operationStatus": self.outcome,
            "customizedData": [],
            "attributes": {"objectType": "AuditRecord"},
        });
        for (name, value) in [
            ("applicationId", self.application.clone()),
            ("resourceOldValue", self.value("Active")),
            ("resourceNewValue", self.value(&self.status)),
            ("originalCorrelationId", self.correlation.clone()),
        ] {
            if let (Some(value), Value::Object(members)) = (value, &mut entity) {
                members.insert(name.to_owned(), value.into());
            }
        }
        entity
    }
}

impl Sandbox {
    /// Adds a record of something that was done to a transfer, whether there is one or not.
    pub fn add_activity(&self, activity: Activity) {
        self.state().activities.push(activity);
    }

    /// Forgets all records of what was done.
    pub fn forget_activities(&self) {
        self.state().activities.clear();
    }

    /// Rejects a transfer as a person does in the portal; whether that was possible.
    #[must_use]
    pub fn reject_in_portal(&self, customer: &str, transfer: &str) -> bool {
        let mut state = self.state();
        let request_id = Uuid::new_v4().to_string();
        let rejected = state.transfers.reject((customer, transfer), &request_id, 0);
        let done = matches!(rejected, Rejected::Yes(_, Change::New));
        if done {
            let activity = Activity::rejection(customer, transfer, state.watch.now());
            state.activities.push(activity);
        }
        done
    }
}

/// Lists what was done, newest first, a page at a time.
pub(crate) fn list(sandbox: &Sandbox, request: &Request<Bytes>) -> Result<Value, Refusal> {
    if request.method() != Method::GET {
        let body = json!({"statusCode": 405, "message": "Method not allowed"});
        return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, body));
    }
    let state = sandbox.state();
    let query = request.uri().query().unwrap_or_default();
    let asked = Asked::read(query, state.watch.now())?;
    let from = continuation(request)?;
    let mut found: Vec<_> = state.activities.iter().enumerate().collect();
    found.retain(|(_, activity)| asked.takes(activity));
    found.sort_by_key(|(number, activity)| (activity.time, *number));
    found.reverse();
    let partner = &sandbox.settings().tenant;
    let items: Vec<_> = found
        .iter()
        .skip(from)
        .take(asked.size)
        .map(|(number, activity)| activity.entity(*number, partner))
        .collect();
    let next = from + items.len();
    let (size, query) = (asked.size, asked.query);
    let link = |seek: &str, headers: Value| {
        json!({
            "uri": format!("/auditrecords?{query}&size={size}{seek}"),
            "method": "GET",
            "headers": headers,
        })
    };
    let mut links = json!({"self": link("", json!([]))});
    if next < found.len()
        && let Value::Object(links) = &mut links
    {
        let token = json!([{"key": "MS-ContinuationToken", "value": format!("AQ{next:06}==")}]);
        links.insert("next".to_owned(), link("&seekOperation=Next", token));
    }
    Ok(json!({
        "totalCount": items.len(),
        "items": items,
        "links": links,
        "attributes": {"objectType": "Collection"},
    }))
}

/// Where the page begins that a request asks for.
fn continuation(request: &Request<Bytes>) -> Result<usize, Refusal> {
    let Some(token) = request.headers().get("ms-continuationtoken") else {
        return Ok(0);
    };
    let token = token.to_str().ok();
    let number = token.and_then(|it| it.strip_prefix("AQ")?.strip_suffix("==")?.parse().ok());
    number.ok_or_else(|| bad("the continuation token is not valid"))
}

fn bad(told: &str) -> Refusal {
    refused(StatusCode::BAD_REQUEST, 2000, told)
}

/// With seven digits of a second, as .NET writes it.
fn stamp(time: SystemTime) -> String {
    let nanos = humantime::format_rfc3339_nanos(time).to_string();
    let cut = nanos.get(..nanos.len() - 3).unwrap_or(&nanos);
    format!("{cut}Z")
}

/// Where the records are.
pub(crate) const PATH: &str = "/v1/auditrecords";

const RESOURCE_TYPE: &str = "transfer";

#[cfg(test)]
mod tests {
    use http::Response;
    use http_body_util::BodyExt as _;

    use super::{asked::DAY, *};
    use crate::{Answer, Settings, trial::with_secret};

    #[tokio::test]
    async fn lists_rejections_that_came_by_request_and_those_from_the_portal() {
        let site = Site::new().await;
        let other = "00000000-0000-4000-8000-000000000001".to_owned();
        site.sandbox.add_transfer(Transfer {
            id: other.clone(),
            ..Transfer::documented()
        });
        let Transfer { id, customer, .. } = Transfer::documented();

        let rejected = site.reject(&customer, &id).await;
        let again = site.reject(&customer, &id).await;
        let in_portal = site.sandbox.reject_in_portal(&customer, &other);
        let twice = site.sandbox.reject_in_portal(&customer, &other);
        let page = site.list("", None).await.1;

        assert_eq!((rejected, again), (200, 400));
        assert_eq!((in_portal, twice), (true, false));
        let items = page["items"].as_array().unwrap();
        assert_eq!((items.len(), &page["totalCount"]), (2, &json!(2)));
        let [portal, request] = &items[..] else {
            panic!("{page}")
        };
        let value: Value =
            serde_json::from_str(request["resourceNewValue"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&value["Id"], &value["Status"]),
            (&json!(id), &json!("Reject"))
        );
        assert_eq!(request["originalCorrelationId"], CORRELATION);
        assert_eq!(request["applicationId"], site.sandbox.settings().client_id);
        assert_eq!(portal["applicationId"], "Partner Center Web UI");
        for (item, operator) in [
            (portal, USER_NAME),
            (request, &*site.sandbox.settings().client_id),
        ] {
            assert_eq!(item["userPrincipalName"], operator);
            assert_eq!(item["customerId"], customer);
            assert_eq!(item["resourceType"], "transfer");
            assert_eq!(item["operationType"], "update_transfer");
            assert_eq!(item["operationStatus"], "succeeded");
            assert_eq!(item["operationDate"].as_str().unwrap().len(), 28);
        }
        assert_eq!(page["links"].get("next"), None);
    }

    #[tokio::test]
    async fn goes_on_where_a_continuation_says() {
        let site = Site::new().await;
        let now = site.sandbox.state().watch.now();
        for _ in 0..5 {
            let activity = Activity::rejection("c", "t", now);
            site.sandbox.add_activity(activity);
        }
        site.sandbox
            .add_activity(Activity::rejection("another", "t", now));
        let filter = "filter=%7B%22Field%22:%22CustomerId%22,%22Value%22:%22C%22,%22Operator%22:%22equals%22%7D";

        let mut query = format!("{filter}&size=2");
        let (mut token, mut ids, mut sizes) = (None, Vec::new(), Vec::new());
        loop {
            let (status, page) = site.list(&query, token.as_deref()).await;
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().unwrap();
            sizes.push(items.len());
            ids.extend(items.iter().map(|item| item["id"].to_string()));
            let Some(next) = page["links"].get("next") else {
                break;
            };
            let uri = next["uri"].as_str().unwrap();
            query = uri.strip_prefix("/auditrecords?").unwrap().to_owned();
            assert_eq!(next["headers"][0]["key"], "MS-ContinuationToken");
            token = next["headers"][0]["value"].as_str().map(str::to_owned);
        }

        assert_eq!(sizes, [2, 2, 1]);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
    }

    #[tokio::test]
    async fn refuses_what_is_not_documented() {
        let site = Site::new().await;
        let day = |days: u32| {
            let time = site.sandbox.state().watch.now() - DAY * days;
            humantime::format_rfc3339_seconds(time)
                .to_string()
                .get(..10)
                .unwrap()
                .to_owned()
        };
        for (query, status) in [
            (String::new(), 200),
            (format!("startDate={}", day(90)), 200),
            (format!("startDate={}", day(91)), 400),
            (format!("startDate={}&endDate={}", day(60), day(30)), 200),
            (format!("startDate={}&endDate={}", day(60), day(29)), 400),
            (format!("startDate={}&endDate={}", day(1), day(2)), 400),
            ("startDate=2026-3-1".to_owned(), 400),
            (format!("startDate={}T00:00:00Z", day(1)), 400),
            ("size=0".to_owned(), 400),
            ("size=501".to_owned(), 400),
            ("filter=transfer".to_owned(), 400),
            ("filter=%7B%22Field%22:%22ResourceType%22,%22Value%22:%22a%22,%22Operator%22:%22substring%22%7D".to_owned(), 400),
            ("operationType=update_transfer".to_owned(), 400),
        ] {
            let answer = site.list(&query, None).await;

            assert_eq!(answer.0, status, "{query}: {}", answer.1);
        }
        assert_eq!(site.list("", Some("AQ==")).await.0, 400);
        let post = site
            .ask(Request::post(PATH), &site.token)
            .await
            .status()
            .as_u16();
        let stranger = site
            .ask(Request::get(PATH), "other")
            .await
            .status()
            .as_u16();
        assert_eq!((post, stranger), (405, 401));
    }

    struct Site {
        sandbox: Sandbox,
        token: String,
    }

    impl Site {
        async fn new() -> Self {
            let sandbox = Sandbox::new(Settings::default());
            let scope = "https://api.partnercenter.microsoft.com/.default";
            let form = [("grant_type", "client_credentials"), ("scope", scope)];
            let (_, body) = with_secret(&sandbox, &form).await;
            let token = body["access_token"].as_str().unwrap().to_owned();
            Self { sandbox, token }
        }

        async fn ask(&self, request: http::request::Builder, token: &str) -> Response<Answer> {
            let request = request.header("Authorization", format!("Bearer {token}"));
            let request = request.body(Bytes::new()).unwrap();
            self.sandbox.partner_center(request).await.unwrap()
        }

        async fn list(&self, query: &str, continuation: Option<&str>) -> (u16, Value) {
            let mut request = Request::get(format!("{PATH}?{query}"));
            if let Some(token) = continuation {
                request = request.header("MS-ContinuationToken", token);
            }
            let answer = self.ask(request, &self.token).await;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            let bare = text.strip_prefix('\u{feff}');
            assert_eq!(
                bare.is_some(),
                status == 200,
                "a byte order mark before a page"
            );
            (status, serde_json::from_str(bare.unwrap_or(&text)).unwrap())
        }

        async fn reject(&self, customer: &str, transfer: &str) -> u16 {
            let path = format!("/v1/customers/{customer}/transfers/{transfer}");
            let request = Request::patch(path)
                .header("Authorization", format!("Bearer {}", self.token))
                .header("Content-Type", "application/json")
                .header("MS-CorrelationId", CORRELATION)
                .body(Bytes::from_static(br#"{"status":"reject"}"#));
            let answer = self.sandbox.partner_center(request.unwrap()).await;
            answer.unwrap().status().as_u16()
        }
    }

    const CORRELATION: &str = "efa4c6f5-153a-4f76-e458-1375e181cc14";
}
