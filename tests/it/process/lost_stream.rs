//! A stream that is gone after it was in use, over restarts.

use std::fs;

use super::{
    forking::{stopped, with_nats},
    site::Site,
};
use crate::harness::{
    TRANSFER,
    nats::{NatsServer, STREAM, content},
    process::within,
};

#[tokio::test]
async fn makes_no_stream_anew_after_a_restart_either_until_a_person_says_so() {
    let mut server = NatsServer::start().await;
    let site = Site::new().await;
    with_nats(&site, &server);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    assert_eq!(stopped(gateway).await.code, Some(0));
    server.kill();
    server.empty();
    server.restart().await;
    let operator = server.operator().await;

    let mut streams = Vec::new();
    for _ in 0..2 {
        let gateway = site.start().await;
        let told = "remove the sink's file under cursors/ in audit.dir";
        within(async || gateway.process.stderr().contains(told)).await;
        assert_eq!(stopped(gateway).await.code, Some(0));
        streams.push(operator.get_stream(STREAM).await.is_ok());
    }
    fs::remove_file(site.path("audit/cursors/central.json")).unwrap();
    let gateway = site.start().await;
    assert_eq!(stopped(gateway).await.code, Some(0));

    assert_eq!(streams, [false, false]);
    let stream = content(&operator).await.join("\n") + "\n";
    assert_eq!(stream, site.journal_text());
}
