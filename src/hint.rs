//! Hints on what to do about an error.

/// An error that may have a hint.
pub trait Hint {
    /// What to do next, if that is known.
    fn hint(&self) -> Option<String>;
}

/// The known name closest to a mistyped one. Like clap, it requires a Jaro-Winkler similarity above 0.8: that catches a
/// slip of one or two letters but not unrelated words. In short names it misses exchanged letters, so a single slip always
/// counts.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let is_slip = |known: &str| known.len() > 2 && strsim::osa_distance(name, known) == 1;
    let likeness =
        |known: &str| strsim::jaro_winkler(name, known).max(if is_slip(known) { 0.9 } else { 0.0 });
    let scored = known.into_iter().map(|known| (likeness(known), known));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["top", "threads", "clip-b32", "clip-b16"];
        for (typed, expected) in
            [("tpo", Some("top")), ("thread", Some("threads")), ("clp-b32", Some("clip-b32")), ("dog", None)]
        {
            assert_eq!(nearest(typed, known), expected, "{typed}");
        }
    }
}
