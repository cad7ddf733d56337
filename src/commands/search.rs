//! Running one query, for `query` and `similar`.

use std::io::stdin;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use anyhow::{Context, Result};
use imgsearch::decode::{self, Limits};
use imgsearch::engine::{LEAST_PROBABILITY, newest, spelling};
use imgsearch::library::Note;
use imgsearch::query::{Cutoff, NearDuplicates, Order, Source, Term};
use imgsearch::{Engine, Expression, Match, Query};

use super::filter::filter;
use super::{Exit, explain, open_engine, see, stale};
use crate::cli::{CollapseArgs, Format, SearchArgs, Sort};
use crate::progress;
use crate::render::{FormatOptions, Output, Records, ResultRow, match_fields, unless_reader_left};
use crate::settings::{Settings, zone};
use crate::ui::Ui;

/// Answers one query. `typed` is the query as shown with the results.
pub(super) fn answer(settings: &Settings, typed: &str, terms: Vec<Term>, args: &SearchArgs) -> Result<Exit> {
    let layout = FormatOptions::of(&args.output)?;
    see::check(settings, &args.see, args.output.format)?;
    let query = query(settings, Expression::new(terms)?, args)?;
    // Not dropped: the process ends after its answer, and freeing tokenizer and tower first would add a tenth to its time.
    let engine = ManuallyDrop::new(open_engine(settings)?);
    let (matches, corrected) = spelling::search(&*engine.view(), &query, |query| engine.search(query))?;
    let rate = || probabilities(settings, &engine, &query, &matches, &layout);
    let (layout, note) = (&layout, &engine.view().note());
    tell(settings, typed, &query, &Answer { matches: &matches, corrected, rate: &rate, layout, note }, args)
}

/// Lists the newest photos that meet the conditions, without a model.
pub(super) fn list(settings: &Settings, typed: &str, args: &SearchArgs) -> Result<Exit> {
    let layout = FormatOptions::of(&args.output)?;
    see::check(settings, &args.see, args.output.format)?;
    let query = query(settings, Expression::text(String::new()), args)?;
    let view = settings.library.view()?;
    let (matches, corrected) = spelling::search(&*view, &query, |query| newest(&*view, query, &zone()))?;
    let (rate, layout, note) = (&|| Ok(Vec::new()), &layout, &view.note());
    tell(settings, typed, &query, &Answer { matches: &matches, corrected, rate, layout, note }, args)
}

/// What was found, and how to show it.
struct Answer<'a> {
    matches: &'a [Match],
    /// What was corrected in the query.
    corrected: Option<String>,
    /// Of each match, how probably it shows what was asked for.
    rate: &'a dyn Fn() -> Result<Vec<f32>>,
    layout: &'a FormatOptions,
    /// The note of the library.
    note: &'a Note,
}

/// Shows an answer, and does with the matches what the options say.
fn tell(
    settings: &Settings,
    typed: &str,
    query: &Query,
    answer: &Answer<'_>,
    args: &SearchArgs,
) -> Result<Exit> {
    let Answer { matches, corrected, rate, layout, note } = answer;
    remember(settings, matches);
    if let Some(note) = corrected.as_ref().filter(|_| !settings.ui.is_quiet()) {
        progress::print_note(note);
    }
    see::preview(settings, matches, &args.see)?;
    let rated = Rated { matches, probabilities: rate()?, corrected: corrected.as_deref() };
    show(settings.ui, typed, &rated, layout)?;
    if matches.is_empty() {
        explain::nothing_found(settings, query, &args.filter)?;
    }
    explain::dates(settings.ui, matches, &args.filter);
    stale::print(settings, note);
    let is_done = see::see(settings, typed, matches, &args.see)?;
    Ok(match (is_done, matches.is_empty()) {
        (false, _) => Exit::Failed,
        (true, true) => Exit::NothingFound,
        (true, false) => Exit::Done,
    })
}

/// The query that the options describe.
pub(super) fn query(settings: &Settings, expression: Expression, args: &SearchArgs) -> Result<Query> {
    Ok(Query {
        expression,
        top: args.top,
        cutoff: cutoff(args),
        filter: filter(settings, &args.filter)?,
        order: order(args.sort),
        near_duplicates: near_duplicates(&args.collapse, args.output.format == Format::Text),
        exact: args.exact,
    })
}

/// The user's choice; without one, near-duplicates are collapsed if `default` is true.
pub(super) fn near_duplicates(args: &CollapseArgs, default: bool) -> NearDuplicates {
    if args.is_on(default) { NearDuplicates::Collapse } else { NearDuplicates::Show }
}

fn order(sort: Sort) -> Order {
    match sort {
        Sort::Score => Order::Score,
        Sort::Date => Order::Date { zone: zone() },
        Sort::Path => Order::Path,
    }
}

/// `--cutoff` and `--all` win over a `min-score` in the config file.
fn cutoff(args: &SearchArgs) -> Cutoff {
    match args.min_score {
        _ if args.cutoff => Cutoff::Relevance,
        Some(least) if !args.all => Cutoff::Score(least),
        _ => Cutoff::None,
    }
}

/// Of each match, how probably it shows what was asked for, if a person sees the answer. Empty for other answers, and for
/// queries with pictures, whose scores cannot be compared with those of texts.
fn probabilities(
    settings: &Settings,
    engine: &Engine,
    query: &Query,
    matches: &[Match],
    layout: &FormatOptions,
) -> Result<Vec<f32>> {
    let is_text = |term: &Term| matches!(term.source, Source::Text(_));
    let is_shown = settings.ui.look.is_terminal && layout.format == Format::Text && !matches.is_empty();
    if !is_shown || !query.expression.terms().iter().all(is_text) {
        return Ok(Vec::new());
    }
    let bar = progress::words_bar(settings.ui);
    engine.prepare_background(&progress::shown_on(&bar))?;
    bar.finish_and_clear();
    Ok(engine.probabilities(matches)?)
}

/// The matches of a query.
pub(super) struct Rated<'m> {
    pub(super) matches: &'m [Match],
    /// How probably each shows what was asked for; empty if that is not known.
    pub(super) probabilities: Vec<f32>,
    /// What was corrected in the query.
    pub(super) corrected: Option<&'m str>,
}

impl Rated<'_> {
    /// The index of the first match below the last likely one, if there is a likely one and the matches are sorted by score,
    /// and the heading for it. If none is likely there is no line: good matches of unusual queries often are not.
    fn line(&self) -> Option<(usize, &'static str)> {
        let is_sorted = self.matches.is_sorted_by_key(|found| found.rank);
        let last = self.probabilities.iter().rposition(|probability| *probability >= LEAST_PROBABILITY);
        last.filter(|_| is_sorted).map(|last| (last + 1, "less likely:"))
    }
}

/// Prints an answer. Returns whether the output is still being read.
pub(super) fn show(ui: Ui, typed: &str, rated: &Rated<'_>, layout: &FormatOptions) -> Result<bool> {
    let mut output = Output::new(ui.look);
    let mut records = Records::new(&mut output, layout, match_fields())?;
    let query: Rc<str> = typed.into();
    let corrected: Option<Rc<str>> = rated.corrected.map(Into::into);
    let line = rated.line();
    let mut found = rated.matches.iter().enumerate();
    let written = found.try_for_each(|(at, found)| {
        if let Some((_, heading)) = line.filter(|(below, _)| *below == at) {
            records.divide(heading);
        }
        let probability = rated.probabilities.get(at).copied();
        let (query, corrected) = (Rc::clone(&query), corrected.clone());
        records.write(&ResultRow { query, found: found.clone(), probability, corrected })
    });
    let written = written.and_then(|()| records.finish());
    drop(records);
    let written = written.and_then(|()| output.finish());
    let is_read = written.is_ok();
    unless_reader_left(written)?;
    Ok(is_read)
}

/// Reads the picture from stdin if it is called `-`.
pub(super) fn read_stdin(term: Term) -> Result<Term> {
    if term.source != Source::Picture("-".into()) {
        return Ok(term);
    }
    let bytes =
        decode::read(stdin().lock(), &Limits::default()).context("cannot read the picture on stdin")?;
    Ok(Term { source: Source::Bytes(bytes), ..term })
}

/// Saves the results for `#N`. A read-only library can still be searched, but then the user must know that `#N` does not
/// mean these results.
fn remember(settings: &Settings, matches: &[Match]) {
    let mut by_rank: Vec<&Match> = matches.iter().collect();
    by_rank.sort_by_key(|found| found.rank);
    let paths = by_rank.into_iter().map(|found| found.path.as_path());
    if let Err(error) = settings.library.remember(paths)
        && !settings.ui.is_quiet()
    {
        progress::print_warning(&format!(
            "these results cannot be saved, so `#1`, `#2`… won't mean them in your next query: {error}"
        ));
    }
}
