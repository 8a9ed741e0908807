//! Which servers there are.

use std::str::FromStr;

use async_nats::ServerAddr;

/// One or more servers of one cluster.
#[derive(Clone, Debug)]
pub struct Servers(Vec<ServerAddr>);

/// The text names no servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ACCEPTED}")]
pub struct NoServers;

impl Servers {
    /// Whether everything goes over TLS.
    #[must_use]
    pub fn are_encrypted(&self) -> bool {
        self.0.iter().any(ServerAddr::tls_required)
    }

    /// The machines, by name or address.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ServerAddr::host)
    }

    /// Each with its port.
    pub(in crate::cluster) fn places(&self) -> impl Iterator<Item = String> {
        self.0
            .iter()
            .map(|it| format!("{}:{}", it.host(), it.port()))
    }

    pub(in crate::cluster) fn addresses(&self) -> Vec<ServerAddr> {
        self.0.clone()
    }
}

impl FromStr for Servers {
    type Err = NoServers;

    /// Reads URLs with commas between them. A password has no place in them.
    fn from_str(text: &str) -> Result<Self, NoServers> {
        let servers: Vec<ServerAddr> = text
            .split(',')
            .map(|url| server(url.trim()).ok_or(NoServers))
            .collect::<Result<_, _>>()?;
        let encrypted = servers.iter().filter(|server| server.tls_required());
        if (1..servers.len()).contains(&encrypted.count()) {
            return Err(NoServers);
        }
        Ok(Self(servers))
    }
}

fn server(url: &str) -> Option<ServerAddr> {
    let (scheme, host) = url.split_once("://")?;
    let known = matches!(scheme, "nats" | "tls");
    let bare = !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']);
    let server: ServerAddr = url.parse().ok().filter(|_| known && bare)?;
    (!server.host().is_empty()).then_some(server)
}

/// What the configuration takes.
const ACCEPTED: &str = "nats://HOST:PORT or tls://HOST:PORT, or several of one kind with commas between them; who the \
                        gateway is stands in credentials";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_servers_of_one_kind_and_nothing_else() {
        for (text, encrypted) in [
            ("nats://nats:4222", false),
            ("nats://nats", false),
            ("nats://127.0.0.1:4222, nats://[::1]:4223", false),
            ("tls://a.test,tls://b.test:4443", true),
        ] {
            let servers: Servers = text.parse().unwrap();
            assert_eq!(servers.are_encrypted(), encrypted, "{text}");
        }
        for text in [
            "",
            "nats:4222",
            "nats://",
            "nats://nats:x",
            "nats://user:password@nats",
            "nats://token@nats",
            "nats://nats/path",
            "ws://nats",
            "http://nats",
            "nats://a,",
            "nats://a,tls://b",
        ] {
            assert_eq!(text.parse::<Servers>().err(), Some(NoServers), "{text}");
        }
    }
}
