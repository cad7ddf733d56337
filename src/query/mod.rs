//! What can be asked: an expression, how many answers, and which photos count.

mod expression;
mod filter;
mod gazetteer;
mod period;
mod place;
mod words;

use std::num::NonZeroUsize;

use jiff::tz::TimeZone;

pub use expression::{Expression, ExpressionError, Results, Source, Term, parse, parse_line};
pub use filter::{Filter, MinSize, NameError, Names, Shape};
pub use gazetteer::{Gazetteer, Town, TownError, Towns};
pub use period::{Period, PeriodError, Stretch};
pub use place::{Circle, CircleError, DEFAULT_KM};
pub use words::{
    Conditions, Kind, MOST, PARAMETERS, Parameter, Refusal, Sort, Understood, WordError, Words, conditions,
};

/// A question to an [`crate::Engine`].
#[derive(Clone, Debug)]
pub struct Query {
    /// What the photos should show.
    pub expression: Expression,
    /// How many matches at most.
    pub top: NonZeroUsize,
    /// Where the matches end.
    pub cutoff: Cutoff,
    /// Which photos count.
    pub filter: Filter,
    /// In which order they come.
    pub order: Order,
    /// What is done about matches that are much alike.
    pub near_duplicates: NearDuplicates,
    /// Compare with every photo, even where a graph would be faster.
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

/// Where the matches of a query end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cutoff {
    /// After as many as were asked for.
    None,
    /// Before the first that scores less.
    Score(f32),
    /// Where relevance ends: photos that other prompts explain as well are left out.
    Relevance,
}

/// What is done about matches that are much alike, such as the shots of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NearDuplicates {
    /// Each of them is a match.
    Show,
    /// Only the best of them is a match, and tells how many others it stands for.
    Collapse,
}

/// In which order matches come. Which ones they are, their scores alone decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The best first.
    Score,
    /// The newest first, and what has no date last.
    Date {
        /// The time zone in which the times of files are compared with those of cameras.
        zone: TimeZone,
    },
    /// By path, byte by byte.
    Path,
}
