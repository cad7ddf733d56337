//! What is done with photos that were found, besides listing them: a preview, a page, a folder, the opener.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use image::RgbImage;
use imgsearch::Match;
use imgsearch::decode::Limits;
use imgsearch::gather::{Placed, Way, place};
use imgsearch::thumbnail::{Thumbnailer, jpeg};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::absolute;
use crate::cli::{Format, SeeArgs};
use crate::progress;
use crate::render::{
    Figure, LEAST, Output, Painter, Section, Tile, caption, contact_sheet, fits_a_tile, unless_reader_left,
};
use crate::settings::{Settings, Verbosity};
use crate::usage::UsageError;

/// Pixels of a page's thumbnails on their longer side: twice what a page shows them at, for fine screens.
const PAGE_SIDE: u32 = 480;
/// Windows that `--open` opens at most; more would bury whoever asked.
const MOST_WINDOWS: usize = 20;

/// Checks, before anything is searched for, that what is asked can be done.
pub(super) fn check(settings: &Settings, args: &SeeArgs, format: Format) -> Result<()> {
    if args.preview {
        check_terminal(settings, "--preview")?;
        if format != Format::Text {
            let error = UsageError::new("--preview draws among text, and goes with --format text only");
            return Err(error.hint("`--html FILE` writes a page beside any format").into());
        }
    }
    if let Some(into) = args.copy_to.as_ref().or(args.link_to.as_ref()) {
        fs::create_dir_all(into).with_context(|| format!("cannot make the folder {}", into.display()))?;
    }
    Ok(())
}

/// Checks that pictures can be drawn on standard output.
pub(super) fn check_terminal(settings: &Settings, what: &str) -> Result<(), UsageError> {
    if !settings.look.is_terminal {
        let error = UsageError::new(format!("{what} draws on a terminal, and stdout is none"));
        return Err(error.hint("`imgsearch query TEXT --html FILE` writes a page of photos instead"));
    }
    if !settings.look.colours {
        let error = UsageError::new(format!("{what} draws in colours, and they are switched off"));
        return Err(error.hint("`--color always` uses them in spite of `NO_COLOR` or `TERM=dumb`"));
    }
    if !fits_a_tile() {
        let error = UsageError::new(format!("{what} needs a larger terminal"));
        return Err(error.hint(format!("{} columns and {} lines are the least", LEAST.0, LEAST.1)));
    }
    Ok(())
}

/// Draws the matches on the terminal, if that was asked for.
pub(super) fn preview(settings: &Settings, matches: &[Match], args: &SeeArgs) -> Result<()> {
    if !args.preview || matches.is_empty() {
        return Ok(());
    }
    let painter = Painter::ask();
    let pictures = thumbnails(settings, matches, painter.side(), |picture| painter.paint(picture))?;
    let tiles = matches.iter().zip(&pictures).map(|(found, picture)| Tile {
        picture: Some(picture.as_ref().map_err(String::as_str)),
        caption: caption(found),
    });
    let mut output = Output::new(settings.look);
    let drawn = output.preview(&tiles.collect::<Vec<_>>()).and_then(|()| output.finish());
    Ok(unless_reader_left(drawn)?)
}

/// Puts the matches on a page and into a folder, and opens them, as far as that was asked for. Whether all could be
/// gathered.
pub(super) fn see(settings: &Settings, title: &str, matches: &[Match], args: &SeeArgs) -> Result<bool> {
    if let Some(file) = &args.html {
        write_page(file, &[section(settings, title, matches)?])?;
    }
    let is_done = gather(settings, matches, args)?;
    if args.open {
        open(matches, args)?;
    }
    Ok(is_done)
}

/// The matches as a part of a page.
pub(super) fn section(settings: &Settings, title: &str, matches: &[Match]) -> Result<Section> {
    let pictures = thumbnails(settings, matches, PAGE_SIDE, |picture| Ok(jpeg(&picture)))?;
    let figure =
        |(found, thumbnail): (&Match, _)| Figure { path: found.path.clone(), note: note(found), thumbnail };
    let figures = matches.iter().zip(pictures).map(figure).collect();
    Ok(Section { title: title.to_owned(), figures })
}

fn note(found: &Match) -> String {
    match found.similar {
        0 => format!("{:.2}", found.score),
        similar => format!("{:.2} · +{similar} similar", found.score),
    }
}

/// Writes the page as a whole, or not at all.
pub(super) fn write_page(file: &Path, sections: &[Section]) -> Result<()> {
    let mut new = file.as_os_str().to_owned();
    new.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(new);
    let written = fs::write(&new, contact_sheet(sections)).and_then(|()| fs::rename(&new, file));
    written
        .inspect_err(|_| _ = fs::remove_file(&new))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Copies or links the matches, and says what was done. Whether all could be.
fn gather(settings: &Settings, matches: &[Match], args: &SeeArgs) -> Result<bool> {
    let (into, way) = match (&args.copy_to, &args.link_to) {
        (Some(into), _) => (into, Way::Copy),
        (None, Some(into)) => (into, Way::Link),
        (None, None) => return Ok(true),
    };
    let into = absolute(into)?;
    let (mut new, mut there, mut failed) = (0, 0, 0);
    for found in matches {
        match place(&found.path, &into, way) {
            Ok(Placed::New(_)) => new += 1,
            Ok(Placed::There(_)) => there += 1,
            Err(error) => {
                failed += 1;
                progress::print_warning(&format!("{} is left out: {error}", found.path.display()));
            }
        }
    }
    if settings.verbosity > Verbosity::Quiet {
        let done = if way == Way::Copy { "copied" } else { "linked" };
        let before = if there > 0 { format!("; {there} were there already") } else { String::new() };
        progress::print_note(&format!("{done} {new} photos into {}{before}", into.display()));
    }
    Ok(failed == 0)
}

/// Opens what was made of the matches, or the photos themselves, with the programs that the platform has for them.
fn open(matches: &[Match], args: &SeeArgs) -> Result<()> {
    let made = args.html.as_ref().or(args.copy_to.as_ref()).or(args.link_to.as_ref());
    if let Some(made) = made {
        return open_one(&absolute(made)?);
    }
    if matches.len() > MOST_WINDOWS {
        bail!(
            "--open would open {} windows; open one page with --html, or fewer photos with -n",
            matches.len()
        );
    }
    matches.iter().try_for_each(|found| open_one(&found.path))
}

fn open_one(path: &Path) -> Result<()> {
    open::that_detached(path).with_context(|| format!("nothing here opens {}", path.display()))
}

/// What `finish` makes of the thumbnail of each match, or why there is none, on all cores.
fn thumbnails<T: Send>(
    settings: &Settings,
    matches: &[Match],
    side: u32,
    finish: impl Fn(RgbImage) -> Result<T, String> + Sync,
) -> Result<Vec<Result<T, String>>> {
    let pool = ThreadPoolBuilder::new().num_threads(settings.threads).build()?;
    let thumbnailer = Thumbnailer::new(side, Limits::default());
    let made = |found: &Match| finish(thumbnailer.make(&found.path).map_err(|error| error.to_string())?);
    Ok(pool.install(|| matches.par_iter().map(made).collect()))
}
