//! The labels of photos.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use imgsearch::engine::{Label, Tagged};
use imgsearch::photo::path_bytes;
use serde::Serialize;

use super::Output;

#[derive(Serialize)]
struct JsonTagged<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    tags: Vec<JsonLabel<'a>>,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    label: &'a str,
    probability: f32,
}

impl Output {
    /// A path, and below it a label a line.
    pub(crate) fn tags_as_text(&mut self, tagged: &Tagged) -> io::Result<()> {
        self.path(&tagged.path, b'\n')?;
        for Label { name, probability } in &tagged.labels {
            writeln!(self.out, "  {probability:.2}  {name}")?;
        }
        Ok(())
    }

    /// One JSON object a line.
    pub(crate) fn tags_as_jsonl(&mut self, tagged: &Tagged) -> io::Result<()> {
        let Tagged { path, labels } = tagged;
        let exact = path.to_str().is_none().then(|| path_bytes(path)).flatten();
        let line = JsonTagged {
            path: path.to_string_lossy(),
            path_base64: exact.map(|bytes| base64::prelude::BASE64_STANDARD.encode(bytes)),
            tags: labels
                .iter()
                .map(|Label { name, probability }| JsonLabel { label: name, probability: *probability })
                .collect(),
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }
}
