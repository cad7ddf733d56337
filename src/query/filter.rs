//! Filters: the conditions that photos must meet.

use std::str::FromStr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Circle, Period, TextCondition};
use crate::item::{Folder, path_of};
use crate::name::{normal, normal_text};
use crate::photo::{Glance, Texts};
use crate::roots::{Roots, local_bytes};
use crate::walk::FileType;

/// Conditions that a photo must all meet. The default has none.
///
/// A photo fails a condition on something the library does not know about it: a screenshot has no camera, and a photo
/// that an early version indexed has no size.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The photo is in one of these absolute folders or their subfolders; empty allows all.
    pub folders: Vec<Folder>,
    /// Its name matches one of these patterns.
    pub names: Option<Names>,
    /// Its file has one of these types; empty allows all.
    pub types: Vec<FileType>,
    /// It was taken in this period.
    pub taken: Option<Period>,
    /// It was taken in this circle.
    pub near: Option<Circle>,
    /// The camera's maker and model contain this text; case is ignored.
    pub camera: Option<String>,
    /// The lens's name contains this text; case is ignored.
    pub lens: Option<String>,
    /// It has this shape.
    pub shape: Option<Shape>,
    /// It is at least this large.
    pub size: Option<MinSize>,
    /// These words stand in it, in its names or in its metadata.
    pub texts: Vec<TextCondition>,
}

impl Filter {
    /// Whether the filter has no condition.
    pub fn is_empty(&self) -> bool {
        let Filter { folders, names, types, texts, .. } = self;
        let has_none = folders.is_empty() && names.is_none() && types.is_empty() && texts.is_empty();
        has_none && !self.needs_details()
    }

    /// This filter, with the conditions of `other` in place of its own of the same kind. Only times are combined: both must
    /// be met.
    ///
    /// # Errors
    /// [`super::WordError::NoTime`] if no time meets both.
    pub fn with(self, other: Filter) -> Result<Filter, super::WordError> {
        let taken = match (self.taken, other.taken) {
            (Some(one), Some(another)) => Some(one.and(another).ok_or(super::WordError::NoTime)?),
            (one, another) => one.or(another),
        };
        let either = |one: Vec<Folder>, another: Vec<Folder>| if another.is_empty() { one } else { another };
        Ok(Filter {
            folders: either(self.folders, other.folders),
            names: other.names.or(self.names),
            types: if other.types.is_empty() { self.types } else { other.types },
            taken,
            near: other.near.or(self.near),
            camera: other.camera.or(self.camera),
            lens: other.lens.or(self.lens),
            shape: other.shape.or(self.shape),
            size: other.size.or(self.size),
            texts: self.texts.into_iter().chain(other.texts).collect(),
        })
    }

    fn needs_details(&self) -> bool {
        let Filter { taken, near, camera, lens, shape, size, .. } = self;
        taken.is_some()
            || near.is_some()
            || camera.is_some()
            || lens.is_some()
            || shape.is_some()
            || size.is_some()
    }

    /// Whether a photo meets the conditions. It takes the path's bytes and a function that gets the details, which is
    /// called only if a condition needs it. Cheap conditions are checked first.
    pub fn admits<'a>(&self, path: &[u8], glance: impl FnOnce() -> Option<Glance<'a>>) -> bool {
        let Filter { folders, names, types, texts, .. } = self;
        let (needs_details, needs_record) =
            (self.needs_details(), texts.iter().any(TextCondition::needs_record));
        (folders.is_empty() || folders.iter().any(|folder| folder.has(path)))
            && (types.is_empty() || types.iter().any(|kind| kind.is_of(path)))
            && {
                let glance = if needs_details || needs_record { glance() } else { None };
                (!needs_details || glance.as_ref().is_some_and(|glance| self.fits(glance)))
                    && self.says(path, glance.as_ref().filter(|_| needs_record))
            }
            && names.as_ref().is_none_or(|names| names.has(path))
    }

    /// Words of which one stands in the record's texts of every photo that meets the conditions: those of the condition that
    /// probably fewest photos meet. See [`TextCondition::needles`].
    pub fn needles(&self) -> Option<Vec<&str>> {
        let all = self.texts.iter().filter_map(|condition| Some(condition.needles()?.collect::<Vec<&str>>()));
        // Long words are rare.
        all.max_by_key(|needles| needles.iter().map(|needle| needle.len()).min())
    }

    /// Whether the words stand where they should. Without a record, they stand nowhere but in the path.
    fn says(&self, path: &[u8], glance: Option<&Glance<'_>>) -> bool {
        if self.texts.is_empty() {
            return true;
        }
        let (texts, place) =
            glance.map_or((Texts::default(), None), |glance| (glance.texts(), glance.place()));
        self.texts.iter().all(|condition| condition.holds(path, &texts, place))
    }

    fn fits(&self, glance: &Glance<'_>) -> bool {
        let Filter { taken, near, camera, lens, shape, size, .. } = self;
        let has = |found: Option<&str>, wanted: &str| found.is_some_and(|found| has_in_it(found, wanted));
        taken.is_none_or(|period| period.has_all(glance.taken_within(), glance.is_moment()))
            && shape.is_none_or(|shape| shape == Shape::of(glance.width, glance.height))
            && size.is_none_or(|size| size.admits(glance.width, glance.height))
            && camera.as_ref().is_none_or(|camera| has(glance.camera, camera))
            && lens.as_ref().is_none_or(|lens| has(glance.lens, lens))
            && near.is_none_or(|circle| {
                glance.place().is_some_and(|(latitude, longitude)| circle.contains(latitude, longitude))
            })
    }
}

/// Whether `text` contains `wanted`; case is ignored.
fn has_in_it(text: &str, wanted: &str) -> bool {
    if text.is_ascii() && wanted.is_ascii() {
        let (text, wanted) = (text.as_bytes(), wanted.as_bytes());
        return wanted.is_empty() || text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted));
    }
    folded(text).contains(&folded(wanted))
}

/// A text in the form in which texts are compared: in NFC and in lower case.
pub fn folded(text: &str) -> String {
    normal_text(text).to_lowercase()
}

/// Compiled patterns for file names and paths. They match names in any Unicode normalization form.
#[derive(Clone, Debug)]
pub struct Names {
    globs: GlobSet,
    /// Patterns match paths of this machine.
    roots: Roots,
}

/// A pattern that is not a valid glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a glob: {detail}")]
pub struct NameError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Names {
    /// Compiles patterns. A pattern without a slash matches a file name; one with slashes matches the end of a path; one
    /// with a slash in front matches the whole path. `*` and `?` never match a slash, `**` matches any folders.
    ///
    /// # Errors
    /// [`NameError`] if a pattern is not a valid glob.
    pub fn new(patterns: &[String]) -> Result<Names, NameError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            let normal = normal_text(pattern);
            let whole = if pattern.starts_with('/') { normal } else { format!("**/{normal}") };
            let glob = GlobBuilder::new(&whole).literal_separator(true).build();
            let refuse = |error: &globset::Error| NameError {
                pattern: pattern.clone(),
                detail: error.kind().to_string(),
            };
            set.add(glob.map_err(|error| refuse(&error))?);
        }
        let globs = set
            .build()
            .map_err(|error| NameError { pattern: patterns.join(" "), detail: error.kind().to_string() })?;
        Ok(Names { globs, roots: Roots::default() })
    }

    /// Whether the path with these bytes matches.
    fn has(&self, path: &[u8]) -> bool {
        let local = local_bytes(&self.roots, path);
        self.globs.is_match(path_of(&normal(local.as_deref().unwrap_or(path))))
    }

    /// The same patterns for stored paths below these roots.
    pub(crate) fn on(self, roots: &Roots) -> Names {
        Names { roots: roots.clone(), ..self }
    }
}

/// The shape of an upright picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Wider than tall.
    Landscape,
    /// Taller than wide.
    Portrait,
    /// Exactly as wide as tall.
    Square,
}

impl Shape {
    /// The shape of a picture of this size.
    pub fn of(width: u32, height: u32) -> Shape {
        match width.cmp(&height) {
            std::cmp::Ordering::Greater => Shape::Landscape,
            std::cmp::Ordering::Less => Shape::Portrait,
            std::cmp::Ordering::Equal => Shape::Square,
        }
    }
}

impl FromStr for Shape {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Shape, &'static str> {
        match text {
            "landscape" => Ok(Shape::Landscape),
            "portrait" => Ok(Shape::Portrait),
            "square" => Ok(Shape::Square),
            _ => Err("write landscape, portrait or square"),
        }
    }
}

/// The least size of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MinSize {
    /// This width and height, upright.
    Sides(u32, u32),
    /// This many pixels in all.
    Pixels(f64),
}

impl MinSize {
    fn admits(self, width: u32, height: u32) -> bool {
        match self {
            MinSize::Sides(least_width, least_height) => width >= least_width && height >= least_height,
            MinSize::Pixels(least) => f64::from(width) * f64::from(height) >= least,
        }
    }
}

impl FromStr for MinSize {
    type Err = &'static str;

    /// Parses `1920x1080`, or `12MP` (megapixels).
    fn from_str(text: &str) -> Result<MinSize, &'static str> {
        const FORMS: &str = "write 1920x1080 or 12MP";
        let text = text.trim().to_lowercase();
        if let Some(millions) = text.strip_suffix("mp") {
            let millions: f64 = millions.trim().parse().map_err(|_| FORMS)?;
            return if millions.is_finite() && millions >= 0.0 {
                Ok(MinSize::Pixels(millions * 1e6))
            } else {
                Err(FORMS)
            };
        }
        let (width, height) = text.split_once(['x', '×']).ok_or(FORMS)?;
        let side = |text: &str| text.trim().parse().map_err(|_| FORMS);
        Ok(MinSize::Sides(side(width)?, side(height)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!("1920x1080".parse(), Ok(MinSize::Sides(1920, 1080)));
        assert_eq!("2.5 MP".parse(), Ok(MinSize::Pixels(2.5e6)));
        for text in ["", "12", "x", "-1MP", "infMP", "1920x", "1e3x2"] {
            assert!(text.parse::<MinSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn globs_are_of_names_or_of_paths() {
        #[track_caller]
        fn check(pattern: &str, key: &str, expected: bool) {
            let names = Names::new(&[pattern.to_owned()]).unwrap();
            assert_eq!(names.has(key.as_bytes()), expected, "{pattern} {key}");
        }
        check("IMG_*.jpg", "/a/b/IMG_1.jpg", true);
        check("IMG_*.jpg", "/a/IMG_1.jpg/c.png", false);
        check("b/*.jpg", "/a/b/1.jpg", true);
        check("b/*.jpg", "/a/b/c/1.jpg", false);
        check("b/**/*.jpg", "/a/b/c/d/1.jpg", true);
        check("/a/*.jpg", "/a/1.jpg", true);
        check("/b/*.jpg", "/a/b/1.jpg", false);
        check("*.{jpg,png}", "/a/1.png", true);
        // `Tür` as typed, and as a Mac writes it.
        check("T\u{fc}r*", "/a/Tu\u{308}r.jpg", true);
        check("Tu\u{308}r/*", "/a/T\u{fc}r/1.jpg", true);
        check("Tu*", "/a/Tu\u{308}r.jpg", false);
        assert_eq!(Names::new(&["[".into()]).unwrap_err().pattern, "[");
    }

    #[test]
    fn names_of_cameras_are_found_in_any_case() {
        #[track_caller]
        fn check(text: &str, wanted: &str, expected: bool) {
            assert_eq!(has_in_it(text, wanted), expected, "{text} {wanted}");
        }
        check("NIKON Z 6", "nikon", true);
        check("Canon", "canon eos", false);
        check("LUMIÈRE", "lumière", true);
        check("LUMIE\u{300}RE", "lumi\u{e8}re", true);
        check("x", "", true);
    }
}
