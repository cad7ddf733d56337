//! The answers of a query.

use std::borrow::Cow;
use std::io::{self, Write};

use base64::Engine as _;
use imgsearch::Match;
use imgsearch::photo::path_bytes;
use serde::Serialize;

use super::Output;

#[derive(Serialize)]
struct JsonMatch<'a> {
    query: &'a str,
    rank: usize,
    score: f32,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

impl Output {
    /// A table on a terminal; elsewhere score and path, with a tab between.
    pub(crate) fn matches_as_text(&mut self, matches: &[Match]) -> io::Result<()> {
        if self.is_terminal && !matches.is_empty() {
            writeln!(self.out, "rank  score  path")?;
        }
        for Match { rank, score, path, .. } in matches {
            if self.is_terminal {
                write!(self.out, "{rank:>4}  {score:.3}  ")?;
            } else {
                write!(self.out, "{score:.4}\t")?;
            }
            self.path(path, b'\n')?;
        }
        Ok(())
    }

    /// One path after the other, each ended by `end`.
    pub(crate) fn matches_as_paths(&mut self, matches: &[Match], end: u8) -> io::Result<()> {
        matches.iter().try_for_each(|found| self.path(&found.path, end))
    }

    /// One JSON object a line.
    pub(crate) fn matches_as_jsonl(&mut self, query: &str, matches: &[Match]) -> io::Result<()> {
        for Match { rank, score, path, .. } in matches {
            let exact = path.to_str().is_none().then(|| path_bytes(path)).flatten();
            let line = JsonMatch {
                query,
                rank: *rank,
                score: *score,
                path: path.to_string_lossy(),
                path_base64: exact.map(|bytes| base64::prelude::BASE64_STANDARD.encode(bytes)),
            };
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }
}
