//! Measures `--cutoff`: prints its precision and recall, and for comparison those of the score threshold that is best for the
//! first half of the queries.
//!
//! ```text
//! cargo run --release --example cutoff -- FOLDER [MODEL]
//! ```
//!
//! FOLDER and MODEL are described in `captioned/mod.rs`. Only captioned photos are indexed, because it is unknown what the
//! others show. Queries with answers are in `cutoff/categories.tsv`: a query, and the words by which the captions of its
//! photos are recognised, with `|` for or and ` & ` for and. Queries without answers are in `cutoff/unanswerable.txt`. Every
//! second query was used to choose thresholds and constants (`chosen on`). The others were not (`held out`), and their
//! figures are the ones that count.

mod captioned;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use imgsearch::decode::Limits;
use imgsearch::engine::{Choice, Vocabulary};
use imgsearch::query::{Cutoff, Filter};
use imgsearch::{Engine, Expression, Library, Match, Query};

use captioned::{Captioned, captioned, index_all, open_model, share};

const CATEGORIES: &str = include_str!("cutoff/categories.tsv");
const UNANSWERABLE: &str = include_str!("cutoff/unanswerable.txt");

/// A query with its relevant photos.
struct Asked {
    is_held_out: bool,
    photos: Vec<Judged>,
}

/// A photo as a result of a query.
struct Judged {
    score: f32,
    is_right: bool,
    /// Whether the cutoff keeps it.
    is_left: bool,
}

/// The results of a cutoff method, summed over queries.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: usize,
    shown: usize,
    answers: usize,
    /// The number of queries without answers, and how many of them got an empty result.
    unanswerable: usize,
    quiet: usize,
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("usage: cutoff FOLDER [MODEL]")?;
    let model = open_model(arguments.next(), None, None)?;
    let mut photos = captioned(&folder)?;
    photos.iter_mut().flat_map(|photo| &mut photo.captions).for_each(|caption| *caption = spaced(caption));
    let library = tempfile::tempdir()?;
    let library = Library::new(library.path());
    let files: Vec<PathBuf> = photos.iter().map(|photo| folder.join("images").join(&photo.file)).collect();
    index_all(&library, &model, &files)?;
    let engine = Engine::open(&library, library.view()?, Arc::new(model), Limits::default())?;
    let asked = ask_all(&engine, &photos)?;
    println!("{} photos, {} queries", photos.len(), asked.len());
    let (held_out, chosen_on): (Vec<Asked>, Vec<Asked>) =
        asked.into_iter().partition(|asked| asked.is_held_out);
    let threshold = best_flat(&chosen_on);
    for (name, asked) in [("chosen on", &chosen_on), ("held out", &held_out)] {
        println!("{name}: cutoff, {}", report(count(asked, |photo| photo.is_left)));
        println!("{name}: flat {threshold:.3}, {}", report(count(asked, |photo| photo.score >= threshold)));
    }
    for line in reliability(&engine, &photos)? {
        println!("{line}");
    }
    Ok(())
}

/// The words of a text in lower case, each surrounded by spaces.
fn spaced(text: &str) -> String {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The queries with answers, each with its relevant files.
fn categories(photos: &[Captioned]) -> impl Iterator<Item = (&'static str, Vec<&str>)> {
    let lines = CATEGORIES.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(text, words)| {
        let needed: Vec<Vec<String>> =
            words.split(" & ").map(|words| words.split('|').map(spaced).collect()).collect();
        let has = |photo: &Captioned, words: &[String]| {
            photo.captions.iter().any(|caption| words.iter().any(|word| caption.contains(word)))
        };
        let answers = photos.iter().filter(|photo| needed.iter().all(|words| has(photo, words)));
        (text, answers.map(|photo| &*photo.file).collect())
    })
}

fn ask_all(engine: &Engine, photos: &[Captioned]) -> Result<Vec<Asked>> {
    let all = NonZeroUsize::new(photos.len()).context("there are no captions")?;
    let without = UNANSWERABLE.lines().map(|text| (text, Vec::new()));
    let numbered = categories(photos).enumerate().chain(without.enumerate());
    let ask = |(number, (text, answers)): (usize, (&str, Vec<&str>))| {
        let plain = Query { exact: true, ..Query::new(Expression::text(text), all) };
        let found = engine.search(&plain)?;
        let left = engine.search(&Query { cutoff: Cutoff::Relevance, ..plain })?;
        let judged = |photo: &Match| Judged {
            score: photo.score.unwrap_or_default(),
            is_right: answers.iter().any(|file| photo.path.ends_with(file)),
            is_left: left.iter().any(|left| left.path == photo.path),
        };
        Ok(Asked { is_held_out: number % 2 == 1, photos: found.iter().map(judged).collect() })
    };
    numbered.map(ask).collect()
}

fn count(asked: &[Asked], shows: impl Fn(&Judged) -> bool) -> Counts {
    let mut counts = Counts::default();
    for Asked { photos, .. } in asked {
        let answers = photos.iter().filter(|photo| photo.is_right).count();
        let shown: Vec<&Judged> = photos.iter().filter(|photo| shows(photo)).collect();
        counts.right += shown.iter().filter(|photo| photo.is_right).count();
        counts.shown += shown.len();
        counts.answers += answers;
        counts.unanswerable += usize::from(answers == 0);
        counts.quiet += usize::from(answers == 0 && shown.is_empty());
    }
    counts
}

/// The threshold with the highest F1.
fn best_flat(asked: &[Asked]) -> f32 {
    let mut photos: Vec<&Judged> = asked.iter().flat_map(|asked| &asked.photos).collect();
    photos.sort_by(|a, b| b.score.total_cmp(&a.score));
    let answers = photos.iter().filter(|photo| photo.is_right).count();
    let mut right = 0;
    let f1_from = photos.iter().zip(1..).map(|(photo, shown)| {
        right += usize::from(photo.is_right);
        (photo.score, share(2 * right, shown + answers))
    });
    f1_from.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0.0, |(score, _)| score)
}

fn report(counts: Counts) -> String {
    let Counts { right, shown, answers, unanswerable, quiet } = counts;
    format!(
        "precision {:.3} recall {:.3} F1 {:.3}; nothing shown for {quiet} of {unanswerable} without an answer",
        share(right, shown),
        share(right, answers),
        share(2 * right, shown + answers)
    )
}

/// How often labels of `tags` are right, by their probability, for held-out labels.
fn reliability(engine: &Engine, photos: &[Captioned]) -> Result<Vec<String>> {
    const BOUNDS: [f32; 6] = [0.1, 0.2, 0.35, 0.5, 0.7, 0.9];
    let labels: HashMap<&str, Vec<&str>> = categories(photos).skip(1).step_by(2).collect();
    let vocabulary = Vocabulary::parse(&labels.keys().copied().collect::<Vec<_>>().join("\n"));
    let prepared = engine.prepare(vocabulary, &|_, _| ())?;
    let mut given: Vec<(f32, bool)> = Vec::new();
    engine.tag(&prepared, &Filter::default(), Choice { least: BOUNDS[0], most: usize::MAX }, |photo| {
        for label in photo.labels {
            let is_right = labels[&*label.name].iter().any(|file| photo.path.ends_with(file));
            given.push((label.probability, is_right));
        }
        true
    })?;
    let bins = BOUNDS.iter().zip(BOUNDS[1..].iter().chain([&1.1]));
    Ok(bins
        .map(|(from, until)| {
            let bin: Vec<&(f32, bool)> = given.iter().filter(|(p, _)| (*from..*until).contains(p)).collect();
            let right = bin.iter().filter(|(_, right)| *right).count();
            format!(
                "labels of probability {from}–{}: {} given, {:.2} right",
                until.min(1.0),
                bin.len(),
                share(right, bin.len())
            )
        })
        .collect())
}
