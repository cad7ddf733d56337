//! `forget`.

use anyhow::Result;
use imgsearch::engine::nothing::photos;
use imgsearch::ingest::{self, Forgotten};

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
            Some(Forgotten { photos: removed, in_collections }) => {
                let also = match in_collections {
                    0 => String::new(),
                    1 => ", and 1 record out of its collections".to_owned(),
                    records => format!(", and {records} records out of its collections"),
                };
                let removed = photos(usize::try_from(removed)?);
                format!("took {removed} in {named} out of the library{also}; the files are untouched")
            }
        });
    }
    Ok(if removed.is_none() { Exit::NothingFound } else { Exit::Done })
}
