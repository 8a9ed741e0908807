//! Gateways that share their callers' keys over a real NATS server.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use partner_gateway::transfers::shared::Without;
use sandbox::{Fault, Sandbox, Target};

use super::{is_replayed, keyed};
use crate::harness::{
    World,
    nats::{NatsServer, settings},
    process::within,
    tempdir,
};

#[tokio::test]
async fn make_one_call_of_a_thousand_sent_to_each_of_three_at_once() {
    let (server, sandbox) = (NatsServer::start().await, sandbox());
    let replicas = [
        replica(&server, &sandbox, Without::Refuse).await,
        replica(&server, &sandbox, Without::Refuse).await,
        replica(&server, &sandbox, Without::Refuse).await,
    ];
    let slow = Fault::Delay { ms: 500 };
    sandbox.push_fault(Target::PartnerCenter, slow);

    let calls = |world| (0..1000).map(move |_| keyed(world).send_among_many());
    let all = join_all(replicas.iter().map(|world| join_all(calls(world)))).await;

    assert_eq!(sandbox.seen().len(), 1);
    let answers: Vec<_> = all.iter().flatten().collect();
    let made: Vec<_> = answers.iter().filter(|it| !it.is_replayed()).collect();
    assert_eq!((answers.len(), made.len()), (3000, 1));
    let first = made[0];
    assert_eq!(first.header("gateway-outcome"), Some("forwarded"));
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &first.body));
    }
    for (world, answers) in replicas.iter().zip(&all) {
        let journal = world.journal();
        for answer in answers.iter().filter(|it| it.is_replayed()) {
            let record = journal.outcome(answer.audit_id());
            assert_eq!(record["replay_of"], first.audit_id());
        }
    }
}

#[tokio::test]
async fn keep_an_answer_from_when_it_was_given_under_a_name_that_tells_nothing() {
    let (server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;
    let first = keyed(&one).send().await;

    let again = keyed(&other).send().await;

    is_replayed(&again, &first);
    assert_eq!(again.header("content-type"), first.header("content-type"));
    let operator = server.operator().await;
    let mut bucket = operator.get_stream(BUCKET).await.unwrap();
    let info = bucket.info().await.unwrap();
    // The claim was the first message, and the answer took its place: its age counts from then.
    assert_eq!((info.state.messages, info.state.last_sequence), (1, 2));
    assert_eq!(info.config.max_age, Duration::from_hours(24));
    assert_eq!(info.config.max_messages_per_subject, 1);
    let entry = bucket.get_raw_message(2).await.unwrap();
    let name = entry
        .subject
        .strip_prefix("$KV.PARTNER_GATEWAY_IDEMPOTENCY.")
        .unwrap();
    assert!(
        name.len() == 64 && name.bytes().all(|it| it.is_ascii_hexdigit()),
        "{name}"
    );
}

#[tokio::test]
async fn refuse_another_request_under_a_key_of_another() {
    let (server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;
    keyed(&one).send().await;

    let refused = keyed(&other).json(r#"{"reason":"another"}"#).send().await;

    refused.is_problem(422, "idempotency_mismatch", "no");
    assert_eq!(sandbox.seen().len(), 1);
}

#[tokio::test]
async fn let_each_other_go_on_at_once_where_nothing_was_sent() {
    let (server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;
    one.cut_network(true);
    let refused = keyed(&one).send().await;

    let made = keyed(&other).send().await;

    refused.is_problem(503, "token_unavailable", "no");
    assert_eq!(made.header("gateway-outcome"), Some("forwarded"));
    let methods: Vec<_> = sandbox.seen().into_iter().map(|it| it.method).collect();
    assert_eq!(methods, [Method::PATCH], "nothing had to be looked up");
}

#[tokio::test]
async fn refuse_calls_with_a_key_while_the_server_is_away_and_no_others() {
    let (mut server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;
    server.kill();

    let refused = keyed(&one).send().await;
    let without = one.reject().send().await;
    let sent = sandbox.seen().len();
    server.restart().await;
    let mut made = None;
    within(async || {
        let answer = keyed(&one).send().await;
        (answer.status != 503)
            .then(|| made = Some(answer))
            .is_some()
    })
    .await;

    refused.is_problem(503, "circuit_open", "no");
    assert_eq!(refused.header("gateway-outcome"), Some("refused"));
    assert_eq!((without.status, sent), (200, 1));
    assert_eq!(without.header("gateway-warning"), None);
    let made = made.unwrap();
    assert_eq!(made.header("gateway-outcome"), Some("forwarded"));
    let mut again = None;
    within(async || {
        let answer = keyed(&other).send().await;
        (answer.status != 503)
            .then(|| again = Some(answer))
            .is_some()
    })
    .await;
    is_replayed(&again.unwrap(), &made);
}

#[tokio::test]
async fn go_on_alone_where_they_may_and_tell_each_other_once_the_server_is_back() {
    let (mut server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Local).await;
    server.kill();

    let made = keyed(&one).send().await;
    let again = keyed(&one).send().await;
    server.restart().await;
    let cluster = server.cluster();
    within(async || cluster.connected().await.is_ok()).await;
    let operator = server.operator().await;
    within(async || {
        is_replayed(&keyed(&one).send().await, &made);
        match operator.get_stream(BUCKET).await {
            Ok(bucket) => bucket.cached_info().state.messages == 1,
            Err(_) => false,
        }
    })
    .await;
    let elsewhere = keyed(&other).send().await;

    assert_eq!(made.status, 200);
    assert_eq!(made.header("gateway-warning"), Some("idempotency-local"));
    is_replayed(&again, &made);
    is_replayed(&elsewhere, &made);
    assert_eq!(elsewhere.header("gateway-warning"), None);
    assert_eq!(sandbox.seen().len(), 1);
}

#[tokio::test]
async fn look_at_a_transfer_first_where_the_bucket_was_deleted_under_them() {
    let (server, sandbox) = (NatsServer::start().await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;
    // The other one knows the bucket, too.
    keyed(&one).send().await;
    keyed(&other).send().await;
    let operator = server.operator().await;
    operator.delete_stream(BUCKET).await.unwrap();

    let again = keyed(&other).send().await;

    assert_eq!(again.header("gateway-outcome"), Some("reconciled"));
    let methods: Vec<_> = sandbox.seen().into_iter().map(|it| it.method).collect();
    assert_eq!(methods, [Method::PATCH, Method::GET]);
}

#[tokio::test]
async fn go_on_sharing_where_the_server_does_not_take_an_answer() {
    // Room for a claim, and for what makes the bucket, but not for an answer.
    let (server, sandbox) = (NatsServer::with("max_payload: 1024").await, sandbox());
    let (one, other) = two(&server, &sandbox, Without::Refuse).await;

    let made = keyed(&one).send().await;
    let again = keyed(&one).send().await;
    let next = one.reject().header("Idempotency-Key", "next").send().await;
    let elsewhere = keyed(&other).send().await;

    is_replayed(&again, &made);
    // The transfer had ended, which Partner Center was asked.
    assert_eq!((made.status, next.status), (200, 400));
    assert_eq!(elsewhere.header("gateway-outcome"), Some("reconciled"));
}

fn sandbox() -> Sandbox {
    Sandbox::new(sandbox::Settings::default())
}

async fn two(server: &NatsServer, sandbox: &Sandbox, without: Without) -> (World, World) {
    let one = replica(server, sandbox, without).await;
    (one, replica(server, sandbox, without).await)
}

/// One of several gateways before the same Partner Center.
async fn replica(server: &NatsServer, sandbox: &Sandbox, without: Without) -> World {
    let url = format!("nats://{}", server.address());
    World::over(sandbox.clone(), tempdir(), |config| {
        config.cluster = Some(settings(&url));
        config.idempotency.without_cluster = without;
        config.server.max_connections = 2000;
    })
    .await
}

/// The stream of the bucket.
const BUCKET: &str = "KV_PARTNER_GATEWAY_IDEMPOTENCY";
