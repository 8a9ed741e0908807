//! What a bucket's stream has to be like, so that nothing that is put into it is lost before its time.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use humantime::format_duration;

/// The shape of a bucket.
#[derive(Clone, Copy, Debug)]
pub(in crate::cluster) struct Shape {
    replicas: usize,
    /// How old entries get; nothing where they are kept for good.
    max_age: Option<Duration>,
    /// How large an entry may get, with all that is sent with it, in bytes.
    largest: i32,
}

impl Shape {
    /// Keeps what is put into it for good, in so many copies.
    pub(in crate::cluster) fn lasting(replicas: usize) -> Self {
        Self {
            replicas,
            max_age: None,
            largest: LARGEST_LASTING,
        }
    }

    /// Keeps what is put into it for so long.
    pub(in crate::cluster) fn passing(replicas: usize, max_age: Duration) -> Self {
        Self {
            replicas,
            max_age: Some(max_age),
            largest: LARGEST_PASSING,
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

    /// How old entries get; nothing where they are kept for good.
    pub(in crate::cluster) fn max_age(&self) -> Option<Duration> {
        self.max_age
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
        let smaller = format!("room for less than {} KiB in a message", self.largest >> 10);
        let is_bounded = found.max_messages > 0 || found.max_bytes > 0;
        let drops_old = is_bounded && found.discard != DiscardPolicy::New;
        let is_small = found.max_message_size > 0 && found.max_message_size < self.largest;
        let copied = found.mirror.is_some() || found.sources.is_some();
        let all = [
            (found.max_messages_per_subject < 1, "a history without end"),
            (
                found.storage != StorageType::File,
                "storage other than file",
            ),
            (!self.lets_live(found.max_age), &other),
            (found.num_replicas < least, &fewer),
            (
                found.retention != RetentionPolicy::Limits,
                "retention other than limits",
            ),
            (drops_old, "bounds at which it discards what is old"),
            (is_small, &smaller),
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

/// A refresh token has some KiB, and is sealed.
const LARGEST_LASTING: i32 = 32 << 10;

/// Of an answer that replicas share: 256 KiB and its headers.
const LARGEST_PASSING: i32 = 260 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_way_in_which_entries_could_be_lost_or_refused() {
        type Change = fn(&mut Config);
        let faults: [(Change, &str); 7] = [
            (
                |it| it.retention = RetentionPolicy::Interest,
                "retention other than limits",
            ),
            (
                |it| it.retention = RetentionPolicy::WorkQueue,
                "retention other than limits",
            ),
            (
                |it| (it.max_messages, it.discard) = (1_000_000, DiscardPolicy::Old),
                "bounds at which it discards what is old",
            ),
            (
                |it| (it.max_bytes, it.discard) = (1 << 30, DiscardPolicy::Old),
                "bounds at which it discards what is old",
            ),
            (|it| it.max_message_size = 200, "room for less than"),
            (|it| it.no_ack = true, "no_ack on"),
            (|it| it.sealed = true, "sealed"),
        ];

        for shape in shapes() {
            for (change, fault) in faults {
                let mut config = shape.config("KV_a".to_owned(), "$KV.a.>".to_owned());
                change(&mut config);

                let found = shape.faults(&config);

                assert_eq!(found.len(), 1, "{found:?}");
                assert!(found[0].starts_with(fault), "{found:?}");
            }
        }
    }

    #[test]
    fn has_nothing_against_bounds_at_which_writes_are_refused() {
        let changes: [fn(&mut Config); 4] = [
            |_| {},
            |it| it.discard = DiscardPolicy::Old,
            |it| (it.max_messages, it.max_bytes) = (1_000_000, 1 << 30),
            |it| it.max_message_size = 1 << 20,
        ];

        for shape in shapes() {
            for change in changes {
                let mut config = shape.config("KV_a".to_owned(), "$KV.a.>".to_owned());
                change(&mut config);

                assert_eq!(shape.faults(&config), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn wants_room_for_what_the_bucket_is_for() {
        let [lasting, passing] = shapes();
        let mut config = lasting.config("KV_a".to_owned(), "$KV.a.>".to_owned());
        config.max_message_size = 64 << 10;
        assert_eq!(lasting.faults(&config), Vec::<String>::new());

        let mut config = passing.config("KV_a".to_owned(), "$KV.a.>".to_owned());
        config.max_message_size = 64 << 10;

        let small = "room for less than 260 KiB in a message";
        assert_eq!(passing.faults(&config), [small]);
    }

    fn shapes() -> [Shape; 2] {
        [
            Shape::lasting(1),
            Shape::passing(1, Duration::from_hours(24)),
        ]
    }
}
