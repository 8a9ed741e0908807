//! Whole answers other than a success.

use http::Method;
use sandbox::{Fault, Then};

use super::{Row, always, always_on, denial, found, once, put_off, refusal, rejecting, words};
use crate::harness::World;

#[tokio::test(start_paused = true)]
async fn passes_refusals_on_and_never_asks_again() {
    for (status, code) in [
        (400, "900102"),
        (400, "900126"),
        (403, "20002"),
        (403, "900150"),
        (404, "900100"),
        (409, "900101"),
        (409, r#""900104""#),
        (412, "0"),
        (417, "800036"),
        (501, "0"),
        (505, "0"),
    ] {
        let world = World::new().await;
        once(&world, refusal(status, code));

        let found = found(&world, world.reject()).await;

        let code = code.trim_matches('"');
        assert_eq!(found.sent, format!("PATCH a {status}/{code}"));
        assert_eq!(found.answer, format!("{status} forwarded yes"));
        assert_eq!(found.transfer, "Active (0)");
    }
}

#[tokio::test(start_paused = true)]
async fn looks_where_an_own_attempt_may_have_ended_the_transfer() {
    rejecting(ENDED).await;
}

#[tokio::test(start_paused = true)]
async fn finds_out_behind_those_that_do_not_know_either() {
    for status in [408, 502, 504] {
        let found = |given: fn(&World, u16)| async move {
            let world = World::new().await;
            given(&world, status);
            found(&world, world.reject()).await
        };
        let patch = |letter| format!("PATCH {letter} {status}/1");

        let unmoved = found(|world, status| once(world, refusal(status, "1"))).await;
        let ended = found(|world, status| once(world, denial(status, words("1")))).await;
        let unseen = found(|world, status| always(world, refusal(status, "1"))).await;
        let never =
            found(|world, status| always_on(world, Method::PATCH, refusal(status, "1"))).await;

        let looks = "GET b 200 Active; GET c 200 Active; GET d 200 Active";
        assert_eq!(
            unmoved.sent,
            format!("{}; {looks}; PATCH e 200 Reject", patch("a"))
        );
        assert_eq!(unmoved.answer, "200 forwarded yes");
        assert_eq!(unmoved.transfer, "Reject (1)");
        assert_eq!(ended.sent, format!("{}; GET b 200 Reject", patch("a")));
        assert_eq!(ended.answer, "200 reconciled yes");
        assert_eq!(ended.transfer, "Reject (1)");
        let looks = format!("GET b {status}/1; GET c {status}/1; GET d {status}/1");
        assert_eq!(unseen.sent, format!("{}; {looks}", patch("a")));
        assert_eq!(unseen.answer, "504 failed unknown upstream_timeout");
        assert_eq!(unseen.transfer, "Active (0)");
        assert_eq!(never.sent.matches("PATCH").count(), 4, "{}", never.sent);
        assert_eq!(
            never.sent.matches("200 Active").count(),
            12,
            "{}",
            never.sent
        );
        assert_eq!(never.sent.split("; ").count(), 16);
        assert_eq!(never.answer, format!("{status} forwarded yes"));
        assert_eq!(never.transfer, "Active (0)");
    }
}

#[tokio::test(start_paused = true)]
async fn asks_again_where_partner_center_fails() {
    rejecting(FAILING).await;
}

#[tokio::test(start_paused = true)]
async fn stays_in_doubt_where_a_repeat_tells_nothing_of_the_transfer() {
    rejecting(REPEATED).await;
}

/// The transfer had ended, says Partner Center.
const ENDED: [Row; 5] = [
    Row {
        when: "the transfer had ended, as an own attempt that was answered 500 has brought about",
        given: |world| once(world, denial(500, words("800003"))),
        sent: "PATCH a 500/800003; PATCH b 400/900102; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the same, not visible to the first look",
        given: |world| {
            once(world, denial(500, words("800003")));
            once(world, Fault::Pass);
            once(
                world,
                Fault::WrongStatus {
                    status: "Active".to_owned(),
                },
            );
        },
        sent: "PATCH a 500/800003; PATCH b 400/900102; GET c 200 Active; GET d 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "the same, not visible to any look",
        given: |world| {
            once(world, denial(500, words("800003")));
            always_on(world, Method::GET, refusal(500, "800003"));
        },
        sent: "PATCH a 500/800003; PATCH b 400/900102; GET c 500/800003; \
               GET d 500/800003; GET e 500/800003",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Reject (1)",
    },
    Row {
        when: "it had ended otherwise after an own attempt that was answered 500",
        given: |world| {
            once(world, refusal(500, "800003"));
            once(world, refusal(400, "900102"));
            always_on(
                world,
                Method::GET,
                Fault::WrongStatus {
                    status: "Complete".to_owned(),
                },
            );
        },
        sent: "PATCH a 500/800003; PATCH b 400/900102; GET c 200 Complete; GET d 200 Complete; \
               GET e 200 Complete",
        answer: "400 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "it had ended, as a repeat after no answer is told",
        given: |world| {
            once(
                world,
                Fault::CommitLate {
                    reads: 3,
                    then: Then::Silence,
                },
            );
            always_on(world, Method::PATCH, refusal(400, "900102"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 400/900102; GET e 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
];

/// Partner Center fails.
const FAILING: [Row; 6] = [
    Row {
        when: "500 once",
        given: |world| once(world, refusal(500, "800003")),
        sent: "PATCH a 500/800003; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "500 always",
        given: |world| always(world, refusal(500, "900103")),
        sent: "PATCH a 500/900103; PATCH b 500/900103; PATCH c 500/900103; PATCH d 500/900103",
        answer: "500 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "503 once",
        given: |world| once(world, refusal(503, "0")),
        sent: "PATCH a 503/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "503 always",
        given: |world| always(world, refusal(503, "0")),
        sent: "PATCH a 503/0; PATCH b 503/0; PATCH c 503/0; PATCH d 503/0",
        answer: "503 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "an answer, then none",
        given: |world| {
            once(world, refusal(500, "1"));
            once(world, Fault::ResetAfter);
        },
        sent: "PATCH a 500/1; PATCH b no_answer; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "an answer, then none, and no effect",
        given: |world| {
            once(world, refusal(500, "1"));
            once(world, Fault::ResetBefore);
        },
        sent: "PATCH a 500/1; PATCH b no_answer; GET c 200 Active; GET d 200 Active; \
               GET e 200 Active; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
];

/// No answer comes, and then one.
const REPEATED: [Row; 5] = [
    Row {
        when: "no answer, then 404",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, refusal(404, "900100"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 404/900100",
        answer: "404 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 409 for a request that is being processed",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, refusal(409, "900104"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 409/900104; GET e 200 Active; GET f 200 Active; GET g 200 Active",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 429 for longer than the call can wait",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, put_off(429, "57"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 429/0",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 500 always",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, refusal(500, "1"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 500/1; PATCH e 500/1; PATCH f 500/1",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 408 always",
        given: |world| {
            once(world, Fault::DropBefore);
            always_on(world, Method::PATCH, refusal(408, "1"));
        },
        sent: "PATCH a no_answer; GET b 200 Active; GET c 200 Active; GET d 200 Active; \
               PATCH a 408/1; GET e 200 Active; GET f 200 Active; GET g 200 Active; \
               PATCH h 408/1; GET i 200 Active; GET j 200 Active; GET k 200 Active; \
               PATCH l 408/1; GET m 200 Active; GET n 200 Active; GET o 200 Active",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
];
