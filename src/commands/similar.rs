//! `similar`.

use anyhow::Result;
use imgsearch::query::Term;

use super::Exit;
use super::search::{answer, read_stdin};
use crate::cli::SimilarArgs;
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &SimilarArgs) -> Result<Exit> {
    let term = read_stdin(Term::picture(&args.picture, &|rank| settings.library.remembered(rank))?)?;
    answer(settings, &args.picture.to_string_lossy(), vec![term], &args.search)
}
