//! The output of `text`: one record per line of text, picture by picture.

use std::io;
use std::path::Path;
use std::rc::Rc;

use imgsearch::text::Line;

use super::Output;
use super::record::{Field, Value};
use crate::terminal::escape_path;

/// A line of text in a picture.
pub(crate) struct ReadLine {
    /// The path as typed.
    pub(crate) path: Rc<Path>,
    pub(crate) line: Line,
}

/// The fields of `text`.
pub(crate) fn line_fields() -> Vec<Field<ReadLine>> {
    vec![
        Field::new("confidence", |read: &ReadLine| Value::Score(read.line.confidence)).in_text(),
        Field::new("text", |read: &ReadLine| read.line.text.as_str().into()).in_text(),
        Field::new("corners", |read: &ReadLine| Value::Points(&read.line.corners)),
        Field::new("path", |read: &ReadLine| (&*read.path).into()).in_text(),
    ]
}

impl Output {
    /// The text of a picture, line by line, under the picture's name if there is one to print.
    pub(crate) fn text_of(&mut self, name: Option<&Path>, lines: &[Line]) -> io::Result<()> {
        if let Some(name) = name {
            self.line(&format!("{}:", escape_path(name)))?;
        }
        lines.iter().try_for_each(|line| self.line(&line.text))
    }
}
