//! `classify`.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, bail};
use imgsearch::classify::{Classifier, ClassifyError};

use super::{Exit, noted, open_model, read_vocabulary};
use crate::cli::ClassifyArgs;
use crate::progress;
use crate::render::{Fitting, FormatOptions, Output, Records, fit_fields, unless_reader_left};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &ClassifyArgs) -> Result<Exit> {
    let (labels, layout) = (labels(args)?, FormatOptions::of(&args.output)?);
    // Classifying must work even if the library cannot be read.
    let model = open_model(settings, &noted(&settings.library).unwrap_or_default())?;
    let classifier = Classifier::open(&model, &labels)?;
    let encoder = classifier.image_encoder();
    progress::say_device(settings.ui, encoder.device(), encoder.passed_over());
    let mut output = Output::new(settings.ui.look);
    let mut records = Records::new(&mut output, &layout, fit_fields())?;
    let mut exit = Exit::Done;
    for image in &args.images {
        let fits = match classifier.classify(image) {
            Ok(fits) => fits,
            Err(ClassifyError::Model(error)) => return Err(error.into()),
            Err(error) => {
                progress::print_warning(&format!("cannot classify {}: {error}", image.display()));
                exit = Exit::Failed;
                continue;
            }
        };
        let path: Rc<Path> = image.as_path().into();
        let mut fits = fits.into_iter();
        if let Err(error) = fits.try_for_each(|fit| records.write(&Fitting { path: Rc::clone(&path), fit })) {
            unless_reader_left(Err(error))?;
            return Ok(exit);
        }
    }
    let written = records.finish();
    drop(records);
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(exit)
}

/// The labels of `--labels`, then those in the file.
fn labels(args: &ClassifyArgs) -> Result<Vec<String>> {
    let typed = args.labels.iter().map(|label| label.trim()).filter(|label| !label.is_empty());
    let mut labels: Vec<String> = typed.map(str::to_owned).collect();
    if let Some(file) = &args.labels_file {
        labels.extend(read_vocabulary(file)?.labels().map(str::to_owned));
    }
    if labels.is_empty() {
        bail!("there are no labels");
    }
    Ok(labels)
}
