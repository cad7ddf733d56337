//! Notes about an answer: why nothing was found, and which dates are only those of the files.

use std::path::{Path, PathBuf};

use anyhow::Result;
use imgsearch::Match;
use imgsearch::engine::nothing::{Search, file_dates, photos};
use imgsearch::item::Folder;
use imgsearch::query::{Cutoff, Filter, Query};

use super::absolute;
use crate::cli::FilterArgs;
use crate::progress::print_note;
use crate::settings::Settings;
use crate::ui::Ui;

/// If the query has a date condition, says how many of the photos found have no date of their own.
pub(super) fn dates(ui: Ui, matches: &[Match], args: &FilterArgs) {
    let FilterArgs { after, before, on, .. } = args;
    let is_asked = [after, before, on].iter().any(|date| date.is_some());
    let clock = |found: &Match| Some(found.photo.as_ref()?.details.as_ref()?.clock);
    if let Some(said) = file_dates(matches.iter().map(clock))
        && is_asked
        && !ui.is_quiet()
    {
        print_note(&said);
    }
}

/// Says why a query found nothing.
pub(super) fn nothing_found(settings: &Settings, query: &Query, args: &FilterArgs) -> Result<()> {
    if settings.ui.is_quiet() {
        return Ok(());
    }
    let why =
        search(&query.filter, args, &folders(args)).no_match(&*settings.library.view()?, query.cutoff)?;
    let anyway = if query.cutoff == Cutoff::Relevance { "; `--all` lists the best ones anyway" } else { "" };
    print_note(&format!("no photo matches: {why}{anyway}"));
    Ok(())
}

/// Says why no photo has a label.
pub(super) fn no_label(settings: &Settings, filter: &Filter, args: &FilterArgs, least: f32) -> Result<()> {
    if settings.ui.is_quiet() {
        return Ok(());
    }
    let why = search(filter, args, &folders(args)).no_label(&*settings.library.view()?, least)?;
    print_note(&format!("no photo has a label: {why}"));
    Ok(())
}

/// Says among how many photos there are no duplicates, and what else could be compared.
pub(super) fn no_duplicates(settings: &Settings, named: &[PathBuf], further: Option<&str>) -> Result<()> {
    if settings.ui.is_quiet() {
        return Ok(());
    }
    let view = &*settings.library.view()?;
    let absolute: Vec<PathBuf> = named.iter().map(|folder| absolute(folder)).collect::<Result<_>>()?;
    let filter = Filter { folders: absolute.iter().map(Folder::from).collect(), ..Filter::default() };
    let names: Vec<String> = named.iter().map(|folder| named_folder(folder)).collect();
    let compared = view.count(&filter)?;
    let (where_, others) = match names.as_slice() {
        [] => (String::new(), ""),
        names => (format!(" in {}", names.join(" and ")), "; copies outside are not compared"),
    };
    if compared == 0 {
        let why = Search { filter: &filter, folders: &names, globs: &[] }.no_photo(view)?;
        print_note(&format!("no duplicates: {why}"));
        return Ok(());
    }
    let further = further.map_or_else(String::new, |hint| format!("; {hint}"));
    print_note(&format!("no duplicates among {}{where_}{others}{further}", photos(compared)));
    Ok(())
}

fn search<'a>(filter: &'a Filter, args: &'a FilterArgs, folders: &'a [String]) -> Search<'a> {
    Search { filter, folders, globs: &args.glob }
}

fn folders(args: &FilterArgs) -> Vec<String> {
    args.folders.iter().map(|folder| named_folder(folder)).collect()
}

/// The folder as it was typed. The most likely reason is a mistyped folder, so say if it does not exist.
fn named_folder(folder: &Path) -> String {
    let missing = if folder.exists() { "" } else { " (there is no such folder)" };
    format!("{}{missing}", folder.display())
}
