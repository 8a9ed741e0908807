//! What needs a socket: framing, limits, callers that leave, TLS, HTTP/2.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use partner_gateway::{
    front::settings::TlsFiles, secret::SecretSource, token::credential::Settings as Credential,
};
use sandbox::{Fault, Target};
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    served::{
        Served, ask, connect_http_2, converse, documented_call, read_answer, read_to_end, until,
    },
};

#[tokio::test]
async fn serves_call_after_call_on_one_connection() {
    let served = Served::new().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();

    stream
        .write_all(documented_call().as_bytes())
        .await
        .unwrap();
    let (first, _, _) = read_answer(&mut stream).await;
    stream
        .write_all(documented_call().as_bytes())
        .await
        .unwrap();
    let (second, _, _) = read_answer(&mut stream).await;

    assert_eq!((first, second), (200, 400));
}

#[tokio::test]
async fn ends_what_a_caller_began_even_when_the_caller_hangs_up() {
    let served = Served::new().await;
    until(|| !served.sandbox.token_requests().is_empty()).await;
    served
        .sandbox
        .push_fault(Target::PartnerCenter, Fault::Delay { ms: 200 });
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream
        .write_all(documented_call().as_bytes())
        .await
        .unwrap();
    until(|| !served.sandbox.seen().is_empty()).await;

    drop(stream);

    until(|| served.journal().of_kind("outcome").len() == 1).await;
    let outcome = served.journal().of_kind("outcome").remove(0);
    assert_eq!(outcome["status"], 200);
    assert_eq!(outcome["forwarded"], "yes");
    let state = served.sandbox.transfer_status(CUSTOMER, TRANSFER);
    assert_eq!(state.as_deref(), Some("Reject"));
}

#[tokio::test]
async fn answers_what_is_not_a_request_without_a_word_upstream() {
    let served = Served::new().await;
    let path = format!("/transfers/{CUSTOMER}/{TRANSFER}/reject");
    let auth = format!("Host: gateway\r\nAuthorization: Bearer {BILLING}\r\n");
    let long = "x".repeat(100_000);

    for (bytes, status) in [
        (format!("POST {path}\r\n\r\n"), "400"),
        (
            format!("POST {path} HTTP/1.1\r\n{auth}Content-Length: +5\r\n\r\nhello"),
            "400",
        ),
        (
            format!("POST {path} HTTP/1.1\r\n{auth}Content-Length: 5\r\nContent-Length: 6\r\n\r\n"),
            "400",
        ),
        (
            format!("POST {path} HTTP/1.1\r\n{auth}Transfer-Encoding: xchunked\r\n\r\n"),
            "400",
        ),
        (
            format!("POST {path} HTTP/1.1\r\n{auth}Bad Header: x\r\n\r\n"),
            "400",
        ),
        (
            format!("POST {path} HTTP/1.1\r\n{auth} folded\r\n\r\n"),
            "400",
        ),
        (format!("POST {path} HTTP/1.1\r\nX: {long}\r\n\r\n"), "431"),
    ] {
        let answer = converse(served.address, bytes.as_bytes()).await;

        let shown = bytes.chars().take(200).collect::<String>();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{shown:?} -> {answer:?}"
        );
    }
    assert!(served.sandbox.seen().is_empty());
}

#[tokio::test]
async fn closes_a_connection_whose_head_is_too_slow() {
    let served =
        Served::with(|config| config.server.header_timeout = Duration::from_millis(50)).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();

    stream.write_all(b"POST /transfers").await.unwrap();
    let answer = read_to_end(&mut stream).await;

    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
        "{answer}"
    );
}

#[tokio::test]
async fn answers_a_body_that_is_too_slow() {
    let served =
        Served::with(|config| config.server.header_timeout = Duration::from_millis(50)).await;
    let call = documented_call().replace("Content-Length: 0", "Content-Length: 10");

    let answer = converse(served.address, call.as_bytes()).await;

    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"));
    assert_eq!(served.journal().of_kind("outcome")[0]["status"], 408);
}

#[tokio::test]
async fn speaks_http_2_without_tls() {
    let served = Served::new().await;
    let mut connections = JoinSet::new();
    let mut sender = connect_http_2(served.address, &mut connections).await;

    let request = Request::post(format!(
        "http://gateway/transfers/{CUSTOMER}/{TRANSFER}/reject"
    ))
    .header("authorization", format!("Bearer {BILLING}"))
    .body(Empty::<Bytes>::new())
    .unwrap();
    let answer = sender.send_request(request).await.unwrap();

    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("gateway-audit-id"));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains(r#""status":"Reject""#));
}

#[tokio::test]
async fn answers_head_without_a_body_over_either_version() {
    let served = Served::new().await;
    let path = format!("/transfers/{CUSTOMER}/{TRANSFER}/reject");

    for (address, path, status) in [(served.address, &*path, 405), (served.admin, "/livez", 200)] {
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        let old = converse(address, head.as_bytes()).await;
        let mut connections = JoinSet::new();
        let mut sender = connect_http_2(address, &mut connections).await;
        let head = Request::head(format!("http://gateway{path}"));
        let head = head.body(Empty::<Bytes>::new()).unwrap();
        let new = sender.send_request(head).await.unwrap();

        assert!(old.starts_with(&format!("HTTP/1.1 {status} ")), "{old}");
        let (old, body) = old.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "");
        assert_eq!(new.status(), status);
        let length = new.headers()["content-length"].to_str().unwrap();
        assert_ne!(length, "0");
        assert!(old.contains(&format!("\r\ncontent-length: {length}\r\n")));
        let body = new.into_body().collect().await.unwrap().to_bytes();
        assert!(body.is_empty());
    }
    assert_eq!(served.journal().of_kind("outcome").len(), 2);
}

#[tokio::test]
async fn speaks_tls_where_it_is_configured() {
    let dir = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: dir.path().join("tls.crt"),
        private_key: dir.path().join("tls.key"),
        client_ca: None,
    };
    std::fs::write(&files.certificate, pair.cert.pem()).unwrap();
    std::fs::write(&files.private_key, pair.signing_key.serialize_pem()).unwrap();
    let served = Served::with(|config| config.server.tls = Some(files)).await;
    let mut anchors = rustls::RootCertStore::empty();
    anchors.add(pair.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(anchors)
        .with_no_client_auth();

    let stream = TcpStream::connect(served.address).await.unwrap();
    let name = "gateway.test".try_into().unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .unwrap();
    let call = documented_call().replace(
        "Content-Length: 0",
        "Content-Length: 0\r\nConnection: close",
    );
    stream.write_all(call.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)
        .await
        .unwrap();
    let plain = converse(served.address, documented_call().as_bytes()).await;

    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(
        !plain.contains("HTTP/1.1"),
        "plain HTTP on a TLS port: {plain:?}"
    );
}

#[tokio::test]
async fn tells_operators_what_is_not_ready() {
    let served = Served::with(|config| {
        let wrong = "wrong".to_owned().into();
        let account = config.accounts.first_mut().unwrap();
        account.token.credential = Credential::ClientSecret(SecretSource::Value(wrong));
    })
    .await;

    let (alive, _) = ask(served.admin, "/livez").await;
    let (ready, missing) = ask(served.admin, "/readyz").await;
    let (_, all) = ask(served.admin, "/readyz?verbose").await;
    let (unknown, _) = ask(served.admin, "/nowhere").await;

    assert_eq!((alive, ready, unknown), (200, 503, 404));
    assert_eq!(missing.as_array().map(Vec::len), Some(1));
    assert_eq!(missing[0]["check"], "token");
    let names: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|check| &check["check"])
        .collect();
    assert_eq!(
        names,
        [
            "configuration",
            "audit_journal",
            "token",
            "drain",
            "account"
        ]
    );
}

#[tokio::test]
async fn is_ready_once_a_token_was_had_and_stays_so_through_an_outage() {
    let served = Served::new().await;
    until(|| !served.sandbox.token_requests().is_empty()).await;
    let mut ready = ask(served.admin, "/readyz").await;
    for _ in 0..1000 {
        if ready.0 == 200 {
            break;
        }
        ready = ask(served.admin, "/readyz").await;
    }
    served.sandbox.set_client_secret("another");
    served.sandbox.revoke_tokens();
    let outage = converse(served.address, closing_call().as_bytes()).await;

    assert_eq!((ready.0, ready.1.as_array().map(Vec::len)), (200, Some(0)));
    assert!(outage.contains("upstream_unauthorized"), "{outage}");
    assert_eq!(ask(served.admin, "/readyz").await.0, 200);
}

#[tokio::test]
async fn keeps_no_place_for_a_connection_that_stays_silent() {
    let served =
        Served::with(|config| config.server.header_timeout = Duration::from_millis(200)).await;

    for beginning in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        for address in [served.address, served.admin] {
            converse(address, beginning).await;
        }
    }

    assert!(served.sandbox.seen().is_empty());
}

fn closing_call() -> String {
    documented_call().replace(
        "Content-Length: 0",
        "Content-Length: 0\r\nConnection: close",
    )
}
