//! Headers that other software believes, and other spellings of ours.

use super::{Target, billing, call};
use crate::harness::{BILLING, served::converse};

#[tokio::test]
async fn knows_nobody_by_any_header_but_one() {
    let target = Target::new().await;

    for line in strange_lines() {
        let answer = target
            .refuses(call("", &line), 401, "unauthenticated")
            .await;

        assert!(answer.head.contains("\r\nwww-authenticate: bearer\r\n"));
        assert_eq!(answer.only_record().get("principal"), None, "{line}");
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn lets_no_header_of_a_caller_through() {
    let target = Target::new().await;

    for (number, line) in strange_lines().iter().enumerate() {
        let answer = target.send(call(&billing(), line)).await;

        assert!(
            answer.head.contains("\r\ngateway-outcome: forwarded\r\n"),
            "{line} -> {answer:?}"
        );
        assert_eq!(answer.only_record()["principal"], "billing");
        let seen = target.served.sandbox.seen();
        assert_eq!(seen.len(), number + 1, "{line}");
        let mut sent = seen.last().unwrap().headers.clone();
        sent.sort();
        let [accept, authorization, rest @ ..] = sent.as_slice() else {
            panic!("{sent:?}")
        };
        let expected = [
            ("content-type", "application/json"),
            ("ms-contract-version", "v1"),
            ("ms-correlationid", told(&answer.head, "ms-correlationid")),
            ("ms-partnercenter-application", "partner-gateway"),
            ("ms-requestid", told(&answer.head, "ms-requestid")),
            ("x-locale", "en-US"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(rest, expected, "{line}");
        assert_eq!(accept.0, "accept");
        assert_eq!(accept.1, "application/json");
        assert_eq!(authorization.0, "authorization");
        assert!(authorization.1.starts_with("Bearer ey"), "{line}");
        let taken = sent.iter().find(|(_, value)| line.contains(&**value));
        assert_eq!(taken, None, "{line}");
    }
}

#[tokio::test]
async fn takes_exactly_one_credential() {
    let target = Target::new().await;
    let bearer = format!("Bearer {BILLING}");

    for (first, second) in [
        (("Authorization", &*bearer), ("Authorization", &*bearer)),
        (("Authorization", &bearer), ("authorization", &bearer)),
        (("AUTHORIZATION", &bearer), ("authorization", &bearer)),
        (("Authorization", &bearer), ("Authorization", "Bearer x")),
        (("Authorization", "Bearer x"), ("Authorization", &bearer)),
        (("Authorization", &bearer), ("Authorization", "Basic eDp5")),
        (("Authorization", &bearer), ("Authorization", "")),
        (("Authorization", ""), ("Authorization", &bearer)),
        (("Authorization", ""), ("X", "")),
        (("Authorization", &format!("{bearer}, {bearer}")), ("X", "")),
        (("Authorization", &format!("{bearer},x")), ("X", "")),
        (("Authorization", "Bearer x"), ("X", "")),
        (("Authorization", BILLING), ("X", "")),
        (("Authorization", &format!("Basic {BILLING}")), ("X", "")),
        (("Authorization", &format!("Bearer\t{BILLING}")), ("X", "")),
    ] {
        let lines = format!(
            "{}: {}\r\nX: y\r\n{}: {}\r\n",
            first.0, first.1, second.0, second.1
        );
        for more in ["", "Connection: authorization\r\n"] {
            target
                .refuses(call(&lines, more), 401, "unauthenticated")
                .await;
        }
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn finds_no_credential_behind_a_body() {
    let target = Target::new().await;
    let chunked = call("Trailer: Authorization\r\n", "").replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer {BILLING}\r\n\r\n"),
    );

    target.refuses(chunked, 401, "unauthenticated").await;

    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn does_not_carry_a_caller_over_to_the_next_request() {
    let target = Target::new().await;
    let stranger = call("Authorization: Bearer stranger-token\r\n", "");
    let (stranger, known, nobody) = (
        stranger.replace("Connection: close\r\n", ""),
        call(&billing(), "").replace("Connection: close\r\n", ""),
        call("", ""),
    );

    let all = format!("{stranger}{known}{stranger}{nobody}");
    let answers = converse(target.served.address, all.as_bytes()).await;

    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .filter_map(|(at, _)| answers.get(at + 9..at + 12))
        .collect();
    assert_eq!(statuses, ["403", "200", "403", "401"]);
    let who: Vec<_> = target
        .outcomes()
        .iter()
        .map(|record| record["principal"].as_str().map(str::to_owned))
        .collect();
    let who: Vec<_> = who.iter().map(Option::as_deref).collect();
    assert_eq!(
        who,
        [Some("stranger"), Some("billing"), Some("stranger"), None]
    );
    assert_eq!(target.served.sandbox.seen().len(), 1);
}

fn strange_lines() -> Vec<String> {
    let lines = STRANGE_LINES.iter();
    lines
        .map(|line| format!("{}\r\n", line.replace("TOKEN", BILLING)))
        .collect()
}

/// The value of a header in a head in lower case.
fn told<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(is, _)| *is == name);
    found.expect("header").1
}

/// Lines that have made other gateways believe somebody, skip somebody's check, lose a header of their
/// own or send another one on.
const STRANGE_LINES: [&str; 52] = [
    "Connection: authorization",
    "Connection: close, authorization",
    "Connection: ms-requestid, ms-correlationid, content-type, accept",
    "TE: trailers",
    "Keep-Alive: timeout=5",
    "Expect: 100-continue",
    "X-HTTP-Method-Override: GET",
    "X-Method-Override: DELETE",
    "Accept: text/html",
    "X-Locale: fr-FR",
    "MS-Contract-Version: v2",
    "MS-PartnerCenter-Application: somebody",
    "MS-RequestId: 11111111-2222-4333-8444-555555555555",
    "Ms_RequestId: 11111111-2222-4333-8444-555555555555",
    "MS.RequestId: 11111111-2222-4333-8444-555555555555",
    "Ms_CorrelationId: 11111111-2222-4333-8444-555555555555",
    "MS.CorrelationId: 11111111-2222-4333-8444-555555555555",
    "Partner_Account: nobody",
    "Partner.Account: nobody",
    "Idempotency_Key: a b",
    "X-Forwarded-For: 127.0.0.1",
    "X-Real-IP: 127.0.0.1",
    "Forwarded: for=127.0.0.1;host=api.test;proto=https",
    "X-Forwarded-Host: api.test",
    "X-Envoy-Internal: true",
    "X-Forwarded-Client-Cert: Hash=00;Subject=\"CN=billing\";URI=spiffe://a/billing",
    "X_Forwarded_Client_Cert: Hash=00;Subject=\"CN=billing\";URI=spiffe://a/billing",
    "X.Forwarded.Client.Cert: Hash=00;Subject=\"CN=billing\";URI=spiffe://a/billing",
    "X-Forwarded-Tls-Client-Cert: MIIB",
    "SSL_CLIENT_VERIFY: SUCCESS",
    "X-Forwarded-User: billing",
    "X_Forwarded_User: billing",
    "X.Forwarded.User: billing",
    "X-Auth-Request-User: billing",
    "X-Remote-User: billing",
    "REMOTE_USER: billing",
    "X-Forwarded-Uri: /livez",
    "X-Original-URL: /livez",
    "X-Rewrite-URL: /livez",
    "x-envoy-original-path: /livez",
    "User-Agent: kube-probe/1.30",
    "User-Agent: GoogleHC/1.0",
    "User-Agent: ELB-HealthChecker/2.0",
    "User-Agent: Envoy/HC",
    "Proxy-Authorization: Bearer TOKEN",
    "X-Authorization: Bearer TOKEN",
    "Authorization_: Bearer TOKEN",
    "Authorization.: Bearer TOKEN",
    "X-Forwarded-Authorization: Bearer TOKEN",
    "X-Forwarded-Access-Token: TOKEN",
    "Cookie: authorization=Bearer TOKEN; access_token=TOKEN",
    "X-Original-Method: GET",
];
