//! Over real connections: a request of which a byte has reached the host is never sent again by the
//! client itself, which cannot know whether that is right.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use partner_gateway::http_client::{HttpClient, HttpError, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// How much of the second request on a connection a host reads before it is gone. With something unread,
/// the connection is reset and not closed.
#[derive(Clone, Copy, Debug)]
enum Read {
    All,
    Head,
    OneByte,
}

#[tokio::test]
async fn sends_no_request_again_that_has_reached_the_host() {
    for read in [Read::All, Read::Head, Read::OneByte] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = client();
        let mut hosts = JoinSet::new();
        hosts.spawn(leave_in_the_second_request(listener, read));

        let first = patch(&client, address, "first").await;
        let second = patch(&client, address, "second").await;
        let third = patch(&client, address, "third").await;

        assert_eq!(first.unwrap(), 200);
        assert!(
            matches!(second, Err(HttpError::NoAnswer(_))),
            "{read:?}: {second:?}"
        );
        assert_eq!(third.unwrap(), 200);
        let [kept, fresh] = hosts.join_next().await.unwrap().unwrap();
        let whole = !matches!(read, Read::OneByte);
        assert_eq!(kept.matches("second").count(), usize::from(whole), "{kept}");
        assert!(
            kept.contains("first") && kept.ends_with(['P', '\n', '}']),
            "{kept}"
        );
        assert!(!fresh.contains("second"), "sent again: {fresh}");
        assert_eq!(fresh.matches("third").count(), 1, "{fresh}");
    }
}

#[tokio::test]
async fn sends_no_request_again_over_connections_that_are_always_stale() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = client();
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let mut hosts = JoinSet::new();
    hosts.spawn(close_after_each_answer(listener, Arc::clone(&arrived)));

    for number in 0..500 {
        let name = format!("number-{number}-");
        let answer = patch(&client, address, &name).await;

        let arrived = arrived.lock().unwrap();
        let times = arrived
            .iter()
            .filter(|request: &&String| request.contains(&name));
        let possible: &[usize] = match answer {
            Ok(_) => &[1],
            Err(HttpError::Connect(_)) => &[0],
            // It went into a connection that the host had closed already.
            Err(HttpError::NoAnswer(_)) => &[0, 1],
            Err(error) => panic!("{error:?}"),
        };
        let times = times.count();
        assert!(
            possible.contains(&times),
            "{name} arrived {times} times: {answer:?}"
        );
    }
}

/// Answers the first request on a connection, is gone during the second, and answers one on the next
/// connection; tells what came over both.
async fn leave_in_the_second_request(listener: TcpListener, read: Read) -> [String; 2] {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut kept = whole_request(&mut stream).await.unwrap();
    stream.write_all(ANSWER).await.unwrap();
    kept += &match read {
        Read::All => whole_request(&mut stream).await.unwrap(),
        Read::Head => head(&mut stream).await.unwrap(),
        Read::OneByte => char::from(stream.read_u8().await.unwrap()).to_string(),
    };
    drop(stream);
    let (mut stream, _) = listener.accept().await.unwrap();
    let fresh = whole_request(&mut stream).await.unwrap();
    stream.write_all(ANSWER).await.unwrap();
    [kept, fresh]
}

/// Closes each connection behind its first answer, without having said so.
async fn close_after_each_answer(listener: TcpListener, arrived: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Ok(request) = whole_request(&mut stream).await else {
            continue;
        };
        arrived.lock().unwrap().push(request);
        stream.write_all(ANSWER).await.unwrap();
    }
}

async fn whole_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = head(stream).await?;
    let mut body = [0; BODY.len()];
    stream.read_exact(&mut body).await?;
    request += std::str::from_utf8(&body).unwrap();
    Ok(request)
}

async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

fn client() -> HttpClient {
    HttpClient::connecting(&Settings {
        connect_timeout: Duration::from_secs(5),
        ca_file: None,
        plain_http: true,
    })
    .unwrap()
}

async fn patch(client: &HttpClient, address: SocketAddr, name: &str) -> Result<u16, HttpError> {
    let request = Request::patch(format!("http://{address}/"))
        .header("ms-requestid", name)
        .body(Full::from(Bytes::from_static(BODY)));
    let exchange = client.exchange(request.unwrap(), Duration::from_secs(20), 1024);
    exchange.await.map(|answer| answer.status.as_u16())
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

const BODY: &[u8; 2] = b"{}";
