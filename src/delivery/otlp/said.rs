//! What a collector says, made fit to be told: on one line, of bounded length, and without any header's value. Some
//! servers repeat the credentials that they refuse.

use secrecy::{ExposeSecret as _, SecretString};

/// Makes words from outside fit to be told.
pub(in crate::delivery::otlp) fn fit(text: &str, secrets: &[SecretString]) -> String {
    let plain: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut parts: Vec<_> = secrets.iter().flat_map(parts).collect();
    // A part may be within another.
    parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
    let bare = parts
        .into_iter()
        .fold(plain, |text, part| text.replace(part, LEFT_OUT));
    let bare = bare.trim();
    match bare.char_indices().nth(LONGEST_CHARACTERS) {
        Some((end, _)) => format!("{}…", bare.get(..end).unwrap_or_default()),
        None => bare.to_owned(),
    }
}

/// What of a header's value may be repeated by itself: `Bearer abc`, `key=abc`.
fn parts(secret: &SecretString) -> impl Iterator<Item = &str> {
    let value = secret.expose_secret();
    let parts = value.split(|c: char| c.is_whitespace() || "=,;:\"".contains(c));
    parts.filter(|part| part.len() >= SHORTEST_PART)
}

/// Whoever reads a log wants the sentence that says why, not an essay.
const LONGEST_CHARACTERS: usize = 300;

/// Anything shorter is no secret, and is in too many words.
const SHORTEST_PART: usize = 4;

/// Stands for what is left out.
const LEFT_OUT: &str = "[…]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_control_characters_and_what_is_too_long_out() {
        assert_eq!(fit("\u{1b}[31mno\r\nroom\0 ", &[]), "[31mno  room");
        let long = "é".repeat(LONGEST_CHARACTERS);
        assert_eq!(fit(&long, &[]), long);
        assert_eq!(fit(&format!("{long}é"), &[]), format!("{long}…"));
    }

    #[test]
    fn leaves_the_values_of_headers_out_however_they_are_repeated() {
        let secrets = [
            SecretString::from("Bearer canary-one=="),
            SecretString::from("key=\"canary-two\", tenant=a1"),
            SecretString::from("canary-one-and-more"),
        ];

        let said = fit(
            "no Bearer canary-one==, canary-one or canary-one-and-more, nor canary-two of a1",
            &secrets,
        );

        assert_eq!(said, "no […] […]==, […] or […], nor […] of a1");
    }
}
