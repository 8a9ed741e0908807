//! Who may be in flight: a bounded number of calls, of which no caller can take all.
//!
//! The places are shared as the memory of a shared-buffer switch is shared between its ports, by
//! dynamic thresholds: what a caller may hold follows from how much is free at the moment (Choudhury
//! and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
//! Transactions on Networking 6(2), 1998). Somebody who is alone gets about two thirds, several who
//! crowd share alike, and something is left for whoever comes next.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The places for calls in flight.
#[derive(Debug)]
pub struct Places(Mutex<Held>);

/// One call's place, given back when dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place<'a> {
    places: &'a Places,
    principal: Arc<str>,
}

/// There is no place for this caller now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no place for this caller now")]
pub struct Full;

/// Who holds how many places, and how many nobody holds. Callers who hold none are not in it.
#[derive(Debug)]
struct Held {
    free: usize,
    by_caller: HashMap<Arc<str>, usize>,
}

impl Places {
    /// So many places, all of them free.
    #[must_use]
    pub fn new(max_in_flight: usize) -> Self {
        Self(Mutex::new(Held {
            free: max_in_flight,
            by_caller: HashMap::new(),
        }))
    }

    /// Takes a place for a caller, at once or not at all.
    ///
    /// # Errors
    ///
    /// When none is free, or those that are free are for callers who hold fewer.
    pub fn take(&self, principal: &Arc<str>) -> Result<Place<'_>, Full> {
        let mut held = self.held();
        let holds = held.by_caller.get(principal).copied().unwrap_or_default();
        if !may_take(holds, held.free) {
            return Err(Full);
        }
        held.free = held.free.saturating_sub(1);
        *held.by_caller.entry(Arc::clone(principal)).or_default() += 1;
        Ok(Place {
            places: self,
            principal: Arc::clone(principal),
        })
    }

    /// How many are taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.held().by_caller.values().sum()
    }

    fn give_back(&self, principal: &Arc<str>) {
        let mut held = self.held();
        held.free = held.free.saturating_add(1);
        if let Entry::Occupied(mut holds) = held.by_caller.entry(Arc::clone(principal)) {
            *holds.get_mut() = holds.get().saturating_sub(1);
            if *holds.get() == 0 {
                holds.remove();
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.give_back(&self.principal);
    }
}

/// Whoever holds none may have any free place. The last free one is for them alone, which is why
/// callers who hold some, however many they are, never take all.
fn may_take(holds: usize, free: usize) -> bool {
    match holds {
        0 => free > 0,
        some => some < SHARE.saturating_mul(free.saturating_sub(1)),
    }
}

/// How many times what is left free a caller may hold. With 1 somebody who is alone could use half of
/// the places, with 2 two thirds; each more gives the next caller less to begin with.
const SHARE: usize = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gives_somebody_who_is_alone_two_thirds_and_never_all() {
        for (most, alone) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (8, 5),
            (1024, 682),
            (65_535, 43_690),
        ] {
            let places = Places::new(most);

            assert_eq!(fill(&places, &caller(0)).len(), alone, "of {most}");
        }
    }

    #[test]
    fn gives_two_who_crowd_the_same_and_something_to_a_third() {
        let places = Places::new(1024);
        let (one, other) = (caller(1), caller(2));

        let mut taken = Vec::new();
        loop {
            let before = taken.len();
            taken.extend(places.take(&one));
            taken.extend(places.take(&other));
            if taken.len() == before {
                break;
            }
        }

        assert_eq!((holds(&places, &one), holds(&places, &other)), (410, 409));
        let third = fill(&places, &caller(3));
        assert!(third.len() > 100, "{} for the third", third.len());
    }

    #[test]
    fn lets_a_second_caller_in_however_long_the_first_has_been_there() {
        for most in 2..100 {
            let places = Places::new(most);
            let _first = fill(&places, &caller(1));

            assert!(places.take(&caller(2)).is_ok(), "of {most}");
        }
    }

    #[test]
    fn lets_as_many_callers_in_as_there_are_places() {
        let places = Places::new(5);
        let taken: Vec<_> = (0..5).map(|number| places.take(&caller(number))).collect();

        assert!(taken.iter().all(Result::is_ok));
        assert_eq!(places.take(&caller(5)).err(), Some(Full));
        assert_eq!(places.take(&caller(0)).err(), Some(Full));
    }

    #[test]
    fn takes_a_place_back_at_once_and_forgets_who_has_none() {
        let places = Places::new(1);
        let place = places.take(&caller(1)).unwrap();
        assert_eq!(places.take(&caller(2)).err(), Some(Full));

        drop(place);

        assert!(places.held().by_caller.is_empty());
        assert!(places.take(&caller(2)).is_ok());
        assert_eq!(places.held().free, 1);
    }

    proptest! {
        #[test]
        fn never_gives_more_than_there_are_and_refuses_newcomers_only_when_all_are_taken(
            most in 1_usize..40,
            steps in proptest::collection::vec((0_u32..6, any::<bool>()), 0..200),
        ) {
            let places = Places::new(most);
            let mut taken: Vec<(u32, Place<'_>)> = Vec::new();
            for (number, takes) in steps {
                if takes {
                    let all = taken.len() == most;
                    let newcomer = taken.iter().all(|(holder, _)| *holder != number);
                    match places.take(&caller(number)) {
                        Ok(place) => {
                            prop_assert!(!all);
                            prop_assert!(newcomer || taken.len() + 1 < most, "the last place");
                            taken.push((number, place));
                        }
                        Err(Full) => prop_assert!(all || !newcomer),
                    }
                } else if let Some(at) = taken.iter().position(|(holder, _)| *holder == number) {
                    drop(taken.remove(at));
                }
                prop_assert_eq!(places.held().free, most - taken.len());
                prop_assert_eq!(places.held().by_caller.values().sum::<usize>(), taken.len());
            }
        }
    }

    /// Takes as many places as one caller can have.
    fn fill<'a>(places: &'a Places, principal: &Arc<str>) -> Vec<Place<'a>> {
        std::iter::from_fn(|| places.take(principal).ok()).collect()
    }

    fn holds(places: &Places, principal: &Arc<str>) -> usize {
        places.held().by_caller[principal]
    }

    fn caller(number: u32) -> Arc<str> {
        format!("caller-{number}").into()
    }
}
