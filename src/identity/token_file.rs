//! Caller tokens for places without an issuer: a file of names and SHA-256 hashes.
//!
//! One entry a line, `name:hash`, the hash as 64 hexadecimal digits of the token's SHA-256; `#` starts a
//! comment line. A name may stand on several lines, so that a token can be replaced without a gap. The
//! file holds no token, only hashes, so tokens must be random: 32 bytes or more.

use std::sync::Arc;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, SHA256_OUTPUT_LEN, digest},
};

use crate::identity::caller::{self, LONGEST_PRINCIPAL_BYTES};

/// The entries of a token file.
#[derive(Debug, Default)]
pub struct TokenFile {
    entries: Vec<Entry>,
}

/// A line of a token file that is not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFileFault {
    /// The line's number, from 1.
    pub line: usize,
    /// What is wrong with it and what is accepted.
    pub problem: String,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    hash: [u8; SHA256_OUTPUT_LEN],
}

impl TokenFile {
    /// Parses a whole token file.
    ///
    /// # Errors
    ///
    /// Every line that is neither an entry nor a comment.
    pub fn parse(text: &str) -> Result<Self, Vec<TokenFileFault>> {
        let mut file = Self::default();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match file.entry(line) {
                Ok(entry) => file.entries.push(entry),
                Err(problem) => faults.push(TokenFileFault {
                    line: index + 1,
                    problem,
                }),
            }
        }
        if faults.is_empty() {
            Ok(file)
        } else {
            Err(faults)
        }
    }

    /// Whether it lets nobody in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Finds whose token this is.
    ///
    /// Compares with every entry, in a time that does not depend on how much of a hash is right.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<&Arc<str>> {
        let presented = digest(&SHA256, token.as_bytes());
        let mut found = None;
        for entry in &self.entries {
            if verify_slices_are_equal(presented.as_ref(), &entry.hash).is_ok() {
                found = Some(&entry.name);
            }
        }
        found
    }

    fn entry(&self, line: &str) -> Result<Entry, String> {
        let (name, hash) = line
            .rsplit_once(':')
            .ok_or_else(|| "no colon; expected name:sha256-of-the-token".to_owned())?;
        let (name, hash) = (name.trim(), hash.trim());
        if !caller::is_principal(name) {
            return Err(format!(
                "the name is empty or over {LONGEST_PRINCIPAL_BYTES} characters"
            ));
        }
        let hash = sha256(hash)
            .ok_or_else(|| format!("the hash of {name:?} is not 64 hexadecimal digits"))?;
        if self.entries.iter().any(|entry| entry.hash == hash) {
            return Err(format!("the hash of {name:?} stands in the file twice"));
        }
        Ok(Entry {
            name: name.into(),
            hash,
        })
    }
}

fn sha256(text: &str) -> Option<[u8; SHA256_OUTPUT_LEN]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16)?.try_into().ok())
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high * 16 + low).collect();
    rest.is_empty().then(|| bytes.try_into().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc`, from FIPS 180-2 appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn finds_whose_token_it_is() {
        let text = format!("# callers\n\nsystem:serviceaccount:billing:transfers:{ABC}\n");

        let file = TokenFile::parse(&text).unwrap();

        assert_eq!(
            file.find("abc").map(|name| &**name),
            Some("system:serviceaccount:billing:transfers")
        );
        assert_eq!(file.find("abd"), None);
        assert_eq!(file.find(ABC), None);
    }

    #[test]
    fn tells_every_bad_line() {
        let text = format!("a:{ABC}\nb\n:{ABC}\nc:12\nd:{ABC}\n");

        let faults = TokenFile::parse(&text).unwrap_err();

        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
    }
}
