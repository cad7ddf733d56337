//! Filters that are typed in the line, among the words of the query: `beach after:2022-06 camera:iphone`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use imgsearch::item::Folder;
use imgsearch::query::{Conditions, Separated, WordError, conditions, separate_line};

/// The filters that can be typed, and the parameters that they set.
const FILTERS: &[(&str, &str)] = &[
    ("after:", "after"),
    ("before:", "before"),
    ("on:", "on"),
    ("near:", "near"),
    ("camera:", "camera"),
    ("lens:", "lens"),
    ("type:", "type"),
    ("glob:", "glob"),
    ("shape:", "orientation"),
    ("size:", "min_size"),
];

/// A query without its filters, and the filters.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) text: String,
    pub(super) conditions: Conditions,
    /// Whether there is any filter.
    pub(super) is_filtered: bool,
}

/// Separates the filters from the rest. A value with spaces has quotes: `camera:"EOS R5"`. `in:` takes a path or the name
/// of a folder anywhere; `home` stands for `~`.
///
/// # Errors
/// A value that its parameter does not accept.
pub(super) fn split(line: &str, home: Option<&Path>) -> Result<Split, WordError> {
    let mut split = Split::default();
    let mut rest = Vec::new();
    for word in words(line) {
        let value_of = |prefix: &str| word.strip_prefix(prefix).map(|value| value.replace('"', ""));
        if let Some(folder) = value_of("in:").filter(|value| !value.is_empty()) {
            add_folder(&mut split.conditions, &folder, home)?;
            split.is_filtered = true;
            continue;
        }
        let filter = FILTERS.iter().find_map(|(prefix, name)| Some((*name, value_of(prefix)?)));
        match filter {
            // A value that is still to be typed does nothing yet.
            Some((_, value)) if value.is_empty() => {}
            Some((name, value)) => {
                split.conditions.set(name, &value)?;
                split.is_filtered = true;
            }
            None if word != "in:" => rest.push(word),
            None => {}
        }
    }
    let is_begun = |word: &&str| {
        let name = word.strip_suffix(':').map(|name| name.trim_start_matches('-'));
        name.is_some_and(|name| conditions().iter().any(|known| known.name == name))
    };
    rest.retain(|word| !is_begun(word));
    let Separated { words, conditions } = separate_line(&rest.join(" "))?;
    for (name, value) in conditions {
        split.conditions.set(name, &value)?;
        split.is_filtered = true;
    }
    split.text = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    Ok(split)
}

fn add_folder(conditions: &mut Conditions, folder: &str, home: Option<&Path>) -> Result<(), WordError> {
    let path = match (folder.strip_prefix("~/"), home) {
        (Some(inner), Some(home)) => home.join(inner),
        _ => PathBuf::from(folder),
    };
    if path.is_absolute() {
        conditions.folders.push(Folder::from(&path));
        return Ok(());
    }
    conditions.set("glob", &format!("{}/**", folder.trim_end_matches('/')))
}

/// The words of a line. Quotes keep spaces inside a word.
fn words(line: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_filter) = (false, false);
    let is_gap = |c: char| {
        // Only a filter's value can be quoted: other quotes belong to the query.
        is_filter |= c == ':';
        if c == '"' && is_filter {
            is_quoted = !is_quoted;
        }
        let is_gap = c.is_whitespace() && !is_quoted;
        if is_gap {
            is_filter = false;
        }
        is_gap
    };
    line.split(is_gap).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_separated_from_the_query() {
        let split = |line: &str| split(line, Some(Path::new("/home/me"))).unwrap();
        let found = split("a dog after:2022-06 camera:\"EOS R5\" in the  snow");
        assert_eq!((found.text.as_str(), found.is_filtered), ("a dog in the snow", true));
        assert_eq!(found.conditions.after.as_deref(), Some("2022-06"));
        assert_eq!(found.conditions.camera.as_deref(), Some("EOS R5"));
        assert_eq!(split("in:/a/b in:~/c").conditions.folders.len(), 2);
        assert_eq!(split("in:2023").conditions.globs, ["2023/**"]);
        // Half typed, a weight, and a word with a colon that is no filter.
        let found = split("2:dog after: in: text: -text: texts:x");
        assert_eq!((found.text.as_str(), found.is_filtered), ("2:dog texts:x", false));
        let found = split("a cat text:\"in total\" -keyword:draft");
        assert_eq!((found.text.as_str(), found.is_filtered), ("a cat", true));
        let expected = [("text", "\"in total\"".to_owned()), ("keyword", "-draft".to_owned())];
        assert_eq!(found.conditions.words, expected);
    }

    #[test]
    fn a_wrong_value_is_refused() {
        assert!(split("type:exe", None).is_err());
    }
}
