//! Targets that two readers could take for two things.

use super::{Target, billing, path};
use crate::harness::{CUSTOMER, TRANSFER};

#[tokio::test]
async fn knows_no_route_by_another_spelling() {
    let target = Target::new().await;

    for spelling in elsewhere() {
        for credential in [&*billing(), ""] {
            target
                .refuses(at(&spelling, credential), 404, "not_found")
                .await;
        }
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_nothing_but_a_guid_for_an_id() {
    let target = Target::new().await;

    for (bad, of) in wrong_ids(CUSTOMER).into_iter().zip(wrong_ids(TRANSFER)) {
        let customer = format!("/transfers/{bad}/{TRANSFER}/reject");
        let transfer = format!("/transfers/{CUSTOMER}/{of}/reject");
        for (spelling, code) in [
            (&customer, "invalid_customer_id"),
            (&transfer, "invalid_transfer_id"),
        ] {
            target.refuses(at(spelling, &billing()), 400, code).await;
            target
                .refuses(at(spelling, ""), 401, "unauthenticated")
                .await;
        }
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_nothing_behind_a_path() {
    let target = Target::new().await;

    for behind in [
        "?",
        "?a=b",
        "?access_token=x",
        "?/../../livez",
        "#",
        "#x",
        "#/../../livez",
        "?a#b",
        "#?a",
        "##",
    ] {
        let spelling = format!("{}{behind}", path());
        let answer = target
            .refuses(at(&spelling, &billing()), 400, "invalid_request")
            .await;
        assert_eq!(answer.only_record()["principal"], "billing");
        target
            .refuses(at(&spelling, ""), 401, "unauthenticated")
            .await;
    }
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_some_targets_for_no_request() {
    let target = Target::new().await;
    let path = path();
    let targets: [&[u8]; 8] = [
        b"",
        b" ",
        b"/a b",
        b"/a\tb",
        b"/a\0b",
        b"/a\x7fb",
        b"/a\xffb",
        b"transfers/",
    ];

    for bytes in targets {
        let mut request = [b"POST ", bytes].concat();
        if bytes.starts_with(b"/") {
            request.extend_from_slice(path.as_bytes());
        }
        let rest = format!(" HTTP/1.1\r\nHost: gateway\r\n{}\r\n", billing());
        request.extend_from_slice(rest.as_bytes());
        target.takes_for_no_request(request).await;
    }
    target.ends_having_counted(targets.len()).await;
}

#[tokio::test]
async fn sends_an_upper_case_guid_in_lower_case() {
    let target = Target::new().await;
    let (customer, transfer) = (CUSTOMER.to_uppercase(), TRANSFER.to_uppercase());

    let spelling = format!("/transfers/{customer}/{transfer}/reject");
    let answer = target.send(at(&spelling, &billing())).await;

    assert_eq!(answer.status, 200);
    let seen = target.served.sandbox.seen();
    let lower = format!("/v1/customers/{CUSTOMER}/transfers/{TRANSFER}");
    assert_eq!(seen.first().unwrap().path, lower);
}

fn elsewhere() -> Vec<String> {
    let path = path();
    let mut spellings = vec![
        "/".to_owned(),
        "*".to_owned(),
        "/livez".to_owned(),
        "/metrics".to_owned(),
        "/audit/records".to_owned(),
        format!("/livez#{path}"),
        format!("/livez?{path}"),
        format!("http://gateway{path}"),
        format!("https://gateway{path}"),
        format!("HTTP://gateway{path}"),
        format!("http://api.test{path}"),
        "gateway:443".to_owned(),
        "transfers".to_owned(),
        format!("/v1/customers/{CUSTOMER}/transfers/{TRANSFER}"),
        format!("/transfers/../transfers/{CUSTOMER}/{TRANSFER}/reject"),
        format!("/transfers/{CUSTOMER}/../{TRANSFER}/reject"),
        format!("/transfers/{CUSTOMER}/{TRANSFER}/x/../reject"),
        path.to_uppercase(),
        path.replace("/reject", "/REJECT"),
        path.replace("/reject", "/%72eject"),
        path.replace("/transfers", "/%74ransfers"),
        path.replace("/transfers", "/\u{ff54}ransfers"),
    ];
    for before in [
        "/",
        "/.",
        "/..",
        "/x/..",
        "/%2e",
        "/%2e%2e",
        "/x/%2e%2e",
        "/%2F",
        "/;",
    ] {
        spellings.push(format!("{before}{path}"));
    }
    for behind in [
        "/", "//", "/.", "/..", ".", "..", ";", ";x", "/;x", "%2F", "%2f", "%5C", "\\", "%00",
        "%ff", "%20", "%09", "%0d%0a", "%23", "%3F", "%3fa=b", "/x", ",", "+", "~",
    ] {
        spellings.push(format!("{path}{behind}"));
    }
    for slash in [
        "//", "%2F", "%2f", "%5C", "%5c", "\\", "/\\", "/;/", "/..;/",
    ] {
        spellings.push(path.replace("/reject", &format!("{slash}reject")));
        spellings.push(path.replace("/transfers/", &format!("/transfers{slash}")));
        spellings.push(path.replace(TRANSFER, &format!("x{slash}{TRANSFER}")));
    }
    spellings
}

fn wrong_ids(id: &str) -> Vec<String> {
    let digits = id.replace('-', "");
    let wide = id.replace('0', "\u{ff10}").replace('4', "\u{0664}");
    vec![
        format!("{{{id}}}"),
        format!("%7B{id}%7D"),
        format!("({id})"),
        format!("urn:uuid:{id}"),
        format!("urn:uuid:{}", id.to_uppercase()),
        format!("{id}."),
        format!(".{id}"),
        format!("{id}%00"),
        format!("{id}%ff"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("+{id}"),
        format!("{id},{id}"),
        format!("{id}@{id}"),
        format!("{id}0"),
        id.replacen('-', "%2D", 1),
        id.replacen('-', "_", 1),
        id.replacen('-', "\u{2010}", 1),
        id.replacen('0', "%30", 1),
        id.replacen('0', "O", 1),
        wide.replace('\u{ff10}', "%EF%BC%90")
            .replace('\u{0664}', "%D9%A4"),
        wide,
        digits,
        "00000000-0000-0000-0000-000000000000".to_owned(),
        ".".to_owned(),
        "%2e".to_owned(),
        "%2e%2e".to_owned(),
        "%252e%252e".to_owned(),
        "*".to_owned(),
        "-".to_owned(),
        "null".to_owned(),
    ]
}

/// A call with another target.
fn at(spelling: &str, credential: &str) -> String {
    format!(
        "POST {spelling} HTTP/1.1\r\nHost: gateway\r\n{credential}Connection: close\r\n\
         Content-Length: 0\r\n\r\n"
    )
}
