//! `GET /transfers/{customer}/{transfer}`: safe to repeat, so that whatever fails is asked for again.

use std::collections::BTreeSet;

use partner_gateway::{command::Operation, config::Config};
use sandbox::Fault;

use super::{Row, always, found, once, put_off, refusal};
use crate::harness::{BILLING, CORRELATION, CUSTOMER, TRANSFER, World, call::Call};

#[tokio::test(start_paused = true)]
async fn asks_again_whatever_fails() {
    reading(PASSING).await;
}

#[tokio::test(start_paused = true)]
async fn passes_on_what_it_is_told() {
    reading(LASTING).await;
}

#[tokio::test(start_paused = true)]
async fn sends_exactly_what_microsoft_documents() {
    let world = World::with(let_read).await;

    let answer = read(&world)
        .header("MS-CorrelationId", CORRELATION)
        .send()
        .await;

    let seen = world.sandbox.seen();
    let [get] = seen.as_slice() else {
        panic!("{} requests upstream", seen.len())
    };
    assert_eq!(get.method, "GET");
    assert_eq!(
        get.path,
        format!("/v1/customers/{CUSTOMER}/transfers/{TRANSFER}")
    );
    assert_eq!(get.body, "");
    let mut named: Vec<_> = get.headers.iter().map(|(name, _)| name.as_str()).collect();
    named.sort_unstable();
    let headers = [
        "accept",
        "authorization",
        "ms-contract-version",
        "ms-correlationid",
        "ms-partnercenter-application",
        "ms-requestid",
        "x-locale",
    ];
    assert_eq!(named, headers);
    assert_eq!(answer.header("ms-correlationid"), Some(CORRELATION));
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(Some(&answer.body), get.answered.as_ref());
    assert_eq!(answer.record["transfer_status"], "Active");
    assert_eq!(answer.record["decision"], "allowed");
    assert_eq!(answer.record["rule"], "billing may reject");
}

#[tokio::test(start_paused = true)]
async fn takes_no_body_no_query_and_no_other_method() {
    let world = World::with(let_read).await;
    let path = format!("/transfers/{CUSTOMER}/{TRANSFER}");

    let with_body = read(&world).json("{}").send().await;
    let with_query = read(&world).at(&format!("{path}?a=b")).send().await;
    let mut others = Vec::new();
    for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        others.push(read(&world).method(method).send().await);
    }

    with_body.is_problem(400, "invalid_body", "no");
    with_query.is_problem(400, "invalid_request", "no");
    for refused in [&with_body, &with_query] {
        assert_eq!(refused.record["operation"], "transfers.read");
        assert_eq!(refused.record["principal"], "billing");
    }
    for refused in others {
        refused.is_problem(405, "method_not_allowed", "no");
        assert_eq!(refused.header("allow"), Some("GET"));
    }
    assert!(world.sandbox.seen().is_empty());
    assert!(world.journal().of_kind("intent").is_empty());
}

#[tokio::test(start_paused = true)]
async fn is_allowed_by_no_leave_to_reject() {
    let world = World::new().await;
    let readers = World::with(|config| {
        let rule = config.authorization.rules.first_mut().expect("a rule");
        rule.operations = BTreeSet::from([Operation::TransfersRead]);
    })
    .await;

    let read_by_none = read(&world).send().await;
    let rejected_by_readers = readers.reject().send().await;
    let read_by_readers = read(&readers).send().await;

    read_by_none.is_problem(403, "policy_denied", "no");
    assert_eq!(read_by_none.record["operation"], "transfers.read");
    assert_eq!(read_by_none.record["decision"], "denied");
    assert!(world.sandbox.seen().is_empty());
    rejected_by_readers.is_problem(403, "policy_denied", "no");
    assert_eq!(read_by_readers.status, 200);
}

/// Reads a transfer once for each row, and compares what came of it.
async fn reading(rows: impl IntoIterator<Item = Row>) {
    let mut wrong = String::new();
    for row in rows {
        let world = World::with(let_read).await;
        (row.given)(&world);
        let found = found(&world, read(&world)).await;
        wrong.extend(row.differs(&found));
        let journal = world.journal();
        for kind in ["intent", "outcome"] {
            let records = journal.of_kind(kind);
            assert!(records.iter().all(|it| it["operation"] == "transfers.read"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn let_read(config: &mut Config) {
    let rule = config.authorization.rules.first_mut().expect("a rule");
    rule.operations.insert(Operation::TransfersRead);
}

fn read(world: &World) -> Call<'_> {
    let target = format!("/transfers/{CUSTOMER}/{TRANSFER}");
    Call::to(world, &target).method("GET").token(BILLING)
}

/// What fails may work the next time.
const PASSING: [Row; 14] = [
    Row {
        when: "nothing goes wrong",
        given: |_| (),
        sent: "GET a 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "the connection is refused once",
        given: |world| world.network.refuse("api.test", 1),
        sent: "- a connect; GET a 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "every connection is refused",
        given: |world| world.network.refuse("api.test", 99),
        sent: "- a connect; - a connect; - a connect; - a connect",
        answer: "502 failed no upstream_unreachable",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer comes once",
        given: |world| once(world, Fault::DropBefore),
        sent: "GET a no_answer; GET a 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer ever comes",
        given: |world| always(world, Fault::DropBefore),
        sent: "GET a no_answer; GET a no_answer; GET a no_answer; GET a no_answer",
        answer: "504 failed no upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "a request hangs",
        given: |world| once(world, Fault::Hang),
        sent: "GET a timeout; GET a 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "half of the body comes",
        given: |world| once(world, Fault::CutBody),
        sent: "GET a broken_off; GET a 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "half of every body comes",
        given: |world| always(world, Fault::CutBody),
        sent: "GET a broken_off; GET a broken_off; GET a broken_off; GET a broken_off",
        answer: "502 failed no upstream_invalid",
        transfer: "Active (0)",
    },
    Row {
        when: "500 once",
        given: |world| once(world, refusal(500, "800003")),
        sent: "GET a 500/800003; GET b 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "500 always",
        given: |world| always(world, refusal(500, "800003")),
        sent: "GET a 500/800003; GET b 500/800003; GET c 500/800003; GET d 500/800003",
        answer: "500 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "those on the way do not know",
        given: |world| {
            once(world, refusal(408, "1"));
            once(world, refusal(502, "1"));
            once(world, refusal(504, "1"));
        },
        sent: "GET a 408/1; GET b 502/1; GET c 504/1; GET d 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "an answer, then none",
        given: |world| {
            once(world, refusal(500, "1"));
            always(world, Fault::DropBefore);
        },
        sent: "GET a 500/1; GET b no_answer; GET b no_answer; GET b no_answer",
        answer: "500 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "429 for a time that fits",
        given: |world| once(world, put_off(429, "3")),
        sent: "GET a 429/0; GET b 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "401 once",
        given: |world| once(world, refusal(401, "400")),
        sent: "GET a 401/400; GET b 200 Active",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
];

/// What is answered is the answer.
const LASTING: [Row; 6] = [
    Row {
        when: "401 always",
        given: |world| always(world, refusal(401, "400")),
        sent: "GET a 401/400; GET b 401/400",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "403/20002",
        given: |world| once(world, refusal(403, "20002")),
        sent: "GET a 403/20002",
        answer: "403 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "404/900100",
        given: |world| once(world, refusal(404, "900100")),
        sent: "GET a 404/900100",
        answer: "404 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "429 for a time that does not fit",
        given: |world| once(world, put_off(429, "57")),
        sent: "GET a 429/0",
        answer: "429 forwarded yes again in 57",
        transfer: "Active (0)",
    },
    Row {
        when: "501/0",
        given: |world| once(world, refusal(501, "0")),
        sent: "GET a 501/0",
        answer: "501 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "a page",
        given: |world| once(world, Fault::Html),
        sent: "GET a 200",
        answer: "200 forwarded yes",
        transfer: "Active (0)",
    },
];
