//! In memory, in paused time.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use sandbox::{Dropped, Fault, History, Sandbox, Settings, Target, Then, Transfer, Turn};
use serde_json::Value;

use crate::{request, token};

/// What a request came to.
#[derive(Debug, PartialEq)]
enum Heard {
    /// An answer of this status that shows a transfer in this one.
    Shown(u16, String),
    /// An answer of this status without a transfer.
    Told(u16),
    /// An answer of this status whose body broke off.
    CutOff(u16),
    Dropped(Dropped),
    Nothing,
}

#[tokio::test(start_paused = true)]
async fn commits_or_does_not_whatever_is_heard_of_it() {
    let late = |then| Fault::CommitLate { reads: 0, then };
    for (fault, heard, effects) in [
        (Fault::Pass, shown(200, "Reject"), 1),
        (Fault::DropBefore, Heard::Dropped(Dropped::Closed), 0),
        (Fault::ResetBefore, Heard::Dropped(Dropped::Reset), 0),
        (Fault::ResetInTheMiddle, Heard::Dropped(Dropped::Reset), 0),
        (Fault::ResetAfter, Heard::Dropped(Dropped::Reset), 1),
        (Fault::CommitThenSilence, Heard::Dropped(Dropped::Closed), 1),
        (late(Then::Silence), Heard::Dropped(Dropped::Closed), 1),
        (Fault::Hang, Heard::Nothing, 0),
        (Fault::CommitThenHang, Heard::Nothing, 1),
        (late(Then::Hang), Heard::Nothing, 1),
        (Fault::CutBody, Heard::CutOff(200), 1),
        (Fault::CutBodyBefore, Heard::CutOff(200), 0),
        (Fault::NotHttp, Heard::Dropped(Dropped::NotHttp), 0),
        (Fault::ConflictingLength, shown(200, "Reject"), 1),
        (Fault::Informational, shown(200, "Reject"), 1),
        (Fault::SwitchingProtocols, Heard::Told(101), 0),
        (redirect(301), Heard::Told(301), 0),
        (redirect(308), Heard::Told(308), 0),
        (commit_then(504), Heard::Told(504), 1),
        (commit_then(408), Heard::Told(408), 1),
    ] {
        let told = format!("{fault:?}");
        let world = World::new().await;
        world.sandbox.push_fault(Target::PartnerCenter, fault);

        let answered = world.ask(Method::PATCH, "first").await;

        assert_eq!(answered, heard, "{told}");
        assert_eq!(world.history().effects, effects, "{told}");
        let status = if effects == 1 { "Reject" } else { "Active" };
        assert_eq!(world.status(), status, "{told}");
        assert_eq!(world.ask(Method::GET, "").await, shown(200, status));
        assert_eq!(world.sandbox.seen()[0].committed, effects == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn shows_a_change_after_so_many_reads_of_that_transfer() {
    let world = World::new().await;
    let fault = Fault::CommitLate {
        reads: 2,
        then: Then::Silence,
    };
    world.sandbox.push_fault(Target::PartnerCenter, fault);

    world.ask(Method::PATCH, "first").await;
    let truth = world.status();
    let mut reads = Vec::new();
    for _ in 0..4 {
        reads.push(world.ask(Method::GET, "").await);
    }

    assert_eq!(truth, "Reject");
    let (active, reject) = (|| shown(200, "Active"), || shown(200, "Reject"));
    assert_eq!(reads, [active(), active(), reject(), reject()]);
}

#[tokio::test(start_paused = true)]
async fn answers_patches_by_what_reads_do_not_show_yet() {
    let world = World::new().await;
    let fault = Fault::CommitLate {
        reads: 9,
        then: Then::Silence,
    };
    world.sandbox.push_fault(Target::PartnerCenter, fault);

    world.ask(Method::PATCH, "first").await;
    let repeated = world.ask(Method::PATCH, "first").await;
    let again = world.ask(Method::PATCH, "second").await;
    let read = world.ask(Method::GET, "").await;

    assert_eq!(repeated, shown(200, "Reject"));
    assert_eq!(again, Heard::Told(400));
    assert_eq!(read, shown(200, "Active"));
}

#[tokio::test(start_paused = true)]
async fn commits_and_answers_with_what_it_was_told_to() {
    let world = World::new().await;
    let fault = Fault::CommitThen {
        status: 503,
        body: Some("later".to_owned()),
        content_type: Some("text/plain".to_owned()),
        retry_after: Some("7".to_owned()),
        headers: vec![("X-Odd".to_owned(), "yes".to_owned())],
    };
    world.sandbox.push_fault(Target::PartnerCenter, fault);

    let request = request(Method::PATCH, &world.transfer, &world.token, "first");
    let (head, body) = exchange(&world.sandbox, request).await;

    assert_eq!(
        (head.0, &body[..]),
        (StatusCode::SERVICE_UNAVAILABLE, &b"later"[..])
    );
    for (name, value) in [
        ("content-type", "text/plain"),
        ("retry-after", "7"),
        ("x-odd", "yes"),
    ] {
        assert_eq!(head.1[name], value);
    }
    assert_eq!(world.history().effects, 1);
}

#[tokio::test(start_paused = true)]
async fn gives_both_lengths_of_an_answer_in_memory_too() {
    let world = World::new().await;
    world
        .sandbox
        .push_fault(Target::PartnerCenter, Fault::ConflictingLength);

    let request = request(Method::GET, &world.transfer, &world.token, "");
    let (head, body) = exchange(&world.sandbox, request).await;

    assert_eq!(head.1["content-length"], (body.len() / 2).to_string());
    assert_eq!(head.1["transfer-encoding"], "chunked");
}

#[tokio::test(start_paused = true)]
async fn remembers_what_each_transfer_was_asked() {
    let world = World::new().await;
    let other = Transfer {
        id: "00000000-0000-4000-8000-0000000000ab".to_owned(),
        ..Transfer::documented()
    };
    world.sandbox.add_transfer(other.clone());
    for fault in [Fault::DropBefore, Fault::ResetAfter] {
        let turn = Turn::of(fault)
            .on(Method::PATCH)
            .of_transfer(&world.transfer.id);
        world.sandbox.push_turn(Target::PartnerCenter, turn);
    }

    for id in ["first", "second", "second"] {
        world.ask(Method::PATCH, id).await;
    }
    world.ask(Method::GET, "read").await;
    let loud = Transfer {
        id: other.id.to_uppercase(),
        ..other.clone()
    };
    let request = request(Method::PATCH, &loud, &world.token, "third");
    exchange(&world.sandbox, request).await;

    let history = History {
        request_ids: ["first", "second", "second"].map(str::to_owned).into(),
        effects: 1,
        reads: 1,
    };
    assert_eq!(world.history(), history);
    let others = world.sandbox.transfer_history(&other.customer, &other.id);
    let history = History {
        request_ids: vec!["third".to_owned()],
        effects: 1,
        reads: 0,
    };
    assert_eq!(others, Some(history));
    assert_eq!(
        world.sandbox.transfer_history(&other.customer, "none"),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn forgets_requests_and_keeps_histories() {
    let world = World::new().await;
    for fault in [Fault::Delay { ms: 1000 }, Fault::DropBefore] {
        world.sandbox.push_fault(Target::PartnerCenter, fault);
    }

    let forgotten = async {
        tokio::task::yield_now().await;
        let before = world.sandbox.seen().len();
        world.sandbox.forget_seen();
        let forgotten = (before, world.sandbox.seen().len());
        world.ask(Method::PATCH, "second").await;
        forgotten
    };
    let (answered, forgotten) = tokio::join!(world.ask(Method::PATCH, "first"), forgotten);

    assert_eq!(forgotten, (1, 0));
    assert_eq!(answered, shown(200, "Reject"));
    let seen = world.sandbox.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].committed, &seen[0].answered), (false, &None));
    assert_eq!(world.history().request_ids, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn forgets_the_turns_of_one_service() {
    let world = World::new().await;
    for target in [Target::PartnerCenter, Target::Token] {
        let turn = Turn::of(Fault::DropBefore).always();
        world.sandbox.push_turn(target, turn);
    }

    world.sandbox.forget_turns(Target::PartnerCenter);

    assert_eq!(
        world.ask(Method::PATCH, "first").await,
        shown(200, "Reject")
    );
    let asked = Request::post("/t/oauth2/v2.0/token").body(Bytes::new());
    assert!(world.sandbox.entra(asked.unwrap()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn refuses_a_second_rejection_unless_it_is_the_same_request() {
    let world = World::new().await;
    world.ask(Method::PATCH, "first").await;

    let repeated = world.ask(Method::PATCH, "first").await;
    let request = request(Method::PATCH, &world.transfer, &world.token, "second");
    let (head, body) = exchange(&world.sandbox, request).await;

    assert_eq!(repeated, shown(200, "Reject"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (head.0.as_u16(), &body["code"]),
        (400, &Value::from(900_102))
    );
    assert_eq!(world.history().effects, 1);
}

fn shown(status: u16, transfer: &str) -> Heard {
    Heard::Shown(status, transfer.to_owned())
}

fn redirect(status: u16) -> Fault {
    let location = "https://elsewhere.test/".to_owned();
    Fault::Redirect { status, location }
}

fn commit_then(status: u16) -> Fault {
    Fault::CommitThen {
        status,
        body: None,
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

async fn exchange(sandbox: &Sandbox, request: Request<Bytes>) -> ((StatusCode, HeaderMap), Bytes) {
    let (head, body) = sandbox.partner_center(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    ((head.status, head.headers), body)
}

/// A sandbox with the documented transfer, and a token.
struct World {
    sandbox: Sandbox,
    token: String,
    transfer: Transfer,
}

impl World {
    async fn new() -> Self {
        let sandbox = Sandbox::new(Settings::default());
        let token = token(&sandbox).await;
        let transfer = Transfer::documented();
        Self {
            sandbox,
            token,
            transfer,
        }
    }

    async fn ask(&self, method: Method, request_id: &str) -> Heard {
        let request = request(method, &self.transfer, &self.token, request_id);
        let answer = self.sandbox.partner_center(request);
        let answer = match tokio::time::timeout(Duration::from_mins(1), answer).await {
            Err(_) => return Heard::Nothing,
            Ok(Err(dropped)) => return Heard::Dropped(dropped),
            Ok(Ok(answer)) => answer,
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.into_body().collect().await else {
            return Heard::CutOff(status);
        };
        let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        match body["status"].as_str() {
            Some(transfer) => shown(status, transfer),
            None => Heard::Told(status),
        }
    }

    fn history(&self) -> History {
        let Transfer { customer, id, .. } = &self.transfer;
        self.sandbox.transfer_history(customer, id).unwrap()
    }

    fn status(&self) -> String {
        let Transfer { customer, id, .. } = &self.transfer;
        self.sandbox.transfer_status(customer, id).unwrap()
    }
}
