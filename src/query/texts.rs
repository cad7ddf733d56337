//! Conditions on the words that stand somewhere: in the picture, in its names, captions and keywords.

use std::str::FromStr;

use super::phrase::{MatchBy, Phrase};
use super::{Circle, Town};
use crate::fold::{clean, folded};
use crate::photo::{Photo, Text, Texts};

/// The longest excerpt that explains a match, in characters.
const LONGEST_EXCERPT: usize = 80;

/// Where words can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// The picture itself.
    Text,
    /// Its title and description.
    Caption,
    /// Its keywords.
    Keyword,
    /// The names of the people in it.
    Person,
    /// The names of its file and folders.
    Name,
    /// The names of the towns near which it was taken.
    Place,
}

impl TextField {
    /// All of them, the most telling first.
    pub const ALL: [TextField; 6] = [
        TextField::Text,
        TextField::Caption,
        TextField::Keyword,
        TextField::Person,
        TextField::Name,
        TextField::Place,
    ];

    /// Whether the words are in the record of a photo.
    pub(crate) fn is_of_record(self) -> bool {
        !matches!(self, TextField::Name | TextField::Place)
    }

    /// The name of the parameter.
    pub fn name(self) -> &'static str {
        match self {
            TextField::Text => "text",
            TextField::Caption => "caption",
            TextField::Keyword => "keyword",
            TextField::Person => "person",
            TextField::Name => "name",
            TextField::Place => "place",
        }
    }
}

impl FromStr for TextField {
    type Err = ();

    fn from_str(name: &str) -> Result<TextField, ()> {
        TextField::ALL.into_iter().find(|field| field.name() == name).ok_or(())
    }
}

/// One of several phrases stands in one of several fields, or none does.
#[derive(Clone, Debug)]
pub struct TextCondition {
    /// Where to look.
    pub fields: Vec<TextField>,
    /// What to look for: any of these.
    pub phrases: Vec<Phrase>,
    /// Around the towns that are called so; for [`TextField::Place`].
    pub towns: Vec<(Town, Circle)>,
    /// Whether it must not stand there.
    pub is_excluded: bool,
}

/// Words that stand somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Why {
    /// Where they stand.
    field: TextField,
    /// The line, keyword or name in which they stand, as it is written, without invisible characters.
    words: String,
}

/// What is said at most about one photo.
const MOST_REASONS: usize = 5;

/// Where the words of these conditions stand in a photo: `text "invoice 2023"`. Each place comes once.
pub fn why<'c>(
    conditions: impl IntoIterator<Item = &'c TextCondition>,
    path: &[u8],
    photo: &Photo,
) -> Vec<String> {
    let mut reasons = Vec::new();
    for reason in conditions.into_iter().filter_map(|condition| condition.why(path, photo)) {
        let reason = reason.to_string();
        if reasons.len() < MOST_REASONS && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} \"{}\"", self.field.name(), self.words)
    }
}

impl TextCondition {
    /// A phrase in these fields.
    pub fn new(fields: &[TextField], phrases: Vec<Phrase>) -> TextCondition {
        TextCondition { fields: fields.to_vec(), phrases, towns: Vec::new(), is_excluded: false }
    }

    /// Whether it needs the record of a photo, and not only its path.
    pub(super) fn needs_record(&self) -> bool {
        self.fields.iter().any(|field| *field != TextField::Name)
    }

    /// Whether a photo with this path and these texts, taken at this place, meets the condition.
    pub(super) fn holds(&self, path: &[u8], texts: &Texts<'_>, place: Option<(f64, f64)>) -> bool {
        self.fields.iter().any(|field| self.stands_in(*field, path, texts, place)) != self.is_excluded
    }

    fn stands_in(&self, field: TextField, path: &[u8], texts: &Texts<'_>, place: Option<(f64, f64)>) -> bool {
        let has = |text: &str| self.find(&folded(text)).is_some();
        match field {
            TextField::Text => texts.read.is_some_and(|read| self.find(read).is_some()),
            TextField::Caption => texts.title.is_some_and(has) || texts.description.is_some_and(has),
            TextField::Keyword => texts.keywords.iter().any(has),
            TextField::Person => texts.people.iter().any(has),
            TextField::Name => has(&String::from_utf8_lossy(path)),
            TextField::Place => self.town(place).is_some(),
        }
    }

    /// Words of which one stands in the record's texts of every photo that meets the condition; `None` if there are no such
    /// words. Both are compared folded.
    pub fn needles(&self) -> Option<impl Iterator<Item = &str>> {
        let is_certain = !self.is_excluded && self.fields.iter().all(|field| field.is_of_record());
        is_certain.then(|| self.phrases.iter().map(|phrase| phrase.words()[0].as_str()))
    }

    /// Whether the words stand in these texts.
    pub fn stands(&self, texts: &Texts<'_>) -> bool {
        self.fields.iter().any(|field| self.stands_in(*field, &[], texts, None))
    }

    fn find(&self, folded: &str) -> Option<std::ops::Range<usize>> {
        self.phrases.iter().find_map(|phrase| phrase.find(folded))
    }

    /// The closest of the towns.
    fn town(&self, place: Option<(f64, f64)>) -> Option<&Town> {
        let (latitude, longitude) = place?;
        let mut near = self.towns.iter().filter(|(_, circle)| circle.contains(latitude, longitude));
        near.next().map(|(town, _)| town)
    }

    /// Where the words stand that make a photo meet the condition: the first field that has them.
    fn why(&self, path: &[u8], photo: &Photo) -> Option<Why> {
        if self.is_excluded {
            return None;
        }
        self.fields.iter().find_map(|field| {
            let words = self.words_in(*field, path, photo)?;
            Some(Why { field: *field, words })
        })
    }

    fn words_in(&self, field: TextField, path: &[u8], photo: &Photo) -> Option<String> {
        let details = photo.details.as_ref();
        let of = |text: &str| {
            let compared = folded(text);
            self.find(&compared).map(|place| excerpt(text, &compared, place.start))
        };
        match field {
            TextField::Text => self.line(photo.text.as_ref()?),
            TextField::Caption => {
                let details = details?;
                [&details.title, &details.description].into_iter().flatten().find_map(|text| of(text))
            }
            TextField::Keyword => details?.keywords.iter().find_map(|word| of(word)),
            TextField::Person => details?.people.iter().find_map(|name| of(name)),
            TextField::Name => {
                // The name that has it, from the file upwards. A phrase may also span several.
                let path = String::from_utf8_lossy(path);
                path.rsplit('/').find_map(of).or_else(|| of(&path))
            }
            TextField::Place => {
                let degrees = |e7: i32| f64::from(e7) / 1e7;
                let place = details?.latitude_e7.map(degrees).zip(details?.longitude_e7.map(degrees));
                self.town(place).map(|town| clean(&town.name, LONGEST_EXCERPT))
            }
        }
    }

    /// The line of a text in which the phrase begins.
    fn line(&self, text: &Text) -> Option<String> {
        let start = self.find(text.folded())?.start;
        let before = text.folded().get(..start)?;
        let line = text.lines().get(before.matches('\n').count())?;
        let start_of_line = before.rfind('\n').map_or(0, |feed| feed + 1);
        let compared = text.folded().get(start_of_line..)?.split('\n').next()?;
        Some(excerpt(&line.text, compared, start - start_of_line))
    }
}

/// The part of a text around what begins at `start` of its folded form.
fn excerpt(text: &str, compared: &str, start: usize) -> String {
    let length = text.chars().count();
    if length <= LONGEST_EXCERPT {
        return clean(text, LONGEST_EXCERPT);
    }
    // Folding can change the number of characters, but not by much.
    let before = compared.get(..start).map_or(0, |before| before.chars().count());
    let first = before.saturating_sub(LONGEST_EXCERPT / 4).min(length.saturating_sub(LONGEST_EXCERPT));
    let part: String = text.chars().skip(first).take(LONGEST_EXCERPT - 2).collect();
    let (left, right) =
        (if first > 0 { "…" } else { "" }, if first + LONGEST_EXCERPT < length { "…" } else { "" });
    format!("{left}{}{right}", clean(&part, LONGEST_EXCERPT))
}

/// The parts of a value as people write it: `invoice "in total" -draft`. Returns each phrase, and whether it is excluded.
pub(super) fn parts(value: &str) -> Vec<(bool, String)> {
    let mut parts = Vec::new();
    let mut rest = value.trim_start();
    while !rest.is_empty() {
        let (is_excluded, written) = match rest.strip_prefix('-') {
            Some(behind) if !behind.starts_with(char::is_whitespace) && !behind.is_empty() => (true, behind),
            _ => (false, rest),
        };
        let (part, behind) = match written.strip_prefix('"') {
            // A quotation mark that is not closed quotes the rest.
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => written.split_once(char::is_whitespace).unwrap_or((written, "")),
        };
        if !part.trim().is_empty() {
            parts.push((is_excluded, part.trim().to_owned()));
        }
        rest = behind.trim_start();
    }
    parts
}

/// The conditions that a value means for these fields: all of its phrases must stand there.
pub(super) fn conditions(fields: &[TextField], value: &str) -> Vec<TextCondition> {
    let condition = |(is_excluded, part): (bool, String)| {
        let phrase = Phrase::new(&part, MatchBy::Start)?;
        Some(TextCondition { is_excluded, ..TextCondition::new(fields, vec![phrase]) })
    };
    parts(value).into_iter().filter_map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Details, Line, Stamp};

    fn photo() -> Photo {
        let line = |text: &str| Line { text: text.into(), confidence: 99, corners: [[0, 0]; 4] };
        let details = Details {
            title: Some("Harbour at dawn".into()),
            description: Some("Boats".into()),
            keywords: vec!["Sea".into(), "Ferien 2023".into()],
            people: vec!["Ada Lovelace".into()],
            ..Details::default()
        };
        let stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
        let long = format!("{}the needle{}", "hay ".repeat(50), " hay".repeat(50));
        Photo::read(stamp, 1, Some(details))
            .with_text(Text::new([line("RECHNUNG Nr. 12"), line("Größe: 10"), line(&long)], 1))
    }

    #[test]
    fn words_are_found_where_they_stand_and_shown_as_they_are_written() {
        #[track_caller]
        fn check(field: &str, value: &str, expected: Option<&str>) {
            let (photo, path) = (photo(), b"/home/ada/Pictures/Lissabon 2023/IMG_0042.jpg".as_slice());
            let payload = photo.encode();
            let conditions = conditions(&[field.parse().unwrap()], value);
            let holds = conditions.iter().all(|one| one.holds(path, &Texts::of(&payload), None));
            let why = conditions.first().and_then(|one| one.why(path, &photo)).filter(|_| holds);
            assert_eq!(why.as_ref().map(|why| &*why.words), expected, "{field} {value}");
            if let Some(why) = why {
                assert_eq!(why.to_string(), format!("{field} \"{}\"", why.words));
            }
        }
        check("text", "rechnung", Some("RECHNUNG Nr. 12"));
        check("text", "\"nr. 12 grosse\"", Some("RECHNUNG Nr. 12"));
        check("text", "groß 12", Some("Größe: 10"));
        check("text", "groß 13", None);
        check("text", "rechnung -12", None);
        check("text", "rechnung -13", Some("RECHNUNG Nr. 12"));
        check("text", "harbour", None);
        check(
            "text",
            "needle",
            Some("…hay hay hay hay the needle hay hay hay hay hay hay hay hay hay hay hay hay hay…"),
        );
        check("caption", "dawn", Some("Harbour at dawn"));
        check("caption", "boats", Some("Boats"));
        check("keyword", "ferien", Some("Ferien 2023"));
        check("keyword", "\"sea ferien\"", None);
        check("person", "love ada", Some("Ada Lovelace"));
        check("name", "42", None);
        check("name", "0042", Some("IMG_0042.jpg"));
        check("name", "lissabon", Some("Lissabon 2023"));
        check("name", "\"pictures lissabon\"", Some("/home/ada/Pictures/Lissabon 2023/IMG_0042.jpg"));
        check("place", "lissabon", None);
    }

    #[test]
    fn values_have_words_phrases_and_exclusions() {
        #[track_caller]
        fn check(value: &str, expected: &[(bool, &str)]) {
            let expected: Vec<_> = expected.iter().map(|(out, part)| (*out, (*part).to_owned())).collect();
            assert_eq!(parts(value), expected, "{value}");
        }
        check("", &[]);
        check(" a  b ", &[(false, "a"), (false, "b")]);
        check("\"a b\" c", &[(false, "a b"), (false, "c")]);
        check("a -b -\"c d\"", &[(false, "a"), (true, "b"), (true, "c d")]);
        check("\"a b", &[(false, "a b")]);
        check("\"\" - e-mail \"-5\"", &[(false, "-"), (false, "e-mail"), (false, "-5")]);
    }
}
