//! Finds towns by name, in a file that `imgsearch setup places` makes from GeoNames.
//!
//! ```text
//! latitude TAB longitude TAB country TAB name TAB lower-case name TAB … lower-case name TAB LF
//! ```
//!
//! The country has two letters. Larger towns come first. Each town is followed by all its names in lower case.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::name::normal_text;
use crate::text_file::{self, TextError};

/// How many letters must be typed before names are completed: with fewer, thousands of towns begin with them.
const LEAST_TYPED: usize = 2;

/// The towns in a file.
#[derive(Debug)]
pub struct Gazetteer {
    text: String,
}

/// A town.
#[derive(Clone, Debug, PartialEq)]
pub struct Town {
    /// Its local name in Latin letters.
    pub name: String,
    /// The two-letter code of ISO 3166.
    pub country: String,
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
}

impl Gazetteer {
    /// Reads a file.
    ///
    /// # Errors
    /// Any [`TextError`].
    pub fn read(file: &Path) -> Result<Gazetteer, TextError> {
        Ok(Gazetteer { text: text_file::read(file)? })
    }

    /// The largest town with this name in any language (case is ignored), in this country if one is given.
    pub fn find(&self, name: &str, country: Option<&str>) -> Option<Town> {
        self.all(name, country).into_iter().next()
    }

    /// All towns with this name, the largest first.
    pub fn all(&self, name: &str, country: Option<&str>) -> Vec<Town> {
        let wanted = format!("\t{}\t", normal_text(name).trim().to_lowercase());
        let places = memchr::memmem::find_iter(self.text.as_bytes(), &wanted);
        let is_in =
            |town: &Town| country.is_none_or(|country| town.country.eq_ignore_ascii_case(country.trim()));
        places.filter_map(|at| self.town_at(at)).filter(is_in).collect()
    }

    /// What can follow what was typed so far: names that begin with it, the largest towns first, at most `most`. Names in
    /// other languages are used only if no town has such a name of its own. If larger towns have the same name, the country
    /// is behind a comma; there also countries are completed.
    ///
    /// What was typed stays as it is, because shells take only what begins with it. It must have two letters.
    pub fn complete(&self, typed: &str, most: usize) -> Vec<String> {
        if let Some((name, country)) = typed.split_once(',') {
            return self.complete_country(name, country, most);
        }
        if typed.trim().chars().count() < LEAST_TYPED {
            return Vec::new();
        }
        let own = self.complete_name(typed, true, most);
        if own.is_empty() { self.complete_name(typed, false, most) } else { own }
    }

    fn complete_name(&self, typed: &str, only_own: bool, most: usize) -> Vec<String> {
        let wanted = format!("\t{}", normal_text(typed).to_lowercase());
        let (finder, mut from) = (memchr::memmem::Finder::new(&wanted), 0);
        let mut found: Vec<String> = Vec::new();
        while found.len() < most
            && let Some(at) = finder.find(&self.text.as_bytes()[from..]).map(|at| from + at)
        {
            let behind = &self.text[at + wanted.len()..];
            let Some(town) = self.town_at(at) else {
                from = at + 1;
                continue;
            };
            // Its own name is the first in its line, and one name of a town is enough.
            from = at + wanted.len() + behind.find('\n').unwrap_or(behind.len());
            if only_own && !town.name.to_lowercase().starts_with(&wanted[1..]) {
                continue;
            }
            let rest = behind.split(['\t', '\n']).next().unwrap_or_default();
            let name = if town.name.starts_with(typed) { town.name } else { format!("{typed}{rest}") };
            let with_country = format!("{name},{}", town.country);
            found.extend([name, with_country].into_iter().find(|name| !found.contains(name)));
        }
        found
    }

    /// The countries of the towns with this name.
    fn complete_country(&self, name: &str, typed: &str, most: usize) -> Vec<String> {
        let mut found = Vec::new();
        for town in self.all(name, None) {
            let is_lower = typed.starts_with(|c: char| c.is_lowercase());
            let country = if is_lower { town.country.to_lowercase() } else { town.country };
            let all = format!("{name},{country}");
            if country.starts_with(typed) && !found.contains(&all) && found.len() < most {
                found.push(all);
            }
        }
        found
    }

    /// The town with a name at this position of the text; `None` if there is something else.
    fn town_at(&self, at: usize) -> Option<Town> {
        let start = self.text[..at].rfind('\n').map_or(0, |feed| feed + 1);
        let mut fields = self.text[start..].splitn(5, '\t');
        let (latitude, longitude) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let (country, name) = (fields.next()?.to_owned(), fields.next()?.to_owned());
        let names = self.text.len() - fields.next()?.len();
        (at + 1 >= names).then_some(Town { name, country, latitude, longitude })
    }
}

/// Towns of a file, which is read at the first search.
#[derive(Debug, Default)]
pub struct Towns {
    file: Option<PathBuf>,
    gazetteer: OnceLock<Gazetteer>,
}

/// Why a town is not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TownError {
    /// The user has no home folder, so there is no file of towns.
    #[error("this user has no home folder to keep names of towns in")]
    NoFile,
    /// The file could not be read.
    #[error("cannot read the names of towns in {}: {error}", file.display())]
    Unread {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: TextError,
    },
    /// No town has this name.
    #[error("there is no town `{name}`{} of 15,000 people or more", in_country(country))]
    Unknown {
        /// The name.
        name: String,
        /// The country, if one was given.
        country: Option<String>,
    },
}

fn unknown(name: &str, country: Option<&str>) -> TownError {
    let country = country.map(|country| country.trim().to_owned());
    TownError::Unknown { name: name.trim().to_owned(), country }
}

fn in_country(country: &Option<String>) -> String {
    country.as_ref().map(|country| format!(" in `{country}`")).unwrap_or_default()
}

impl Towns {
    /// The towns of a file.
    pub fn new(file: Option<PathBuf>) -> Towns {
        Towns { file, gazetteer: OnceLock::new() }
    }

    /// The largest town with this name, as [`Gazetteer::find`] finds it.
    ///
    /// # Errors
    /// [`TownError`]. A file that does not read is tried again the next time.
    pub fn find(&self, name: &str, country: Option<&str>) -> Result<Town, TownError> {
        self.gazetteer()?.find(name, country).ok_or_else(|| unknown(name, country))
    }

    /// All towns with this name, as [`Gazetteer::all`] finds them; at least one.
    ///
    /// # Errors
    /// As [`Towns::find`].
    pub fn all(&self, name: &str, country: Option<&str>) -> Result<Vec<Town>, TownError> {
        let all = self.gazetteer()?.all(name, country);
        if all.is_empty() { Err(unknown(name, country)) } else { Ok(all) }
    }

    fn gazetteer(&self) -> Result<&Gazetteer, TownError> {
        if let Some(gazetteer) = self.gazetteer.get() {
            return Ok(gazetteer);
        }
        let file = self.file.as_ref().ok_or(TownError::NoFile)?;
        let read = Gazetteer::read(file).map_err(|error| TownError::Unread { file: file.clone(), error })?;
        Ok(self.gazetteer.get_or_init(|| read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOWNS: &str = "48.85\t2.35\tFR\tParis\tparis\tlutèce\t\n\
                         33.66\t-95.55\tUS\tParis\tparis\t\n\
                         -33.86\t151.2\tAU\tSydney\tsydney\t悉尼\t\n";

    #[test]
    fn towns_are_found_by_any_name_the_largest_first() {
        let gazetteer = Gazetteer { text: TOWNS.into() };
        #[track_caller]
        fn check(gazetteer: &Gazetteer, name: &str, country: Option<&str>, expected: Option<f64>) {
            assert_eq!(gazetteer.find(name, country).map(|town| town.latitude), expected, "{name}");
        }
        check(&gazetteer, "Paris", None, Some(48.85));
        check(&gazetteer, "PARIS ", Some("us"), Some(33.66));
        check(&gazetteer, "Lutèce", None, Some(48.85));
        check(&gazetteer, "Lute\u{300}ce", None, Some(48.85));
        check(&gazetteer, "悉尼", None, Some(-33.86));
        check(&gazetteer, "Syd", None, None);
        check(&gazetteer, "2.35", None, None);
        check(&gazetteer, "", None, None);
        check(&gazetteer, "sydney", Some("FR"), None);
        assert_eq!(gazetteer.all("paris", None).len(), 2);
        assert_eq!(gazetteer.all("paris", Some("FR")).len(), 1);
    }

    #[test]
    fn names_are_completed_from_their_beginning() {
        let more = "40.7\t-74\tUS\tNew York City\tnew york city\tnueva york\tparis of the west\t\n\
                    52\t5\tNL\t's-Hertogenbosch\t's-hertogenbosch\tden bosch\t\n\
                    30\t-90\tUS\tParis\tparis\t\n";
        let gazetteer = Gazetteer { text: TOWNS.to_owned() + more };
        #[track_caller]
        fn check(gazetteer: &Gazetteer, typed: &str, expected: &[&str]) {
            assert_eq!(gazetteer.complete(typed, 5), expected, "{typed}");
        }
        // Two are in the US.
        check(&gazetteer, "Pa", &["Paris", "Paris,US"]);
        check(&gazetteer, "PARI", &["PARIs", "PARIs,US"]);
        check(&gazetteer, "pa", &["paris", "paris,US"]);
        check(&gazetteer, "Lut", &["Lutèce"]);
        check(&gazetteer, "new y", &["new york city"]);
        check(&gazetteer, "Nu", &["Nueva york"]);
        check(&gazetteer, "Paris o", &["Paris of the west"]);
        check(&gazetteer, "'s", &["'s-Hertogenbosch"]);
        check(&gazetteer, "Paris,", &["Paris,FR", "Paris,US"]);
        check(&gazetteer, "paris,u", &["paris,us"]);
        for nothing in ["", " ", "P", "48", "2.", "FR", "Paris,DE", "Xyz", "33.66,"] {
            check(&gazetteer, nothing, &[]);
        }
        assert_eq!(gazetteer.complete("Pa", 1), ["Paris"]);
    }
}
