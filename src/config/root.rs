//! Reads the whole tree into a configuration.

use std::net::SocketAddr;

use crate::{
    authorization,
    config::{
        Config, accounts,
        accounts::Accounts,
        callers, cluster,
        environment::Environment,
        idempotency, journal, log,
        nearest::one_of_names,
        policy,
        section::{Cursor, Section},
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
        let cluster = root.take("cluster").filter(Cursor::is_filled);
        let has_cluster = cluster.is_some();
        let accounts = root
            .need("accounts")
            .and_then(|cursor| accounts::accounts(&cursor, has_cluster, environment));
        let default_account = default_account(root, accounts.as_ref());
        let identity = root.section("callers", |section| {
            callers::callers(section, listen, environment)
        });
        if let Some(identity) = &identity {
            callers::mutual_tls(root, identity.mtls);
        }
        let authorization = authorization(root, accounts.as_ref());
        let cluster = cluster.map(|cursor| cluster::cluster(&cursor, environment));
        let audit = root.section("audit", |section| {
            journal::audit(section, has_cluster, environment)
        });
        let telemetry = root.section("telemetry", |section| log::telemetry(section, environment));
        let idempotency = root.section("idempotency", idempotency::idempotency);
        let (server, admin, upstream) = (server?, admin?, upstream?);
        if overlap(server.listen, admin.listen) {
            let problem = "overlaps server.listen; accepted: a port of its own".to_owned();
            root.conflict("admin.listen", "server.listen", problem);
        }
        let (audit, sinks) = audit?;
        let (telemetry, traces) = telemetry?;
        Some(Config {
            server,
            admin,
            accounts: accounts?.sound?,
            default_account: default_account?,
            identity: identity?,
            authorization: authorization?,
            connect_timeout: upstream.connect_timeout,
            deadline: upstream.deadline,
            retry_budget: upstream.retry_budget,
            upstream: common(&upstream, client?),
            idempotency: idempotency?,
            cluster: cluster.map_or(Some(None), |read| read.map(Some))?,
            audit,
            sinks,
            telemetry,
            traces,
        })
    })
}

/// Whether two listeners would want one port; port 0 is a free one each time.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (here, there) = (one.ip().to_canonical(), other.ip().to_canonical());
    let same = here == there || here.is_unspecified() || there.is_unspecified();
    same && one.port() == other.port() && one.port() != 0
}

/// The account used where a caller names none: the one told, or the only one.
fn default_account(root: &Section<'_>, accounts: Option<&Accounts>) -> Option<String> {
    let names = &accounts?.names;
    if names.is_empty() {
        root.skip("default_account");
        return None;
    }
    let Some(told) = root.take("default_account") else {
        let [only] = names.as_slice() else {
            let problem = format!("is missing; accepted: one of {}", names.join(", "));
            root.fault_of_absent("default_account", problem);
            return None;
        };
        return Some(only.clone());
    };
    told.read(|name| one_of_names(name, names))
}

/// Without a policy nobody may do anything, which is sound, and seldom meant.
fn authorization(
    root: &Section<'_>,
    accounts: Option<&Accounts>,
) -> Option<authorization::Settings> {
    let names = accounts.map(|accounts| accounts.names.as_slice());
    let names = names.filter(|names| !names.is_empty());
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
        max_attempts: upstream.max_attempts,
        circuit: upstream.circuit,
        max_response_bytes: upstream.max_response_bytes,
    }
}
