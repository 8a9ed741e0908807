//! What is known of the journals of others, and what of the news is worth a record.

use std::collections::HashMap;

use crate::{
    audit::{
        journal::Journal,
        witness::{End, Sighting},
    },
    ids::{BootId, JournalId},
};

/// The journals of others that were heard of last.
#[derive(Debug)]
pub(in crate::delivery::witness) struct Peers {
    own: JournalId,
    boot: BootId,
    /// Where the own journal ended when this run began.
    found: End,
    known: HashMap<JournalId, Known>,
    /// How many sightings there were.
    turn: u64,
}

#[derive(Debug)]
struct Known {
    last: Sighting,
    turn: u64,
    /// Whether it was heard of more than once, as nobody is who publishes under a new name each time.
    is_settled: bool,
}

/// What is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::delivery::witness) struct Heard {
    /// A checkpoint.
    pub(in crate::delivery::witness) seen: Sighting,
    /// What was known of its journal, and does not go together with it.
    pub(in crate::delivery::witness) denied: Option<End>,
}

impl Peers {
    pub(in crate::delivery::witness) fn of(journal: &Journal) -> Self {
        let found = journal.found();
        let found = End {
            upto: found.seq(),
            head: found.hash(),
        };
        Self::beside(journal.id(), journal.boot(), found)
    }

    fn beside(own: JournalId, boot: BootId, found: End) -> Self {
        Self {
            own,
            boot,
            found,
            known: HashMap::new(),
            turn: 0,
        }
    }

    /// Takes the news in their order, and returns at most one thing to write down of each journal: the first
    /// contradiction, or else how far it has come; and of no more journals than are remembered, first of those that
    /// contradict.
    pub(in crate::delivery::witness) fn take(&mut self, news: Vec<Sighting>) -> Vec<Heard> {
        let mut worth = Vec::<Heard>::new();
        for seen in news {
            let Some(heard) = self.judge(seen) else {
                continue;
            };
            let same = |other: &&mut Heard| other.seen.journal == heard.seen.journal;
            let has_room = worth.len() < MOST;
            let is_plain = |other: &Heard| other.denied.is_none();
            match worth.iter_mut().find(same) {
                Some(before) if is_plain(before) => *before = heard,
                None if has_room => worth.push(heard),
                None if !is_plain(&heard) => {
                    // What is merely new the next checkpoint tells again; a contradiction nothing does.
                    if let Some(at) = worth.iter().rposition(is_plain) {
                        worth.remove(at);
                        worth.push(heard);
                    }
                }
                Some(_) | None => {}
            }
        }
        worth
    }

    fn judge(&mut self, seen: Sighting) -> Option<Heard> {
        if seen.journal == self.own {
            let is_mine = seen.boot == self.boot.to_string() || seen.end.upto <= self.found.upto;
            let denied = Some(self.found);
            return (!is_mine).then_some(Heard { seen, denied });
        }
        self.turn = self.turn.saturating_add(1);
        let turn = self.turn;
        let Some(known) = self.known.get_mut(&seen.journal) else {
            self.make_place();
            let last = seen.clone();
            let known = Known {
                last,
                turn,
                is_settled: false,
            };
            self.known.insert(seen.journal, known);
            return Some(Heard { seen, denied: None });
        };
        known.turn = turn;
        known.is_settled = true;
        let before = known.last.end;
        if seen.end == before {
            return None;
        }
        // A checkpoint may arrive late, but no run of a gateway writes an earlier one again.
        if seen.end.upto < before.upto && seen.boot == known.last.boot {
            return None;
        }
        // From here on the journal is what it says now, so that a contradiction is told once.
        known.last = seen.clone();
        let denied = (seen.end.upto <= before.upto).then_some(before);
        Some(Heard { seen, denied })
    }

    /// Forgets a journal, where there are too many: of those that were heard of once, or else of all, the one that was
    /// not heard of for the longest time.
    fn make_place(&mut self) {
        if self.known.len() < MOST {
            return;
        }
        let each = self.known.iter();
        let oldest = each.min_by_key(|(_, known)| (known.is_settled, known.turn));
        if let Some(oldest) = oldest.map(|(journal, _)| *journal) {
            self.known.remove(&oldest);
        }
    }
}

/// More replicas than anybody runs, so that strangers who publish can fill neither the memory nor the disk.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::LineHash;

    #[test]
    fn tells_of_growth_once_and_by_the_last_of_several() {
        let (mut peers, peer) = (peers(), JournalId::random());

        let first = peers.take(vec![seen(peer, 3, "a", 1), seen(peer, 7, "b", 1)]);
        let same = peers.take(vec![seen(peer, 7, "b", 1)]);
        let late = peers.take(vec![seen(peer, 5, "x", 1)]);
        let grown = peers.take(vec![seen(peer, 9, "c", 2)]);

        assert_eq!(first, [fine(seen(peer, 7, "b", 1))]);
        assert_eq!((same, late), (vec![], vec![]));
        assert_eq!(grown, [fine(seen(peer, 9, "c", 2))]);
    }

    #[test]
    fn tells_of_a_journal_that_falls_back_or_has_another_line() {
        let (mut peers, peer) = (peers(), JournalId::random());
        peers.take(vec![seen(peer, 9, "a", 1)]);

        let back = peers.take(vec![seen(peer, 4, "b", 2), seen(peer, 6, "c", 2)]);
        let on = peers.take(vec![seen(peer, 8, "d", 2)]);
        let other = peers.take(vec![seen(peer, 8, "e", 2)]);

        assert_eq!(
            back,
            [denied(seen(peer, 4, "b", 2), seen(peer, 9, "a", 1).end)]
        );
        assert_eq!(on, [fine(seen(peer, 8, "d", 2))]);
        assert_eq!(
            other,
            [denied(seen(peer, 8, "e", 2), seen(peer, 8, "d", 2).end)]
        );
    }

    #[test]
    fn knows_its_own_checkpoints_from_those_of_a_copy() {
        let mut peers = peers();
        let own = peers.own;
        let mut mine = seen(own, 99, "a", 0);
        mine.boot = peers.boot.to_string();
        let found = peers.found;

        assert_eq!(peers.take(vec![mine, seen(own, 20, "b", 1)]), []);
        let copy = seen(own, 21, "c", 1);
        assert_eq!(peers.take(vec![copy.clone()]), [denied(copy, found)]);
    }

    #[test]
    fn remembers_no_more_journals_than_it_has_places_for() {
        let mut peers = peers();
        let kept = JournalId::random();
        peers.take(vec![seen(kept, 1, "a", 1)]);

        for _ in 0..200 {
            let news = vec![seen(JournalId::random(), 1, "x", 1), seen(kept, 1, "a", 1)];
            assert_eq!(peers.take(news).len(), 1);
            assert!(peers.known.len() <= MOST);
        }
        assert_eq!(peers.take(strangers(1000)).len(), MOST);
    }

    #[test]
    fn lets_strangers_hide_no_contradiction() {
        let mut peers = peers();
        let kept = JournalId::random();
        peers.take(vec![seen(kept, 1, "a", 1), seen(kept, 9, "b", 1)]);

        let mut news = strangers(MOST * 2);
        news.push(seen(kept, 9, "c", 1));
        news.extend(strangers(MOST * 2));
        let told = peers.take(news);

        assert_eq!(told.len(), MOST);
        let told: Vec<_> = told.into_iter().filter(|it| it.denied.is_some()).collect();
        let before = seen(kept, 9, "b", 1).end;
        assert_eq!(told, [denied(seen(kept, 9, "c", 1), before)]);
        assert!(peers.known.len() <= MOST);
    }

    fn strangers(count: usize) -> Vec<Sighting> {
        let each = (0..count).map(|_| seen(JournalId::random(), 1, "x", 1));
        each.collect()
    }

    fn peers() -> Peers {
        let found = End {
            upto: 20,
            head: LineHash::of(b"found"),
        };
        Peers::beside(JournalId::random(), BootId::next(), found)
    }

    fn seen(journal: JournalId, upto: u64, line: &str, run: u8) -> Sighting {
        Sighting {
            journal,
            end: End {
                upto,
                head: LineHash::of(line.as_bytes()),
            },
            time: "2026-11-22T04:00:00Z".to_owned(),
            key_id: "0123456789abcdef".to_owned(),
            boot: format!("run {run}"),
        }
    }

    fn fine(seen: Sighting) -> Heard {
        Heard { seen, denied: None }
    }

    fn denied(seen: Sighting, denied: End) -> Heard {
        let denied = Some(denied);
        Heard { seen, denied }
    }
}
