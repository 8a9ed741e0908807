//! Reads the whole tree into a configuration.

use crate::{
    authorization,
    config::{
        Config, accounts,
        accounts::Accounts,
        callers,
        environment::Environment,
        journal, log, policy,
        section::{Cursor, Section, advice},
        server, upstream,
        upstream::{Client, Upstream},
    },
    partner_center,
};

/// Reads the root of the tree.
pub(crate) fn config(root: &Cursor<'_>, environment: &Environment) -> Option<Config> {
    root.section(|root| {
        let upstream = root.section("upstream", upstream::upstream);
        let client = root.section("client", upstream::client);
        let deadline = upstream.as_ref().map(|upstream| upstream.deadline);
        let server = root.section("server", |section| server::server(section, deadline));
        let admin = root.section("admin", server::admin);
        let listen = server.as_ref().map(|server| server.listen);
        let accounts = root
            .need("accounts")
            .and_then(|cursor| accounts::accounts(&cursor, environment));
        let default_account = default_account(root, accounts.as_ref());
        let identity = root.section("callers", |section| callers::callers(section, listen));
        let authorization = authorization(root, accounts.as_ref());
        let audit = root.section("audit", journal::audit);
        let telemetry = root.section("telemetry", log::telemetry);
        root.visit("idempotency", journal::idempotency);
        root.skip("cluster");
        let (server, admin, upstream) = (server?, admin?, upstream?);
        if server.listen == admin.listen && server.listen.port() != 0 {
            let problem = "the same as server.listen; accepted: an address of its own".to_owned();
            root.conflict("admin.listen", "server.listen", problem);
        }
        Some(Config {
            server,
            admin,
            accounts: accounts?.sound,
            default_account: default_account?,
            identity: identity?,
            authorization: authorization?,
            connect_timeout: upstream.connect_timeout,
            upstream: common(&upstream, client?),
            audit: audit?,
            telemetry: telemetry?,
        })
    })
}

/// The account used where a caller names none: the one told, or the only one.
fn default_account(root: &Section<'_>, accounts: Option<&Accounts>) -> Option<String> {
    let names = &accounts?.names;
    let Some(told) = root.take("default_account") else {
        let [only] = names.as_slice() else {
            let problem = format!("is missing; accepted: one of {}", names.join(", "));
            root.fault_of_absent("default_account", problem);
            return None;
        };
        return Some(only.clone());
    };
    told.read(|name| {
        let known = names.iter().any(|known| known == name);
        let accepted = || format!("the name of an account; {}", advice(name, names));
        known.then(|| name.to_owned()).ok_or_else(accepted)
    })
}

/// Without a policy nobody may do anything, which is sound, and seldom meant.
fn authorization(
    root: &Section<'_>,
    accounts: Option<&Accounts>,
) -> Option<authorization::Settings> {
    let names = accounts.map_or(&[][..], |accounts| accounts.names.as_slice());
    let settings = match root.take("policy") {
        Some(cursor) => policy::policy(&cursor, names)?,
        None => authorization::Settings::default(),
    };
    if settings.rules.is_empty() {
        root.notice_of_absent(
            "policy",
            "no rule grants anything, so every call is refused",
        );
    }
    Some(settings)
}

fn common(upstream: &Upstream, client: Client) -> partner_center::Settings {
    partner_center::Settings {
        application_name: client.application_name,
        locale: client.locale,
        attempt_timeout: upstream.attempt_timeout,
        max_response_bytes: upstream.max_response_bytes,
    }
}
