//! The `nats` sink over servers as they are run: several, encrypted, with accounts, and after long outages.

mod three;

use std::{fs, sync::Arc};

use async_nats::jetstream::{self, message::PublishMessage};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use nkeys::KeyPair;
use partner_gateway::{
    cluster::{Cluster, Settings},
    delivery::{
        batch::Line,
        nats::Nats,
        sink::{Setback, Sink as _, Standing},
    },
    file::Disk,
    ids::JournalId,
    secret::SecretSource,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use self::three::NatsCluster;
use crate::harness::{
    canary,
    nats::{NatsServer, STREAM, content, shaped, sink},
    process::within,
    records::{batch, records, texts, upto},
    severed::Severed,
};

#[tokio::test]
async fn keeps_each_record_once_though_every_batch_comes_twice() {
    let server = NatsServer::start().await;
    let (sink, journal) = (server.sink(), JournalId::random());
    let lines = records(journal, 700);
    sink.establish().await.unwrap();

    for some in lines.chunks(7) {
        let batch = batch(journal, some);
        sink.deliver(&batch).await.unwrap();
        // A gateway that was killed before it heard of it admitted nothing of the stream.
        server.sink().deliver(&batch).await.unwrap();
        assert_eq!(sink.stands(journal).await, Ok(upto(&some[6])));
    }

    assert_eq!(content(&server.operator().await).await, texts(&lines));
}

#[tokio::test]
async fn repeats_nothing_after_an_outage_that_outlasts_the_duplicate_window() {
    let mut server = NatsServer::start().await;
    let (journal, other) = (JournalId::random(), JournalId::random());
    let lines = records(journal, 300);
    server.sink().establish().await.unwrap();
    let way = Severed::before(server.address(), b"HPUB partner_gateway.audit").await;
    let cut_off = sink(&format!("nats://{}", way.address()), None);

    let unheard = cut_off.deliver(&batch(journal, &lines[..200])).await;
    let operator = server.operator().await;
    let short = shaped(|stream| stream.duplicate_window = std::time::Duration::from_millis(100));
    operator.update_stream(&short).await.unwrap();
    server.kill();
    server.restart().await;
    let operator = server.operator().await;
    within(async || forgets(&operator, other, &lines[0]).await).await;
    operator.update_stream(&shaped(|_| {})).await.unwrap();
    let again = server.sink();
    for some in [&lines[..200], &lines[100..]] {
        deliver_in_the_end(&again, journal, some).await;
    }

    assert!(
        matches!(unheard, Err(Setback::Passing { .. })),
        "{unheard:?}"
    );
    let all = content(&operator).await;
    let own: Vec<_> = all.into_iter().filter(|line| line != "{}").collect();
    assert_eq!(own, texts(&lines));
}

#[tokio::test]
async fn loses_and_repeats_nothing_where_the_leader_of_three_servers_is_killed() {
    let mut servers = NatsCluster::start().await;
    let sink = Nats::new(servers.cluster());
    let journal = JournalId::random();
    let lines = records(journal, 900);
    within(async || sink.establish().await.is_ok()).await;
    let operator = servers.operator().await;
    let made = operator.get_stream(STREAM).await.unwrap();
    let replicas = made.cached_info().config.num_replicas;

    for some in lines.chunks(300) {
        let (killing, others) = some.split_at(100);
        deliver_in_the_end(&sink, journal, killing).await;
        let leader = servers.leader().await;
        servers.kill(leader);
        deliver_in_the_end(&sink, journal, others).await;
        servers.restart(leader).await;
        servers.agree().await;
    }

    assert_eq!(replicas, 3);
    assert_eq!(content(&servers.operator().await).await, texts(&lines));
    assert_eq!(sink.stands(journal).await, Ok(upto(&lines[899])));
}

#[tokio::test]
async fn speaks_tls_to_a_server_and_is_known_there_by_its_key() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [certificate, key] = [(); 2].map(|()| NamedTempFile::new().unwrap());
    fs::write(certificate.path(), own.cert.pem()).unwrap();
    fs::write(key.path(), own.signing_key.serialize_pem()).unwrap();
    let user = KeyPair::new_user();
    let server = NatsServer::with(&format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}\nauthorization {{ users: [{{nkey: {}}}] }}",
        certificate.path().display(),
        key.path().display(),
        user.public_key()
    ))
    .await;
    let journal = JournalId::random();
    let lines = records(journal, 20);
    let [seed, stranger] = [user, KeyPair::new_user()].map(|user| seed(&user));

    let trusting = over_tls(&server, Some(&certificate), Some(&seed));
    trusting.establish().await.unwrap();
    deliver_in_the_end(&trusting, journal, &lines).await;
    let strange = over_tls(&server, None, Some(&seed)).stands(journal).await;
    let unknown = [Some(&stranger), None].map(|seed| over_tls(&server, Some(&certificate), seed));
    let unknown = [
        unknown[0].stands(journal).await,
        unknown[1].stands(journal).await,
    ];

    assert_eq!(trusting.stands(journal).await, Ok(upto(&lines[19])));
    assert!(
        matches!(&strange, Err(Setback::Passing { why, .. }) if why.starts_with("NATS is away: ")),
        "{strange:?}"
    );
    assert_eq!(unknown.map(held), [REFUSED; 2]);
}

#[tokio::test]
async fn is_known_by_a_jwt_of_its_account() {
    let [operator, account, user] = [
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    ];
    let unlimited = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
        "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let of_operator = jwt(
        &operator,
        &operator,
        &json!({"type": "operator", "version": 2}),
    );
    let of_account = jwt(
        &operator,
        &account,
        &json!({"type": "account", "version": 2, "limits": unlimited}),
    );
    let system = KeyPair::new_account();
    let of_system = jwt(
        &operator,
        &system,
        &json!({"type": "account", "version": 2, "limits": {
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        }}),
    );
    let server = NatsServer::with(&format!(
        "operator: {of_operator}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account}, {}: {of_system} }}",
        system.public_key(),
        account.public_key(),
        system.public_key(),
    ))
    .await;
    let may = json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1});
    let known = creds(&jwt(&account, &user, &may), &user);
    let stranger = KeyPair::new_account();
    let forged = creds(&jwt(&stranger, &user, &may), &user);
    let journal = JournalId::random();
    let lines = records(journal, 20);
    let url = format!("nats://{}", server.address());
    let over = |file: &NamedTempFile| sink(&url, Some(SecretSource::File(file.path().to_owned())));

    let admitted = over(&known);
    admitted.establish().await.unwrap();
    deliver_in_the_end(&admitted, journal, &lines).await;
    let unknown = over(&forged).stands(journal).await;

    assert_eq!(admitted.stands(journal).await, Ok(upto(&lines[19])));
    assert_eq!(held(unknown), REFUSED);
}

/// Whether the server takes a record's name for a new one.
async fn forgets(operator: &jetstream::Context, other: JournalId, line: &Line) -> bool {
    let again = PublishMessage::build()
        .message_id(line.id.to_string())
        .payload("{}".into());
    let subject = format!("partner_gateway.audit.{other}");
    let Ok(sent) = operator.send_publish(subject, again).await else {
        return false;
    };
    sent.await.is_ok_and(|stored| !stored.duplicate)
}

fn over_tls(
    server: &NatsServer,
    anchor: Option<&NamedTempFile>,
    seed: Option<&NamedTempFile>,
) -> Nats {
    let credentials = seed.map(|file| SecretSource::File(file.path().to_owned()));
    let url = format!("tls://localhost:{}", server.address().port());
    let settings = Settings {
        servers: url.parse().unwrap(),
        credentials,
        ca_file: anchor.map(|file| file.path().to_owned()),
        stream: STREAM.to_owned(),
        replicas: 1,
    };
    Nats::new(Arc::new(Cluster::new(settings, Disk::default())))
}

/// A token as <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt> has them.
fn jwt(by: &KeyPair, of: &KeyPair, what: &Value) -> String {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let claims = part(json!({
        "jti": "A", "iat": 1_700_000_000, "iss": by.public_key(), "sub": of.public_key(), "name": "it", "nats": what,
    }));
    let signed = format!("{header}.{claims}");
    let signature = by.sign(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn seed(user: &KeyPair) -> NamedTempFile {
    let seed = user.seed().unwrap();
    canary::plant(&seed);
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), seed).unwrap();
    file
}

/// A file as `nsc` writes it.
fn creds(jwt: &str, user: &KeyPair) -> NamedTempFile {
    let seed = user.seed().unwrap();
    canary::plant(&seed);
    let file = NamedTempFile::new().unwrap();
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(file.path(), text).unwrap();
    file
}

#[track_caller]
fn held(told: Result<Standing, Setback>) -> String {
    match told {
        Err(Setback::Held { why }) => why,
        other => panic!("{other:?}"),
    }
}

/// Sends records until they are there.
async fn deliver_in_the_end(sink: &Nats, journal: JournalId, lines: &[Line]) {
    let batch = batch(journal, lines);
    while let Err(setback) = sink.deliver(&batch).await {
        assert!(matches!(setback, Setback::Passing { .. }), "{setback}");
        within(async || sink.stands(journal).await.is_ok()).await;
    }
}

const REFUSED: &str = "NATS is away: authorization violation; look at cluster.nats.credentials";
