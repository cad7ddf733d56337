//! Helpers for tests that call the library directly instead of running the binary.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use imgsearch::ingest::{Event, IngestError, Plan, Reporter, Totals, index};
use imgsearch::model::{Execution, Precision};
use imgsearch::walk::resolve_roots;
use imgsearch::{Library, Model};

use crate::model_goldens::execution;
use crate::workspace::Workspace;

/// How long a run waits for a disk by default.
const PATIENT: Duration = Duration::from_secs(600);

pub(crate) struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

pub(crate) fn offline_model() -> Model {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    open_model(&data.join("models/offline"))
}

pub(crate) fn open_model(folder: &Path) -> Model {
    Model::open(folder, Execution { precision: Precision::Auto, ..execution(None) }).unwrap()
}

/// A plan to index the workspace's photos on one thread.
pub(crate) fn plan(workspace: &Workspace) -> Plan {
    let roots = resolve_roots(&[workspace.photos()]).0;
    Plan { max_wait: PATIENT, ..Plan::new(roots, SystemTime::now()) }
}

pub(crate) fn index_in(
    library: &Path,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    fs::create_dir_all(library).unwrap();
    index(&mut Library::new(library).lock().unwrap(), model, plan, reporter, cancel)
}
