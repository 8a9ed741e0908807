//! Which key vouches for which records, where a journal was signed with several.

/// Records for which the good signatures of one key vouch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The key's ID.
    pub key: String,
    /// The first one.
    pub from: u64,
    /// The last one.
    pub upto: u64,
}

/// The keys that signed, in the order in which they did, over gaps; one that came back is there twice.
#[derive(Clone, Debug)]
pub(in crate::audit::verify) struct Hands {
    /// The first record for which none vouches yet.
    next: u64,
    pub(in crate::audit::verify) vouched: Vec<Vouched>,
}

impl Hands {
    pub(in crate::audit::verify) fn from(first: u64) -> Self {
        Self {
            next: first,
            vouched: Vec::new(),
        }
    }

    /// Passes over records that are not there.
    pub(in crate::audit::verify) fn skip_to(&mut self, first: u64) {
        self.next = first;
    }

    /// Notes a good signature over all up to a record.
    pub(in crate::audit::verify) fn sign(&mut self, key: &str, upto: u64) {
        match self.vouched.last_mut() {
            Some(last) if last.key == key => last.upto = upto,
            _ => self.vouched.push(Vouched {
                key: key.to_owned(),
                from: self.next,
                upto,
            }),
        }
        self.next = upto.saturating_add(1);
    }

    /// Notes that the first checkpoint, which was taken for one that the next one covers, was signed with a key.
    pub(in crate::audit::verify) fn sign_first(&mut self, key: &str, upto: u64) {
        match self.vouched.first_mut() {
            None => self.sign(key, upto),
            Some(first) if first.key == key => {}
            Some(first) => {
                let from = first.from;
                first.from = upto.saturating_add(1);
                let key = key.to_owned();
                self.vouched.insert(0, Vouched { key, from, upto });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_each_hand_from_where_the_one_before_it_ended() {
        let mut hands = Hands::from(1);
        for (key, upto) in [("a", 5), ("a", 11), ("b", 17), ("a", 23)] {
            hands.sign(key, upto);
        }

        assert_eq!(told(&hands), [("a", 1, 11), ("b", 12, 17), ("a", 18, 23)]);
    }

    #[test]
    fn takes_from_the_second_hand_what_the_first_checkpoint_turns_out_to_sign() {
        let mut hands = Hands::from(15);
        hands.sign("b", 23);

        hands.sign_first("a", 17);

        assert_eq!(told(&hands), [("a", 15, 17), ("b", 18, 23)]);
    }

    #[test]
    fn goes_on_with_one_hand_over_a_gap_and_begins_another_behind_it() {
        let mut hands = Hands::from(1);
        hands.sign("a", 5);
        hands.skip_to(12);
        hands.sign("a", 17);
        hands.skip_to(30);
        hands.sign("b", 35);

        assert_eq!(told(&hands), [("a", 1, 17), ("b", 30, 35)]);
    }

    fn told(hands: &Hands) -> Vec<(&str, u64, u64)> {
        let all = hands.vouched.iter();
        all.map(|it| (&*it.key, it.from, it.upto)).collect()
    }
}
