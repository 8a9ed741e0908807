//! Draws what goes wrong with a transfer.

use fastrand::Rng;
use http::Method;
use sandbox::{Fault, Then, Turn};

/// Draws the turns of one transfer: most calls meet one fault or two, some none, some many.
pub(super) fn turns(random: &mut Rng, transfer: &str) -> Vec<Turn> {
    let number = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 6];
    let number = number[random.usize(..number.len())];
    let turn = |random: &mut Rng| {
        let turn = Turn::of(fault(random)).of_transfer(transfer);
        match random.u8(..4) {
            0 | 1 => turn.on(Method::PATCH),
            2 => turn.on(Method::GET),
            _ => turn,
        }
    };
    (0..number).map(|_| turn(random)).collect()
}

/// Draws one of all the faults that Partner Center has; none shows a transfer as rejected that is not.
fn fault(random: &mut Rng) -> Fault {
    match random.u8(..32) {
        0..=5 => answered(random),
        6 | 7 => denied(random),
        8..=10 => throttled(random),
        11 | 12 => Fault::Delay {
            ms: random.u64(1..2500),
        },
        13 => Fault::Delay {
            ms: random.u64(15_000..25_000),
        },
        14 => Fault::Hang,
        15 => Fault::CommitThenHang,
        16 | 17 => Fault::CommitLate {
            reads: random.u64(..5),
            then: *one(random, &[Then::Silence, Then::Silence, Then::Hang]),
        },
        18 => Fault::CommitThenSilence,
        19 => Fault::DropBefore,
        20 => Fault::ResetBefore,
        21 => Fault::ResetInTheMiddle,
        22 => Fault::ResetAfter,
        23 => Fault::CutBody,
        24 => Fault::CutBodyBefore,
        25 => wrong(random),
        26 => Fault::WrongStatus {
            status: (*one(random, &["Active", "InProgress", "Complete", "Rejected"])).to_owned(),
        },
        27 => Fault::Redirect {
            status: *one(random, &[301, 302, 307, 308]),
            location: "https://elsewhere.test/".to_owned(),
        },
        28 => Fault::NotHttp,
        29 => Fault::ConflictingLength,
        30 => Fault::Informational,
        _ => Fault::SwitchingProtocols,
    }
}

/// A body under 200 that is not the transfer's.
fn wrong(random: &mut Rng) -> Fault {
    match random.u8(..5) {
        0 => Fault::WrongJson,
        1 => Fault::Html,
        2 => Fault::WrongId,
        3 => Fault::Huge {
            bytes: LARGEST_ANSWER + 1,
        },
        _ => Fault::Body {
            status: *one(random, &[200, 201, 204]),
            content_type: None,
            body: String::new(),
        },
    }
}

/// A status without an effect.
fn answered(random: &mut Rng) -> Fault {
    let status = *one(random, &STATUSES);
    Fault::Status {
        status,
        body: body(random, status),
        content_type: None,
        retry_after: (status == 503).then(|| retry_after(random)),
        headers: vec![],
    }
}

/// A status in spite of an effect.
fn denied(random: &mut Rng) -> Fault {
    let status = *one(random, &STATUSES);
    Fault::CommitThen {
        status,
        body: body(random, status),
        content_type: None,
        retry_after: (status == 503).then(|| retry_after(random)),
        headers: vec![],
    }
}

fn throttled(random: &mut Rng) -> Fault {
    Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some(retry_after(random)),
        headers: vec![],
    }
}

/// Refusals of tokens: with none, with the wrong audience, without a second factor.
pub(super) fn refused_tokens() -> impl Iterator<Item = Fault> {
    let refused = |code| Fault::Status {
        status: 401,
        body: Some(format!(r#"{{"code":"{code}","description":"refused"}}"#)),
        content_type: None,
        retry_after: None,
        headers: vec![],
    };
    ["400", "900420", "900421"].into_iter().map(refused)
}

/// Bodies of front doors and of the services behind them.
fn body(random: &mut Rng, status: u16) -> Option<String> {
    let ended = status == 400 && random.bool();
    let code = if ended { 900_102 } else { 900_104 };
    match random.u8(..4) {
        0 => None,
        1 => Some(String::new()),
        2 => Some("<html>".to_owned()),
        _ => Some(format!(r#"{{"code":{code},"description":"told"}}"#)),
    }
}

fn retry_after(random: &mut Rng) -> String {
    let told = [
        "0",
        "1",
        "1",
        "2",
        "5",
        "30",
        "57",
        "100",
        "99999999999999999999999",
        "-1",
        "soon",
        "",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Sun, 01 Mar 2026 00:01:30 GMT",
    ];
    (*one(random, &told)).to_owned()
}

fn one<'a, T>(random: &mut Rng, of: &'a [T]) -> &'a T {
    &of[random.usize(..of.len())]
}

const STATUSES: [u16; 15] = [
    400, 403, 404, 408, 409, 412, 500, 500, 501, 502, 502, 503, 503, 504, 599,
];

/// In bytes; what the gateway is configured to read at most.
pub(super) const LARGEST_ANSWER: usize = 16 * 1024;
