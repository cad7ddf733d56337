//! Does `--cutoff` end results where relevance ends? Prints its precision and recall beside those of the best flat
//! threshold on the raw score, chosen in hindsight.
//!
//! ```text
//! cargo run --release --example cutoff -- FOLDER [MODEL]
//! ```
//!
//! FOLDER is as for the example `recall`; only the captioned photos are indexed, for of the others nobody has said
//! what they show. Queries that have answers are `cutoff/categories.tsv`, a query and the words of which a caption of
//! its photos has one; those that have none are `cutoff/unanswerable.txt`. The two halves, every second query, only show
//! how far the figures scatter: method and constants were chosen looking at both, so neither is a test of them. The flat
//! threshold is fitted to the very queries that it is printed for.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::{Context, Result};
use directories::ProjectDirs;
use imgsearch::decode::Limits;
use imgsearch::engine::{Choice, Vocabulary};
use imgsearch::ingest::{Event, Plan, Reporter, index};
use imgsearch::model::{Device, Execution, Precision};
use imgsearch::query::{Cutoff, Filter};
use imgsearch::walk::{Rules, resolve_roots};
use imgsearch::{Engine, Expression, Library, Model, Query};

const CATEGORIES: &str = include_str!("cutoff/categories.tsv");
const UNANSWERABLE: &str = include_str!("cutoff/unanswerable.txt");

#[derive(serde::Deserialize)]
struct Captioned {
    file: String,
    captions: Vec<String>,
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

/// A query, and what of it is known.
struct Asked {
    /// The files that answer it.
    answers: Vec<String>,
    /// Every photo with its score.
    scores: Vec<(String, f32)>,
    /// The files that the cutoff leaves.
    left: Vec<String>,
}

/// What some way to cut off left, counted over queries.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: usize,
    shown: usize,
    answers: usize,
    /// Queries without answers, and how many of them were shown nothing.
    unanswerable: usize,
    quiet: usize,
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("usage: cutoff FOLDER [MODEL]")?;
    let data = ProjectDirs::from("", "", "imgsearch").context("no home folder")?.data_dir().to_owned();
    let model = arguments.next().unwrap_or_else(|| data.join("models/offline"));
    let threads = std::thread::available_parallelism()?.get();
    let execution = Execution {
        runtime_places: vec![data.join("runtime")],
        device: Device::Cpu,
        threads,
        precision: Precision::Auto,
        prompt: None,
        cache_folder: None,
    };
    let model = Model::open(&model, execution)?;
    let captions = captions(&folder)?;
    let library = tempfile::tempdir()?;
    let library = Library::new(library.path());
    let files: Vec<PathBuf> = captions.keys().map(|file| folder.join("images").join(file)).collect();
    index_all(&library, &model, &files, threads)?;
    let mut engine = Engine::open(&library, library.searcher()?, &model)?;
    let asked = ask(&mut engine, &captions)?;
    println!("{} photos, {} queries", captions.len(), asked.len());
    for (name, first) in [("even", 0), ("odd", 1)] {
        let half: Vec<&Asked> = asked.iter().skip(first).step_by(2).collect();
        println!(
            "{name} {}",
            report("cutoff", count(&half, |asked, file, _| asked.left.iter().any(|left| left == file)))
        );
        let (threshold, counts) = best_flat(&half);
        println!("{name} {}", report(&format!("flat {threshold:.3}"), counts));
    }
    for line in reliability(&mut engine, &captions)? {
        println!("{line}");
    }
    Ok(())
}

fn index_all(library: &Library, model: &Model, files: &[PathBuf], threads: usize) -> Result<()> {
    let (roots, missing) = resolve_roots(files);
    anyhow::ensure!(missing.is_empty(), "{} photos are not there", missing.len());
    let (rules, limits, now) = (Rules::default(), Limits::default(), SystemTime::now());
    let batches = None;
    let plan = Plan {
        roots,
        gone_roots: Vec::new(),
        rules,
        prune: false,
        force: false,
        threads,
        batches,
        limits,
        max_wait: limits.max_time,
        now,
    };
    index(&mut library.lock()?, model, &plan, &Silent, &AtomicBool::new(false))?;
    Ok(())
}

/// File name → its captions as words with a space around each.
fn captions(folder: &Path) -> Result<HashMap<String, Vec<String>>> {
    let lines = std::fs::read_to_string(folder.join("captions.jsonl"))?;
    let mut captions = HashMap::new();
    for line in lines.lines() {
        let Captioned { file, captions: of_file } = serde_json::from_str(line)?;
        if !of_file.is_empty() {
            captions.insert(file, of_file.iter().map(|caption| spaced(caption)).collect());
        }
    }
    Ok(captions)
}

fn spaced(text: &str) -> String {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

/// The files of which a caption has one of these words.
fn answers(words: &str, captions: &HashMap<String, Vec<String>>) -> Vec<String> {
    let words: Vec<String> = words.split('|').map(spaced).collect();
    let has = |captions: &[String]| {
        captions.iter().any(|text| words.iter().any(|word| text.contains(word.as_str())))
    };
    captions.iter().filter(|(_, captions)| has(captions)).map(|(file, _)| file.clone()).collect()
}

fn ask(engine: &mut Engine<'_>, captions: &HashMap<String, Vec<String>>) -> Result<Vec<Asked>> {
    let with = CATEGORIES.lines().filter_map(|line| line.split_once('\t'));
    let with = with.map(|(text, words)| (text, answers(words, captions)));
    let without = UNANSWERABLE.lines().map(|text| (text, Vec::new()));
    let all = NonZeroUsize::new(captions.len()).context("there are no captions")?;
    with.chain(without)
        .map(|(text, answers)| {
            let plain = Query { exact: true, ..Query::new(Expression::text(text), all) };
            let scores =
                engine.search(&plain)?.into_iter().map(|found| (name(&found.path), found.score)).collect();
            let cut = Query { cutoff: Cutoff::Relevance, ..plain };
            let left = engine.search(&cut)?.into_iter().map(|found| name(&found.path)).collect();
            Ok(Asked { answers, scores, left })
        })
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn count(asked: &[&Asked], shows: impl Fn(&Asked, &str, f32) -> bool) -> Counts {
    let mut counts = Counts::default();
    for asked in asked {
        let shown: Vec<&String> = asked
            .scores
            .iter()
            .filter(|(file, score)| shows(asked, file, *score))
            .map(|(file, _)| file)
            .collect();
        counts.right += shown.iter().filter(|file| asked.answers.contains(file)).count();
        counts.shown += shown.len();
        counts.answers += asked.answers.len();
        counts.unanswerable += usize::from(asked.answers.is_empty());
        counts.quiet += usize::from(asked.answers.is_empty() && shown.is_empty());
    }
    counts
}

/// The threshold with the greatest F1, and its counts.
fn best_flat(asked: &[&Asked]) -> (f32, Counts) {
    let thresholds =
        asked.iter().flat_map(|asked| &asked.scores).map(|(_, score)| *score).filter(|score| *score > 0.2);
    let counted = thresholds.map(|least| (least, count(asked, |_, _, score| score >= least)));
    counted.max_by(|a, b| f1(a.1).total_cmp(&f1(b.1))).unwrap_or_default()
}

fn f1(counts: Counts) -> f64 {
    share(2 * counts.right, counts.shown + counts.answers)
}

fn report(name: &str, counts: Counts) -> String {
    let Counts { right, shown, answers, unanswerable, quiet } = counts;
    format!(
        "{name:12} precision {:.3} recall {:.3} F1 {:.3}; nothing shown for {quiet} of {unanswerable} without an answer",
        share(right, shown),
        share(right, answers),
        f1(counts)
    )
}

/// How often the labels of `tags` are right, by the probability that they were given.
fn reliability(engine: &mut Engine<'_>, captions: &HashMap<String, Vec<String>>) -> Result<Vec<String>> {
    const BOUNDS: [f32; 6] = [0.1, 0.2, 0.35, 0.5, 0.7, 0.9];
    let labels: Vec<(&str, Vec<String>)> = CATEGORIES
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(text, words)| (text, answers(words, captions)))
        .collect();
    let vocabulary = Vocabulary::parse(&labels.iter().map(|(text, _)| *text).collect::<Vec<_>>().join("\n"));
    let mut given: Vec<(f32, bool)> = Vec::new();
    engine.tag(&vocabulary, &Filter::default(), Choice { least: BOUNDS[0], most: usize::MAX }, |photo| {
        let file = name(&photo.path);
        for label in photo.labels {
            let right = labels.iter().any(|(text, answers)| *text == label.name && answers.contains(&file));
            given.push((label.probability, right));
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

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
