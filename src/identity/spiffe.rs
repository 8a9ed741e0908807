//! SPIFFE IDs: <https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>, section 2.

/// Whether a name claims to be a SPIFFE ID, rightly or not.
pub(in crate::identity) fn claims_to_be(name: &str) -> bool {
    name.split_once(':')
        .is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("spiffe"))
}

/// The trust domain of the SPIFFE ID of a workload; nothing where it is not one.
pub(in crate::identity) fn trust_domain(id: &str) -> Option<&str> {
    let (domain, path) = id.strip_prefix("spiffe://")?.split_once('/')?;
    let sound = is_trust_domain(domain) && path.split('/').all(is_segment);
    (sound && id.len() <= LONGEST_ID).then_some(domain)
}

/// Whether this is the name of a trust domain.
#[must_use]
pub fn is_trust_domain(name: &str) -> bool {
    is_word(name) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_segment(segment: &str) -> bool {
    is_word(segment) && segment != "." && segment != ".."
}

/// Letters, digits, and what may stand between them.
pub(in crate::identity) fn is_word(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(letter)
}

/// In bytes, from section 2.3 of the standard.
const LONGEST_ID: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_workload_by_its_id() {
        for (id, domain) in [
            ("spiffe://example.test/billing", Some("example.test")),
            ("spiffe://a/b/c_d/e.f-g", Some("a")),
            ("spiffe://example.test", None),
            ("spiffe://example.test/", None),
            ("spiffe://example.test//a", None),
            ("spiffe://example.test/a/", None),
            ("spiffe://example.test/./a", None),
            ("spiffe://example.test/../a", None),
            ("spiffe://Example.test/a", None),
            ("spiffe://example.test:8443/a", None),
            ("spiffe://user@example.test/a", None),
            ("spiffe://example.test/a?b", None),
            ("spiffe://example.test/a#b", None),
            ("spiffe://example.test/%61", None),
            ("spiffe:///a", None),
            ("SPIFFE://example.test/a", None),
            ("https://example.test/a", None),
        ] {
            assert_eq!(trust_domain(id), domain, "{id}");
        }
        let long = format!("spiffe://a/{}", "b".repeat(2037));
        assert_eq!(long.len(), 2048);
        assert_eq!(trust_domain(&long), Some("a"));
        assert_eq!(trust_domain(&format!("{long}b")), None);
    }

    #[test]
    fn tells_what_claims_to_be_one() {
        for name in ["spiffe://a/b", "SPIFFE://a", "Spiffe:"] {
            assert!(claims_to_be(name), "{name}");
        }
        for name in ["spiffe", "https://spiffe:1/", "system:serviceaccount:a:b"] {
            assert!(!claims_to_be(name), "{name}");
        }
    }
}
