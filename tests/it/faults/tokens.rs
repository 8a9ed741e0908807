//! A token that Partner Center refuses, and one that cannot be had.

use sandbox::{Fault, Target, Turn};

use super::{Row, always, once, put_off, refusal, rejecting};
use crate::harness::World;

#[tokio::test(start_paused = true)]
async fn shows_one_other_token_and_no_more() {
    rejecting(REFUSED_TOKENS).await;
}

#[tokio::test(start_paused = true)]
async fn ends_with_what_is_known_where_no_other_token_can_be_had() {
    rejecting(NO_TOKENS).await;
}

/// Has the token endpoint give so many tokens, and then fail.
fn tokens(world: &World, number: u64) {
    let failing = Fault::Status {
        status: 500,
        body: None,
        content_type: None,
        retry_after: None,
        headers: vec![],
    };
    for turn in [
        Turn::of(Fault::Pass).times(number),
        Turn::of(failing).always(),
    ] {
        world.sandbox.push_turn(Target::Token, turn);
    }
}

/// Partner Center refuses a token.
const REFUSED_TOKENS: [Row; 8] = [
    Row {
        when: "401 once",
        given: |world| once(world, refusal(401, "400")),
        sent: "PATCH a 401/400; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "401 always",
        given: |world| always(world, refusal(401, "400")),
        sent: "PATCH a 401/400; PATCH b 401/400",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "401 for the audience",
        given: |world| once(world, refusal(401, "900420")),
        sent: "PATCH a 401/900420",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "401 for the second factor, its code spelt as text",
        given: |world| once(world, refusal(401, r#""900421""#)),
        sent: "PATCH a 401/900421",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "401, another token, then 500",
        given: |world| {
            once(world, refusal(401, "400"));
            once(world, refusal(500, "1"));
        },
        sent: "PATCH a 401/400; PATCH b 500/1; PATCH c 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "401, another token, then 401 again when that is not new any more",
        given: |world| {
            once(world, refusal(401, "400"));
            once(world, put_off(503, "40"));
            always(world, refusal(401, "400"));
        },
        sent: "PATCH a 401/400; PATCH b 503/0; PATCH c 401/400",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 401 once",
        given: |world| {
            once(world, Fault::CommitThenSilence);
            once(world, refusal(401, "400"));
        },
        sent: "PATCH a no_answer; GET b 401/400; GET c 200 Reject",
        answer: "200 reconciled yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "no answer, then 401 always",
        given: |world| {
            once(world, Fault::DropBefore);
            always(world, refusal(401, "400"));
        },
        sent: "PATCH a no_answer; GET b 401/400; GET c 401/400; GET d 401/400",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
];

/// No other token can be had.
const NO_TOKENS: [Row; 2] = [
    Row {
        when: "401, then there is none",
        given: |world| {
            tokens(world, 1);
            once(world, refusal(401, "400"));
        },
        sent: "PATCH a 401/400",
        answer: "502 failed yes upstream_unauthorized",
        transfer: "Active (0)",
    },
    Row {
        when: "no answer, then 401, then there is none",
        given: |world| {
            tokens(world, 1);
            once(world, Fault::DropBefore);
            once(world, refusal(401, "400"));
        },
        sent: "PATCH a no_answer; GET b 401/400",
        answer: "504 failed unknown upstream_timeout",
        transfer: "Active (0)",
    },
];
