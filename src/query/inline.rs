//! Conditions written into a query: `cat text:"invoice 2023" -text:draft in:/photos`.
//!
//! A word that starts with the name of a condition and a colon is that condition. A space after the colon makes it text
//! again (`note: a cat`), and so does a weight in front (`1:text:`). A `-` in front excludes; only conditions about words
//! can do that.

use std::ffi::{OsStr, OsString};

use super::WordError;
use super::parameters::{conditions, is_about_words};

/// A query, separated into its expression and its conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Separated {
    /// The words of the expression.
    pub words: Vec<OsString>,
    /// The names of parameters and their values, for [`super::Conditions::set`].
    pub conditions: Vec<(&'static str, String)>,
}

/// Separates the arguments of a command. The shell has removed quotation marks, so a value with spaces was quoted, and
/// its words stand together.
///
/// # Errors
/// [`WordError::CannotExclude`].
pub fn separate(arguments: &[OsString]) -> Result<Separated, WordError> {
    let mut all = Separated::default();
    for argument in arguments {
        all.add(argument)?;
    }
    Ok(all)
}

/// Separates a line, in which quotation marks keep the words of a value together.
///
/// # Errors
/// As [`separate`].
pub fn separate_line(line: &str) -> Result<Separated, WordError> {
    let mut all = Separated::default();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let end = end_of_word(rest);
        all.add(OsStr::new(&rest[..end]))?;
        rest = rest[end..].trim_start();
    }
    Ok(all)
}

/// Where the first word of a line ends: at a space that is not in the quotation marks of a condition.
fn end_of_word(line: &str) -> usize {
    let unquoted = line.find(char::is_whitespace).unwrap_or(line.len());
    let Some(written) = Written::of(&line[..unquoted]) else { return unquoted };
    let start = unquoted - written.value.len();
    match line[start..].strip_prefix('"') {
        Some(quoted) => quoted.find('"').map_or(line.len(), |end| start + end + 2),
        None => unquoted,
    }
}

impl Separated {
    fn add(&mut self, word: &OsStr) -> Result<(), WordError> {
        let Some(written) = word.to_str().and_then(Written::of) else {
            self.words.push(word.to_owned());
            return Ok(());
        };
        // A sign between the parts of an expression also counts.
        let sign = self.words.pop_if(|word| *word == "+" || *word == "-");
        let Written { name, value, is_excluded } = written;
        let is_excluded = is_excluded || sign.is_some_and(|sign| sign == "-");
        self.conditions.push((name, written_out(name, value, is_excluded)?));
        Ok(())
    }
}

/// The value for the parameter.
fn written_out(name: &'static str, value: &str, is_excluded: bool) -> Result<String, WordError> {
    if !is_about_words(name) {
        let value = value.strip_prefix('"').map_or(value, |value| value.trim_end_matches('"'));
        return if is_excluded { Err(WordError::CannotExclude { name }) } else { Ok(value.to_owned()) };
    }
    let is_quoted = value.contains('"') || !value.contains(char::is_whitespace);
    let phrase = if is_quoted { value.to_owned() } else { format!("\"{value}\"") };
    Ok(if is_excluded { format!("-{phrase}") } else { phrase })
}

/// A word that is a condition.
struct Written<'w> {
    name: &'static str,
    value: &'w str,
    is_excluded: bool,
}

impl Written<'_> {
    fn of(word: &str) -> Option<Written<'_>> {
        let (name, value) = word.split_once(':')?;
        let (is_excluded, name) = name.strip_prefix('-').map_or((false, name), |name| (true, name));
        let known = conditions().iter().find(|known| known.name == name)?;
        let is_value = !value.is_empty() && !value.starts_with(char::is_whitespace);
        is_value.then_some(Written { name: known.name, value, is_excluded })
    }
}

/// Whether an argument excludes by a condition, like `-text:draft`. It looks like an option, but is none.
pub fn excludes(argument: &OsStr) -> bool {
    argument.to_str().and_then(Written::of).is_some_and(|written| written.is_excluded)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    #[track_caller]
    fn check(found: Result<Separated, WordError>, words: &[&str], conditions: Pairs<'_>) {
        let found = found.unwrap();
        assert_eq!(found.words, words);
        let read: Vec<_> = found.conditions.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(read, conditions);
    }

    #[test]
    fn conditions_in_a_line_are_separated() {
        let line = |line: &str| separate_line(line);
        check(line("a cat"), &["a", "cat"], &[]);
        check(line("text:invoice"), &[], &[("text", "invoice")]);
        check(line(" text:\"invoice 2023\"  cat "), &["cat"], &[("text", "\"invoice 2023\"")]);
        check(line("cat -text:draft"), &["cat"], &[("text", "-draft")]);
        check(line("cat -text:\"first draft\" + dog"), &["cat", "+", "dog"], &[("text", "-\"first draft\"")]);
        check(line("cat - text:draft + keyword:a"), &["cat"], &[("text", "-draft"), ("keyword", "a")]);
        check(line("in:\"/my photos\" type:png"), &[], &[("in", "/my photos"), ("type", "png")]);
        check(line("text:\"open end"), &[], &[("text", "\"open end")]);
        check(
            line("after:2023 words:a person:\"Ada L\""),
            &[],
            &[("after", "2023"), ("words", "a"), ("person", "\"Ada L\"")],
        );
    }

    #[test]
    fn a_quoted_argument_is_a_phrase() {
        let arguments = |all: &[&str]| separate(&all.iter().map(OsString::from).collect::<Vec<_>>());
        check(arguments(&["text:invoice 2023"]), &[], &[("text", "\"invoice 2023\"")]);
        check(arguments(&["text:\"in total\" 5"]), &[], &[("text", "\"in total\" 5")]);
        check(arguments(&["a cat", "-", "text:x y"]), &["a cat"], &[("text", "-\"x y\"")]);
        check(arguments(&["in:/my photos"]), &[], &[("in", "/my photos")]);
    }

    #[test]
    fn what_looks_like_a_condition_and_is_none_stays() {
        for line in ["note: a cat", "1:text:x", "text:", "texts:x", "n:5", "2:dog", "http://x", "TEXT:x"] {
            let words: Vec<&str> = line.split(' ').collect();
            check(separate_line(line), &words, &[]);
        }
        check(separate(&["text: a".into()]), &["text: a"], &[]);
        assert!(separate_line("-in:/a").unwrap_err().to_string().contains("`in:` cannot exclude"));
        assert!(
            excludes(OsStr::new("-text:a")) && !excludes(OsStr::new("text:a")) && !excludes(OsStr::new("-t"))
        );
    }
}
