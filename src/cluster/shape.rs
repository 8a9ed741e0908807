//! What a bucket's stream has to be like, so that nothing that is put into it is lost before its time.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use humantime::format_duration;

/// The shape of a bucket.
#[derive(Clone, Copy, Debug)]
pub(in crate::cluster) struct Shape {
    replicas: usize,
    /// How old entries get; nothing where they are kept for good.
    max_age: Option<Duration>,
}

impl Shape {
    /// Keeps what is put into it for good, in so many copies.
    pub(in crate::cluster) fn lasting(replicas: usize) -> Self {
        Self {
            replicas,
            max_age: None,
        }
    }

    /// Keeps what is put into it for so long.
    pub(in crate::cluster) fn passing(replicas: usize, max_age: Duration) -> Self {
        Self {
            replicas,
            max_age: Some(max_age),
        }
    }

    /// The stream to be made, where there is none.
    pub(in crate::cluster) fn config(&self, name: String, subjects: String) -> Config {
        Config {
            name,
            description: Some("Kept by partner-gateway".to_owned()),
            subjects: vec![subjects],
            max_messages_per_subject: 1,
            max_messages: -1,
            max_bytes: -1,
            max_age: self.max_age.unwrap_or_default(),
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            num_replicas: self.replicas,
            allow_rollup: true,
            allow_direct: true,
            deny_delete: true,
            ..Config::default()
        }
    }

    /// Every way in which a bucket could lose or refuse what it is given.
    pub(in crate::cluster) fn faults(&self, found: &Config) -> Vec<String> {
        let least = self.replicas;
        let fewer = format!("fewer than {least} replicas");
        let other = match self.max_age {
            Some(least) => format!(
                "a time to live of none, or under {}",
                format_duration(least)
            ),
            None => "a time to live other than none".to_owned(),
        };
        let copied = found.mirror.is_some() || found.sources.is_some();
        let all = [
            (found.max_messages_per_subject < 1, "a history without end"),
            (
                found.storage != StorageType::File,
                "storage other than file",
            ),
            (!self.lets_live(found.max_age), &other),
            (found.num_replicas < least, &fewer),
            (found.no_ack, "no_ack on"),
            (found.sealed, "sealed"),
            (copied, "a mirror or sources"),
        ];
        let found = all.into_iter().filter(|(is_so, _)| *is_so);
        found.map(|(_, fault)| fault.to_owned()).collect()
    }

    /// Whether entries live long enough, and not for ever where they are to go. The server takes no age for
    /// none.
    fn lets_live(&self, found: Duration) -> bool {
        match self.max_age {
            Some(least) => found >= least,
            None => found.is_zero(),
        }
    }
}
