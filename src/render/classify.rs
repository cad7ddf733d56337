//! How well labels fit pictures.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use base64::Engine as _;
use imgsearch::classify::Fit;
use imgsearch::photo::path_bytes;
use serde::Serialize;

use super::Output;

#[derive(Serialize)]
struct JsonPicture<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    labels: Vec<JsonLabel<'a>>,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    label: &'a str,
    probability: f32,
    score: f32,
}

impl Output {
    /// The path with its labels below it on a terminal; elsewhere a line for each label: probability, label, path, with
    /// tabs between.
    pub(crate) fn fits_as_text(&mut self, picture: &Path, fits: &[Fit]) -> io::Result<()> {
        if self.look.is_terminal {
            self.path(picture, b'\n')?;
        }
        for Fit { label, probability, .. } in fits {
            if self.look.is_terminal {
                writeln!(self.out, "  {probability:.3}  {label}")?;
            } else {
                write!(self.out, "{probability:.4}\t{label}\t")?;
                self.path(picture, b'\n')?;
            }
        }
        Ok(())
    }

    /// One JSON object.
    pub(crate) fn fits_as_jsonl(&mut self, picture: &Path, fits: &[Fit]) -> io::Result<()> {
        let exact = picture.to_str().is_none().then(|| path_bytes(picture)).flatten();
        let labels = fits.iter().map(|Fit { label, probability, score }| JsonLabel {
            label,
            probability: *probability,
            score: *score,
        });
        let line = JsonPicture {
            path: picture.to_string_lossy(),
            path_base64: exact.map(|bytes| base64::prelude::BASE64_STANDARD.encode(bytes)),
            labels: labels.collect(),
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }
}
