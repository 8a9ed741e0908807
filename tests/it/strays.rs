//! Bytes that never become a request: nothing of ours answers them, but they are counted.

use std::{collections::BTreeMap, io, time::Duration};

use partner_gateway::front::settings::TlsFiles;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::harness::{
    journal::Journal,
    served::{Served, converse, documented_call, read_answer, read_to_end},
};

#[tokio::test]
async fn counts_what_was_no_request_by_what_it_was() -> io::Result<()> {
    let served = Served::new().await;
    let large = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));

    for garbage in ["\u{16}\u{3}\u{1}", "GET\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n"] {
        converse(served.address, garbage.as_bytes()).await;
    }
    let unframed = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame at all";
    converse(served.address, unframed).await;
    converse(served.address, large.as_bytes()).await;
    let mut cut_short = TcpStream::connect(served.address).await?;
    cut_short.write_all(b"POST /transf").await?;
    cut_short.shutdown().await?;
    read_to_end(&mut cut_short).await;
    let (_, journal) = served.stop().await;

    let expected = [
        ("header_cut_short", 1),
        ("header_too_large", 1),
        ("not_http", 4),
    ];
    assert_eq!(counts(&journal), expected.map(owned).into());
    let summary = journal.of_kind("summary").remove(0);
    assert_eq!(summary["counts"][0]["address"], "127.0.0.1");
    assert_eq!(journal.of_kind("outcome").len(), 0);
    Ok(())
}

#[tokio::test]
async fn counts_a_head_that_is_too_slow() {
    let served =
        Served::with(|config| config.server.header_timeout = Duration::from_millis(50)).await;

    converse(served.address, b"POST /transf").await;
    let (_, journal) = served.stop().await;

    assert_eq!(counts(&journal), [("header_timeout", 1)].map(owned).into());
}

#[tokio::test]
async fn counts_garbage_that_follows_a_call() -> io::Result<()> {
    let served = Served::new().await;
    let mut garbled = TcpStream::connect(served.address).await?;

    garbled.write_all(documented_call().as_bytes()).await?;
    read_answer(&mut garbled).await;
    garbled.write_all(b"nonsense\r\n\r\n").await?;
    read_to_end(&mut garbled).await;
    let (_, journal) = served.stop().await;

    assert_eq!(counts(&journal), [("not_http", 1)].map(owned).into());
    assert_eq!(journal.of_kind("outcome").len(), 1);
    Ok(())
}

#[tokio::test]
async fn counts_no_connection_that_merely_ends() -> io::Result<()> {
    let served =
        Served::with(|config| config.server.header_timeout = Duration::from_millis(500)).await;

    // One leaves without a word, one falls silent after its call.
    drop(TcpStream::connect(served.address).await?);
    let mut silent = TcpStream::connect(served.address).await?;
    silent.write_all(documented_call().as_bytes()).await?;
    read_answer(&mut silent).await;
    read_to_end(&mut silent).await;
    let (_, journal) = served.stop().await;

    assert_eq!(counts(&journal), BTreeMap::new());
    assert_eq!(journal.of_kind("outcome").len(), 1);
    Ok(())
}

#[tokio::test]
async fn counts_handshakes_that_fail_and_no_probe_of_the_port() -> io::Result<()> {
    let dir = tempfile::tempdir()?;
    let pair = rcgen::generate_simple_self_signed(vec!["gateway.test".to_owned()]).unwrap();
    let files = TlsFiles {
        certificate: dir.path().join("tls.crt"),
        private_key: dir.path().join("tls.key"),
        client_ca: None,
    };
    std::fs::write(&files.certificate, pair.cert.pem())?;
    std::fs::write(&files.private_key, pair.signing_key.serialize_pem())?;
    let served = Served::with(|config| {
        config.server.tls = Some(files);
        config.server.header_timeout = Duration::from_millis(200);
    })
    .await;

    drop(TcpStream::connect(served.address).await?);
    converse(served.address, documented_call().as_bytes()).await;
    // The beginning of a handshake, and nothing more of it.
    converse(served.address, b"\x16\x03\x01").await;
    let (_, journal) = served.stop().await;

    assert_eq!(counts(&journal), [("tls_handshake", 2)].map(owned).into());
    Ok(())
}

/// What the summaries of a journal tell, by class.
fn counts(journal: &Journal) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for ((_, class), count) in journal.summed_up() {
        *counts.entry(class).or_insert(0) += count;
    }
    counts
}

fn owned((class, count): (&str, u64)) -> (String, u64) {
    (class.to_owned(), count)
}
