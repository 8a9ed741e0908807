//! Where the server is, and whether the way there is encrypted.
//!
//! A connection string holds a password, so nothing here quotes it.

use std::time::Duration;

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::delivery::{postgres::trouble::held, sink::Setback};

/// How bytes get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery::postgres) enum Way {
    /// As they are: over a socket of this machine.
    Plain,
    /// Over TLS, with the server's certificate verified.
    Tls,
}

/// Reads a connection string.
///
/// Over a Unix socket nothing is encrypted, as with every client of `PostgreSQL`. Over TCP everything is, and the
/// certificate is verified whatever `sslmode` says, but for `sslmode=disable` on loopback.
pub(in crate::delivery::postgres) fn place(text: &str) -> Result<(Config, Way), Setback> {
    if text.contains("sslrootcert") {
        return Err(held(
            "the connection string names sslrootcert, whose place is `ca_file` of the sink; accepted: one without it",
        ));
    }
    let unreadable = |_| {
        held(
            "the connection string cannot be read; accepted: postgres://USER:PASSWORD@HOST/DATABASE",
        )
    };
    let mut config: Config = verifying(text).parse().map_err(unreadable)?;
    let way = way(&config)?;
    config.ssl_mode(match way {
        Way::Plain => SslMode::Disable,
        Way::Tls => SslMode::Require,
    });
    if config.get_application_name().is_none() {
        config.application_name("partner-gateway");
    }
    config.tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
    Ok((config, way))
}

/// The machines or sockets that a connection string names, and the database, as far as it names one.
pub(in crate::delivery::postgres) fn told(config: &Config) -> String {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    let mut hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    if hosts.is_empty() {
        hosts.extend(config.get_hostaddrs().iter().map(ToString::to_string));
    }
    match config.get_dbname() {
        Some(name) => format!("{}/{name}", hosts.join(",")),
        None => hosts.join(","),
    }
}

fn way(config: &Config) -> Result<Way, Setback> {
    let sockets = |host: &Host| matches!(host, Host::Unix(_));
    let hosts = config.get_hosts();
    if hosts.iter().any(sockets) {
        let mixed = !hosts.iter().all(sockets) || !config.get_hostaddrs().is_empty();
        let told = "the connection string names sockets and hosts; accepted: one kind of them";
        return if mixed {
            Err(held(told))
        } else {
            Ok(Way::Plain)
        };
    }
    if config.get_ssl_mode() != SslMode::Disable {
        return Ok(Way::Tls);
    }
    if is_on_loopback(config) {
        return Ok(Way::Plain);
    }
    Err(held(
        "the connection string says sslmode=disable for a host that is not loopback; accepted: sslmode=require",
    ))
}

/// Addresses go before the names that stand beside them.
fn is_on_loopback(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(std::net::IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            address.map_or_else(
                |_| name.eq_ignore_ascii_case("localhost"),
                |address| address.is_loopback(),
            )
        }
        Host::Unix(_) => true,
    })
}

/// The crate knows three modes only. What `verify-ca` and `verify-full` ask for is done in any case.
fn verifying(text: &str) -> String {
    let required = "sslmode=require";
    text.replace("sslmode=verify-full", required)
        .replace("sslmode=verify-ca", required)
}

/// A peer that says nothing for this long is looked after.
const SILENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_encryption_only_on_this_machine_and_only_when_told() {
        for (text, way) in [
            ("postgres://u:p@db.test/audit", Way::Tls),
            ("postgres://u:p@db.test/audit?sslmode=prefer", Way::Tls),
            ("postgres://u:p@db.test/audit?sslmode=verify-full", Way::Tls),
            ("host=db.test user=u sslmode=verify-ca", Way::Tls),
            ("postgres://u:p@localhost/audit", Way::Tls),
            ("postgres://u:p@localhost/audit?sslmode=disable", Way::Plain),
            ("postgres://u:p@[::1]/audit?sslmode=disable", Way::Plain),
            ("postgres://u:p@127.9.9.9/audit?sslmode=disable", Way::Plain),
            ("host=/var/run/postgresql user=u", Way::Plain),
            (
                "host=/var/run/postgresql user=u sslmode=require",
                Way::Plain,
            ),
        ] {
            let (config, found) = place(text).unwrap();

            assert_eq!(found, way, "{text}");
            let mode = config.get_ssl_mode();
            assert_eq!(mode == SslMode::Disable, way == Way::Plain, "{text}");
        }
    }

    #[test]
    fn refuses_a_plain_way_to_another_machine_without_telling_the_password() {
        for text in [
            "postgres://u:hunter2@db.test/audit?sslmode=disable",
            "postgres://u:hunter2@localhost,db.test/audit?sslmode=disable",
            "host=localhost hostaddr=10.0.0.1 password=hunter2 sslmode=disable",
            "host=/run,db.test password=hunter2 sslmode=disable",
            "postgres://u:hunter2@db.test/audit?sslmode=hunter2",
            "postgres://u:hunter2@db.test/audit?sslmode=verify-full&sslrootcert=/etc/ca.crt",
            "hunter2",
        ] {
            let Err(Setback::Held { why }) = place(text) else {
                panic!("{text}");
            };
            assert!(why.contains("accepted: "), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
