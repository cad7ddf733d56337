//! Stands in for unpacking in builds without the feature `archives`.

use std::path::Path;

use super::{Event, HubError, Pulled, Store};
use crate::model::Execution;

impl Store {
    /// Always fails.
    ///
    /// # Errors
    /// [`HubError::NoArchives`].
    pub fn unpack(
        &self,
        archive: &Path,
        _name: Option<&str>,
        _execution: Execution,
        _report: &dyn Fn(Event<'_>),
    ) -> Result<Pulled, HubError> {
        Err(HubError::NoArchives { path: archive.to_owned() })
    }
}
