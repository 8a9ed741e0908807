//! Heads whose lines, version or host can be read in two ways.

use super::{Target, billing, call};
use crate::harness::served::{converse, documented_call};

#[tokio::test]
async fn refuses_lines_that_end_without_a_carriage_return() {
    let target = Target::new().await;
    let whole = call(&billing(), "X: y\r\n");

    for bare in [
        whole.replace("\r\n", "\n"),
        whole.replacen("\r\n", "\n", 1),
        whole.replace("X: y\r\n", "X: y\n"),
        whole.replace("\r\n\r\n", "\n\n"),
        whole.replace("\r\n\r\n", "\r\n\n"),
        whole.replace("\r\n\r\n", "\n\r\n"),
        whole.replace("X: y\r\n", "X: y\nZ: Content-Length: 9\n"),
    ] {
        let hidden = format!("{bare}{}", documented_call());
        target.refuses(&hidden, 400, "invalid_request").await;
        target
            .refuses(hidden.replace("Authorization", "X"), 401, "unauthenticated")
            .await;
    }
    // The credential is behind a line end that another reader does not see.
    let behind = call("", &format!("X: y\n{}", billing()));
    target.refuses(behind, 400, "invalid_request").await;
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn refuses_a_request_that_does_not_name_one_host() {
    let target = Target::new().await;

    for hosts in [
        "",
        "Host: gateway\r\nHost: gateway\r\n",
        "Host: gateway\r\nhost: elsewhere\r\n",
        "Host: gateway\r\nHost:\r\n",
        "Host: gateway, elsewhere\r\n",
        "Host: user@gateway\r\n",
        "Host: http://gateway\r\n",
        "Host: gateway/path\r\n",
        "Host: gate way\r\n",
        "Host: gateway:80:80\r\n",
        "Host: gateway#\r\n",
        "X-Forwarded-Host: gateway\r\n",
        "Ho_st: gateway\r\n",
    ] {
        for (credential, status, code) in [
            (&*billing(), 400, "invalid_request"),
            ("", 401, "unauthenticated"),
        ] {
            let call = call(credential, "").replace("Host: gateway\r\n", hosts);
            target.refuses(call, status, code).await;
        }
    }
    let nowhere = "POST /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n";
    target.refuses(nowhere, 404, "not_found").await;
    let old = call(&billing(), "Host: other\r\n").replace("HTTP/1.1", "HTTP/1.0");
    target.refuses(old, 400, "invalid_request").await;
    target.ends_having_counted(0).await;
}

#[tokio::test]
async fn takes_every_host_that_is_one() {
    let target = Target::new().await;

    for host in [
        "gateway:8443",
        "127.0.0.1",
        "[::1]:8080",
        "GATEWAY.example",
        "",
    ] {
        let call = call(&billing(), "").replace("Host: gateway", &format!("Host: {host}"));
        let answer = target.send(call).await;
        let forwarded = "\r\ngateway-outcome: forwarded\r\n";
        assert!(answer.head.contains(forwarded), "{host} -> {answer:?}");
    }
}

#[tokio::test]
async fn serves_one_call_over_http_1_0() {
    let target = Target::new().await;
    let old = documented_call()
        .replace("HTTP/1.1", "HTTP/1.0")
        .replace("Host: gateway\r\n", "");

    let nobody = old.replace("Authorization", "X");
    let whole = converse(target.served.address, nobody.as_bytes()).await;
    assert!(whole.starts_with("HTTP/1.0 401 "), "{whole}");
    target.is_untouched();
    let whole = converse(target.served.address, format!("{old}{old}").as_bytes()).await;

    assert!(whole.starts_with("HTTP/1.0 200 "), "{whole}");
    assert_eq!(whole.matches("HTTP/1.").count(), 1);
    assert_eq!(target.outcomes().len(), 2);
    assert_eq!(target.served.sandbox.seen().len(), 1);
}

#[tokio::test]
async fn takes_other_versions_for_no_request() {
    let target = Target::new().await;
    let heads = [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/1.1.1",
        "HTTP/1.01",
        "http/1.1",
        "HTTP/1.1 ",
        "HTTPS/1.1",
        "",
    ];

    for version in heads {
        let call = call(&billing(), "").replace("HTTP/1.1", version);
        target.takes_for_no_request(call).await;
    }
    let chunked = call(&billing(), "Transfer-Encoding: chunked\r\n");
    target
        .takes_for_no_request(chunked.replace("HTTP/1.1", "HTTP/1.0"))
        .await;
    target.ends_having_counted(heads.len() + 1).await;
}

#[tokio::test]
async fn takes_a_method_as_it_stands() {
    let target = Target::new().await;

    for method in [
        "post", "Post", "POSTX", "GET", "PUT", "TRACE", "OPTIONS", "PRI",
    ] {
        let call = call(&billing(), "").replace("POST", method);
        let answer = target.refuses(call, 405, "method_not_allowed").await;
        assert!(answer.head.contains("\r\nallow: post\r\n"), "{answer:?}");
    }
    target.ends_having_counted(0).await;
}
