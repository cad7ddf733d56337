//! `setup`.

use anyhow::Result;
use imgsearch::setup::{Event, Kind, Pin, Plan, Problem, Setup, Source};
use indicatif::DecimalBytes;

use super::Exit;
use super::models::say;
use crate::cli::SetupArgs;
use crate::progress::{self, Download};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &SetupArgs) -> Result<Exit> {
    let setup = settings.setup(args.data.as_deref())?;
    // Where there is no package of libheif, the system's is used. It is an error only for who names it.
    let is_possible = |kind: &Kind| *kind != Kind::Heif || args.what.contains(kind) || setup.has(*kind);
    let kinds: Vec<Kind> = args.kinds().into_iter().filter(is_possible).collect();
    if args.list {
        list(settings, &setup, &kinds)
    } else if args.check {
        check(settings, &setup, &kinds)
    } else if args.remove {
        remove(settings, &setup, &kinds)
    } else {
        install(settings, args, &setup, &kinds)
    }
}

fn list(settings: &Settings, setup: &Setup, kinds: &[Kind]) -> Result<Exit> {
    for kind in kinds {
        for wheel in &setup.part(*kind)?.wheels {
            let (size, sha256) = (wheel.file.pin.size, &wheel.file.pin.sha256);
            say(
                settings.ui,
                &format!("{} {} {size} {sha256} {}", wheel.package, wheel.version, wheel.file.name),
            )?;
        }
    }
    Ok(Exit::Done)
}

fn check(settings: &Settings, setup: &Setup, kinds: &[Kind]) -> Result<Exit> {
    let mut exit = Exit::Done;
    for kind in kinds {
        let problems = setup.problems(*kind)?;
        if problems.is_empty() {
            let place = setup.installed(*kind)?.unwrap_or_default();
            say(settings.ui, &format!("{}: complete, in {}", kind.title(), place.display()))?;
        } else {
            exit = Exit::Failed;
        }
        for problem in problems {
            let problem = match problem {
                Problem::Missing(path) => format!("missing: {}", path.display()),
                Problem::Altered(path) => format!("damaged, or another version: {}", path.display()),
            };
            say(settings.ui, &format!("{}: {problem}", kind.title()))?;
        }
    }
    if exit == Exit::Failed {
        progress::print_note(
            "hint: `imgsearch setup` installs what is missing; if a file is damaged, add --force",
        );
    }
    Ok(exit)
}

fn remove(settings: &Settings, setup: &Setup, kinds: &[Kind]) -> Result<Exit> {
    for kind in kinds {
        let bytes = setup.remove(*kind, &|_| say_waiting())?;
        let what = if bytes == 0 {
            "was not installed".to_owned()
        } else {
            format!("removed, {}", DecimalBytes(bytes))
        };
        say(settings.ui, &format!("{}: {what}", kind.title()))?;
    }
    Ok(Exit::Done)
}

fn install(settings: &Settings, args: &SetupArgs, setup: &Setup, kinds: &[Kind]) -> Result<Exit> {
    let mut wanted = Vec::new();
    for kind in kinds {
        let is_wanted = args.force || setup.installed(*kind)?.is_none();
        wanted.extend(is_wanted.then_some(*kind));
    }
    if wanted.is_empty() {
        say(settings.ui, "everything is installed; `imgsearch setup --check` compares every file")?;
        return Ok(Exit::Done);
    }
    if !args.force {
        wanted.iter().try_for_each(|kind| setup.check_machine(*kind))?;
    }
    say_plan(settings, setup, &wanted)?;
    let access =
        (args.from.is_none() || args.index.is_some()).then(|| settings.package_index(args.index.as_deref()));
    let source = Source { access: access.flatten(), folder: args.from.clone() };
    for kind in wanted {
        let download = Download::of_packages(settings.ui, kind.title());
        let installed = setup.install(kind, &source, &|event| report(&download, &event));
        download.finish();
        installed?;
        say(settings.ui, &format!("{}: installed in {}", kind.title(), setup.target(kind).display()))?;
    }
    Ok(Exit::Done)
}

/// Says what will be downloaded and installed, before it is.
fn say_plan(settings: &Settings, setup: &Setup, kinds: &[Kind]) -> Result<()> {
    let plans = kinds.iter().map(|kind| setup.plan(*kind)).collect::<Result<Vec<_>, _>>()?;
    for Plan { kind, packages, download, installed, of_the_system } in &plans {
        let (download, installed) = (DecimalBytes(*download), DecimalBytes(*installed));
        say(settings.ui, &format!("{}: {download} to download, {installed} on the disk", kind.title()))?;
        for wheel in packages {
            let Pin { size, sha256 } = &wheel.file.pin;
            say(settings.ui, &format!("  {wheel}: {}, sha256 {sha256}", DecimalBytes(*size)))?;
        }
        if !of_the_system.is_empty() {
            say(settings.ui, &format!("  this system already has {}", of_the_system.join(", ")))?;
        }
    }
    Ok(())
}

fn report(download: &Download, event: &Event<'_>) {
    match event {
        Event::Waiting => say_waiting(),
        Event::Download(event) => download.report(event),
        Event::Making(kind) => download.making(kind.title()),
        Event::Kept(folder) => progress::print_note(&format!(
            "the older version is kept in {}, for libraries that were made with it",
            folder.display()
        )),
    }
}

fn say_waiting() {
    progress::print_note("another imgsearch is installing something in this folder; waiting for it");
}
