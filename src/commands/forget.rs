//! `forget`.

use anyhow::Result;
use imgsearch::engine::nothing::photos;
use imgsearch::ingest;

use super::{Exit, absolute};
use crate::cli::ForgetArgs;
use crate::progress;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &ForgetArgs) -> Result<Exit> {
    let folders = args.folders.iter().map(|folder| absolute(folder)).collect::<Result<Vec<_>>>()?;
    let mut library = settings.library.lock()?;
    let removed = ingest::forget(&mut library, &folders)?;
    let named: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    let named = named.join(" and ");
    if !settings.ui.is_quiet() {
        progress::print_note(&match removed {
            None => format!("the library has no photos in {named}; `imgsearch status` lists its folders"),
            Some(removed) => format!(
                "took {} in {named} out of the library; the files are untouched",
                photos(usize::try_from(removed)?)
            ),
        });
    }
    Ok(if removed.is_none() { Exit::NothingFound } else { Exit::Done })
}
