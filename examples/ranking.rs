//! Compares ways to rank a mixed library, for `scripts/bench/ranking`.
//!
//! ```text
//! cargo run --release --example ranking -- CAPTIONED WORDED [MODEL]
//! ```
//!
//! CAPTIONED and MODEL are described in `captioned/mod.rs`. WORDED contains `images/` and `words.jsonl`, with one line
//! `{"file": NAME, "lines": [TEXT, …], "queries": [[KIND, QUERY], …]}` per picture. The lines are put into the records, as
//! if they had been read there without a mistake.
//!
//! Queries are of three kinds: `scene` are captions of photos, `words` stand in one or some of the pictures, and `mixed`
//! describe a picture and name words in it. The answer of a caption is its photo. Any picture that has all written words
//! of a query of `words` is an answer; otherwise it is the picture for which the query was made. For each way and kind it
//! prints the share of queries with an answer among the first 1, 5 and 10 photos, and the mean reciprocal rank (MRR).

mod captioned;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use imgsearch::decode::Limits;
use imgsearch::fold::fold;
use imgsearch::item::Item;
use imgsearch::library::Write;
use imgsearch::name::canonicalize;
use imgsearch::photo::{Line, Text};
use imgsearch::{Engine, Expression, Library, Match, Query};

use captioned::{captioned, index_all, open_model, share};

/// The usual constant of reciprocal rank fusion.
const RRF: f64 = 60.0;

/// The ways that are compared.
const WAYS: [&str; 4] = ["score only", "words only", "RRF (k=60)", "chosen"];

#[derive(serde::Deserialize)]
struct Worded {
    file: String,
    lines: Vec<String>,
    queries: Vec<(String, String)>,
}

/// A query with the photos that answer it.
struct Asked {
    kind: String,
    text: String,
    answers: Vec<PathBuf>,
}

/// Of each way, the rank of the best answer of each query.
type Ranks = BTreeMap<String, Vec<[Option<usize>; WAYS.len()]>>;

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let mut next = || arguments.next().context("usage: ranking CAPTIONED WORDED [MODEL]");
    let folders = [next()?, next()?].map(|folder| folder.join("images"));
    let model = open_model(next().ok(), None, None)?;
    let [photos, pictures] = folders.map(|folder| canonicalize(&folder));
    let (photos, pictures) = (photos?, pictures?);
    let worded = worded(pictures.parent().context("a folder")?)?;
    let folder = tempfile::tempdir()?;
    let library = Library::new(folder.path().join("library"));
    library.create()?;
    index_all(&library, &model, &[photos.clone(), pictures.clone()])?;
    note(&library, &pictures, &worded)?;
    let engine = Engine::open(&library, library.view()?, Arc::new(model), Limits::default())?;
    let asked = questions(&photos, &pictures, &worded)?;
    let mut ranks = Ranks::new();
    for Asked { kind, text, answers } in &asked {
        let all = NonZeroUsize::new(100_000).context("it is not 0")?;
        let found =
            engine.search(&Query { exact: true, ..Query::new(Expression::text(text.clone()), all) })?;
        let best = orders(&found).map(|order| {
            order.iter().position(|at| answers.contains(&found[*at].path)).map(|position| position + 1)
        });
        ranks.entry(kind.clone()).or_default().push(best);
        ranks.entry("over all".to_owned()).or_default().push(best);
    }
    println!(
        "{:10} {:10} {:>7} {:>6} {:>6} {:>6} {:>6}",
        "queries", "way", "number", "R@1", "R@5", "R@10", "MRR"
    );
    for (kind, ranks) in &ranks {
        for (way, name) in WAYS.iter().enumerate() {
            let within = |k: usize| {
                let right = ranks.iter().filter(|ranks| ranks[way].is_some_and(|rank| rank <= k)).count();
                100.0 * share(right, ranks.len())
            };
            let reciprocal: f64 =
                ranks.iter().filter_map(|ranks| ranks[way]).map(|rank| 1.0 / number(rank)).sum();
            println!(
                "{kind:10} {name:10} {:7} {:6.1} {:6.1} {:6.1} {:6.3}",
                ranks.len(),
                within(1),
                within(5),
                within(10),
                reciprocal / number(ranks.len())
            );
        }
    }
    Ok(())
}

fn worded(folder: &Path) -> Result<Vec<Worded>> {
    let lines = std::fs::read_to_string(folder.join("words.jsonl"))?;
    Ok(lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Puts the lines into the records.
fn note(library: &Library, pictures: &Path, worded: &[Worded]) -> Result<()> {
    let view = library.view()?;
    let opened = library.lock()?.open(view.space())?;
    for Worded { file, lines, .. } in worded {
        let item = Item::file(pictures.join(file));
        let stored = view.get(&item)?.with_context(|| format!("{file} was not indexed"))?;
        let line = |text: &String| Line { text: text.clone(), confidence: 100, corners: [[0, 0]; 4] };
        let photo = stored.photo.context("a record")?.with_text(Text::new(lines.iter().map(line), 1));
        opened.sink.apply(vec![Write::Put {
            item,
            content: stored.content,
            photo,
            vector: stored.vector,
        }])?;
    }
    Ok(opened.sink.close()?)
}

fn questions(photos: &Path, pictures: &Path, worded: &[Worded]) -> Result<Vec<Asked>> {
    let mut all = Vec::new();
    for photo in captioned(photos.parent().context("a folder")?)? {
        let answers = vec![photos.join(&photo.file)];
        let text = photo.captions.into_iter().next().unwrap_or_default();
        all.push(Asked { kind: "scene".to_owned(), text, answers });
    }
    let words = |text: &str| -> Vec<String> {
        let text = fold(text);
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let known: Vec<(PathBuf, Vec<String>)> =
        worded.iter().map(|one| (pictures.join(&one.file), words(&one.lines.join("\n")))).collect();
    for (one, (path, _)) in worded.iter().zip(&known) {
        for (kind, text) in &one.queries {
            let asked = words(text);
            let has_all =
                |(_, known): &&(PathBuf, Vec<String>)| asked.iter().all(|word| known.contains(word));
            let answers = match kind.as_str() {
                "words" => known.iter().filter(has_all).map(|(path, _)| path.clone()).collect(),
                _ => vec![path.clone()],
            };
            all.push(Asked { kind: kind.clone(), text: text.clone(), answers });
        }
    }
    Ok(all)
}

/// The indices of the matches in the order of each way. Only photos in which words stand are in the second.
fn orders(found: &[Match]) -> [Vec<usize>; WAYS.len()] {
    let score = |at: &usize| found[*at].score.unwrap_or_default();
    let words = |at: &usize| found[*at].lift.map_or(0.0, |lift| lift.share);
    let mut by_score: Vec<usize> = (0..found.len()).collect();
    by_score.sort_by(|a, b| score(b).total_cmp(&score(a)));
    let mut by_words: Vec<usize> = by_score.iter().copied().filter(|at| words(at) > 0.0).collect();
    by_words.sort_by(|a, b| words(b).total_cmp(&words(a)));
    let mut fused = vec![0.0; found.len()];
    for order in [&by_score, &by_words] {
        for (rank, at) in order.iter().enumerate() {
            fused[*at] += 1.0 / (RRF + number(rank + 1));
        }
    }
    let mut by_fusion = by_score.clone();
    by_fusion.sort_by(|a, b| fused[*b].total_cmp(&fused[*a]));
    [by_score, by_words, by_fusion, (0..found.len()).collect()]
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn number(count: usize) -> f64 {
    count.max(1) as f64
}
