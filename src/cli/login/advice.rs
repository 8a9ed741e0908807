//! Why no consent came, in plain words, and what a person can do about it.
//!
//! The codes are Microsoft's
//! (<https://learn.microsoft.com/entra/identity-platform/reference-error-codes>).

use std::fmt::Write as _;

use crate::{
    cause,
    token::{device::ConsentError, grant::GrantError, refusal::Refusal},
};

/// What went wrong, on one line, and its mend on the next; what Entra ID said stands below.
pub(in crate::cli::login) fn advice(error: &ConsentError) -> String {
    match error {
        ConsentError::RanOut(None) => lines(LATE),
        ConsentError::RanOut(Some(last)) => {
            format!(
                "{}\nthe last answer was no answer: {}",
                lines(LATE),
                cause::chain(last)
            )
        }
        ConsentError::NoRefreshToken => lines((
            "Entra ID gave no refresh token",
            "let the application have the delegated permission offline_access, and run this command again",
        )),
        ConsentError::Grant(GrantError::Refused(refusal)) => refused(refusal),
        ConsentError::Grant(GrantError::Unreachable(error)) => {
            let words = if error.is_distrust() {
                DISTRUST
            } else {
                NO_ANSWER
            };
            format!("{}\ncause: {}", lines(words), cause::chain(error))
        }
        ConsentError::Grant(GrantError::Foreign(claim)) => format!(
            "Entra ID's token has another {claim} than asked for, so it is not kept\nmend: sign in as a \
             user of the account's own tenant, and see that tenant_id, client_id and endpoints.scope \
             belong together"
        ),
        ConsentError::Grant(GrantError::Credential(error)) => format!(
            "the account's credential cannot be used\nmend: see to it, and run this command again\n\
             cause: {}",
            cause::chain(error)
        ),
        ConsentError::Grant(error) => format!(
            "Entra ID's answer cannot be used\nmend: see that endpoints.authority names Entra ID, and \
             no proxy in front of it\ncause: {}",
            cause::chain(error)
        ),
    }
}

/// What happened, and what to do.
type Words = (&'static str, &'static str);

fn lines((what, mend): Words) -> String {
    format!("{what}\nmend: {mend}")
}

fn refused(refusal: &Refusal) -> String {
    let said = |errors: &[&str]| {
        let words = [Some(&refusal.error), refusal.suberror.as_ref()];
        words
            .into_iter()
            .flatten()
            .any(|word| errors.contains(&word.as_str()))
    };
    let row = REFUSALS.iter().find(|(codes, errors, _)| {
        refusal.error_codes.iter().any(|code| codes.contains(code)) || said(errors)
    });
    let words = match row {
        Some((_, _, words)) => *words,
        None if refusal.status.is_server_error() || refusal.status.as_u16() == 429 => LATER,
        None => UNKNOWN,
    };
    format!("{}\nEntra ID said: {}", lines(words), verbatim(refusal))
}

fn verbatim(refusal: &Refusal) -> String {
    let mut text = refusal.status.as_u16().to_string();
    if !refusal.error.is_empty() {
        push(&mut text, format_args!(" {}", refusal.error));
    }
    for code in &refusal.error_codes {
        push(&mut text, format_args!(" AADSTS{code}"));
    }
    let ids = [
        ("trace", &refusal.trace_id),
        ("correlation", &refusal.correlation_id),
    ];
    for (name, id) in ids {
        if let Some(id) = id {
            push(&mut text, format_args!(", {name} ID {id}"));
        }
    }
    text
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    text.write_fmt(more).unwrap_or_default();
}

const LATE: Words = (
    "nobody entered the code in time",
    "run this command again, and enter the new code while it is good",
);

const NO_ANSWER: Words = (
    "Entra ID gave no answer",
    "see that this machine reaches endpoints.authority: its name, its route, and what filters it",
);

const DISTRUST: Words = (
    "the certificate of endpoints.authority is not trusted",
    "install the CA bundle of this machine, or name the authority's CA in endpoints.ca_file; whoever \
     answers there is perhaps not Entra ID",
);

const LATER: Words = (
    "Entra ID cannot serve now",
    "wait a few minutes, and run this command again",
);

const UNKNOWN: Words = (
    "Entra ID refused",
    "look the code up at https://learn.microsoft.com/entra/identity-platform/reference-error-codes",
);

/// By AADSTS number or by OAuth error, the most telling first.
const REFUSALS: [(&[u64], &[&str], Words); 16] = [
    (
        &[70017],
        &["authorization_declined", "access_denied"],
        (
            "the sign-in was declined",
            "run this command again, and accept what the application asks for",
        ),
    ),
    (&[70019, 70020], &["expired_token"], LATE),
    (
        &[70018],
        &["bad_verification_code"],
        (
            "Entra ID does not know the code any more; each is good once",
            "run this command again, and enter the new code",
        ),
    ),
    (
        &[65001, 90094],
        &["consent_required"],
        (
            "an administrator of the tenant must consent to the application first",
            "in the Entra admin center, App registrations, API permissions: add Microsoft Partner Center, \
         user_impersonation, and grant admin consent",
        ),
    ),
    (
        &[650_057],
        &[],
        (
            "the application does not ask for Partner Center among its permissions",
            "in the Entra admin center, App registrations, API permissions: add Microsoft Partner Center, \
         user_impersonation",
        ),
    ),
    (
        &[700_016, 700_011],
        &[],
        (
            "the tenant does not know the application",
            "compare the account's client_id and tenant_id with the application's registration",
        ),
    ),
    (
        &[90002, 90038],
        &[],
        (
            "Entra ID does not know the tenant, or not in this cloud",
            "compare the account's tenant_id and cloud with the partner tenant",
        ),
    ),
    (
        &[7_000_218],
        &[],
        (
            "the application may not sign users in by device code",
            "in the Entra admin center, App registrations, Authentication: allow public client flows",
        ),
    ),
    (
        &[700_025],
        &[],
        (
            "the application is registered as a public client, which has no credential to show",
            "register it as a web application, because the gateway shows the account's credential each time",
        ),
    ),
    (
        &[7_000_215],
        &[],
        (
            "the client secret is wrong",
            "put the secret's value, not its ID, where the account's credential.client_secret points",
        ),
    ),
    (
        &[7_000_222],
        &[],
        (
            "the client secret has expired",
            "make a new one in the application's registration, and put it where the account's \
         credential.client_secret points",
        ),
    ),
    (
        &[700_027, 700_030, 70021, 700_211, 700_212, 700_213],
        &[],
        (
            "the account's credential is not registered for the application",
            "register the certificate or the federated credential in the application's registration",
        ),
    ),
    (
        &[700_024],
        &[],
        (
            "the proof of the application is out of its time",
            "set this machine's clock",
        ),
    ),
    (
        &[50072, 50074, 50076, 50078, 50079],
        &[],
        (
            "the sign-in lacks a second factor (MFA)",
            "run this command again, and sign in with MFA; where none is set up yet, do that first at \
         https://aka.ms/mfasetup",
        ),
    ),
    (
        &[53000, 53001, 53002, 53003, 530_032, 530_034, 50097],
        &[],
        (
            "Conditional Access does not let this sign-in through",
            "have the policies for this user looked at: many forbid device codes, or demand a device that is \
         managed",
        ),
    ),
    (
        &[500_011, 50001],
        &["invalid_resource"],
        (
            "the tenant does not know Partner Center under this name",
            "compare the account's cloud and endpoints.scope with the cloud of the partner tenant",
        ),
    ),
];
