//! What the journal tells of rejections, held against what Partner Center has on record.
//!
//! A record belongs to a call by its correlation ID, and by customer, transfer and time where it tells of them;
//! without a correlation ID, by customer, transfer and time alone.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use crate::{
    audit::rejections::{Rejection, Said},
    ids::{CorrelationId, TransferId},
    partner_center::wire::activity::Activity,
};

/// The time that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// From when on.
    pub since: SystemTime,
    /// Until when calls count: before Partner Center was asked.
    pub until: SystemTime,
}

/// Where a journal begins.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    /// When its first record was written.
    pub time: SystemTime,
    /// Whether there were records before it, which retention removed.
    pub is_pruned: bool,
}

/// Both sides, of one partner.
#[derive(Clone, Copy, Debug)]
pub struct Sides<'a> {
    /// The calls of all journals.
    pub ours: &'a [Rejection],
    /// What Partner Center has on record.
    pub theirs: &'a [Activity],
    /// Where the journals begin.
    pub beginnings: &'a [Beginning],
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Comparison<'a> {
    /// How many calls are on both sides.
    pub in_both: usize,
    /// Calls that were done, or may have been, and that Partner Center does not have; the oldest first.
    pub only_ours: Vec<OnlyOurs<'a>>,
    /// Rejections that no call of the journal made; the oldest first.
    pub only_theirs: Vec<OnlyTheirs<'a>>,
    /// Rejections from before what the journal tells of; the oldest first.
    pub not_covered: Vec<&'a Activity>,
    /// How many records are of something else: of operations that are no rejections, and of those that failed.
    pub passed_over: usize,
}

/// A call that Partner Center does not have.
#[derive(Clone, Copy, Debug)]
pub struct OnlyOurs<'a> {
    /// The call.
    pub call: &'a Rejection,
    /// Whether it is so recent that Partner Center may yet show it.
    pub is_recent: bool,
    /// What Partner Center has of it, if that failed.
    pub failed: Option<&'a Activity>,
}

/// A rejection that no call made.
#[derive(Clone, Copy, Debug)]
pub struct OnlyTheirs<'a> {
    /// The rejection.
    pub activity: &'a Activity,
    /// The call to which it belongs and which did not do it, by the journal.
    pub denied_by: Option<&'a Rejection>,
}

/// How far the clocks of the gateway and of Partner Center are taken to differ at most, and how long a record may
/// take to appear. The documentation tells of neither.
pub const TOLERANCE: Duration = Duration::from_mins(15);

/// Compares both sides.
#[must_use]
pub fn compare(sides: Sides<'_>, period: Period) -> Comparison<'_> {
    let mut matching = Matching::new(sides, period);
    for activity in sides.theirs {
        matching.place(activity);
    }
    matching.finish()
}

struct Matching<'a> {
    sides: Sides<'a>,
    period: Period,
    by_correlation: HashMap<CorrelationId, Vec<usize>>,
    by_transfer: HashMap<TransferId, Vec<usize>>,
    /// Which calls are on both sides, by their place.
    matched: HashMap<usize, SystemTime>,
    failed: HashMap<usize, &'a Activity>,
    found: Comparison<'a>,
}

impl<'a> Matching<'a> {
    fn new(sides: Sides<'a>, period: Period) -> Self {
        let mut by_correlation = HashMap::<_, Vec<_>>::new();
        let mut by_transfer = HashMap::<_, Vec<_>>::new();
        for (place, call) in sides.ours.iter().enumerate() {
            if let Some(id) = call.correlation {
                by_correlation.entry(id).or_default().push(place);
            }
            if let Some(id) = call.transfer {
                by_transfer.entry(id).or_default().push(place);
            }
        }
        Self {
            sides,
            period,
            by_correlation,
            by_transfer,
            matched: HashMap::new(),
            failed: HashMap::new(),
            found: Comparison::default(),
        }
    }

    fn place(&mut self, activity: &'a Activity) {
        let found = self.call_of(activity);
        if has_failed(activity) {
            if let Some((place, _)) = found {
                self.failed.insert(place, activity);
            }
            self.found.passed_over += 1;
            return;
        }
        match found {
            Some((place, call)) if call.said != Said::NotDone && may_reject(activity) => {
                self.matched.insert(place, activity.time);
            }
            _ if !rejects(activity) => self.found.passed_over += 1,
            Some((_, call)) => self.only_theirs(activity, Some(call)),
            None if self.is_covered(activity.time) => self.only_theirs(activity, None),
            None if activity.time >= self.period.since => self.found.not_covered.push(activity),
            None => {}
        }
    }

    fn only_theirs(&mut self, activity: &'a Activity, denied_by: Option<&'a Rejection>) {
        if activity.time >= self.period.since {
            self.found.only_theirs.push(OnlyTheirs {
                activity,
                denied_by,
            });
        }
    }

    /// The call to which a record belongs: of several the one that is not on both sides yet, and nearest in time.
    fn call_of(&self, activity: &Activity) -> Option<(usize, &'a Rejection)> {
        let places = match (activity.correlation, activity.transfer) {
            (Some(id), _) => self.by_correlation.get(&id)?,
            (None, Some(id)) => self.by_transfer.get(&id)?,
            (None, None) => return None,
        };
        let ours = self.sides.ours;
        let calls = places.iter().filter_map(|at| Some((*at, ours.get(*at)?)));
        calls
            .filter(|(_, call)| fits(call, activity))
            .min_by_key(|(place, call)| {
                let is_taken = self.matched.contains_key(place);
                let distance = distance(call.began, activity.time);
                (call.said == Said::NotDone, is_taken, distance)
            })
    }

    /// Whether the journals would have a call of this time.
    fn is_covered(&self, time: SystemTime) -> bool {
        let mut beginnings = self.sides.beginnings.iter();
        let begun = beginnings.clone().any(|it| time >= it.time);
        begun && !beginnings.any(|it| it.is_pruned && time < it.time + TOLERANCE)
    }

    fn finish(self) -> Comparison<'a> {
        let (period, mut found) = (self.period, self.found);
        for (place, call) in self.sides.ours.iter().enumerate() {
            if let Some(time) = self.matched.get(&place) {
                found.in_both += usize::from(call.began.max(*time) >= period.since);
            } else if call.said != Said::NotDone
                && (period.since..=period.until).contains(&call.began)
            {
                found.only_ours.push(OnlyOurs {
                    call,
                    is_recent: distance(call.began, period.until) < TOLERANCE,
                    failed: self.failed.get(&place).copied(),
                });
            }
        }
        found.only_ours.sort_by_key(|only| only.call.began);
        found.only_theirs.sort_by_key(|only| only.activity.time);
        found.not_covered.sort_by_key(|activity| activity.time);
        found
    }
}

/// Whether nothing that a record tells speaks against its being a call's.
fn fits(call: &Rejection, activity: &Activity) -> bool {
    fn agree<T: Copy + PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    let from = call.began.checked_sub(TOLERANCE).unwrap_or(call.began);
    let to = call.ended.unwrap_or(call.began) + TOLERANCE;
    agree(call.customer, activity.customer)
        && agree(call.transfer, activity.transfer)
        && (from..=to).contains(&activity.time)
}

fn has_failed(activity: &Activity) -> bool {
    is(activity.status.as_deref(), "failed")
}

/// Whether a record can be that of a rejection.
fn may_reject(activity: &Activity) -> bool {
    activity.transfer_status.is_none() || is(activity.transfer_status.as_deref(), "reject")
}

/// Whether it is one: by the state of the transfer, or else by the kind of operation, which is the same for every
/// change of a transfer.
fn rejects(activity: &Activity) -> bool {
    may_reject(activity)
        && (activity.transfer_status.is_some()
            || is(activity.operation.as_deref(), "update_transfer"))
}

fn is(text: Option<&str>, word: &str) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case(word))
}

fn distance(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other)
        .or_else(|_| other.duration_since(one))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_a_record_with_a_call_by_all_that_both_tell() {
        let cases: [(&str, Change, bool); 12] = [
            ("the same", no_change, true),
            ("in time", |theirs| theirs.time = at(100) + TOLERANCE, true),
            ("late", |theirs| theirs.time = at(101) + TOLERANCE, false),
            ("early", |theirs| theirs.time = at(99) - TOLERANCE, false),
            (
                "another transfer",
                |theirs| theirs.transfer = Some(guid(9)),
                false,
            ),
            (
                "another customer",
                |theirs| theirs.customer = Some(guid(9)),
                false,
            ),
            (
                "another correlation",
                |theirs| theirs.correlation = Some(guid(9)),
                false,
            ),
            ("no customer", |theirs| theirs.customer = None, true),
            ("no transfer", |theirs| theirs.transfer = None, true),
            ("no correlation", |theirs| theirs.correlation = None, true),
            (
                "neither",
                |theirs| (theirs.correlation, theirs.transfer) = (None, None),
                false,
            ),
            ("another operation", |theirs| theirs.operation = None, true),
        ];
        for (what, change, in_both) in cases {
            let ours = [call(1, Said::Done)];
            let mut theirs = [rejection(1)];
            change(&mut theirs[0]);

            let found = compared(&ours, &theirs);

            let only = usize::from(!in_both);
            assert_eq!(
                (
                    found.in_both,
                    found.only_ours.len(),
                    found.only_theirs.len()
                ),
                (1 - only, only, only),
                "{what}"
            );
        }
    }

    #[test]
    fn expects_at_partner_center_what_was_or_may_have_been_done() {
        for (said, expected) in [
            (Said::Done, 1),
            (Said::Unknown, 1),
            (Said::Open, 1),
            (Said::NotDone, 0),
        ] {
            let ours = [call(1, said)];

            let alone = compared(&ours, &[]).only_ours.len();
            let theirs = [rejection(1)];
            let found = compared(&ours, &theirs);

            assert_eq!(alone, expected, "{said:?}");
            assert_eq!(found.in_both, expected, "{said:?}");
            assert_eq!(found.only_theirs.len(), 1 - expected, "{said:?}");
            let denied_by = found.only_theirs.first().map(|it| it.denied_by);
            let denied = (expected == 0).then_some(Some(&ours[0]));
            assert_eq!(denied_by, denied, "{said:?}");
        }
    }

    #[test]
    fn passes_over_what_is_no_rejection_and_takes_a_failure_for_no_proof() {
        let cases: [(Change, usize); 7] = [
            (no_change, 1),
            (|it| it.transfer_status = Some("rejeCT".to_owned()), 1),
            (|it| it.transfer_status = None, 1),
            (|it| it.status = None, 1),
            (|it| it.transfer_status = Some("Cancel".to_owned()), 0),
            (|it| it.status = Some("Failed".to_owned()), 0),
            (
                |it| {
                    it.transfer_status = None;
                    it.operation = Some("create_transfer".to_owned());
                },
                0,
            ),
        ];
        for (change, only_theirs) in cases {
            let mut theirs = [rejection(1)];
            change(&mut theirs[0]);

            let found = compared(&[], &theirs);

            assert_eq!(found.only_theirs.len(), only_theirs, "{theirs:?}");
            assert_eq!(found.passed_over, 1 - only_theirs, "{theirs:?}");
        }
        let ours = [call(1, Said::Unknown)];
        let mut theirs = [rejection(1)];
        theirs[0].status = Some("failed".to_owned());
        let found = compared(&ours, &theirs);
        assert_eq!(found.only_ours[0].failed, Some(&theirs[0]));
        assert_eq!((found.in_both, found.only_theirs.len()), (0, 0));
    }

    #[test]
    fn gives_calls_that_share_a_correlation_id_a_record_each() {
        let both = |number: u64| Rejection {
            correlation: Some(guid(1)),
            transfer: None,
            began: at(100 + number),
            ..call(1, Said::Done)
        };
        let ours = [both(0), both(1), both(2)];
        let theirs = [rejection(1), rejection(1)];

        let found = compared(&ours, &theirs);

        assert_eq!((found.in_both, found.only_theirs.len()), (2, 0));
        assert_eq!(found.only_ours[0].call.began, at(102));
    }

    #[test]
    fn counts_at_the_edges_of_the_period_what_is_in_it_on_one_side() {
        let period = Period {
            since: at(100),
            until: at(10_000),
        };
        let timed = |began: u64, time: u64| {
            let ours = [Rejection {
                began: at(began),
                ended: Some(at(began)),
                ..call(1, Said::Done)
            }];
            let theirs = [Activity {
                time: at(time),
                ..rejection(1)
            }];
            let counts = |ours: &[Rejection], theirs: &[Activity]| {
                let found = compare(sides(ours, theirs), period);
                [
                    found.in_both,
                    found.only_ours.len(),
                    found.only_theirs.len(),
                ]
            };
            [
                counts(&ours, &theirs),
                counts(&ours, &[]),
                counts(&[], &theirs),
            ]
        };

        assert_eq!(timed(99, 99), [[0, 0, 0]; 3]);
        assert_eq!(timed(99, 100), [[1, 0, 0], [0, 0, 0], [0, 0, 1]]);
        assert_eq!(timed(100, 99), [[1, 0, 0], [0, 1, 0], [0, 0, 0]]);
        assert_eq!(timed(10_000, 10_000), [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
        assert_eq!(timed(10_001, 10_001), [[1, 0, 0], [0, 0, 0], [0, 0, 1]]);
    }

    #[test]
    fn tells_what_no_journal_covers_as_such() {
        let begun = |after: u64, is_pruned| Beginning {
            time: at(after),
            is_pruned,
        };
        for (beginnings, covered) in [
            (vec![begun(0, false)], true),
            (vec![begun(100, false)], true),
            (vec![begun(101, false)], false),
            (vec![begun(101, false), begun(100, false)], true),
            (vec![begun(0, true)], false),
            (vec![], false),
        ] {
            let theirs = [rejection(1)];
            let sides = Sides {
                beginnings: &beginnings,
                ..sides(&[], &theirs)
            };

            let found = compare(sides, period());

            let counts = (found.only_theirs.len(), found.not_covered.len());
            let expected = if covered { (1, 0) } else { (0, 1) };
            assert_eq!(counts, expected, "{beginnings:?}");
        }
        let long_ago = [Beginning {
            time: at(100) - TOLERANCE,
            is_pruned: true,
        }];
        let theirs = [rejection(1)];
        let sides = Sides {
            beginnings: &long_ago,
            ..sides(&[], &theirs)
        };
        assert_eq!(compare(sides, period()).only_theirs.len(), 1);
    }

    #[test]
    fn says_of_a_call_whether_it_is_recent() {
        let calls = [0, 1].map(|later| Rejection {
            began: period().until - TOLERANCE + Duration::from_secs(later),
            ..call(later, Said::Done)
        });

        let found = compared(&calls, &[]);

        let recent: Vec<_> = found.only_ours.iter().map(|it| it.is_recent).collect();
        assert_eq!(recent, [false, true]);
    }

    type Change = fn(&mut Activity);

    fn no_change(_: &mut Activity) {}

    fn compared<'a>(ours: &'a [Rejection], theirs: &'a [Activity]) -> Comparison<'a> {
        compare(sides(ours, theirs), period())
    }

    fn sides<'a>(ours: &'a [Rejection], theirs: &'a [Activity]) -> Sides<'a> {
        Sides {
            ours,
            theirs,
            beginnings: &[Beginning {
                time: SystemTime::UNIX_EPOCH,
                is_pruned: false,
            }],
        }
    }

    fn call(number: u64, said: Said) -> Rejection {
        Rejection {
            call: format!("call {number}"),
            began: at(100),
            ended: Some(at(100)),
            customer: Some(guid(7)),
            transfer: Some(guid(number)),
            correlation: Some(guid(number)),
            principal: None,
            account: None,
            tenant: None,
            said,
        }
    }

    fn rejection(number: u64) -> Activity {
        Activity {
            id: None,
            time: at(100),
            customer: Some(guid(7)),
            transfer: Some(guid(number)),
            transfer_status: Some("Reject".to_owned()),
            operation: Some("update_transfer".to_owned()),
            status: Some("succeeded".to_owned()),
            correlation: Some(guid(number)),
            user: None,
            application: None,
        }
    }

    fn guid<T: std::str::FromStr>(number: u64) -> T {
        let text = format!("00000000-0000-4000-8000-{number:012x}");
        text.parse().ok().unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(24) + Duration::from_secs(seconds)
    }

    fn period() -> Period {
        Period {
            since: SystemTime::UNIX_EPOCH,
            until: at(100_000),
        }
    }
}
