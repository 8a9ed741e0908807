//! `GET /audit/records`: who may ask, what is answered, and that each search is told in the journal.

use std::{collections::BTreeSet, fs};

use http::HeaderMap;
use http_body_util::BodyExt as _;
use partner_gateway::{
    authorization::{Customers, RuleSettings},
    command::Operation,
    config::Config,
    identity::token_file::TokenFile,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{
    CUSTOMER, TRANSFER, World,
    call::Call,
    callers, journal,
    served::{Served, converse},
};

pub(super) const AUDITOR: &str = "auditor-token-with-32-bytes-of-entropy";

#[tokio::test(start_paused = true)]
async fn gives_records_to_who_may_read_them_and_tells_of_it() {
    let world = World::with(auditors).await;
    let call = world.reject().send().await;

    let asked = ask(&world, &format!("?transfer={TRANSFER}&customer={CUSTOMER}")).await;

    assert_eq!(asked.status, 200);
    let header = |name| asked.headers.get(name).map(|it| it.to_str().unwrap());
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("gateway-outcome"), Some("answered"));
    let records = asked.json()["records"].as_array().unwrap().clone();
    let kinds: Vec<_> = records
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["outcome", "intent"]);
    assert_eq!(records[0], call.record);
    assert_eq!(asked.json().get("next"), None);
    assert_eq!(asked.json().get("ended"), None);
    let record = asked.record(&world);
    for (member, value) in [
        ("operation", json!("audit.read")),
        ("principal", json!("auditor")),
        ("auth", json!("token_file")),
        ("decision", json!("allowed")),
        ("rule", json!("auditors")),
        (
            "reason",
            json!(format!("transfer={TRANSFER}&customer={CUSTOMER}")),
        ),
        ("status", json!(200)),
        ("outcome", json!("answered")),
        ("forwarded", json!("no")),
        ("body_bytes", json!(asked.body.len())),
    ] {
        assert_eq!(record[member], value, "{member}");
    }
    for member in ["code", "customer", "transfer"] {
        assert_eq!(record.get(member), None, "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_the_journals_that_ended_and_are_not_searched() {
    let world = World::with(auditors).await;
    world.reject().send().await;
    for name in [TRANSFER, CUSTOMER] {
        let ended = world.dir.path().join("ended").join(name);
        fs::create_dir_all(&ended).unwrap();
        fs::write(ended.join("journal.id"), format!("{name}\n")).unwrap();
    }

    let asked = ask(&world, "?limit=1").await;

    let mut names = [TRANSFER, CUSTOMER];
    names.sort_unstable();
    assert_eq!(asked.json()["ended"], json!(names));
    assert_eq!(asked.json()["records"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(start_paused = true)]
async fn refuses_who_may_not_read_and_records_it() {
    let world = World::with(|config| {
        auditors(config);
        let one = Customers::These(BTreeSet::from([CUSTOMER.parse().unwrap()]));
        config
            .authorization
            .rules
            .push(rule("some", "stranger", one));
    })
    .await;
    let route = || Call::to(&world, "/audit/records").method("GET");

    for (call, status, code) in [
        (route(), 401, "unauthenticated"),
        (route().token("nobodys"), 401, "unauthenticated"),
        (route().at("/audit/records?x=1"), 401, "unauthenticated"),
        (route().token(crate::harness::BILLING), 403, "policy_denied"),
        (route().token("stranger-token"), 403, "policy_denied"),
        (
            route().token(AUDITOR).at("/audit/records?x=1"),
            400,
            "invalid_request",
        ),
        (
            route().token(AUDITOR).header("ms-correlationid", "1"),
            400,
            "invalid_header",
        ),
        (
            route().token(AUDITOR).method("POST"),
            405,
            "method_not_allowed",
        ),
        (route().method("DELETE"), 405, "method_not_allowed"),
    ] {
        let asked = asked(&world, call).await;

        is_refused(&asked, &world, status, code);
    }
    let one = format!("/audit/records?customer={CUSTOMER}");
    let one = asked(&world, route().token("stranger-token").at(&one)).await;
    assert_eq!(
        one.status, 200,
        "for the one customer that the rule is about"
    );
}

#[tokio::test(start_paused = true)]
async fn names_the_parameter_that_is_wrong() {
    let world = World::with(auditors).await;

    for (query, said) in [
        (
            "?limit=0",
            r#"Parameter "limit": found "0"; accepted: 1 to 1000."#,
        ),
        (
            "?status=",
            r#"Parameter "status": found nothing; accepted: 100 to 599."#,
        ),
        (
            "?status=200&status=200",
            r#"Parameter "status": found it twice; accepted: it once."#,
        ),
        (
            "?cursor=%41",
            r#"Parameter "cursor": found "A"; accepted: the next of an earlier answer."#,
        ),
    ] {
        let asked = ask(&world, query).await;

        assert_eq!(
            (asked.status, &asked.json()["code"]),
            (400, &json!("invalid_request"))
        );
        assert_eq!(asked.json()["detail"], said);
        assert_eq!(asked.record(&world)["decision"], "invalid");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_through_a_journal_to_which_each_page_adds_a_record() {
    let world = World::with(auditors).await;
    for _ in 0..20 {
        world.reject().send().await;
    }
    let before = world.journal().records().len();
    let (mut seqs, mut query) = (Vec::new(), "?limit=7".to_owned());

    loop {
        let page = ask(&world, &query).await.json();
        let records = page["records"].as_array().unwrap();
        seqs.extend(records.iter().map(|it| it["seq"].as_u64().unwrap()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=7&cursor={next}");
    }

    let expected: Vec<u64> = (1..=u64::try_from(before).unwrap()).rev().collect();
    assert_eq!(seqs, expected);
}

#[tokio::test(start_paused = true)]
async fn counts_strangers_who_come_too_fast_into_a_summary() {
    let world = World::with(auditors).await;

    let mut named = BTreeSet::new();
    for _ in 0..80 {
        let call = Call::to(&world, "/audit/records").method("GET");
        let asked = asked(&world, call).await;
        assert_eq!(asked.status, 401);
        named.insert(asked.header("gateway-audit-id").to_owned());
    }
    let (_, dir) = world.end().await;

    let read = journal::Journal::of(dir.path());
    read.read_on();
    assert_eq!(named.len(), 51);
    assert_eq!(read.of_kind("outcome").len(), 50);
    let summaries = read.of_kind("summary");
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries[0]["counts"][0]["code"], "unauthenticated");
    assert_eq!(summaries[0]["counts"][0]["count"], 30);
}

#[tokio::test(start_paused = true)]
async fn takes_callers_without_a_credential_only_on_a_loopback_listener() {
    for (listen, status) in [("127.0.0.1:0", 200), ("192.0.2.1:9090", 401)] {
        let world = World::with(|config| {
            config.identity.anonymous = true;
            config.admin.listen = listen.parse().unwrap();
            let any = rule("all", "anonymous", Customers::Any);
            config.authorization.rules.push(any);
        })
        .await;

        let call = Call::to(&world, "/audit/records").method("GET");
        let asked = asked(&world, call).await;

        assert_eq!(asked.status, status, "{listen}");
        let principal = &asked.record(&world)["principal"];
        assert_eq!(principal.as_str(), (status == 200).then_some("anonymous"));
    }
}

#[tokio::test(start_paused = true)]
async fn turns_searches_away_without_a_record_once_it_leaves() {
    let world = World::with(auditors).await;
    let before = world.journal().records().len();
    world.gateway.drain().begin();

    let asked = ask(&world, "").await;

    assert_eq!((asked.status, asked.header("retry-after")), (503, "1"));
    assert_eq!(world.journal().records().len(), before);
}

#[tokio::test]
async fn answers_over_the_operator_listener_and_heads_without_a_body() {
    let served = Served::with(auditors).await;
    TcpStream::connect(served.admin).await.unwrap();
    let head = format!(
        "/audit/records?limit=1 HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         Authorization: Bearer {AUDITOR}\r\n\r\n"
    );

    let whole = converse(served.admin, format!("GET {head}").as_bytes()).await;
    let empty = converse(served.admin, format!("HEAD {head}").as_bytes()).await;
    let livez = "GET /livez HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n";
    let probe = converse(served.admin, livez.as_bytes()).await;
    let public = converse(served.address, format!("GET {head}").as_bytes()).await;

    let (start, body) = whole.split_once("\r\n\r\n").unwrap();
    assert!(start.starts_with("HTTP/1.1 200 "), "{whole}");
    let page: Value = serde_json::from_str(body).unwrap();
    assert_eq!(page["records"].as_array().unwrap().len(), 1);
    assert!(
        empty.starts_with("HTTP/1.1 200 ") && empty.ends_with("\r\n\r\n"),
        "{empty}"
    );
    assert!(probe.starts_with("HTTP/1.1 200 "), "{probe}");
    assert!(public.starts_with("HTTP/1.1 404 "), "{public}");
}

pub(super) struct Asked {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Asked {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().expect("text")
    }

    /// The one record that the answer names.
    pub(super) fn record(&self, world: &World) -> Value {
        world.journal().outcome(self.header("gateway-audit-id"))
    }
}

/// Checks a refusal and its record.
pub(super) fn is_refused(asked: &Asked, world: &World, status: u16, code: &str) {
    let problem = asked.json();
    assert_eq!(
        (asked.status, &problem["code"]),
        (status, &json!(code)),
        "{problem}"
    );
    assert_eq!(problem["auditId"], asked.header("gateway-audit-id"));
    assert_eq!(asked.header("content-type"), "application/problem+json");
    assert_eq!(asked.headers.contains_key("allow"), status == 405);
    assert_eq!(
        asked.headers.contains_key("www-authenticate"),
        status == 401
    );
    let record = asked.record(world);
    assert_eq!(
        (&record["code"], &record["status"]),
        (&json!(code), &json!(status))
    );
    assert_eq!(
        (&record["operation"], &record["outcome"]),
        (&json!("audit.read"), &json!("refused"))
    );
}

pub(super) async fn ask(world: &World, query: &str) -> Asked {
    let call = Call::to(world, &format!("/audit/records{query}"));
    asked(world, call.method("GET").token(AUDITOR)).await
}

async fn asked(world: &World, call: Call<'_>) -> Asked {
    let answer = world.gateway.admin().take(call.arrival()).await.unwrap();
    let (head, body) = answer.into_parts();
    Asked {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

pub(super) fn auditors(config: &mut Config) {
    let callers = format!("{}auditor:{}\n", callers(), journal::sha256(AUDITOR));
    config.identity.token_file = Some(TokenFile::parse(&callers).expect("token file"));
    let rules = &mut config.authorization.rules;
    rules.push(rule("auditors", "auditor", Customers::Any));
}

fn rule(name: &str, principal: &str, customers: Customers) -> RuleSettings {
    RuleSettings {
        name: name.to_owned(),
        principals: vec![principal.to_owned()],
        operations: BTreeSet::from([Operation::AuditRead]),
        customers,
        accounts: BTreeSet::from(["contoso".to_owned()]),
        rate: None,
    }
}
