//! The expression of a query: weighted texts and pictures that are added or subtracted.
//!
//! The compact syntax is rclip's. Arguments that are just `+` or `-` separate the parts. A part may start with a weight
//! and a colon (`2:golden retriever`). A part that starts like a path (`./`, `../`, `/` or `file://`) is a picture; so is
//! `#` with the number of a result, or with the id of a photo. Anything else is text. So a picture in the current folder
//! needs `./` in front, and a text that looks like something else needs a weight (`1:+`) or a space (`" /etc"`).

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::hint::Hint;
use crate::photo::Id;

/// A sum of texts and pictures, at least one of them positive.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    terms: Vec<Term>,
}

/// One part of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Its weight: finite and not 0; negative for a part that is excluded.
    pub weight: f32,
    /// The text or picture.
    pub source: Source,
}

/// A text or a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A description of what the photos should show.
    Text(String),
    /// A picture file.
    Picture(PathBuf),
    /// The content of a picture file.
    Bytes(Vec<u8>),
    /// A photo of the library.
    Photo(Id),
}

/// Finds the results of the previous query: `#N` in an expression is its photo of rank N.
pub type Results<'a> = &'a dyn Fn(NonZeroUsize) -> Option<PathBuf>;

/// Why an expression is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpressionError {
    /// The query is empty or only whitespace.
    #[error("the query is empty")]
    Empty,
    /// Every part is negative.
    #[error("the query only excludes things: it must also say what the photos should show")]
    NothingWanted,
    /// Two signs, or a sign at the end.
    #[error("nothing follows the `{sign}`")]
    NothingFollows {
        /// `+` or `-`.
        sign: char,
    },
    /// A weight is 0 or infinite.
    #[error("the weight of `{part}` must be a number above 0")]
    Weight {
        /// The part as it was typed.
        part: String,
    },
    /// Weights become infinite when multiplied.
    #[error("the weights are too large")]
    Weights,
    /// The last query has no result of this number.
    #[error("the last query in this library has no result {rank}")]
    NotRemembered {
        /// The number.
        rank: NonZeroUsize,
    },
    /// A path follows a text without a sign between them.
    #[error("`{path}` follows a text directly")]
    PathInText {
        /// The path.
        path: String,
    },
    /// A web address instead of a file.
    #[error("cannot use `{address}`: queries never access the network")]
    Address {
        /// The address.
        address: String,
    },
    /// A text is not valid Unicode.
    #[error("`{text}` is not valid Unicode")]
    NotUnicode {
        /// The text, with replacement characters.
        text: String,
    },
}

impl Hint for ExpressionError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            ExpressionError::NothingFollows { .. } => {
                Some("put quotes around a text that contains a sign: `\"rock + roll\"`")
            }
            ExpressionError::PathInText { .. } => {
                Some("put `+` or `-` between text and picture, or put quotes around the whole text")
            }
            ExpressionError::Address { .. } => Some("download the picture and give its file"),
            ExpressionError::Weight { .. } => Some("write `-` or `--minus` to exclude something"),
            ExpressionError::NotRemembered { .. } => {
                Some("`#N` is a result of your last query: run that query again")
            }
            ExpressionError::Empty
            | ExpressionError::NothingWanted
            | ExpressionError::Weights
            | ExpressionError::NotUnicode { .. } => None,
        };
        hint.map(str::to_owned)
    }
}

impl Expression {
    /// Makes an expression from parts.
    ///
    /// # Errors
    /// [`ExpressionError::Empty`], [`ExpressionError::Weights`] or [`ExpressionError::NothingWanted`].
    pub fn new(terms: Vec<Term>) -> Result<Expression, ExpressionError> {
        if !terms.iter().all(|term| term.weight.is_finite()) {
            return Err(ExpressionError::Weights);
        }
        match terms.iter().map(|term| term.weight).reduce(f32::max) {
            None => Err(ExpressionError::Empty),
            Some(greatest) if greatest > 0.0 => Ok(Expression { terms }),
            Some(_) => Err(ExpressionError::NothingWanted),
        }
    }

    /// A single text.
    pub fn text(text: impl Into<String>) -> Expression {
        Expression { terms: vec![Term { weight: 1.0, source: Source::Text(text.into()) }] }
    }

    /// Its parts; never empty.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }
}

/// Parses the compact syntax, written as one line without quotes. An empty line gives no parts.
///
/// # Errors
/// Any [`ExpressionError`] about one part.
pub fn parse_line(line: &str, results: Results<'_>) -> Result<Vec<Term>, ExpressionError> {
    parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>(), results)
}

/// Parses the compact syntax. No words give no parts.
///
/// # Errors
/// Any [`ExpressionError`] about one part.
pub fn parse(words: &[OsString], results: Results<'_>) -> Result<Vec<Term>, ExpressionError> {
    let mut terms = Vec::new();
    let mut sign = None;
    for part in words.chunk_by(|a, b| sign_of(a).is_none() && sign_of(b).is_none()) {
        match (sign, sign_of(&part[0])) {
            (Some(sign), Some(_)) => return Err(ExpressionError::NothingFollows { sign }),
            (None, found @ Some(_)) => sign = found,
            (_, None) => {
                let term = part_of(part, results)?;
                let weight = if sign.take() == Some('-') { -term.weight } else { term.weight };
                terms.push(Term { weight, ..term });
            }
        }
    }
    match sign {
        Some(sign) => Err(ExpressionError::NothingFollows { sign }),
        None => Ok(terms),
    }
}

fn sign_of(word: &OsStr) -> Option<char> {
    match word.to_str()? {
        "+" => Some('+'),
        "-" => Some('-'),
        _ => None,
    }
}

/// Parses one part. If it has several words, they were not quoted.
fn part_of(words: &[OsString], results: Results<'_>) -> Result<Term, ExpressionError> {
    if let Some(path) = words[1..].iter().find(|word| looks_like_path(word) && *word != "/") {
        return Err(ExpressionError::PathInText { path: path.to_string_lossy().into_owned() });
    }
    Term::parse(&words.join(OsStr::new(" ")), results)
}

impl Term {
    /// Parses a text, a path that looks like one, `#N`, or `#` and the id of a photo, with an optional weight.
    ///
    /// # Errors
    /// Any [`ExpressionError`] about one part.
    pub fn parse(part: &OsStr, results: Results<'_>) -> Result<Term, ExpressionError> {
        let (weight, source) = weighted(part)?;
        Ok(Term { weight, source: source_of(source, results)? })
    }

    /// Parses the path of a picture file in any form, or `#N`, with an optional weight.
    ///
    /// # Errors
    /// [`ExpressionError::Weight`], [`ExpressionError::Address`] or [`ExpressionError::NotRemembered`].
    pub fn picture(part: &OsStr, results: Results<'_>) -> Result<Term, ExpressionError> {
        let (weight, path) = weighted(part)?;
        refuse_address(path)?;
        let path = numbered(path, results)?.unwrap_or_else(|| without_scheme(path).into());
        Ok(Term { weight, source: Source::Picture(path) })
    }
}

/// `2:cat` → 2, `cat`.
fn weighted(part: &OsStr) -> Result<(f32, &OsStr), ExpressionError> {
    let split = part.to_str().and_then(|part| part.split_once(':'));
    let is_number =
        |text: &str| text.parse::<f32>().is_ok() && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let Some((number, rest)) = split.filter(|(number, rest)| is_number(number) && !rest.is_empty()) else {
        return Ok((1.0, part));
    };
    let weight = number.parse().unwrap_or(0.0);
    if weight > 0.0 && f32::is_finite(weight) {
        return Ok((weight, OsStr::new(rest)));
    }
    Err(ExpressionError::Weight { part: part.to_string_lossy().into_owned() })
}

fn source_of(part: &OsStr, results: Results<'_>) -> Result<Source, ExpressionError> {
    refuse_address(part)?;
    if let Some(photo) = part.to_str().and_then(|part| part.strip_prefix('#')?.parse().ok()) {
        return Ok(Source::Photo(photo));
    }
    if let Some(photo) = numbered(part, results)? {
        return Ok(Source::Picture(photo));
    }
    if looks_like_path(part) {
        return Ok(Source::Picture(without_scheme(part).into()));
    }
    let text = part.to_str().ok_or_else(|| {
        let text = part.to_string_lossy().into_owned();
        ExpressionError::NotUnicode { text }
    })?;
    if text.trim().is_empty() { Err(ExpressionError::Empty) } else { Ok(Source::Text(text.trim().into())) }
}

fn refuse_address(part: &OsStr) -> Result<(), ExpressionError> {
    let address = part.to_str().filter(|part| part.starts_with("https://") || part.starts_with("http://"));
    address.map_or(Ok(()), |address| Err(ExpressionError::Address { address: address.into() }))
}

/// The photo that `#3` means; `None` if the part is not exactly of that form.
fn numbered(part: &OsStr, results: Results<'_>) -> Result<Option<PathBuf>, ExpressionError> {
    let number = part.to_str().and_then(|part| part.strip_prefix('#'));
    let Some(rank) = number.and_then(|number| number.parse().ok()) else { return Ok(None) };
    results(rank).map(Some).ok_or(ExpressionError::NotRemembered { rank })
}

fn looks_like_path(part: &OsStr) -> bool {
    let starts = |with: &str| part.as_encoded_bytes().starts_with(with.as_bytes());
    ["./", "../", "/", "file://"].into_iter().any(starts) || cfg!(windows) && Path::new(part).is_absolute()
}

fn without_scheme(path: &OsStr) -> &OsStr {
    path.to_str().and_then(|path| path.strip_prefix("file://")).map_or(path, OsStr::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(weight: f32, text: &str) -> Term {
        Term { weight, source: Source::Text(text.into()) }
    }

    fn picture(weight: f32, path: &str) -> Term {
        Term { weight, source: Source::Picture(path.into()) }
    }

    /// The results of a query that found three photos.
    fn parsed(words: &[&str]) -> Result<Vec<Term>, ExpressionError> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>(), &found)
    }

    fn found(rank: NonZeroUsize) -> Option<PathBuf> {
        (rank.get() <= 3).then(|| format!("/found {rank}.jpg").into())
    }

    #[test]
    fn the_compact_form_is_rclips() {
        #[track_caller]
        fn check(words: &[&str], expected: &[Term]) {
            assert_eq!(parsed(words).as_deref(), Ok(expected));
        }
        check(&[], &[]);
        check(&["a", "red", "bicycle"], &[text(1.0, "a red bicycle")]);
        check(
            &["2:golden retriever", "+", "./pool.jpg", "-", "fruit"],
            &[text(2.0, "golden retriever"), picture(1.0, "./pool.jpg"), text(-1.0, "fruit")],
        );
        check(&["dog", "-", "0.5:../a", "b.jpg"], &[text(1.0, "dog"), picture(-0.5, "../a b.jpg")]);
        check(&["-", ".5:cat", "+", "dog"], &[text(-0.5, "cat"), text(1.0, "dog")]);
        check(&["2.:file:///a.jpg"], &[picture(2.0, "/a.jpg")]);
        check(&["2:#3"], &[picture(2.0, "/found 3.jpg")]);
        let id = "00000000000000000000000000000003";
        let photo = |weight| Term { weight, source: Source::Photo(id.parse().unwrap()) };
        check(&["dog", "-", &format!("2:#{id}")], &[text(1.0, "dog"), photo(-2.0)]);
        assert_eq!(parse_line(&format!(" dog -  #{id}"), &found), Ok(vec![text(1.0, "dog"), photo(-1.0)]));
    }

    #[test]
    fn what_could_be_two_things_is_one() {
        #[track_caller]
        fn check(word: &str, expected: Term) {
            assert_eq!(parsed(&[word]), Ok(vec![expected]));
        }
        check("pool.jpg", text(1.0, "pool.jpg"));
        check("rock + roll", text(1.0, "rock + roll"));
        check("1:+", text(1.0, "+"));
        check("1:10:30 at night", text(1.0, "10:30 at night"));
        check("note: a cat", text(1.0, "note: a cat"));
        check("3:", text(1.0, "3:"));
        check("-1:cat", text(1.0, "-1:cat"));
        check("inf:cat", text(1.0, "inf:cat"));
        check(" /etc", text(1.0, "/etc"));
        check("#1 dad", text(1.0, "#1 dad"));
        check("#0", text(1.0, "#0"));
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        #[track_caller]
        fn check(words: &[&str], expected: ExpressionError) {
            assert_eq!(parsed(words), Err(expected));
        }
        check(&[" "], ExpressionError::Empty);
        check(&["cat", "+"], ExpressionError::NothingFollows { sign: '+' });
        check(&["cat", "-", "+", "dog"], ExpressionError::NothingFollows { sign: '-' });
        check(&["0:cat"], ExpressionError::Weight { part: "0:cat".into() });
        check(&["a", "dog", "./pool.jpg"], ExpressionError::PathInText { path: "./pool.jpg".into() });
        check(&["#4"], ExpressionError::NotRemembered { rank: NonZeroUsize::new(4).unwrap() });
        check(&["http://a/b.jpg"], ExpressionError::Address { address: "http://a/b.jpg".into() });
        assert_eq!(Expression::new(Vec::new()), Err(ExpressionError::Empty));
        assert_eq!(Expression::new(vec![text(-1.0, "cat")]), Err(ExpressionError::NothingWanted));
        assert_eq!(Expression::new(vec![text(f32::INFINITY, "cat")]), Err(ExpressionError::Weights));
    }

    #[test]
    fn an_option_that_takes_pictures_takes_any_path() {
        #[track_caller]
        fn check(part: &str, expected: Term) {
            assert_eq!(Term::picture(OsStr::new(part), &found), Ok(expected));
        }
        check("pool.jpg", picture(1.0, "pool.jpg"));
        check("2:pool.jpg", picture(2.0, "pool.jpg"));
        check("#1", picture(1.0, "/found 1.jpg"));
    }
}
