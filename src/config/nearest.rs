//! The nearest valid name for a misspelt one.

/// Names the nearest of the known names, or all of them where none is near.
pub(crate) fn advice(name: &str, known: &[String]) -> String {
    nearest(name, known).map_or_else(
        || format!("accepted: {}", known.join(", ")),
        |nearest| format!("nearest: {nearest}"),
    )
}

fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a String> {
    let distance = |other: &String| strsim::damerau_levenshtein(&name.to_lowercase(), other);
    let nearest = known.iter().min_by_key(|other| distance(other));
    nearest.filter(|other| distance(other) <= FARTHEST.max(other.len() / 3))
}

/// Reads one of the names of accounts.
pub(crate) fn one_of_names(name: &str, names: &[String]) -> Result<String, String> {
    if names.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    Err(nearest(name, names).map_or_else(
        || format!("the name of an account: {}", names.join(", ")),
        |nearest| format!("the name of an account, the nearest of which is {nearest}"),
    ))
}

/// In edits; two slips are still a slip, three make another word.
const FARTHEST: usize = 2;
