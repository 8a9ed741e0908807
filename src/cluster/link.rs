//! Whether the connection stands, as the client's events tell, and what is said of it in the log.

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::cluster::servers::Servers;

/// There is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("NATS is away: {why}")]
pub struct Away {
    why: String,
    is_lasting: bool,
}

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cluster) enum Link {
    /// Nothing was tried yet.
    Unknown,
    Up {
        times: u64,
    },
    Down(Away),
}

/// What is known of the connection.
#[derive(Debug)]
pub(in crate::cluster) struct Line {
    link: watch::Sender<Link>,
    times: watch::Sender<u64>,
    denied: watch::Sender<Option<String>>,
    /// What else the server complained of while the connection stood.
    said: watch::Sender<Option<String>>,
}

impl Away {
    pub(in crate::cluster) fn passing(why: String) -> Self {
        Self {
            why,
            is_lasting: false,
        }
    }

    pub(in crate::cluster) fn held(why: String) -> Self {
        Self {
            why,
            is_lasting: true,
        }
    }

    /// The same with the servers that were tried; where a person is needed, the words say for what.
    pub(in crate::cluster) fn at(self, servers: &Servers) -> Self {
        if self.is_lasting {
            return self;
        }
        let servers: Vec<_> = servers.places().collect();
        Self::passing(format!("{} (tried: {})", self.why, servers.join(", ")))
    }

    /// Whether a person is needed.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.is_lasting
    }
}

impl Default for Line {
    fn default() -> Self {
        Self {
            link: watch::Sender::new(Link::Unknown),
            times: watch::Sender::new(0),
            denied: watch::Sender::new(None),
            said: watch::Sender::new(None),
        }
    }
}

impl Line {
    pub(in crate::cluster) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(in crate::cluster) fn denied(&self) -> watch::Receiver<Option<String>> {
        self.denied.subscribe()
    }

    pub(in crate::cluster) fn said(&self) -> watch::Receiver<Option<String>> {
        self.said.subscribe()
    }

    pub(in crate::cluster) fn away(&self) -> Away {
        match &*self.link.borrow() {
            Link::Down(away) => away.clone(),
            Link::Up { .. } | Link::Unknown => Away::passing("no answer yet".to_owned()),
        }
    }

    /// Takes note of an event; each change is told once, however often it is tried to connect.
    pub(in crate::cluster) fn note(&self, event: &Event) {
        match event {
            Event::Connected => {
                let mut times = 0;
                self.times.send_modify(|count| {
                    *count = count.saturating_add(1);
                    times = *count;
                });
                self.said.send_if_modified(|said| {
                    *said = None;
                    false
                });
                self.link.send_replace(Link::Up { times });
                info!("connected to NATS");
            }
            Event::Disconnected | Event::Closed => {
                let why = match &*self.said.borrow() {
                    Some(said) => format!("disconnected after it said {said:?}"),
                    None => "disconnected".to_owned(),
                };
                self.fell(&Away::passing(why));
            }
            Event::ClientError(ClientError::Other(why)) => self.fell(&failed(why)),
            Event::ServerError(ServerError::Other(why)) if is_denial(why) => {
                self.denied.send_replace(Some(why.clone()));
            }
            // Where it is the end of the connection, that is told, too; else nothing would tell that it still stands.
            Event::ServerError(ServerError::Other(why)) if self.is_up() => {
                let told = self.said.send_replace(Some(why.clone()));
                if told.as_ref() != Some(why) {
                    warn!(error = why, "the NATS server complains");
                }
            }
            Event::ServerError(why) => self.fell(&Away::held(why.to_string())),
            Event::ClientError(_)
            | Event::LameDuckMode
            | Event::Draining
            | Event::SlowConsumer(_) => {}
        }
    }

    fn is_up(&self) -> bool {
        matches!(*self.link.borrow(), Link::Up { .. })
    }

    fn fell(&self, away: &Away) {
        let is_news = self.link.send_if_modified(|link| {
            let is_news = *link != Link::Down(away.clone());
            *link = Link::Down(away.clone());
            is_news
        });
        if is_news {
            debug!(error = %away, "no connection to NATS");
        }
    }
}

/// The client tells of an attempt that failed by the words of its kind alone.
fn failed(why: &str) -> Away {
    let lasting = [
        ConnectErrorKind::AuthorizationViolation,
        ConnectErrorKind::Authentication,
    ];
    if lasting.iter().any(|kind| kind.to_string() == why) {
        Away::held(format!("{why}; look at cluster.nats.credentials"))
    } else {
        // The client keeps to itself what the operating system said.
        let io = ConnectErrorKind::Io.to_string();
        let dns = ConnectErrorKind::Dns.to_string();
        let more = if why == io {
            ": nothing listens there, or the network is in the way"
        } else if why == dns {
            ": the name of no server could be looked up"
        } else {
            ""
        };
        Away::passing(format!("{why}{more}"))
    }
}

/// <https://github.com/nats-io/nats-server/blob/main/server/errors.go>.
fn is_denial(why: &str) -> bool {
    why.to_ascii_lowercase().contains("permissions violation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_servers_that_were_tried_and_what_the_words_of_the_client_mean() {
        let servers = "nats://one:4222,nats://two:4223".parse().unwrap();

        let away = failed(&ConnectErrorKind::Io.to_string()).at(&servers);
        let denied = failed(&ConnectErrorKind::Authentication.to_string()).at(&servers);

        assert_eq!(
            away.to_string(),
            "NATS is away: IO error: nothing listens there, or the network is in the way (tried: one:4222, two:4223)"
        );
        assert!(
            denied
                .to_string()
                .ends_with("; look at cluster.nats.credentials")
        );
    }

    #[test]
    fn stands_whatever_the_server_complains_of_until_it_is_gone() {
        let line = Line::default();
        let other = |why: &str| Event::ServerError(ServerError::Other(why.to_owned()));
        let away = |why: &str| Link::Down(Away::passing(why.to_owned()));
        let standing = || line.link.borrow().clone();
        line.note(&Event::Connected);
        let mut said = line.said();

        line.note(&other("Permissions Violation for Publish to \"a\""));
        assert!(!said.has_changed().unwrap());
        line.note(&other("Invalid Subject"));

        assert_eq!(standing(), Link::Up { times: 1 });
        assert_eq!(said.borrow_and_update().as_deref(), Some("Invalid Subject"));
        line.note(&Event::Disconnected);
        assert_eq!(
            standing(),
            away("disconnected after it said \"Invalid Subject\"")
        );
        line.note(&Event::Connected);
        line.note(&Event::Disconnected);
        assert_eq!(standing(), away("disconnected"));
        line.note(&other("maximum connections exceeded"));
        assert!(matches!(standing(), Link::Down(away) if away.is_lasting()));
    }
}
