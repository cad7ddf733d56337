//! `query`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use imgsearch::engine::{newest, spelling};
use imgsearch::model::ModelError;
use imgsearch::query::{Separated, Source, Term, parse, parse_line, separate, separate_line};
use imgsearch::text_file::{Lines, TextError};
use imgsearch::walk::FileType;
use imgsearch::{Engine, EngineError, Expression, Match, Query};

use super::filter::written;
use super::search::{Rated, answer, list, query, read_stdin, show};
use super::{Exit, explain, open_engine, see};
use crate::cli::{Format, QueryArgs};
use crate::progress;
use crate::render::FormatOptions;
use crate::settings::{Settings, zone};
use crate::ui::Ui;

pub(super) fn run(settings: &Settings, mut args: QueryArgs) -> Result<Exit> {
    if let Some(file) = &args.queries {
        return answer_all(settings, file, &args);
    }
    let typed = as_typed(&args);
    let Separated { words, conditions } = separate(&args.words)?;
    args.words = words;
    args.search.filter.written = conditions;
    if args.words.is_empty() && args.like.is_empty() && args.minus.is_empty() {
        return list(settings, &typed, &args.search);
    }
    answer(settings, &typed, terms(settings, &args)?, &args.search)
}

/// The query as it is shown with the results.
fn as_typed(args: &QueryArgs) -> String {
    let QueryArgs { words, like, minus, .. } = args;
    let mut typed = words.join(OsStr::new(" "));
    for (sign, parts) in [("+", like), ("-", minus)] {
        for part in parts {
            typed.push(if typed.is_empty() { "" } else { " " });
            typed.push(format!("{sign} "));
            typed.push(part);
        }
    }
    let mut typed = typed.to_string_lossy().into_owned();
    for (name, value) in args.search.filter.words.conditions() {
        let between = if typed.is_empty() { "" } else { " " };
        typed.push_str(&format!("{between}{name}:{value}"));
    }
    if typed.is_empty() { "the newest photos".to_owned() } else { typed }
}

fn terms(settings: &Settings, args: &QueryArgs) -> Result<Vec<Term>> {
    let QueryArgs { words, like, minus, weight, .. } = args;
    let results = &|rank| settings.library.remembered(rank);
    let mut terms: Vec<_> =
        parse(words, results)?.into_iter().map(|term| picture_by_name(settings.ui, term, words)).collect();
    for picture in like {
        terms.push(read_stdin(Term::picture(picture, results)?)?);
    }
    for part in minus {
        let Term { weight, source } = Term::parse(part, results)?;
        terms.push(Term { weight: -weight, source });
    }
    if weight.len() > terms.len() {
        bail!("--weight has {} weights, but the query has only {} parts", weight.len(), terms.len());
    }
    terms.iter_mut().zip(weight).for_each(|(term, weight)| term.weight *= weight);
    Ok(terms)
}

/// A word that is the name of an existing picture means the picture, also without `./` in front. With a space or a weight
/// in front it is a text.
fn picture_by_name(ui: Ui, term: Term, words: &[OsString]) -> Term {
    let Source::Text(text) = &term.source else { return term };
    if !Path::new(text).is_file() || !words.iter().any(|word| word.as_os_str() == text.as_str()) {
        return term;
    }
    if FileType::of(text.as_bytes()).is_none() {
        progress::print_warning(&format!(
            "searching for the text `{text}`; for the picture write `./{text}`"
        ));
        return term;
    }
    if !ui.is_quiet() {
        progress::print_note(&format!("searching with the picture {text}; for the text write `\" {text}\"`"));
    }
    Term { source: Source::Picture(text.into()), ..term }
}

/// Batch mode. Each line is answered before the next is read, so that another program can have a dialogue. It ends at
/// the end of the lines, or when nobody reads the answers any more.
fn answer_all(settings: &Settings, file: &Path, args: &QueryArgs) -> Result<Exit> {
    let layout = FormatOptions::of(&args.search.output)?;
    if layout.format != Format::Jsonl {
        bail!("--queries supports only --format jsonl");
    }
    args.search.see.html.as_deref().map_or(Ok(()), see::check_page)?;
    let lines: Box<dyn BufRead> = if file == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?))
    };
    let every = query(settings, Expression::text(String::new()), &args.search)?;
    let engine = open_engine(settings)?;
    let (mut asked, mut found, mut failed, mut sections) = (false, false, false, Vec::new());
    for (line, number) in Lines::of(lines).zip(1..) {
        let line = match line {
            Ok(line) => line,
            Err(error @ TextError::NotUtf8) => {
                failed = true;
                progress::print_error(&anyhow::Error::from(error).context(format!("line {number}")));
                continue;
            }
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        asked = true;
        match answer_line(settings, &engine, line, &every) {
            Ok((matches, corrected)) => {
                found |= !matches.is_empty();
                let is_read = show(
                    settings.ui,
                    line,
                    &Rated { matches: &matches, probabilities: Vec::new(), corrected: corrected.as_deref() },
                    &layout,
                )?;
                if args.search.see.html.is_some() {
                    sections.push(see::section(settings, line, &matches)?);
                } else if !is_read {
                    break;
                }
            }
            Err(error) if ends_the_batch(&error) => return Err(error),
            Err(error) => {
                failed = true;
                progress::print_error(&error.context(format!("line {number}")));
            }
        }
    }
    if let Some(page) = &args.search.see.html {
        see::write_page(page, &sections, args.search.see.links)?;
    }
    match (failed, found) {
        (false, false) if asked => explain::nothing_found(settings, &every, &args.search.filter)?,
        (false, false) => progress::print_warning(&format!("{} has no queries", file.display())),
        _ => {}
    }
    Ok(match (failed, found) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Done,
        (false, false) => Exit::NothingFound,
    })
}

/// The matches, and what was corrected in the query.
fn answer_line(
    settings: &Settings,
    engine: &Engine,
    line: &str,
    every: &Query,
) -> Result<(Vec<Match>, Option<String>)> {
    let Separated { words, conditions } = separate_line(line)?;
    let query =
        Query { filter: every.filter.clone().with(written(settings, &conditions)?)?, ..every.clone() };
    let view = engine.view();
    if words.is_empty() {
        return Ok(spelling::search(&*view, &query, |query| newest(&*view, query, &zone()))?);
    }
    let line = words.join(OsStr::new(" "));
    let terms = parse_line(&line.to_string_lossy(), &|rank| engine.library().remembered(rank))?;
    let query = Query { expression: Expression::new(terms)?, ..query };
    Ok(spelling::search(&*view, &query, |query| engine.search(query))?)
}

/// Whether the next lines would fail in the same way.
fn ends_the_batch(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(EngineError::Store(_)) => true,
        Some(EngineError::Model(error)) => !matches!(error, ModelError::NoWords { .. }),
        _ => false,
    }
}
