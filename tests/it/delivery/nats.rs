//! The `nats` sink over a real server.

use std::fs;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use partner_gateway::{
    delivery::{
        batch::Line,
        nats::Nats,
        sink::{Setback, Sink as _, Standing},
    },
    ids::JournalId,
    secret::SecretSource,
};
use tempfile::NamedTempFile;

use crate::harness::{
    canary,
    nats::{NatsServer, STREAM, content, shaped, sink},
    process::within,
    records::{batch, records, texts, upto},
    severed::Severed,
};

#[tokio::test]
async fn keeps_every_line_as_it_was_sent_and_once() {
    let server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 600);

    assert_eq!(sink.stands(journal).await, Ok(Standing::Nothing));
    sink.establish().await.unwrap();
    for _ in 0..2 {
        for some in lines.chunks(256) {
            sink.deliver(&batch(journal, some)).await.unwrap();
        }
    }

    let operator = server.operator().await;
    assert_eq!(content(&operator).await, texts(&lines));
    assert_eq!(sink.stands(journal).await, Ok(upto(&lines[599])));
    assert_eq!(
        sink.stands(JournalId::random()).await,
        Ok(Standing::Nothing)
    );
    let stream = operator.get_stream(STREAM).await.unwrap();
    let subject = format!("partner_gateway.audit.{journal}");
    let message = stream
        .get_last_raw_message_by_subject(&subject)
        .await
        .unwrap();
    let id = message.headers.get("Nats-Msg-Id").unwrap().as_str();
    assert_eq!(id, lines[599].id.to_string());
}

#[tokio::test]
async fn keeps_the_order_of_each_journal_where_gateways_write_at_once() {
    let server = NatsServer::start().await;
    let mut sending = tokio::task::JoinSet::new();
    let mut sent = Vec::new();
    for _ in 0..3 {
        let (sink, journal) = (server.sink(), JournalId::random());
        let lines = records(journal, 300);
        sent.push(lines.clone());
        sending.spawn(async move {
            sink.establish().await.unwrap();
            for some in lines.chunks(100) {
                deliver_in_the_end(&sink, journal, some).await;
            }
        });
    }

    sending.join_all().await;

    let found = content(&server.operator().await).await;
    assert_eq!(found.len(), 900);
    for lines in sent {
        let is_own = |text: &&String| lines.iter().any(|line| line.text == **text);
        let own: Vec<_> = found.iter().filter(is_own).cloned().collect();
        assert_eq!(own, texts(&lines));
    }
}

#[tokio::test]
async fn loses_and_repeats_nothing_through_kills_of_the_server() {
    let mut server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 2_000);
    sink.establish().await.unwrap();

    for (round, some) in lines.chunks(200).enumerate() {
        sink.deliver(&batch(journal, some)).await.unwrap();
        server.kill();
        let away = sink.stands(journal).await;
        assert!(matches!(away, Err(Setback::Passing { .. })), "{away:?}");
        server.restart().await;

        let acknowledged = upto(&lines[round * 200 + 199]);
        within(async || sink.stands(journal).await == Ok(acknowledged)).await;
    }

    assert_eq!(content(&server.operator().await).await, texts(&lines));
}

#[tokio::test]
async fn tells_of_a_stream_that_is_gone_and_makes_no_other_in_its_place() {
    let mut server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 20);
    sink.establish().await.unwrap();
    sink.deliver(&batch(journal, &lines[..10])).await.unwrap();

    server.kill();
    server.empty();
    server.restart().await;
    within(async || sink.stands(journal).await == Ok(Standing::Nothing)).await;
    let told = held(sink.deliver(&batch(journal, &lines[10..])).await);

    assert_eq!(
        told,
        "the stream PARTNER_GATEWAY_AUDIT is gone, with the records that were in it; restore it, or make it again \
         with the subject partner_gateway.audit.>, and the records that the journal still has are sent again; or stop \
         the gateway, remove the sink's file under cursors/ in audit.dir and start it, which makes the stream"
    );
    let operator = server.operator().await;
    assert!(operator.get_stream(STREAM).await.is_err());
    operator.create_stream(shaped(|_| {})).await.unwrap();
    sink.deliver(&batch(journal, &lines)).await.unwrap();
    assert_eq!(content(&operator).await, texts(&lines));
    operator.delete_stream(STREAM).await.unwrap();
    assert_eq!(sink.stands(journal).await, Ok(Standing::Nothing));
}

#[tokio::test]
async fn asks_again_when_an_acknowledgement_is_lost() {
    let server = NatsServer::start().await;
    let (journal, way) = (
        JournalId::random(),
        Severed::before(server.address(), b"HPUB partner_gateway.audit").await,
    );
    let sink = sink(&format!("nats://{}", way.address()), None);
    let lines = records(journal, 300);
    server.sink().establish().await.unwrap();

    let told = sink.deliver(&batch(journal, &lines[..200])).await;

    assert!(matches!(told, Err(Setback::Passing { .. })), "{told:?}");
    assert!(way.has_broken());
    let mut stands = None;
    within(async || {
        stands = sink.stands(journal).await.ok();
        stands.is_some()
    })
    .await;
    assert!(matches!(stands, Some(Standing::Upto { .. })), "{stands:?}");
    sink.deliver(&batch(journal, &lines[..200])).await.unwrap();
    sink.deliver(&batch(journal, &lines[100..])).await.unwrap();
    assert_eq!(content(&server.operator().await).await, texts(&lines));
}

#[tokio::test]
async fn tells_a_full_stream_and_goes_on_once_there_is_room() {
    let server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 50);
    let operator = server.operator().await;
    let small = shaped(|stream| stream.max_messages = 20);
    operator.create_stream(small).await.unwrap();

    let told = held(sink.deliver(&batch(journal, &lines)).await);

    insta::assert_snapshot!(told, @"JetStream says maximum messages exceeded (code 503, error code 10077); the stream or its server is full: make room or raise its limits");
    assert_eq!(sink.stands(journal).await, Ok(upto(&lines[19])));
    operator.update_stream(&shaped(|_| {})).await.unwrap();
    sink.deliver(&batch(journal, &lines)).await.unwrap();
    assert_eq!(content(&operator).await, texts(&lines));
}

#[tokio::test]
async fn tells_what_is_wrong_with_the_shape_of_a_stream() {
    let server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 1);
    let operator = server.operator().await;
    let changes: [fn(&mut Config); 9] = [
        |stream| stream.subjects = vec!["elsewhere".to_owned()],
        |stream| stream.storage = StorageType::Memory,
        |stream| stream.retention = RetentionPolicy::WorkQueue,
        |stream| stream.discard = DiscardPolicy::Old,
        |stream| stream.max_age = std::time::Duration::from_hours(24),
        |stream| stream.max_messages_per_subject = 9,
        |stream| stream.max_message_size = 9000,
        |stream| stream.duplicate_window = std::time::Duration::from_mins(1),
        |stream| {
            (stream.deny_delete, stream.deny_purge) = (false, false);
            stream.allow_rollup = true;
        },
    ];

    let mut told = Vec::new();
    for change in changes {
        operator.create_stream(shaped(change)).await.unwrap();
        told.push(held(sink.stands(journal).await));
        assert_eq!(
            told.last(),
            Some(&held(sink.deliver(&batch(journal, &lines)).await))
        );
        operator.delete_stream(STREAM).await.unwrap();
    }

    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn tells_a_line_that_is_not_the_journals() {
    let server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let (lines, others) = (records(journal, 3), records(journal, 3));
    sink.establish().await.unwrap();
    sink.deliver(&batch(journal, &others)).await.unwrap();

    let told = held(sink.deliver(&batch(journal, &lines)).await);

    assert_eq!(
        told,
        format!(
            "the stream has another line for record 3 of journal {journal}: the stream or the journal was tampered \
             with, or two gateways have the same journal"
        )
    );
    assert_eq!(sink.stands(journal).await, Ok(upto(&others[2])));
    assert_eq!(content(&server.operator().await).await, texts(&others));
}

#[tokio::test]
async fn tells_what_the_server_denies_and_goes_on_once_it_does_not() {
    let may = |publish: &str| {
        format!(
            "accounts {{ A: {{ jetstream: enabled, users: [\
             {{user: gateway, password: gateway, permissions: {{publish: [{publish}], subscribe: \"_INBOX.>\"}}}},\
             {{user: operator, password: operator}}] }} }}\nno_auth_user: gateway"
        )
    };
    let asking = "\"$JS.API.STREAM.INFO.*\", \"$JS.API.STREAM.MSG.GET.*\"";
    let server = NatsServer::with(&may("\"$JS.API.INFO\"")).await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 3);

    let unasked = held(sink.stands(journal).await);
    server.configure(&may(asking));
    server.reload().await;
    within(async || sink.stands(journal).await == Ok(Standing::Nothing)).await;
    let unmade = held(sink.establish().await);
    let options =
        async_nats::ConnectOptions::with_user_and_password("operator".into(), "operator".into());
    let operator = options.connect(server.address().to_string()).await.unwrap();
    let operator = async_nats::jetstream::new(operator);
    operator.create_stream(shaped(|_| {})).await.unwrap();
    let unsent = held(sink.deliver(&batch(journal, &lines)).await);
    server.configure(&may(&format!("{asking}, \"partner_gateway.audit.*\"")));
    server.reload().await;

    within(async || sink.deliver(&batch(journal, &lines)).await.is_ok()).await;
    assert_eq!(content(&operator).await, texts(&lines));
    let told = [unasked, unmade, unsent]
        .join("\n")
        .replace(&journal.to_string(), "JOURNAL");
    insta::assert_snapshot!(told, @r#"
    NATS denies: Permissions Violation for Publish to "$JS.API.STREAM.INFO.PARTNER_GATEWAY_AUDIT"
    NATS denies: Permissions Violation for Publish to "$JS.API.STREAM.CREATE.PARTNER_GATEWAY_AUDIT"
    NATS denies: Permissions Violation for Publish to "partner_gateway.audit.JOURNAL"
    "#);
}

#[tokio::test]
async fn reads_its_credentials_anew_for_each_connection() {
    let [first, second] = [(); 2].map(|()| nkeys::KeyPair::new_user());
    let known = |pair: &nkeys::KeyPair| {
        format!(
            "authorization {{ users: [{{nkey: {}}}] }}",
            pair.public_key()
        )
    };
    let file = NamedTempFile::new().unwrap();
    for pair in [&first, &second] {
        canary::plant(&pair.seed().unwrap());
    }
    fs::write(file.path(), first.seed().unwrap()).unwrap();
    let mut server = NatsServer::with(&known(&first)).await;
    let url = format!("nats://{}", server.address());
    let sink = sink(&url, Some(SecretSource::File(file.path().to_owned())));
    let journal = JournalId::random();
    sink.establish().await.unwrap();

    server.kill();
    server.configure(&known(&second));
    server.restart().await;
    let mut told = String::new();
    within(async || match sink.stands(journal).await {
        Err(Setback::Held { why }) => {
            told = why;
            true
        }
        _ => false,
    })
    .await;
    fs::write(file.path(), second.seed().unwrap()).unwrap();

    within(async || sink.stands(journal).await == Ok(Standing::Nothing)).await;
    assert_eq!(
        told,
        "NATS is away: authorization violation; look at cluster.nats.credentials"
    );
}

#[track_caller]
fn held<T: std::fmt::Debug>(told: Result<T, Setback>) -> String {
    match told {
        Err(Setback::Held { why }) => why,
        other => panic!("{other:?}"),
    }
}

/// Sends records until they are there: a stream that was made a moment ago may not listen yet.
async fn deliver_in_the_end(sink: &Nats, journal: JournalId, lines: &[Line]) {
    while let Err(setback) = sink.deliver(&batch(journal, lines)).await {
        assert!(matches!(setback, Setback::Passing { .. }), "{setback}");
        sink.stands(journal).await.unwrap();
    }
}
