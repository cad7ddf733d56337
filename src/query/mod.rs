//! A query: an expression, filters, and how many results in which order.

mod expression;
mod filter;
mod gazetteer;
mod inline;
mod parameters;
mod period;
mod phrase;
mod place;
mod texts;
mod words;

use std::num::NonZeroUsize;

use jiff::tz::TimeZone;

pub use expression::{Expression, ExpressionError, Results, Source, Term, parse, parse_line};
pub use filter::{Filter, MinSize, NameError, Names, Shape, folded};
pub use gazetteer::{Gazetteer, Town, TownError, Towns};
pub use inline::{Separated, excludes, separate, separate_line};
pub use parameters::{Kind, MOST, MOST_CHARACTERS, PARAMETERS, Parameter, conditions};
pub use period::{Period, PeriodError, Stretch};
#[cfg(any(feature = "milvus", feature = "postgres"))]
pub(crate) use phrase::tokens;
pub use phrase::{MatchBy, Phrase};
pub use place::{Circle, CircleError, DEFAULT_KM};
pub use texts::{TextCondition, TextField, why};
pub use words::{Conditions, Refusal, Sort, Understood, WordError, Words};

/// A query for an [`crate::Engine`].
#[derive(Clone, Debug)]
pub struct Query {
    /// What the photos should show.
    pub expression: Expression,
    /// Maximum number of matches.
    pub top: NonZeroUsize,
    /// When to leave out matches with low scores.
    pub cutoff: Cutoff,
    /// Conditions on the photos.
    pub filter: Filter,
    /// Order of the matches.
    pub order: Order,
    /// Whether near-duplicates are shown as one.
    pub near_duplicates: NearDuplicates,
    /// Compare with every photo, even if a graph would be faster.
    pub exact: bool,
}

impl Query {
    /// The best `top` photos for `expression`, without any condition.
    pub fn new(expression: Expression, top: NonZeroUsize) -> Query {
        Query {
            expression,
            top,
            cutoff: Cutoff::None,
            filter: Filter::default(),
            order: Order::Score,
            near_duplicates: NearDuplicates::Show,
            exact: false,
        }
    }
}

/// Which matches are left out for their score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cutoff {
    /// Nothing is left out.
    None,
    /// Matches with a lower score.
    Score(f32),
    /// Matches that everyday concepts fit about as well as the query does.
    Relevance,
}

/// How to show matches that look alike, such as the shots of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearDuplicates {
    /// Each is a match.
    Show,
    /// Only the best is a match, and counts the others.
    Collapse,
}

/// The order of matches. It does not change which photos are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Best score first.
    Score,
    /// Newest first, photos without a date last.
    Date {
        /// The time zone used to compare files' times with cameras' local times.
        zone: TimeZone,
    },
    /// By path, byte by byte.
    Path,
}
