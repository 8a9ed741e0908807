//! Whether the connection stands, as the client's events tell, and what is said of it in the log.

use async_nats::{ClientError, ConnectErrorKind, Event, ServerError};
use tokio::sync::watch;
use tracing::{debug, info};

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
                self.link.send_replace(Link::Up { times });
                info!("connected to NATS");
            }
            Event::Disconnected | Event::Closed => {
                self.fell(&Away::passing("disconnected".to_owned()));
            }
            Event::ClientError(ClientError::Other(why)) => self.fell(&failed(why)),
            Event::ServerError(ServerError::Other(why)) if is_denial(why) => {
                self.denied.send_replace(Some(why.clone()));
            }
            Event::ServerError(why) => self.fell(&Away::held(why.to_string())),
            Event::ClientError(_)
            | Event::LameDuckMode
            | Event::Draining
            | Event::SlowConsumer(_) => {}
        }
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
        Away::passing(why.to_owned())
    }
}

/// <https://github.com/nats-io/nats-server/blob/main/server/errors.go>.
fn is_denial(why: &str) -> bool {
    why.to_ascii_lowercase().contains("permissions violation")
}
