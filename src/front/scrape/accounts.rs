//! How the accounts do: their tokens, and their requests to Partner Center.

use std::time::SystemTime;

use crate::{
    measure::number,
    partner_center::{
        account::{Account, Accounts},
        breaker::State,
    },
    telemetry::metrics::{Family, Page},
};

/// One number of each account, where it has one.
struct AccountGauge {
    family: Family,
    read: fn(&Account) -> Option<f64>,
}

/// Writes the numbers of each account.
pub(in crate::front) fn write(page: &Page, accounts: &Accounts) -> Result<(), prometheus::Error> {
    for AccountGauge { family, read } in ACCOUNT_GAUGES {
        let numbers = accounts
            .all()
            .filter_map(|account| Some((vec![&**account.name()], read(account)?)));
        page.gauges(&family, numbers)?;
    }
    let refreshes = accounts.all().flat_map(|account| {
        let counts = account.tokens().standing().refreshes.by_result();
        counts.map(|(result, count)| (vec![&**account.name(), result], count))
    });
    page.counters(&TOKEN_REFRESHES, refreshes)?;
    let useless = accounts.all().flat_map(|account| {
        let counts = account.tally().useless_tokens();
        counts.map(|(code, count)| (vec![&**account.name(), code], count))
    });
    page.counters(&USELESS_TOKENS, useless)?;
    let waits = accounts
        .all()
        .map(|account| (vec![&**account.name()], account.tally().token_waits()));
    page.distributions(&TOKEN_WAITS, waits)?;
    requests(page, accounts)?;
    let budget = accounts.default_account().map(Account::budget);
    let retries = budget.into_iter().flat_map(|budget| {
        let counts = [("granted", budget.granted()), ("refused", budget.refused())];
        counts.map(|(result, count)| (vec![result], count))
    });
    page.counters(&RETRIES, retries)
}

fn requests(page: &Page, accounts: &Accounts) -> Result<(), prometheus::Error> {
    let told: Vec<_> = accounts
        .all()
        .flat_map(|account| {
            let requests = account.tally().requests().into_iter();
            requests.map(|(ask, ending, times)| (account.name(), ask, ending.to_string(), times))
        })
        .collect();
    let times = told.iter().map(|(account, ask, ending, times)| {
        (
            vec![&***account, ask.as_str(), ending.as_str()],
            times.clone(),
        )
    });
    page.distributions(&REQUESTS, times)
}

const fn of_account(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        labels: &["account"],
    }
}

/// A further number of each account is one more entry here, and a row in the README.
const ACCOUNT_GAUGES: [AccountGauge; 8] = [
    AccountGauge {
        family: of_account(
            "partner_gateway_token_seconds_to_expiry",
            "How long the token at hand lives on; 0 where there is none.",
        ),
        read: |account| {
            let left = account.tokens().standing().left;
            Some(left.unwrap_or_default().as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_token_waiters",
            "Calls that wait for a token now.",
        ),
        read: |account| {
            let waiters = account.tokens().standing().waiters;
            u64::try_from(waiters).ok().map(number)
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_consent_required",
            "1 while a person must sign in and consent again, else 0.",
        ),
        read: |account| Some(account.tokens().standing().needs_consent().into()),
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_refresh_token_age_seconds",
            "How long ago the refresh token was last renewed, as far as was seen.",
        ),
        read: |account| {
            let age = account.tokens().refresh_token_age();
            age.map(|age| age.as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_credential_expiry_timestamp_seconds",
            "When the certificate expires that the gateway proves itself with, in seconds since 1970.",
        ),
        read: |account| {
            let end = account.tokens().credential_expires_at()?;
            let since = end
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            Some(since.as_secs_f64())
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_mfa_compliant",
            "1 where Partner Center found a second factor in the account's token, 0 where not.",
        ),
        read: |account| account.mfa_compliant().map(f64::from),
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_circuit_breaker_state",
            "How the circuit breaker stands: 0 closed, 1 half open, 2 open.",
        ),
        read: |account| {
            Some(match account.breaker().state() {
                State::Closed => 0.0,
                State::HalfOpen => 1.0,
                State::Open => 2.0,
            })
        },
    },
    AccountGauge {
        family: of_account(
            "partner_gateway_throttled_customers",
            "Customers about whom Partner Center wants to be left alone now.",
        ),
        read: |account| u64::try_from(account.gate().held()).ok().map(number),
    },
];

const RETRIES: Family = Family {
    name: "partner_gateway_retries_total",
    help: "Attempts that were to be repeated, by whether the retry budget, which all accounts share, had room.",
    labels: &["result"],
};

const TOKEN_REFRESHES: Family = Family {
    name: "partner_gateway_token_refreshes_total",
    help: "Trips to the token endpoint by their result.",
    labels: &["account", "result"],
};

const USELESS_TOKENS: Family = Family {
    name: "partner_gateway_token_useless_total",
    help: "Tokens refused by Partner Center for what no fresh one mends: 900420 their audience, 900421 no second factor.",
    labels: &["account", "code"],
};

const TOKEN_WAITS: Family = Family {
    name: "partner_gateway_token_wait_seconds",
    help: "How long requests waited for a token, whether one came or not.",
    labels: &["account"],
};

const REQUESTS: Family = Family {
    name: "partner_gateway_upstream_request_duration_seconds",
    help: "How long requests to Partner Center took, by the status or what came in place of an answer.",
    labels: &["account", "request", "result"],
};
