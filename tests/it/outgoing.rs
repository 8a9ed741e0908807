//! The way out over real connections.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use partner_gateway::http_client::{HttpClient, HttpError, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};

#[tokio::test]
async fn knows_that_nothing_was_sent_where_tls_never_came_about() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let authority = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let anchor = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(anchor.path(), authority.cert.pem()).unwrap();
    let client = HttpClient::connecting(&Settings {
        connect_timeout: Duration::from_millis(200),
        ca_file: Some(anchor.path().to_owned()),
        plain_http: false,
    })
    .unwrap();
    let request = Request::get(format!("https://{address}/")).body(Full::<Bytes>::default());

    let failed = client
        .exchange(request.unwrap(), Duration::from_secs(20), 1024)
        .await
        .unwrap_err();

    assert!(matches!(failed, HttpError::Connect(_)), "{failed:?}");
}

#[tokio::test]
async fn reads_one_answer_and_believes_no_other() {
    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

    for (answer, expected) in answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = HttpClient::connecting(&Settings {
            connect_timeout: Duration::from_secs(5),
            ca_file: None,
            plain_http: true,
        })
        .unwrap();
        let bytes = format!("HTTP/1.1 {answer}{poison}");
        let honest = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nhonest";
        let mut serving = JoinSet::new();
        serving.spawn(answer_each(listener, [bytes, honest.to_owned()]));

        let first = ask(&client, address).await;
        let second = ask(&client, address).await;

        let first = first.map_err(|error| match error {
            HttpError::NotHttp(_) => "not HTTP",
            HttpError::BrokenOff(_) => "broken off",
            _ => "something else",
        });
        let expected = expected.map(|(status, body)| (status, body.to_owned()));
        assert_eq!(first, expected, "{answer:?}");
        assert_eq!(second.unwrap(), (200, "honest".to_owned()), "{answer:?}");
    }
}

/// What is read of an answer: its status and body, or what is wrong with it.
type Told = Result<(u16, &'static str), &'static str>;

/// What a host may answer, behind the version, and what is read of it.
fn answers() -> Vec<(String, Told)> {
    let hints = "103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing";
    let closing = "Connection: close\r\nContent-Length: 2\r\n\r\n{}";
    let switched = "101 Switching Protocols";
    let (chunked, chunks) = ("Transfer-Encoding: chunked", "2\r\n{}\r\n0\r\n\r\n");
    vec![
        // Interim answers are passed over: RFC 9110 section 15.2.
        (
            format!("100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{closing}"),
            Ok((200, "{}")),
        ),
        (
            format!("{hints}\r\n\r\nHTTP/1.1 404 No\r\n{closing}"),
            Ok((404, "{}")),
        ),
        // Nobody asked for another protocol: what is behind it is not read, and the verdict refuses it.
        (format!("{switched}\r\nUpgrade: h2c\r\n\r\n"), Ok((101, ""))),
        (
            format!("{switched}\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
            Ok((101, "")),
        ),
        // Two words about the length ought to be an error: RFC 9112 section 6.3.
        (
            format!("200 OK\r\nContent-Length: 99\r\n{chunked}\r\n\r\n{chunks}"),
            Err("not HTTP"),
        ),
        (
            format!("200 OK\r\n{chunked}\r\nContent-Length: 1\r\n\r\n{chunks}"),
            Err("not HTTP"),
        ),
        (
            format!("200 OK\r\n{chunked}\r\n\r\n+{chunks}"),
            Err("broken off"),
        ),
        (
            "200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_owned(),
            Err("not HTTP"),
        ),
        (
            "200 OK\r\nContent-Length: +2\r\n\r\n{}".to_owned(),
            Err("not HTTP"),
        ),
        (
            "200 OK\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
            Ok((200, "{}")),
        ),
        (
            "204 No Content\r\nContent-Length: 2\r\n\r\n".to_owned(),
            Ok((204, "")),
        ),
        ("2000 OK\r\n\r\n".to_owned(), Err("not HTTP")),
    ]
}

/// Answers the first request of each connection with these bytes, and closes it once the peer has.
async fn answer_each(listener: TcpListener, answers: [String; 2]) {
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
        assert!(
            rest.is_empty(),
            "a second request on a connection that was answered twice"
        );
    }
}

async fn ask(client: &HttpClient, address: SocketAddr) -> Result<(u16, String), HttpError> {
    let request = Request::get(format!("http://{address}/")).body(Full::<Bytes>::default());
    let exchange = client.exchange(request.unwrap(), Duration::from_secs(20), 1024);
    let answer = exchange.await?;
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    Ok((answer.status.as_u16(), body))
}
