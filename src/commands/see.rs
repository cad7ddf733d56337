//! Viewing and copying the photos found: preview, HTML page, folder, opening.

#[cfg(not(feature = "tui"))]
#[path = "see/no_preview.rs"]
mod preview;
#[cfg(feature = "tui")]
mod preview;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use image::RgbImage;
use imgsearch::Match;
use imgsearch::decode::Limits;
use imgsearch::files::{Readers, replace};
use imgsearch::gather::{Placed, Way, place};
use imgsearch::thumbnail::{Thumbnailer, jpeg};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use super::absolute;
use crate::cli::{Format, PageLinks, SeeArgs};
use crate::progress;
use crate::render::{Figure, Links, Section, contact_sheet, day, is_page};
use crate::settings::{self, Settings};
use crate::usage::UsageError;

use preview::check_preview;
#[cfg(feature = "tui")]
pub(super) use preview::check_terminal;
pub(super) use preview::preview;

/// Longer side of a page's thumbnails in pixels: twice their size on the page, for high-resolution screens.
const PAGE_SIDE: u32 = 480;
/// `--open` refuses to open more windows than this.
pub(super) const MOST_WINDOWS: usize = 20;

/// Checks before the search that the options can be carried out.
pub(super) fn check(settings: &Settings, args: &SeeArgs, format: Format) -> Result<()> {
    if args.preview {
        check_preview(settings.ui)?;
        if format != Format::Text {
            let error = UsageError::new("--preview works only with --format text");
            return Err(error.hint("`--html FILE` writes a page of photos with any format").into());
        }
    }
    if let Some(into) = args.copy_to.as_ref().or(args.link_to.as_ref()) {
        fs::create_dir_all(into).with_context(|| format!("cannot create the folder {}", into.display()))?;
    }
    args.html.as_deref().map_or(Ok(()), check_page)
}

/// Checks that a page may be written here: the file must be missing, empty, or an earlier page of imgsearch. A photo
/// must never be overwritten.
pub(super) fn check_page(file: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let metadata = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.with_context(cannot)?,
    };
    let mut beginning = Vec::new();
    if metadata.is_file() {
        File::open(file).and_then(|file| file.take(1024).read_to_end(&mut beginning)).with_context(cannot)?;
    }
    if metadata.is_file() && (beginning.is_empty() || is_page(&beginning)) {
        return Ok(());
    }
    let error = UsageError::new(format!("{} exists and is not a page of imgsearch", file.display()));
    Err(error.hint("choose another name for the page, or move that file").into())
}

/// Writes the page, fills the folder and opens the matches, as the options say. Returns false if a photo could not be
/// copied or linked.
pub(super) fn see(settings: &Settings, title: &str, matches: &[Match], args: &SeeArgs) -> Result<bool> {
    if let Some(file) = &args.html {
        write_page(file, &[section(settings, title, matches)?], args.links)?;
    }
    let is_done = gather(settings, matches, args)?;
    if args.open {
        open(matches, args)?;
    }
    Ok(is_done)
}

/// The matches as a section of a page.
pub(super) fn section(settings: &Settings, title: &str, matches: &[Match]) -> Result<Section> {
    let pictures = thumbnails(settings, matches, PAGE_SIDE, |picture| Ok(jpeg(&picture)))?;
    let figure = |(found, thumbnail): (&Match, _)| Figure {
        path: found.path.clone(),
        day: day(found),
        note: note(found),
        thumbnail,
    };
    let figures = matches.iter().zip(pictures).map(figure).collect();
    Ok(Section { title: title.to_owned(), figures })
}

fn note(found: &Match) -> String {
    let score = found.score.map(|score| format!("{score:.2}"));
    let similar = Some(found.similar).filter(|similar| *similar > 0);
    let similar = similar.map(|similar| format!("+{similar} similar"));
    score.into_iter().chain(similar).collect::<Vec<_>>().join(" · ")
}

/// Writes the page atomically.
pub(super) fn write_page(file: &Path, sections: &[Section], links: PageLinks) -> Result<()> {
    check_page(file)?;
    let links = match links {
        PageLinks::Absolute => Links::Absolute,
        PageLinks::Relative => {
            let page = settings::absolute(file)?;
            let folder = page.parent().unwrap_or(&page);
            Links::Relative(
                folder.canonicalize().with_context(|| format!("cannot write {}", file.display()))?,
            )
        }
        PageLinks::None => Links::None,
    };
    replace(file, contact_sheet(sections, &links).as_bytes(), Readers::AsUsual)
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Copies or links the matches and prints a summary. Returns false if one failed.
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
    if !settings.ui.is_quiet() {
        let done = if way == Way::Copy { "copied" } else { "linked" };
        let before = if there > 0 { format!("; {there} were already there") } else { String::new() };
        progress::print_note(&format!("{done} {new} photos into {}{before}", into.display()));
    }
    Ok(failed == 0)
}

/// Opens the page or folder, or else the photos themselves, with the system's default programs.
fn open(matches: &[Match], args: &SeeArgs) -> Result<()> {
    let made = args.html.as_ref().or(args.copy_to.as_ref()).or(args.link_to.as_ref());
    if let Some(made) = made {
        return open_one(&absolute(made)?);
    }
    if matches.len() > MOST_WINDOWS {
        bail!(
            "--open would open {} windows; use --html to open one page, or -n to open fewer photos",
            matches.len()
        );
    }
    matches.iter().try_for_each(|found| open_one(&found.path))
}

fn open_one(path: &Path) -> Result<()> {
    open::that_detached(path).with_context(|| format!("found no program to open {}", path.display()))
}

/// Makes a thumbnail of each match and passes it to `finish`, on all cores.
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
