//! What the program says, and what it never says.

use std::{fs, net::TcpListener, path::Path};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::site::{Running, Site, private};
use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    issuer::{ISSUER, claims, claims_with, ec, next_rsa, rsa},
    process::{Process, within},
};

#[tokio::test]
async fn tells_why_it_cannot_start() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let callers = format!("server: {{listen: {taken}");
    let operators = format!("admin: {{listen: {taken}");

    for (from, to, told) in [
        (CALLERS, callers.as_str(), [&taken, "server.listen"]),
        (OPERATORS, operators.as_str(), [&taken, "admin.listen"]),
        ("/audit}", "/a-file/audit}", ["/a-file/audit", "journal"]),
    ] {
        let site = Site::new().await;
        private(&site.path("a-file"), "");
        site.edit(from, to);

        let checked = site.spawn("check").ended().await;
        let served = site.spawn("serve").ended().await;

        assert_eq!(checked.code, Some(0), "{checked:?}");
        assert_eq!(served.code, Some(1), "{served:?}");
        let [line] = &served.stderr.lines().collect::<Vec<_>>()[..] else {
            panic!("one line: {served:?}")
        };
        assert!(told.iter().all(|it| line.contains(it)), "{told:?}: {line}");
        assert!(!line.contains(&secret()), "{line}");
    }
}

#[tokio::test]
async fn tells_what_is_wrong_with_a_configuration() {
    let inside = format!("{{value: {}, file: ", secret());

    for (from, to, told) in [
        ("audit: {", "audti: {", [":16", "audti", "nearest: audit"]),
        (
            "/client-secret",
            "/gone",
            ["gateway.yaml:7", "secret.file", "/gone"],
        ),
        (
            "{file: ",
            &inside,
            ["gateway.yaml:7", "secret", "never written"],
        ),
        (
            "/tokens",
            "/gone",
            ["gateway.yaml:9", "callers.token_file", "/gone"],
        ),
        (
            "/audit}",
            "/a-file}",
            ["gateway.yaml:16", "audit.dir", "/a-file"],
        ),
    ] {
        let site = Site::new().await;
        private(&site.path("a-file"), "");
        site.edit(from, to);

        check_and_serve_tell(&site, &told).await;
    }
    let site = Site::new().await;
    fs::remove_file(site.config()).unwrap();
    check_and_serve_tell(&site, &["gateway.yaml", "No such file"]).await;
}

#[tokio::test]
async fn keeps_secrets_out_of_everything_it_writes() {
    let site = Site::new().await;
    let gateway = site.start().await;
    assert_eq!(gateway.reject(TRANSFER).await.status, 200);
    assert_eq!(reject_over_http_2(&gateway).await, 400);
    let unknown = gateway.call(TRANSFER, UNKNOWN).await.unwrap();
    assert_eq!(unknown.status, 401);
    let mut written = about(&gateway.process);
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;
    written.extend([ended.stdout, ended.stderr]);

    private(&site.path("client-secret"), WRONG_SECRET);
    let gateway = site.listening(site.spawn("serve")).await;
    assert_eq!(gateway.reject(TRANSFER).await.status, 503);
    written.extend(about(&gateway.process));
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;
    written.extend([ended.stdout, ended.stderr]);
    files(&site.path("audit"), &mut written);

    let told = written.concat();
    assert!(told.contains("TRACE"), "the log is not at its finest");
    for secret in secrets(&site) {
        assert!(!told.contains(&secret), "{secret} is written somewhere");
    }
}

#[tokio::test]
async fn tells_the_log_alone_why_a_token_is_refused() {
    let site = Site::new().await;
    let jwks = json!({ "keys": [rsa().jwk(), ec().jwk()] });
    private(&site.path("jwks"), &jwks.to_string());
    let callers = format!(
        "callers: {{issuers: [{{name: issuer, issuer: '{ISSUER}', jwks: {{file: {}}}, \
         audiences: [partner-gateway], algorithms: [RS256]}}], ",
        site.path("jwks").display()
    );
    site.edit("callers: {", &callers);
    let gateway = site.start().await;
    let claiming = |changed| rsa().token(&claims_with(changed));

    for (token, reason) in [
        (
            ec().token(&claims()),
            "the algorithm is not one of the issuer's",
        ),
        (next_rsa().token(&claims()), "the issuer has no such key"),
        (
            claiming(json!({"aud": "somebody"})),
            "the signature, iss, aud, exp or sub is not what it must be",
        ),
        (claiming(json!({"exp": 0})), "the token has expired"),
    ] {
        let answer = gateway.call(TRANSFER, &token).await.unwrap();

        assert_eq!(answer.status, 401);
        assert!(!answer.body.to_string().contains(reason));
        let told = || {
            let log = gateway.process.stderr();
            log.lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .find(|line| line["message"] == "token refused" && line["reason"] == reason)
        };
        within(async || told().is_some()).await;
        assert_eq!(told().unwrap()["issuer"], ISSUER);
        assert!(!gateway.process.stderr().contains(&token));
    }
}

/// Checks that both commands refuse the configuration and name these things.
async fn check_and_serve_tell(site: &Site, told: &[&str]) {
    let checked = site.spawn("check").ended().await;
    let served = site.spawn("serve").ended().await;

    assert_eq!((checked.code, served.code), (Some(1), Some(1)));
    for words in [checked.stdout, served.stderr] {
        let line = words.lines().last().unwrap();
        assert!(told.iter().all(|it| line.contains(it)), "{told:?}: {words}");
        assert!(!words.contains(&secret()), "{words}");
    }
}

/// Makes the documented call, and returns the status.
async fn reject_over_http_2(gateway: &Running) -> u16 {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let stream = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    let target = format!("http://gateway/transfers/{CUSTOMER}/{TRANSFER}/reject");
    let request = Request::post(target)
        .header("authorization", format!("Bearer {BILLING}"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    sender
        .send_request(request)
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// What the operating system tells everyone about a process.
fn about(process: &Process) -> Vec<String> {
    ["cmdline", "environ"]
        .map(|file| {
            let text = fs::read(format!("/proc/{}/{file}", process.id())).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        })
        .into()
}

/// Reads every file under a directory.
fn files(dir: &Path, into: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
        }
    }
}

/// Everything that must not be written: of an access token also the claims and the signature alone.
fn secrets(site: &Site) -> Vec<String> {
    let seen = site.sandbox.seen();
    let shown: Vec<_> = seen
        .iter()
        .flat_map(|request| &request.headers)
        .filter(|(name, _)| name == "authorization")
        .filter_map(|(_, value)| value.strip_prefix("Bearer "))
        .collect();
    assert!(!shown.is_empty(), "no access token was used");
    let parts = shown.iter().flat_map(|token| token.split('.').skip(1));
    let known = secret();
    let given = [&known, WRONG_SECRET, BILLING, UNKNOWN];
    given.into_iter().chain(parts).map(str::to_owned).collect()
}

/// The client secret.
fn secret() -> String {
    sandbox::Settings::default().client_secret
}

const UNKNOWN: &str = "a-token-that-nobody-has";
const WRONG_SECRET: &str = "a-client-secret-that-is-wrong";

/// Pieces of the configuration.
const CALLERS: &str = "server: {listen: 127.0.0.1:0";
const OPERATORS: &str = "admin: {listen: 127.0.0.1:0";
