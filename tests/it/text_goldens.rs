//! Compares what is read in pictures with RapidOCR, which runs the same model (`scripts/text_goldens`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use imgsearch::decode::{Limits, decode};
use imgsearch::model::Runtime;
use imgsearch::text::{DETAIL, Line, Reader, upright};
use serde::Deserialize;

/// How far a corner may be from RapidOCR's, in pixels of the picture.
const NEAR: f32 = 3.0;

#[derive(Deserialize)]
struct Golden {
    /// The words that were drawn.
    words: Vec<String>,
    lines: Vec<GoldenLine>,
}

#[derive(Deserialize)]
struct GoldenLine {
    text: String,
    /// In pixels.
    corners: [(f32, f32); 4],
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/text")
}

fn goldens() -> BTreeMap<String, Golden> {
    serde_json::from_slice(&fs::read(folder().join("text.json")).unwrap()).unwrap()
}

/// The installed model.
fn reader() -> Reader {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let runtime = Runtime::load(&[data.join("runtime")]).unwrap();
    Reader::open(&runtime, &data.join("text"), 1).unwrap()
}

/// The lines in a picture, with corners in pixels.
fn read(reader: &Reader, name: &str) -> Vec<Line> {
    let bytes = fs::read(folder().join(name)).unwrap();
    let picture = upright(decode(&bytes, &Limits::default(), DETAIL).unwrap());
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let mut lines = reader.read(&picture).unwrap();
    for line in &mut lines {
        line.corners = line.corners.map(|(x, y)| (x * width, y * height));
    }
    lines
}

/// How many of the words are in the text, without regard to spaces: the model often leaves them out beside Chinese.
fn found(words: &[String], text: &str) -> usize {
    let text: String = text.split_whitespace().collect();
    words.iter().filter(|word| text.contains(word.as_str())).count()
}

/// The largest distance of a corner from the reference, which may start at another corner.
fn distance(found: &[(f32, f32); 4], expected: &[(f32, f32); 4]) -> f32 {
    let of = |shift: usize| {
        let pairs = (0..4).map(|corner| (found[(corner + shift) % 4], expected[corner]));
        pairs.map(|(one, other)| (one.0 - other.0).hypot(one.1 - other.1)).fold(0.0, f32::max)
    };
    (0..4).map(of).fold(f32::MAX, f32::min)
}

#[test]
fn lines_are_those_of_the_reference() {
    let (reader, goldens) = (reader(), goldens());
    assert!(goldens.len() >= 20);
    let (mut words, mut ours, mut theirs) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (name, golden) in goldens {
        let lines = read(&reader, &name);
        for expected in &golden.lines {
            let off = lines.iter().map(|line| (distance(&line.corners, &expected.corners), line.corners));
            let found = off.min_by(|one, other| one.0.total_cmp(&other.0));
            if found.is_none_or(|(off, _)| off > NEAR) {
                let GoldenLine { text, corners } = expected;
                wrong.push(format!(
                    "{name}: {text:?} is too far off: {found:?} (pixels, corners), expected {corners:?}"
                ));
            }
        }
        let text = |lines: &mut dyn Iterator<Item = &str>| lines.collect::<Vec<_>>().join("\n");
        let own = text(&mut lines.iter().map(|line| line.text.as_str()));
        let reference = text(&mut golden.lines.iter().map(|line| line.text.as_str()));
        let counts = (found(&golden.words, &own), found(&golden.words, &reference));
        // Punctuation on its own is a matter of luck.
        if counts.0 + 2 < counts.1 {
            wrong.push(format!("{name}: read {own:?}, the reference {reference:?}"));
        }
        if golden.lines.is_empty() && !lines.is_empty() {
            wrong.push(format!("{name}: read {own:?} where the reference finds nothing"));
        }
        (words, ours, theirs) = (words + golden.words.len(), ours + counts.0, theirs + counts.1);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ours * 100 >= theirs * 100 - words, "{ours} and {theirs} of {words} words");
}

#[test]
fn lines_come_in_reading_order() {
    let (reader, goldens) = (reader(), goldens());
    let check = |name: &str| {
        let text: Vec<_> = read(&reader, name).into_iter().map(|line| line.text).collect();
        let expected: String = goldens[name].words.concat();
        assert_eq!(text.join("").replace(' ', ""), expected, "{name}");
    };
    ["screen-chat.png", "receipt.jpg", "upside-down-label.jpg", "whiteboard.jpg"]
        .iter()
        .for_each(|name| check(name));
}

/// Several threads can share a reader.
#[test]
fn threads_read_the_same() {
    let reader = reader();
    let alone = read(&reader, "ticket.jpg");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| read(&reader, "ticket.jpg"))).collect();
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), alone));
    });
}
