//! Reads the text in pictures with a PP-OCR model: a detector that finds lines, and a recogniser that reads them.
//!
//! The steps are those of PaddleOCR, and of RapidOCR, which `tests/it/text_goldens.rs` compares them with:
//!
//! ```text
//! picture → detector → regions → rectangle → crop → recogniser → ctc → clean → order
//!           (a map of    (a box for each      (a strip,   (characters)   (harmless, in
//!            where text   line, turned)        48 high)                   reading order)
//!            is)
//! ```
//!
//! A picture without text costs only the detector. No classifier tells which lines are upside down: lines of which the
//! recogniser is unsure are read once more the other way round. If that suits the first lines, the others are turned before.

mod crop;
mod ctc;
mod detector;
mod order;
mod picture;
mod recogniser;
mod rectangle;
mod regions;
mod version;

use std::path::{Path, PathBuf};

use image::RgbImage;

use crate::fold::clean;
use crate::model::{Graph, ModelError, Runtime};
use crop::Crop;
use ctc::Characters;
use detector::{Corners, Detector, float};
use order::in_reading_order;
use recogniser::{Reading, Recogniser};

pub use picture::{DETAIL, upright};
pub use version::version;

/// A word in the name of the detector's file, and of the recogniser's, as in `PP-OCRv6_det_small.onnx`.
const NAMES: [&str; 2] = ["det", "rec"];
/// The key of the dictionary in the recogniser's metadata.
const DICTIONARY: &str = "character";

/// The longer side of the detector's input.
const SIDE: u32 = 640;
/// The same for a picture with small text. Letters of 10 pixels in a picture of 1280 (of 12 in one of 1600) are read with a
/// word recall of 0.71 to 0.86 (0.38 to 0.90) at 640, and of 0.85 to 1.00 (0.86 to 1.00) at 1280.
const LARGE_SIDE: u32 = 1280;
/// The median height of a line, in pixels of the detector's input, below which text is small. Lines include some margin:
/// the smallest that are found have 10 pixels.
const SMALL: f32 = 14.0;
/// Below this confidence a line may be upside down. Of the lines in `tests/goldens/text`, those upside down have at most 0.86,
/// and all but one of the others more than 0.92.
const UNSURE: f32 = 0.9;
/// If so many lines are all upside down, the whole page is.
const FIRST_LINES: usize = 3;
/// Below this confidence, what was read is noise.
const LEAST: f32 = 0.6;
/// The longest line, in characters. A recogniser of PP-OCR reads at most 400.
const LONGEST: usize = 500;

/// A line of text in a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it says, without control and formatting characters.
    pub text: String,
    /// How sure that is, from 0.6 to 1: the mean probability of its characters.
    pub confidence: f32,
    /// Its corners, clockwise from the one above its first letter, as fractions of the width and height of the upright
    /// picture.
    pub corners: [(f32, f32); 4],
}

/// Reads text. Threads can share it.
pub struct Reader {
    detector: Detector,
    recogniser: Recogniser,
}

impl Reader {
    /// Loads the model in `folder`: two ONNX files, which have `det` and `rec` in their names. `threads` threads read
    /// one picture.
    ///
    /// # Errors
    /// [`ModelError`] about the files.
    pub fn open(runtime: &Runtime, folder: &Path, threads: usize) -> Result<Reader, ModelError> {
        let [detector, recogniser] = NAMES.map(|name| file(folder, name));
        let detector = Detector(Graph::open(runtime, &detector, threads)?);
        let graph = Graph::open(runtime, &recogniser, threads)?;
        let missing =
            || ModelError::Config { path: recogniser, detail: format!("no `{DICTIONARY}` in its metadata") };
        let characters = Characters::parse(&graph.metadata(DICTIONARY).ok_or_else(missing)?);
        Ok(Reader { detector, recogniser: Recogniser::new(graph, characters) })
    }

    /// The lines of text in an upright picture, in reading order, at most 1,000.
    ///
    /// # Errors
    /// [`ModelError::Inference`].
    pub fn read(&self, picture: &RgbImage) -> Result<Vec<Line>, ModelError> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Ok(Vec::new());
        }
        let crops: Vec<Crop> =
            self.find(picture)?.into_iter().map(|corners| Crop::of(picture, corners)).collect();
        let lines = self.recognise(crops)?.into_iter().filter_map(|(crop, (text, confidence))| {
            let text = clean(&text, LONGEST);
            (confidence >= LEAST && !text.is_empty()).then_some((crop.corners, text, confidence))
        });
        let lines = in_reading_order(lines.collect(), |(corners, ..)| *corners).into_iter();
        let (width, height) = (float(width), float(height));
        let fractions = |corners: Corners| corners.map(|(x, y)| (x / width, y / height));
        Ok(lines
            .map(|(corners, text, confidence)| Line { text, confidence, corners: fractions(corners) })
            .collect())
    }

    /// The boxes of lines.
    fn find(&self, picture: &RgbImage) -> Result<Vec<Corners>, ModelError> {
        let found = self.detector.find(picture, SIDE)?;
        let (width, height) = picture.dimensions();
        let is_small = !found.boxes.is_empty() && found.median_height < SMALL;
        if !is_small || width.max(height) <= SIDE {
            return Ok(found.boxes);
        }
        Ok(self.detector.find(picture, LARGE_SIDE)?.boxes)
    }

    /// What each line says, and the line in the direction in which it says that. Of a page upside down only the first lines
    /// are read in both directions.
    fn recognise(&self, mut crops: Vec<Crop>) -> Result<Vec<(Crop, Reading)>, ModelError> {
        let others = crops.split_off(crops.len().min(FIRST_LINES));
        let (mut lines, turned) = self.recognise_either_way(crops)?;
        let is_turned = turned == FIRST_LINES;
        let others = others.into_iter().map(|crop| if is_turned { crop.turned() } else { crop });
        lines.extend(self.recognise_either_way(others.collect())?.0);
        Ok(lines)
    }

    /// The same for each line by itself. Also returns how many lines were turned.
    fn recognise_either_way(&self, crops: Vec<Crop>) -> Result<(Vec<(Crop, Reading)>, usize), ModelError> {
        let readings = self.recogniser.read(&crops.iter().collect::<Vec<_>>())?;
        let mut lines: Vec<(Crop, Reading)> = crops.into_iter().zip(readings).collect();
        let unsure: Vec<usize> = (0..lines.len()).filter(|line| lines[*line].1.1 < UNSURE).collect();
        let turned: Vec<Crop> = unsure.iter().map(|line| lines[*line].0.turned()).collect();
        let again = self.recogniser.read(&turned.iter().collect::<Vec<_>>())?;
        let mut count = 0;
        for ((line, crop), reading) in unsure.into_iter().zip(turned).zip(again) {
            if reading.1 > lines[line].1.1 {
                lines[line] = (crop, reading);
                count += 1;
            }
        }
        Ok((lines, count))
    }
}

/// The ONNX file in `folder` with this word in its name: of several the first by name, and without one the usual name.
fn file(folder: &Path, word: &str) -> PathBuf {
    let is_named = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
        name.ends_with(".onnx") && name.split(['_', '-', '.']).any(|part| part == word)
    };
    let files = folder.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(is_named).min().unwrap_or_else(|| folder.join(format!("{word}.onnx")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_a_word_in_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["PP-OCRv6_det_small.onnx", "detail.onnx", "notes-det.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(file(folder.path(), "det"), folder.path().join("PP-OCRv6_det_small.onnx"));
        assert_eq!(file(folder.path(), "rec"), folder.path().join("rec.onnx"));
    }
}
