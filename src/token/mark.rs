//! Marks of what a token is had with, by which a change of it is noticed.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// What the files of a credential hold, as one hash; equal marks are of equal contents.
///
/// It is made of secrets, so `Debug` does not show it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Mark([u8; 32]);

/// Marks of all that a token is had with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Marks {
    /// The credential's files.
    pub credential: Mark,
    /// The refresh token, where it lies in a file and there is one.
    pub consent: Option<Mark>,
}

impl Mark {
    /// Marks these contents, in their order.
    #[must_use]
    pub fn of(contents: &[&[u8]]) -> Self {
        let mut hash = Context::new(&SHA256);
        for content in contents {
            // Where one ends and the next begins is part of what is marked.
            let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
            hash.update(&length.to_be_bytes());
            hash.update(content);
        }
        let hash = hash.finish();
        Self(hash.as_ref().try_into().unwrap_or_default())
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mark").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differs_where_the_contents_do() {
        assert_eq!(Mark::of(&[b"a", b"b"]), Mark::of(&[b"a", b"b"]));
        for other in [&[b"ab".as_slice()][..], &[b"", b"ab"], &[b"b", b"a"], &[]] {
            assert_ne!(Mark::of(&[b"a", b"b"]), Mark::of(other));
        }
    }

    #[test]
    fn does_not_show_what_it_is_made_of() {
        assert_eq!(format!("{:?}", Mark::of(&[b"secret"])), "Mark { .. }");
    }
}
