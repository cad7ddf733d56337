//! What is done with the chosen or marked photos. Each function returns a message for the status line.

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch::engine::nothing::photos;
use imgsearch::gather::{Placed, Way, place};

use crate::commands::absolute;
use crate::commands::see::MOST_WINDOWS;
use crate::render::Screen;
use crate::terminal::escape_path;

/// Opens the photos with the desktop's program.
pub(super) fn open(paths: &[PathBuf]) -> String {
    if paths.len() > MOST_WINDOWS {
        return format!("this would open {} windows: mark {MOST_WINDOWS} photos at most", paths.len());
    }
    match paths.iter().try_for_each(open::that_detached) {
        Ok(()) => format!("opened {}", photos(paths.len())),
        Err(_) => "found no program to open it; ^Y copies the path".to_owned(),
    }
}

/// Puts the paths on the clipboard, one per line.
pub(super) fn copy_paths(paths: &[PathBuf], screen: &Screen) -> String {
    let lines: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    match screen.put_on_clipboard(&lines.join("\n")) {
        Ok(()) if paths.len() == 1 => "copied the path, if this terminal allows it".to_owned(),
        Ok(()) => format!("copied {} paths, if this terminal allows it", paths.len()),
        Err(error) => format!("cannot write to the terminal: {error}"),
    }
}

/// Copies the photos into a folder, which is created if needed. Nothing is overwritten.
pub(super) fn copy_to(paths: &[PathBuf], folder: &str, home: Option<&Path>) -> String {
    let typed = match (folder.strip_prefix("~/"), home) {
        (Some(inner), Some(home)) => home.join(inner),
        _ => PathBuf::from(folder),
    };
    let made = fs::create_dir_all(&typed).map_err(anyhow::Error::from).and_then(|()| absolute(&typed));
    let into = match made {
        Ok(into) => into,
        Err(error) => return format!("cannot create the folder {folder}: {error:#}"),
    };
    let (mut new, mut there) = (0, 0);
    for path in paths {
        match place(path, &into, Way::Copy) {
            Ok(Placed::New(_)) => new += 1,
            Ok(Placed::There(_)) => there += 1,
            Err(error) => return format!("copied {new}, then failed at {}: {error}", escape_path(path)),
        }
    }
    let before = if there > 0 { format!("; {there} were already there") } else { String::new() };
    format!("copied {} to {}{before}", photos(new), escape_path(&into))
}
