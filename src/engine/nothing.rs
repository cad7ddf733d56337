//! Why a search found nothing, in words for people: the first condition that no photo meets, with counts.

use std::ops::ControlFlow;

use crate::library::{Load, StoreError, View};
use crate::photo::Clock;
use crate::query::{Circle, Cutoff, Filter, TextCondition, TextField};

/// More kilometres than between any two points on Earth.
const ANYWHERE_KM: f64 = 30_000.0;

/// What was asked, with the parts that a [`Filter`] has only in a compiled form.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The conditions.
    pub filter: &'a Filter,
    /// The folders of the filter as the person knows them, perhaps with a remark ("x (there is no such folder)").
    pub folders: &'a [String],
    /// The patterns of the filter.
    pub globs: &'a [String],
}

impl Search<'_> {
    /// Why a search with this cutoff found no photo.
    ///
    /// # Errors
    /// [`StoreError`] if the library cannot be read.
    pub fn no_match(&self, view: &dyn View, cutoff: Cutoff) -> Result<String, StoreError> {
        let left = view.count(self.filter)?;
        Ok(match cutoff {
            _ if left == 0 => self.no_photo(view)?,
            Cutoff::Score(least) => format!("none of {} scores {least} or more", photos(left)),
            Cutoff::Relevance => format!("none of {} is likely to show this", photos(left)),
            Cutoff::None => "the library has only the picture you searched with, or copies of it".to_owned(),
        })
    }

    /// Why no photo has a label of at least this probability.
    ///
    /// # Errors
    /// [`StoreError`] if the library cannot be read.
    pub fn no_label(&self, view: &dyn View, least: f32) -> Result<String, StoreError> {
        Ok(match view.count(self.filter)? {
            0 => self.no_photo(view)?,
            left => format!("no label reaches a probability of {least} for any of {}", photos(left)),
        })
    }

    /// Why no photo meets the conditions: the first one that none meets, or else their combination.
    ///
    /// # Errors
    /// [`StoreError`] if the library cannot be read.
    pub fn no_photo(&self, view: &dyn View) -> Result<String, StoreError> {
        let all = view.count(&Filter::default())?;
        if all == 0 {
            return Ok("the library is empty".to_owned());
        }
        let indexed = photos(all);
        for (why, alone) in self.conditions(view)? {
            if view.count(&alone)? == 0 {
                return Ok(format!("of {indexed}, {why}"));
            }
        }
        Ok(format!("each condition matches some of {indexed}, but no photo meets all of them"))
    }

    /// Each condition by itself, with the message if no photo meets it.
    fn conditions(&self, view: &dyn View) -> Result<Vec<(String, Filter)>, StoreError> {
        let Filter { folders, names, types, taken, near, camera, lens, shape, size, texts } =
            self.filter.clone();
        let any = Filter::default;
        let mut conditions = Vec::new();
        if !folders.is_empty() {
            let why = format!("none is in {}", self.folders.join(" or "));
            conditions.push((why, Filter { folders, ..any() }));
        }
        if names.is_some() {
            conditions.push((format!("none matches {}", quoted(self.globs)), Filter { names, ..any() }));
        }
        if !types.is_empty() {
            let named: Vec<_> = types.iter().map(|kind| kind.name()).collect();
            conditions.push((format!("none is of type {}", quoted(&named)), Filter { types, ..any() }));
        }
        if taken.is_some() {
            conditions.push((not_taken_then(view)?, Filter { taken, ..any() }));
        }
        if let Some(circle) = near {
            let anywhere = Filter { near: Some(Circle { km: ANYWHERE_KM, ..circle }), ..any() };
            let why = match view.count(&anywhere)? {
                0 => "none has GPS data, so a search by place finds nothing".to_owned(),
                placed => format!("{placed} have GPS data, but none was taken there"),
            };
            conditions.push((why, Filter { near, ..any() }));
        }
        if let Some(name) = &camera {
            conditions.push((format!("none is from a camera called `{name}`"), Filter { camera, ..any() }));
        }
        if let Some(name) = &lens {
            let why = format!("none was taken with a lens called `{name}`");
            conditions.push((why, Filter { lens, ..any() }));
        }
        if shape.is_some() {
            conditions.push(("none has this orientation".to_owned(), Filter { shape, ..any() }));
        }
        if size.is_some() {
            conditions.push(("none is that large".to_owned(), Filter { size, ..any() }));
        }
        if !texts.is_empty() {
            conditions.push((without_words(view, &texts)?, Filter { texts, ..any() }));
        }
        Ok(conditions)
    }
}

/// Words in pictures are known only after they were read.
fn without_words(view: &dyn View, texts: &[TextCondition]) -> Result<String, StoreError> {
    let mut is_read = !texts.iter().any(|condition| condition.fields == [TextField::Text]);
    if !is_read {
        view.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
            is_read = stored.photo.is_some_and(|photo| photo.text.is_some());
            if is_read { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    }
    let unread = ": the text in pictures was not read yet, which `imgsearch index --text` does";
    Ok(format!("none has these words{}", if is_read { "" } else { unread }))
}

/// A photo that was scanned or sent by a messenger often has no date, so say for how many the file's date counts.
fn not_taken_then(view: &dyn View) -> Result<String, StoreError> {
    let mut undated = 0;
    view.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
        let clock = stored.photo.and_then(|photo| Some(photo.details?.clock));
        undated += usize::from(clock == Some(Clock::File));
        ControlFlow::Continue(())
    })?;
    Ok(match undated {
        0 => "none was taken then".to_owned(),
        undated => format!("none was taken then (for {undated} of them the file's date counts)"),
    })
}

/// Says for how many of the photos found by a search for a time the file's date was used; `None` if for none.
pub fn file_dates(clocks: impl ExactSizeIterator<Item = Option<Clock>>) -> Option<String> {
    let found = clocks.len();
    let undated = clocks.filter(|clock| *clock == Some(Clock::File)).count();
    (undated > 0).then(|| {
        format!(
            "for {undated} of {} the file's date was used, because the photo itself has none",
            photos(found)
        )
    })
}

/// `1 photo`, `2 photos`.
pub fn photos(count: usize) -> String {
    if count == 1 { "1 photo".to_owned() } else { format!("{count} photos") }
}

fn quoted<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|text| format!("`{}`", text.as_ref())).collect::<Vec<_>>().join(" or ")
}
