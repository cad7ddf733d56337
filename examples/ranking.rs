//! Compares ways to rank a mixed library, for `scripts/bench/ranking`.
//!
//! ```text
//! cargo run --release --example ranking -- CAPTIONED WORDED [MODEL]
//! ```
//!
//! CAPTIONED and MODEL are described in `captioned/mod.rs`. WORDED contains `images/` and `words.jsonl`, with one line
//! `{"file": NAME, "held_out": BOOL, "lines": [TEXT, …], "queries": [[KIND, QUERY], …]}` per picture. The lines are put into
//! the records, as if they had been read there without a mistake.
//!
//! Queries are of three kinds: `scene` are captions of photos, `words` stand in one or some of the pictures, and `mixed`
//! describe a picture and name words in it. The answer of a caption is its photo. Any picture that has all written words
//! of a query of `words` is an answer; otherwise it is the picture for which the query was made.
//!
//! Half of the queries are held out: those of the pictures marked so, and every other caption. On the other half it tries
//! all [`DEVIATIONS`] and [`EXPONENTS`] for the lift of words, and takes those whose mean reciprocal rank (MRR), averaged over
//! the three kinds, is the highest. Those that are worse than scores alone for captions, or than words alone for words, by
//! more than [`TOLERANCE`] do not count. For each half, way and kind it prints the share of queries with an answer among
//! the first 1, 5 and 10 photos, and the MRR.

mod captioned;

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

/// What is tried: how many deviations of the scores a photo with all words gains, and how the share of the words counts.
const DEVIATIONS: [f32; 5] = [4.0, 6.0, 8.0, 10.0, 12.0];
const EXPONENTS: [f32; 3] = [1.0, 1.5, 2.0];

/// How much lower than with the better of score and words the MRR may be for captions and for words.
const TOLERANCE: f64 = 0.01;

/// The numbers in `src/engine/lift.rs`.
const SHIPPED: Lift = Lift { deviations: 8.0, exponent: 1.5 };

/// The kinds of queries.
const KINDS: [&str; 3] = ["scene", "words", "mixed"];

/// How far words lift a photo.
#[derive(Clone, Copy)]
struct Lift {
    deviations: f32,
    exponent: f32,
}

/// A way to rank photos.
#[derive(Clone, Copy)]
enum Way {
    Score,
    Words,
    Fusion,
    Lifted(Lift),
}

#[derive(serde::Deserialize)]
struct Worded {
    file: String,
    held_out: bool,
    lines: Vec<String>,
    queries: Vec<(String, String)>,
}

/// A query with the photos that answer it.
struct Asked {
    kind: String,
    text: String,
    answers: Vec<PathBuf>,
    is_held_out: bool,
}

/// A query with all photos.
struct Answered {
    asked: Asked,
    photos: Vec<Photo>,
}

/// What a query finds in a photo.
struct Photo {
    is_answer: bool,
    score: f32,
    /// The share of the query's words that stand in it.
    share: f32,
    /// What [`SHIPPED`] adds to its score.
    by: f32,
}

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
    let all = NonZeroUsize::new(100_000).context("it is not 0")?;
    let answered = asked.into_iter().map(|asked| {
        let expression = Expression::text(asked.text.clone());
        let found = engine.search(&Query { exact: true, ..Query::new(expression, all) })?;
        let photos = found.iter().map(|found| Photo::of(found, &asked.answers)).collect();
        Ok(Answered { asked, photos })
    });
    let answered = answered.collect::<Result<Vec<_>>>()?;
    let (held_out, others): (Vec<_>, Vec<_>) =
        answered.into_iter().partition(|answered| answered.asked.is_held_out);
    println!("MRR of {KINDS:?} on the half to choose on:");
    let best = chosen(&others).context("nothing is good enough")?;
    println!("the same on the half that is held out:");
    chosen(&held_out);
    println!("half       queries    way                    number    R@1    R@5   R@10    MRR");
    for (half, answered) in [("chosen on", &others), ("held out", &held_out)] {
        for kind in KINDS.iter().copied().map(Some).chain([None]) {
            for (name, way) in [
                ("score only".to_owned(), Way::Score),
                ("words only".to_owned(), Way::Words),
                (format!("RRF (k={RRF})"), Way::Fusion),
                (format!("shipped ({SHIPPED})"), Way::Lifted(SHIPPED)),
                (format!("chosen ({best})"), Way::Lifted(best)),
            ] {
                let ranks = ranks(answered, kind, way);
                let within = |k: usize| {
                    let right = ranks.iter().filter(|rank| rank.is_some_and(|rank| rank <= k)).count();
                    100.0 * share(right, ranks.len())
                };
                println!(
                    "{half:10} {:10} {name:22} {:6} {:6.1} {:6.1} {:6.1} {:6.3}",
                    kind.unwrap_or("over all"),
                    ranks.len(),
                    within(1),
                    within(5),
                    within(10),
                    reciprocal(&ranks),
                );
            }
        }
    }
    Ok(())
}

/// The lift with the highest MRR, averaged over the kinds of queries, of those that are good enough for each kind. What all
/// achieve is printed.
#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn chosen(answered: &[Answered]) -> Option<Lift> {
    let of_kinds = |way| KINDS.map(|kind| reciprocal(&ranks(answered, Some(kind), way)));
    let ([scene, ..], [_, words, _]) = (of_kinds(Way::Score), of_kinds(Way::Words));
    let tried = DEVIATIONS
        .iter()
        .flat_map(|deviations| EXPONENTS.map(|exponent| Lift { deviations: *deviations, exponent }));
    let rated = tried.map(|lift| {
        let found = of_kinds(Way::Lifted(lift));
        println!("{lift:10} {found:.3?}");
        (lift, found)
    });
    let good = rated.filter(|(_, found)| found[0] > scene - TOLERANCE && found[1] > words - TOLERANCE);
    let mean = |(_, found): &(Lift, [f64; 3])| found.iter().sum::<f64>();
    good.max_by(|one, other| mean(one).total_cmp(&mean(other))).map(|(lift, _)| lift)
}

/// The rank of the best answer to each query of a kind, or of all queries.
fn ranks(answered: &[Answered], kind: Option<&str>, way: Way) -> Vec<Option<usize>> {
    let of_kind = answered.iter().filter(|answered| kind.is_none_or(|kind| answered.asked.kind == kind));
    let rank = |answered: &Answered| {
        let photos = &answered.photos;
        Some(1 + way.order(photos).iter().position(|at| photos[*at].is_answer)?)
    };
    of_kind.map(rank).collect()
}

/// The mean reciprocal rank.
fn reciprocal(ranks: &[Option<usize>]) -> f64 {
    ranks.iter().flatten().map(|rank| 1.0 / number(*rank)).sum::<f64>() / number(ranks.len())
}

impl Photo {
    fn of(found: &Match, answers: &[PathBuf]) -> Photo {
        let (share, by) = found.lift.map_or((0.0, 0.0), |lift| (lift.share, lift.by));
        Photo { is_answer: answers.contains(&found.path), score: found.score.unwrap_or_default(), share, by }
    }
}

impl Lift {
    /// What a photo is ranked by.
    fn standing(self, photo: &Photo) -> f32 {
        let Lift { deviations, exponent } = self;
        if photo.share <= 0.0 {
            return photo.score;
        }
        photo.score
            + photo.by * deviations / SHIPPED.deviations * photo.share.powf(exponent - SHIPPED.exponent)
    }
}

impl std::fmt::Display for Lift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{} × ^{}", self.deviations, self.exponent))
    }
}

impl Way {
    /// The indices of the photos, the best first. With words only, those in which words stand.
    fn order(self, photos: &[Photo]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..photos.len()).collect();
        let mut sort_by = |standing: &dyn Fn(usize) -> f32| {
            order.sort_by(|a, b| standing(*b).total_cmp(&standing(*a)));
        };
        sort_by(&|at| photos[at].score);
        match self {
            Way::Score => {}
            Way::Words => {
                order.retain(|at| photos[*at].share > 0.0);
                order.sort_by(|a, b| photos[*b].share.total_cmp(&photos[*a].share));
            }
            Way::Fusion => {
                let mut fused = vec![0.0; photos.len()];
                for order in [&order, &Way::Words.order(photos)] {
                    for (rank, at) in order.iter().enumerate() {
                        fused[*at] += 1.0 / (RRF + number(rank + 1));
                    }
                }
                order.sort_by(|a, b| fused[*b].total_cmp(&fused[*a]));
            }
            Way::Lifted(lift) => sort_by(&|at| lift.standing(&photos[at])),
        }
        order
    }
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
    for (photo, at) in captioned(photos.parent().context("a folder")?)?.into_iter().zip(0..) {
        let answers = vec![photos.join(&photo.file)];
        let text = photo.captions.into_iter().next().unwrap_or_default();
        all.push(Asked { kind: "scene".to_owned(), text, answers, is_held_out: at % 2 == 1 });
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
            let (kind, text) = (kind.clone(), text.clone());
            all.push(Asked { kind, text, answers, is_held_out: one.held_out });
        }
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn number(count: usize) -> f64 {
    count.max(1) as f64
}
