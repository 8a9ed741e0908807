//! A listener by itself that lingers for hours, so that each step of its leaving can be looked at.

use std::{future::ready, io, net::SocketAddr, sync::Arc, time::Duration};

use http::Response;
use http_body_util::Full;
use partner_gateway::{
    front::{
        connection::Connection,
        door::Door,
        exchange::Arrival,
        listener::{Limits, Listener},
        stray::Strays,
    },
    shutdown::Drain,
};
use socket2::{Domain, Socket, Type};
use tokio::{net::TcpStream, sync::oneshot, task::JoinSet, time::timeout};

use super::{call, request};
use crate::harness::{
    Standstill,
    served::{connect_http_2, converse, documented_call, read_answer, read_to_end, until},
};

#[tokio::test]
async fn tells_connections_of_http_2_at_once_and_waits_for_the_silence_of_others() {
    let Listening {
        address,
        drain,
        end,
        mut serving,
    } = Listening::lingering(Duration::from_hours(1)).await;
    let mut connections = JoinSet::new();
    let mut new = connect_http_2(address, &mut connections).await;
    assert_eq!(new.send_request(request("/")).await.unwrap().status(), 200);
    let mut old = TcpStream::connect(address).await.unwrap();
    call(&mut old).await;
    let (_, before, _) = read_answer(&mut old).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    call(&mut silent).await;
    read_answer(&mut silent).await;

    drain.begin();
    let over = timeout(Duration::from_secs(20), connections.join_next()).await;
    call(&mut old).await;
    let (_, after, _) = read_answer(&mut old).await;
    end.send(()).unwrap();
    serving.join_next().await.unwrap().unwrap();

    assert!(matches!(over, Ok(Some(Ok(Ok(()))))), "{over:?}");
    let [before, after] = [before, after].map(|head| head.contains("connection: close"));
    assert_eq!((before, after), (false, true));
    assert_eq!(read_to_end(&mut silent).await, "", "cut off in the end");
}

#[tokio::test(start_paused = true)]
async fn has_no_connection_completed_in_its_last_moments() {
    let _standstill = Standstill::begin();
    let listening = Listening::lingering(Duration::from_hours(10)).await;
    let address = listening.address;

    listening.drain.begin();
    let early = converse(address, documented_call().as_bytes()).await;
    until(|| reached(address) == Reached::Connected).await;
    tokio::time::advance(Duration::from_hours(9)).await;
    until(|| reached(address) == Reached::Nobody).await;
    tokio::time::advance(Duration::from_hours(1)).await;
    until(|| reached(address) == Reached::Refused).await;

    assert!(early.starts_with("HTTP/1.1 200 "), "{early}");
}

/// A listener whose answers are empty.
struct Listening {
    address: SocketAddr,
    drain: Drain,
    end: oneshot::Sender<()>,
    serving: JoinSet<()>,
}

impl Listening {
    async fn lingering(linger: Duration) -> Self {
        let limits = Limits {
            door: Arc::new(Door::of(10)),
            header_timeout: Duration::from_hours(1),
            linger,
        };
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any, limits.clone()).await.unwrap();
        let (address, drain) = (listener.address().unwrap(), Drain::default());
        let connection = Connection {
            tls: None,
            limits,
            answer: |_: Arrival| ready(Ok(Response::new(Full::default()))),
            strays: Strays::Untold,
            drain: drain.clone(),
        };
        let (end, ended) = oneshot::channel();
        let mut serving = JoinSet::new();
        serving.spawn(listener.serve(connection, async { ended.await.unwrap() }));
        Self {
            address,
            drain,
            end,
            serving,
        }
    }
}

/// What becomes at once of an attempt to connect.
#[derive(Debug, PartialEq, Eq)]
enum Reached {
    Connected,
    Refused,
    /// Nothing, yet.
    Nobody,
}

fn reached(address: SocketAddr) -> Reached {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let connecting = socket.connect(&address.into()).err();
    let failed = socket.take_error().unwrap().or(connecting);
    match failed.map(|error| error.kind()) {
        Some(io::ErrorKind::ConnectionRefused) => Reached::Refused,
        _ if socket.peer_addr().is_ok() => Reached::Connected,
        _ => Reached::Nobody,
    }
}
