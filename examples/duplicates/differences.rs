//! Measures how much versions of one picture differ, and different documents on one template: the basis of the thresholds in
//! `look.rs` and `duplicates/alike.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use imgsearch::decode::{self, Detail, Limits};
use imgsearch::look::{Difference, Look};
use imgsearch::perceptual::{PerceptualHash, Rotation};
use rayon::prelude::*;

use super::{DOCUMENTS, Family};

/// The detail with which pictures are decoded for the offline model.
const DETAIL: Detail = Detail::ShortSide(288);

struct Seen {
    hash: PerceptualHash,
    look: Look,
}

/// The range of each number over many pairs.
struct Range {
    pairs: usize,
    least: Difference,
    most: Difference,
    bits: (u32, u32),
}

/// Prints a line per version and per kind of document.
pub(crate) fn print(pictures: &Path, families: &[Family]) -> Result<()> {
    let see = |entry: io::Result<fs::DirEntry>| {
        let path = entry?.path();
        let name = path.file_stem().and_then(|name| name.to_str()).context("a name of ours")?.to_owned();
        let picture = decode::decode(&fs::read(&path)?, &Limits::default(), DETAIL)?;
        Ok((name, Seen { hash: PerceptualHash::of(&picture), look: Look::of(&picture) }))
    };
    let seen: HashMap<String, Seen> = fs::read_dir(pictures)?.par_bridge().map(see).collect::<Result<_>>()?;
    let original = |number: usize| seen.get(&format!("{number}-0"));
    for origin in ["photo", "document"] {
        let all: Vec<_> = (0..families.len())
            .filter(|number| families[*number].origin == origin)
            .filter_map(original)
            .collect();
        let drawn = all.iter().filter(|seen| seen.look.is_drawn()).count();
        println!("{drawn} of {} {origin}s are taken for drawn", all.len());
    }
    println!(
        "\nleast and most  {:24} {:>13} {:>13} {:>13} {:>13} {:>9}",
        "", "cell", "contrast", "brightness", "colour", "bits"
    );
    let mut ranges: Vec<((&str, &str), Range)> = Vec::new();
    let mut add = |what: (&'static str, &'static str), a: &Seen, b: &Seen| {
        let range = ranges.iter_mut().position(|(named, _)| *named == what);
        let Some((difference, bits)) = compared(a, b) else { return };
        match range {
            Some(at) => ranges[at].1.add(difference, bits),
            None => ranges
                .push((what, Range { pairs: 1, least: difference, most: difference, bits: (bits, bits) })),
        }
    };
    for (number, Family { versions, origin }) in families.iter().enumerate() {
        for (version, at) in versions.iter().zip(1..) {
            if let Some((a, b)) = original(number).zip(seen.get(&format!("{number}-{at}"))) {
                add((*origin, version.name), a, b);
            }
        }
        let documents = usize::try_from(DOCUMENTS)?;
        let first = families.iter().position(|family| family.origin == "document").unwrap_or(0);
        if *origin == "document" && (number - first) % documents > 0 {
            let on_template = number - (number - first) % documents..number;
            for other in on_template {
                if let Some((a, b)) = original(number).zip(original(other)) {
                    add(("document", "another on its template"), a, b);
                }
                let half =
                    versions.iter().position(|version| version.name == "half the size").unwrap_or(0) + 1;
                if let Some((a, b)) = original(number).zip(seen.get(&format!("{other}-{half}"))) {
                    add(("document", "another at half the size"), a, b);
                }
            }
        }
    }
    ranges.iter().for_each(|((origin, name), range)| range.print(origin, name));
    Ok(())
}

/// Compares two pictures in the turn in which the hashes differ least.
fn compared(a: &Seen, b: &Seen) -> Option<(Difference, u32)> {
    let turn = Rotation::ALL.into_iter().min_by_key(|turn| a.hash.turned(*turn).distance(&b.hash))?;
    Some((a.look.difference(&b.look, turn)?, a.hash.turned(turn).distance(&b.hash)))
}

impl Range {
    fn add(&mut self, other: Difference, bits: u32) {
        self.pairs += 1;
        self.least = each(self.least, other, f32::min);
        self.most = each(self.most, other, f32::max);
        self.bits = (self.bits.0.min(bits), self.bits.1.max(bits));
    }

    fn print(&self, origin: &str, name: &str) {
        let Range { pairs, least, most, bits } = self;
        print!("{pairs:5} {origin:9} {name:24}");
        let numbers = |d: &Difference| [d.cell, d.contrast, d.brightness, d.colour];
        for (least, most) in numbers(least).into_iter().zip(numbers(most)) {
            print!(" {least:6.2} {most:6.2}");
        }
        println!(" {:4} {:4}", bits.0, bits.1);
    }
}

fn each(a: Difference, b: Difference, choose: fn(f32, f32) -> f32) -> Difference {
    Difference {
        cell: choose(a.cell, b.cell),
        contrast: choose(a.contrast, b.contrast),
        brightness: choose(a.brightness, b.brightness),
        colour: choose(a.colour, b.colour),
    }
}
