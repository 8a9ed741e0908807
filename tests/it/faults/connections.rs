//! Connections that do not come about, break, or bring something else than a whole answer.

use http::Method;
use sandbox::{Fault, Then};

use super::{Found, Row, always, always_on, found, once, refusal, rejecting};
use crate::harness::World;

#[tokio::test(start_paused = true)]
async fn sends_nothing_where_there_is_no_connection() {
    rejecting(UNCONNECTED).await;
}

#[tokio::test(start_paused = true)]
async fn does_not_unsay_an_answer_where_later_connections_are_refused() {
    let world = World::new().await;
    once(&world, refusal(500, "800003"));

    let found = found_with_a_cut(&world, 1).await;

    let sent = "PATCH a 500/800003; - b connect; - b connect; - b connect";
    assert_eq!(found.sent, sent);
    assert_eq!(found.answer, "500 forwarded yes");
    assert_eq!(found.transfer, "Active (0)");
}

#[tokio::test(start_paused = true)]
async fn stays_in_doubt_where_no_connection_for_a_repeat_can_be_had() {
    let world = World::new().await;
    once(&world, late(3, Then::Silence));

    let found = found_with_a_cut(&world, 4).await;

    let looks = "GET b 200 Active; GET c 200 Active; GET d 200 Active";
    let refused = "- a connect; - a connect; - a connect";
    assert_eq!(found.sent, format!("PATCH a no_answer; {looks}; {refused}"));
    assert_eq!(found.answer, "504 failed unknown upstream_timeout");
    assert_eq!(found.transfer, "Reject (1)");
}

#[tokio::test(start_paused = true)]
async fn asks_again_where_no_effect_of_a_request_that_broke_is_seen() {
    let commit_late = late(3, Then::Silence);
    for fault in [
        Fault::DropBefore,
        Fault::ResetBefore,
        Fault::ResetInTheMiddle,
        // It had, too late to be seen; the repeat does not make it two.
        commit_late,
    ] {
        let world = World::new().await;
        once(&world, fault);

        let found = found(&world, world.reject()).await;

        let looks = "GET b 200 Active; GET c 200 Active; GET d 200 Active";
        assert_eq!(
            found.sent,
            format!("PATCH a no_answer; {looks}; PATCH a 200 Reject")
        );
        assert_eq!(found.answer, "200 forwarded yes");
        assert_eq!(found.transfer, "Reject (1)");
    }
}

#[tokio::test(start_paused = true)]
async fn sees_that_a_request_that_broke_had_its_effect() {
    rejecting(BROKEN).await;
}

#[tokio::test(start_paused = true)]
async fn waits_no_longer_than_an_attempt_may_take() {
    rejecting(HANGING).await;
}

#[tokio::test(start_paused = true)]
async fn gives_up_on_a_connection_that_always_breaks() {
    rejecting(ALWAYS_BROKEN).await;
}

#[tokio::test(start_paused = true)]
async fn takes_no_part_of_an_answer_for_the_whole() {
    rejecting(NOT_WHOLE).await;
}

/// Makes the call, with no connection to be had for any but so many requests upstream.
async fn found_with_a_cut(world: &World, requests: usize) -> Found {
    world.cut_network_after(requests);
    found(world, world.reject()).await
}

/// An effect that so many looks do not see, with no answer.
fn late(reads: u64, then: Then) -> Fault {
    Fault::CommitLate { reads, then }
}

/// A body of one byte more than is read.
fn too_large() -> Fault {
    let bytes = 1024 * 1024 + 1;
    Fault::Huge { bytes }
}

/// No connection can be had.
const UNCONNECTED: [Row; 4] = [
    Row {
        when: "the connection is refused once",
        given: |world| world.network.refuse("api.test", 1),
        sent: "- a connect; PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "every connection is refused",
        given: |world| world.network.refuse("api.test", 99),
        sent: "- a connect; - a connect; - a connect; - a connect",
        answer: "502 failed no upstream_unreachable",
        transfer: "Active (0)",
    },
    Row {
        when: "the certificate is distrusted once",
        given: |world| world.network.distrust("api.test", 1),
        sent: "- a connect; PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "every certificate is distrusted",
        given: |world| world.network.distrust("api.test", 99),
        sent: "- a connect; - a connect; - a connect; - a connect",
        answer: "502 failed no upstream_unreachable",
        transfer: "Active (0)",
    },
];

/// The connection breaks after the effect.
const BROKEN: [Row; 7] = [
    Row {
        when: "the connection is reset after the request",
        given: |world| once(world, Fault::ResetAfter),
        sent: "PATCH a no_answer; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the connection is closed after the request",
        given: |world| once(world, Fault::CommitThenSilence),
        sent: "PATCH a no_answer; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the effect is not visible to the first look",
        given: |world| once(world, late(1, Then::Silence)),
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the effect is not visible to the first two looks",
        given: |world| once(world, late(2, Then::Silence)),
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the first look breaks, too",
        given: |world| {
            once(world, Fault::CommitThenSilence);
            once(world, Fault::DropBefore);
        },
        sent: "PATCH a no_answer; GET b no_answer; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the first look is answered with an error",
        given: |world| {
            once(world, Fault::CommitThenSilence);
            once(world, refusal(500, "800003"));
        },
        sent: "PATCH a no_answer; GET b 500/800003; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the first look shows another transfer",
        given: |world| {
            once(world, Fault::CommitThenSilence);
            once(world, Fault::WrongId);
        },
        sent: "PATCH a no_answer; GET b 200 Reject; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
];

/// No answer comes, and the connection stays.
const HANGING: [Row; 6] = [
    Row {
        when: "a request without effect hangs",
        given: |world| once(world, Fault::Hang),
        sent: "PATCH a timeout; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "a request hangs after its effect",
        given: |world| once(world, Fault::CommitThenHang),
        sent: "PATCH a timeout; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "a request hangs whose effect is not visible to the first look",
        given: |world| once(world, late(1, Then::Hang)),
        sent: "PATCH a timeout; GET b 200 Active; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "every request hangs",
        given: |world| always(world, Fault::Hang),
        sent: "PATCH a timeout; GET b timeout; GET b timeout",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "every PATCH hangs after its effect, which no look can see",
        given: |world| {
            always_on(world, Method::PATCH, Fault::CommitThenHang);
            always_on(world, Method::GET, refusal(500, "800003"));
        },
        sent: "PATCH a timeout; GET b 500/800003; GET c 500/800003; GET d 500/800003",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Reject (1)",
    },
    Row {
        when: "every PATCH hangs, and the transfer stays as it was",
        given: |world| always_on(world, Method::PATCH, Fault::Hang),
        sent: "PATCH a timeout; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a timeout; GET e 200 Active; GET f 200 Active; GET g 200 Active; \
               PATCH a timeout; GET h 200 Active; GET i 200 Active; \
               PATCH a timeout",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
];

/// The connection breaks again and again.
const ALWAYS_BROKEN: [Row; 4] = [
    Row {
        when: "every request breaks",
        given: |world| always(world, Fault::DropBefore),
        sent: "PATCH a no_answer; GET b no_answer; GET b no_answer; GET b no_answer",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "every request breaks after its effect",
        given: |world| always(world, Fault::CommitThenSilence),
        sent: "PATCH a no_answer; GET b no_answer; GET b no_answer; GET b no_answer",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Reject (1)",
    },
    Row {
        when: "every PATCH breaks, and the transfer stays as it was",
        given: |world| always_on(world, Method::PATCH, Fault::ResetBefore),
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a no_answer; GET e 200 Active; GET f 200 Active; GET g 200 Active; \
               PATCH a no_answer; GET h 200 Active; GET i 200 Active; GET j 200 Active; \
               PATCH a no_answer; GET k 200 Active; GET l 200 Active; GET m 200 Active",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "every later PATCH brings another protocol",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, Fault::NotHttp);
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a not_http; GET e 200 Active; GET f 200 Active; GET g 200 Active; \
               PATCH a not_http; GET h 200 Active; GET i 200 Active; GET j 200 Active; \
               PATCH a not_http; GET k 200 Active; GET l 200 Active; GET m 200 Active",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
];

/// Something comes that is not a whole answer.
const NOT_WHOLE: [Row; 11] = [
    Row {
        when: "half of the body comes after the effect",
        given: |world| once(world, Fault::CutBody),
        sent: "PATCH a broken_off; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "half of a body comes that would show the effect there is not",
        given: |world| once(world, Fault::CutBodyBefore),
        sent: "PATCH a broken_off; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "half of every body comes",
        given: |world| always(world, Fault::CutBody),
        sent: "PATCH a broken_off; GET b broken_off; GET b broken_off; GET b broken_off",
        answer: "502 failed unknown upstream_invalid",
        transfer: "Reject (1)",
    },
    Row {
        when: "the body is too large",
        given: |world| once(world, too_large()),
        sent: "PATCH a too_large; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "every body is too large",
        given: |world| always(world, too_large()),
        sent: "PATCH a too_large; GET b too_large; GET b too_large; GET b too_large",
        answer: "502 failed unknown upstream_invalid",
        transfer: "Active (0)",
    },
    Row {
        when: "both Content-Length and Transfer-Encoding say how long the body is",
        given: |world| once(world, Fault::ConflictingLength),
        sent: "PATCH a not_http; GET b 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the same of every answer",
        given: |world| always(world, Fault::ConflictingLength),
        sent: "PATCH a not_http; GET b not_http; GET b not_http; GET b not_http",
        answer: "502 failed unknown upstream_invalid",
        transfer: "Reject (1)",
    },
    Row {
        when: "another protocol greets",
        given: |world| once(world, Fault::NotHttp),
        sent: "PATCH a not_http; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "other answers go before",
        given: |world| once(world, Fault::Informational),
        sent: "PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the connection is to be handed over",
        given: |world| once(world, Fault::SwitchingProtocols),
        sent: "PATCH a 101; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "every connection is to be handed over",
        given: |world| always(world, Fault::SwitchingProtocols),
        sent: "PATCH a 101; GET b 101; GET b 101; GET b 101",
        answer: "502 failed unknown upstream_invalid",
        transfer: "Active (0)",
    },
];
