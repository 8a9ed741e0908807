//! Answers that look like a success, or lead elsewhere.

use sandbox::{Fault, Sandbox};

use super::{Row, always, denial, found, once, rejecting, transfer};
use crate::harness::{World, transport::Service};

#[tokio::test(start_paused = true)]
async fn takes_no_other_success_for_a_200() {
    for status in [201, 202, 206] {
        let world = World::new().await;
        once(&world, body(status, &transfer("Reject")));

        let found = found(&world, world.reject()).await;

        assert_eq!(found.sent, format!("PATCH a {status} Reject"));
        assert_eq!(found.answer, format!("{status} forwarded yes"));
        assert_eq!(found.transfer, "Active (0)");
    }
}

#[tokio::test(start_paused = true)]
async fn believes_a_200_only_with_proof() {
    let in_status = |status: &str| Fault::WrongStatus {
        status: status.to_owned(),
    };
    for (shown, fault) in [
        (" Active", in_status("Active")),
        (" Rejected", in_status("Rejected")),
        (" Reject", Fault::WrongId),
        ("", Fault::Html),
        ("", Fault::WrongJson),
        ("", body(200, "")),
        ("", body(200, "null")),
        ("", body(200, &format!("[{}]", transfer("Reject")))),
    ] {
        let world = World::new().await;
        once(&world, fault);

        let found = found(&world, world.reject()).await;

        let looks = "GET b 200 Active; GET c 200 Active; GET d 200 Active";
        assert_eq!(found.sent, format!("PATCH a 200{shown}; {looks}"));
        assert_eq!(found.answer, "502 failed yes upstream_unconfirmed");
        assert_eq!(found.transfer, "Active (0)");
    }
}

#[tokio::test(start_paused = true)]
async fn sees_that_a_200_without_proof_was_true() {
    rejecting(UNPROVED).await;
}

#[tokio::test(start_paused = true)]
async fn follows_nobody_elsewhere() {
    for status in [301, 302, 303, 307, 308] {
        let world = World::new().await;
        let elsewhere = Sandbox::new(sandbox::Settings::default());
        for service in [Service::Entra, Service::PartnerCenter] {
            world.network.serve("elsewhere.test", service, &elsewhere);
        }
        let location = "https://elsewhere.test/".to_owned();
        once(&world, Fault::Redirect { status, location });

        let found = found(&world, world.reject()).await;

        assert_eq!(found.sent, format!("PATCH a {status}"));
        assert_eq!(found.answer, format!("{status} forwarded yes"));
        assert_eq!(found.transfer, "Active (0)");
        assert!(elsewhere.seen().is_empty());
    }
}

/// An answer with this body, and no effect.
fn body(status: u16, body: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(body.to_owned()),
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

/// A success is answered without proof.
const UNPROVED: [Row; 3] = [
    Row {
        when: "the answer shows the transfer as it was",
        given: |world| once(world, denial(200, transfer("Active"))),
        sent: "PATCH a 200 Active; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the answer is a page",
        given: |world| once(world, denial(200, "<html>".to_owned())),
        sent: "PATCH a 200; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "neither the answer nor a look shows anything",
        given: |world| {
            once(world, denial(200, String::new()));
            always(world, Fault::Html);
        },
        sent: "PATCH a 200; GET b 200; GET c 200; GET d 200",
        answer: "502 failed yes upstream_unconfirmed",
        transfer: "Reject (1)",
    },
];
