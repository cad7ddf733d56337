//! Hints on what to do about an error.

/// An error that may have a hint.
pub trait Hint {
    /// What to do next, if that is known.
    fn hint(&self) -> Option<String>;
}

/// The known name closest to a mistyped one. Like clap, it requires a Jaro-Winkler similarity above 0.8: that catches a
/// slip of one or two letters but not unrelated words.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let scored = known.into_iter().map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best.0 > 0.8).then_some(best.1)
}
