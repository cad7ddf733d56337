//! The API boundary: a model and an index; a [`Query`] in, ranked matches out.

use std::path::PathBuf;

use imgsearch_index::{Error as IndexError, SearchOptions, Searcher};

use crate::model::{Model, ModelError, TextEncoder};
use crate::photo::{Photo, path_of};
use crate::{Library, Query};

/// Answers queries on one library with the model it was indexed with.
pub struct Engine {
    text: TextEncoder,
    searcher: Searcher,
}

/// One photo of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// 1 for the best.
    pub rank: usize,
    /// Cosine of the angle between query and photo, −1 to 1; greater is closer. Comparable within one model only.
    pub score: f32,
    /// The photo's absolute path.
    pub path: PathBuf,
    /// What is remembered of it; `None` when a newer version wrote it.
    pub photo: Option<Photo>,
}

impl Engine {
    /// Joins an open index of `library` with the model it was indexed with, whose text tower it loads.
    ///
    /// # Errors
    /// [`IndexError::SpaceMismatch`], or [`EngineError::Model`] when the text tower does not load.
    pub fn open(library: &Library, searcher: Searcher, model: &Model) -> Result<Engine, EngineError> {
        check_space(library, &searcher, model)?;
        Ok(Engine { text: model.text_encoder()?, searcher })
    }

    /// The best matches, best first; none is no error.
    ///
    /// # Errors
    /// [`EngineError::Model`] when the text cannot be embedded, [`EngineError::Index`] when the index is damaged.
    pub fn search(&mut self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let vector = self.text.encode_text(&query.text)?;
        let filter = query.is_filtered().then(|| self.searcher.select(|key, _| query.admits(key)));
        let options = SearchOptions { filter: filter.as_ref(), exact: query.exact, ef: None };
        let hits = self.searcher.search(&vector, query.top, &options)?;
        let enough = |score: f32| query.min_score.is_none_or(|least| score >= least);
        let matches = hits.into_iter().take_while(|hit| enough(hit.score)).zip(1..);
        Ok(matches
            .map(|(hit, rank)| Match {
                rank,
                score: hit.score,
                path: path_of(hit.key.as_bytes()),
                photo: Photo::decode(&hit.payload),
            })
            .collect())
    }
}

/// Checks that the library's vectors and the model's can be compared.
///
/// # Errors
/// [`IndexError::SpaceMismatch`].
pub fn check_space(library: &Library, searcher: &Searcher, model: &Model) -> Result<(), IndexError> {
    let (found, expected) = (searcher.space(), model.space());
    if found == expected {
        return Ok(());
    }
    Err(IndexError::SpaceMismatch {
        path: library.folder().to_owned(),
        found: Box::new(found.clone()),
        expected: Box::new(expected.clone()),
    })
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The index does not open or does not read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The model does not load or does not run.
    #[error(transparent)]
    Model(#[from] ModelError),
}
