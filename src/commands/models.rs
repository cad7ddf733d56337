//! `models`.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use imgsearch::Model;
use imgsearch::digest::sha256_watched;
use imgsearch::hub::{
    Event, HubError, Installed, KNOWN, Known, OFFLINE, Precisions, Pulled, RECOMMENDED, STRONGER, Store,
    Wanted, is_archive,
};
use imgsearch::model::ImageEncoder;
use indicatif::ProgressBar;

use super::{Exit, noted, open_model};
use crate::cli::{
    BenchArgs, DEFAULT_RETRIES, DEFAULT_TIMEOUT, InfoArgs, ListArgs, ModelsCommand, PullArgs, RemoveArgs,
};
use crate::progress::{self, Download};
use crate::render::{Description, Output, unless_reader_left};
use crate::settings::Settings;
use crate::ui::Ui;

pub(super) fn run(settings: &Settings, command: &ModelsCommand) -> Result<Exit> {
    match command {
        ModelsCommand::List(args) => list(settings, args),
        ModelsCommand::Pull(args) => pull(settings, args),
        ModelsCommand::Info(args) => info(settings, args),
        ModelsCommand::Bench(args) => bench(settings, args),
        ModelsCommand::Verify(args) => verify(settings, args.name.as_deref()),
        ModelsCommand::Remove(args) => remove(settings, args),
        ModelsCommand::Use(args) => choose(settings, &args.name),
    }
}

/// If no model is installed and there is a person to ask, offers to fetch the recommended one.
pub(super) fn offer_if_none(settings: &Settings) -> Result<()> {
    let Err(error) = open_model(settings, &noted(&settings.library)?) else { return Ok(()) };
    let is_first = matches!(error.downcast_ref(), Some(HubError::NoneInstalled));
    match Known::named(RECOMMENDED) {
        Some(known) if is_first && settings.ui.can_ask && progress::ask(&offer(known)) => {
            let wanted = Wanted::parse(known.name, None, Precisions::default())?;
            let access = settings.access(DEFAULT_TIMEOUT, DEFAULT_RETRIES);
            let progress = Download::asking(settings.ui);
            install(settings, &progress, |store, report| {
                store.pull(&access, &wanted, settings.execution(), report)
            })
        }
        _ => Err(error),
    }
}

fn offer(known: &Known) -> String {
    let Known { name, languages, .. } = known;
    let (size, license) = (known.megabytes.unwrap_or_default(), known.license.unwrap_or("unknown"));
    format!(
        "No model is installed. Download {name} from Hugging Face now ({size} MB, {languages}, licence {license})?"
    )
}

fn pull(settings: &Settings, args: &PullArgs) -> Result<Exit> {
    let archive = Path::new(&args.source);
    if is_archive(archive) {
        return unpack(settings, args, archive);
    }
    let wanted = Wanted::parse(&args.source, args.name.as_deref(), args.precisions())?;
    let access = settings.access(Duration::from_secs(args.timeout), args.retries);
    let progress = Download::asking(settings.ui);
    install(settings, &progress, |store, report| store.pull(&access, &wanted, settings.execution(), report))?;
    Ok(Exit::Done)
}

fn unpack(settings: &Settings, args: &PullArgs, archive: &Path) -> Result<Exit> {
    if args.precisions() != Precisions::default() {
        bail!(
            "--image-precision and --text-precision have no effect on an archive: {} is installed as it is",
            archive.display()
        );
    }
    let name = args.name.as_deref();
    let progress = Download::unpacking(settings.ui, archive);
    install(settings, &progress, |store, report| store.unpack(archive, name, settings.execution(), report))?;
    Ok(Exit::Done)
}

/// Installs a model, and makes it the default for new libraries if it is the first one.
fn install(
    settings: &Settings,
    progress: &Download,
    by: impl FnOnce(&Store, &dyn Fn(Event<'_>)) -> Result<Pulled, HubError>,
) -> Result<()> {
    let store = settings.store()?;
    let pulled = by(&store, &|event| progress.report(&event));
    progress.finish();
    let (model, how) = match pulled? {
        Pulled::New(model) => (model, "is installed"),
        Pulled::Before(model) => (model, "was already installed"),
    };
    let is_first = matches!(store.default_model(), Err(HubError::NoneInstalled));
    if is_first {
        store.set_default(&model.name)?;
    }
    let role = if is_first { " and is the default for new libraries" } else { "" };
    say(
        settings.ui,
        &format!("{} {how}{role}: `imgsearch index --model {} ~/Photos`", model.name, model.name),
    )
}

fn list(settings: &Settings, args: &ListArgs) -> Result<Exit> {
    let store = settings.store()?;
    let (installed, speeds) = (store.installed(), store.speeds());
    let known = KNOWN.iter().filter(|known| !installed.iter().any(|model| model.name == known.name));
    let models = installed.iter().map(|model| describe(settings, model));
    let models = models
        .chain(known.map(|known| Ok(Description::of_known(known, &speeds))))
        .collect::<Result<Vec<_>>>()?;
    let mut output = Output::new(settings.ui.look);
    let written = if args.json { output.models_as_json(&models) } else { output.models(&models) };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

fn info(settings: &Settings, args: &InfoArgs) -> Result<Exit> {
    let (store, archive) = (settings.store()?, Path::new(&args.name));
    let found = if is_archive(archive) {
        let progress = Download::unpacking(settings.ui, archive);
        let unpacked = store.unpack(archive, None, settings.execution(), &|event| progress.report(&event));
        progress.finish();
        unpacked.map(Pulled::into_model)
    } else {
        store.find(&args.name)
    };
    let description = match (found, Known::named(&args.name)) {
        (Ok(model), _) => {
            let mut description = describe(settings, &model)?;
            description.lies_in(&model);
            description
        }
        (Err(HubError::NotInstalled { .. }), Some(known)) => Description::of_known(known, &store.speeds()),
        (Err(error), _) => return Err(error.into()),
    };
    let mut output = Output::new(settings.ui.look);
    let written = if args.json { output.models_as_json(&[description]) } else { output.model(&description) };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

fn bench(settings: &Settings, args: &BenchArgs) -> Result<Exit> {
    let store = settings.store()?;
    let models = match args.names.as_slice() {
        [] => store.installed(),
        names => names.iter().map(|name| store.find(name)).collect::<Result<_, _>>()?,
    };
    let share = Duration::from_secs(args.seconds.into()) / u32::try_from(models.len().max(1))?;
    let mut speeds = store.speeds();
    let say_device = |encoder: &ImageEncoder| {
        progress::say_device(settings.ui, encoder.device(), encoder.passed_over());
    };
    let mut failed = None;
    for model in &models {
        let measured = Model::open(&model.folder, settings.execution())
            .and_then(|opened| Ok((opened.space().id().to_owned(), opened.speed(share, say_device)?)));
        match measured {
            Ok((space, speed)) => speeds.add(&model.name, &space, known(model), speed, settings.threads),
            Err(error) => {
                let error = anyhow::Error::new(error).context(model.name.clone());
                progress::print_warning(&format!("{error:#}"));
                failed = Some(error);
            }
        }
    }
    store.keep_speeds(&speeds)?;
    let described = models.iter().map(|model| describe(settings, model)).collect::<Result<Vec<_>>>()?;
    let mut output = Output::new(settings.ui.look);
    unless_reader_left(output.speeds(&described).and_then(|()| output.finish()))?;
    Ok(failed.map_or(Exit::Done, |error| {
        progress::print_hint(&error);
        Exit::Failed
    }))
}

/// If only the offline model is installed, recommends a better one and says what it costs.
pub(super) fn stronger(settings: &Settings) -> Option<String> {
    let store = settings.store().ok()?;
    let installed = store.installed();
    let is_offline = |model: &Installed| model.name == OFFLINE && model.origin.is_none();
    let known = Known::named(STRONGER).filter(|_| installed.iter().all(is_offline))?;
    let (size, license, speed) = (known.megabytes?, known.license?, store.speeds().estimated(known)?);
    Some(format!(
        "`imgsearch models pull {}` downloads a model that finds more ({size} MB, licence {license}); it takes about \
         {:.1} times as long per photo as the offline model",
        known.name,
        speed.recip()
    ))
}

/// For a GPU: recommends the 16-bit weights that the model's folder also has.
pub(super) fn lighter(model: &Model) -> Option<String> {
    model.has_unused_fp16().then(|| {
        format!(
            "{} also has 16-bit weights, which take half the memory and are usually faster on a GPU: `imgsearch index \
             --precision fp16`. They count as another model, so all photos are embedded again",
            model.space().label()
        )
    })
}

/// A warning that cut vectors find less, unless the model's files or the table say that it was trained for it.
pub(super) fn cut_warning(settings: &Settings, model: &Model) -> Option<String> {
    let installed = settings.store().map_or_else(|_| Vec::new(), |store| store.installed());
    let installed = installed.iter().find(|installed| installed.folder == model.folder());
    let is_trained = installed.and_then(known).is_some_and(Known::is_matryoshka);
    model.cut_warning().filter(|_| !is_trained)
}

/// The row of the table that an installed model came from.
fn known(model: &Installed) -> Option<&'static Known> {
    let repo = &model.origin.as_ref()?.repo;
    KNOWN.iter().find(|known| known.repo == *repo)
}

/// Describes an installed model, from the table of known models if it is in there, and from its files.
fn describe(settings: &Settings, model: &Installed) -> Result<Description> {
    let store = settings.store()?;
    let speeds = store.speeds();
    let mut description = match known(model) {
        Some(known) => Description::of_known(known, &speeds),
        None => Description::default(),
    };
    description.is_installed(model);
    description.default = store.default_model().is_ok_and(|default| default.name == model.name);
    if let Ok(opened) = Model::open(&model.folder, settings.execution()) {
        description.embed_dim = Some(opened.space().dim());
        description.was_measured(&speeds, opened.space().id());
    }
    Ok(description)
}

fn verify(settings: &Settings, name: Option<&str>) -> Result<Exit> {
    let store = settings.store()?;
    let models =
        name.map_or_else(|| Ok(store.installed()), |name| store.find(name).map(|model| vec![model]))?;
    let bytes = models.iter().flat_map(Installed::files).map(|(_, bytes)| bytes).sum();
    let bar = progress::bytes_bar(settings.ui, bytes);
    let results: Vec<_> = models.iter().map(|model| (model, check(settings, model, &bar))).collect();
    bar.finish_and_clear();
    let mut output = Output::new(settings.ui.look);
    let written = results.iter().try_for_each(|(model, result)| output.verified(&model.name, result));
    unless_reader_left(written.and_then(|()| output.finish()))?;
    if let Some((_, Err(error))) = results.iter().find(|(_, result)| result.is_err()) {
        progress::print_hint(error);
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// Checks a model's files against the digests from its download, or against those in its own `model.json`.
fn check(settings: &Settings, model: &Installed, bar: &ProgressBar) -> Result<()> {
    bar.set_message(model.name.clone());
    let sha256_of = |path: &Path| sha256_watched(path, &|bytes| bar.inc(bytes));
    if !model.verify(&sha256_of)? {
        Model::open(&model.folder, settings.execution())?.verify(&sha256_of)?;
    }
    Ok(())
}

fn remove(settings: &Settings, args: &RemoveArgs) -> Result<Exit> {
    let store = settings.store()?;
    let model = store.find(&args.name)?;
    let is_needed = noted(&settings.library)?.model().is_some_and(|folder| folder == model.folder);
    if is_needed && !args.force {
        bail!(
            "the library {} needs `{}` for every query; --force removes it anyway",
            settings.library,
            model.name
        );
    }
    store.remove(&model.name)?;
    say(settings.ui, &format!("removed {}", model.name))?;
    Ok(Exit::Done)
}

fn choose(settings: &Settings, name: &str) -> Result<Exit> {
    let store = settings.store()?;
    let model = store.find(name)?;
    Model::open(&model.folder, settings.execution())?;
    store.set_default(name)?;
    say(
        settings.ui,
        &format!(
            "new libraries use {name}; to change an existing one: `imgsearch index --model {name} ~/Photos`"
        ),
    )?;
    Ok(Exit::Done)
}

/// Prints one line about what was done.
pub(super) fn say(ui: Ui, line: &str) -> Result<()> {
    if !ui.is_quiet() {
        let mut output = Output::new(ui.look);
        unless_reader_left(output.line(line).and_then(|()| output.finish()))?;
    }
    Ok(())
}
