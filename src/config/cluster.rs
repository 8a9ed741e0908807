//! Reads `cluster`.

use crate::{
    cluster::{
        Settings,
        servers::{NoServers, Servers},
    },
    config::{
        endpoint::is_loopback,
        environment::Environment,
        node::Value,
        scalar::number,
        secret_file::{certificates, secret},
        section::{Cursor, Section},
    },
};

/// Reads `cluster`.
pub(crate) fn cluster(cursor: &Cursor<'_>, environment: &Environment) -> Option<Settings> {
    cursor.section(|section| section.section("nats", |section| nats(section, environment)))
}

fn nats(section: &Section<'_>, environment: &Environment) -> Option<Settings> {
    let servers = section.need("url").and_then(|cursor| servers(&cursor));
    let credentials = section.take("credentials");
    let credentials = credentials.map(|cursor| secret(&cursor, environment));
    let ca_file = section.take("ca_file");
    let ca_file = ca_file.map(|cursor| certificates(&cursor).map(|(path, _)| path));
    let stream = match section.take("stream") {
        Some(cursor) => cursor.read(stream),
        None => Some(STREAM.to_owned()),
    };
    let replicas = match section.take("replicas") {
        Some(cursor) => cursor.read(number(1..=5_usize)),
        None => Some(REPLICAS),
    };
    Some(Settings {
        servers: servers?,
        credentials: credentials.map_or(Some(None), |read| read.map(Some))?,
        ca_file: ca_file.map_or(Some(None), |read| read.map(Some))?,
        stream: stream?,
        replicas: replicas?,
    })
}

/// What may hold a password is not shown.
fn servers(cursor: &Cursor<'_>) -> Option<Servers> {
    if matches!(cursor.value(), Value::Scalar(text) if text.contains('@')) {
        cursor.fault(format!("found a user (not shown); accepted: {NoServers}"));
        return None;
    }
    let servers = cursor.read(|text| {
        text.parse::<Servers>()
            .map_err(|accepted: NoServers| accepted.to_string())
    })?;
    if !servers.are_encrypted() && !servers.hosts().all(is_loopback) {
        cursor.notice("what is kept there goes over the network unencrypted");
    }
    Some(servers)
}

/// <https://docs.nats.io/nats-concepts/jetstream/streams>: no white space, no dot, no wildcard.
fn stream(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let sound = (1..=LONGEST_STREAM).contains(&text.len()) && text.bytes().all(plain);
    sound
        .then(|| text.to_owned())
        .ok_or_else(|| format!("1 to {LONGEST_STREAM} letters, digits, - and _"))
}

const STREAM: &str = "PARTNER_GATEWAY_AUDIT";

/// As many as outlive the loss of one.
const REPLICAS: usize = 3;

/// In characters; the server keeps a stream in a directory of its name.
const LONGEST_STREAM: usize = 64;
