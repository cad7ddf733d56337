//! Prints the text that was read in each photo of a library: one JSON object per line, `text` is null where nobody has
//! looked. `scripts/bench/text` compares libraries with it.
//!
//! ```text
//! cargo run --release --example texts -- LIBRARY
//! ```

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use imgsearch::Library;
use imgsearch::library::Load;
use imgsearch::query::Filter;

#[expect(clippy::print_stdout, reason = "the texts are what this program is for")]
fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: texts LIBRARY")?;
    let view = Library::new(folder).view()?;
    view.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
        let text = stored.photo.and_then(|photo| photo.text).map(|text| text.folded().to_owned());
        println!("{}", serde_json::json!({"path": stored.item.path, "text": text}));
        ControlFlow::Continue(())
    })?;
    Ok(())
}
