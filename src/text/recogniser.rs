//! Reads straight lines of text.

use ndarray::{Array4, ArrayViewD, Axis, Ix2};

use super::crop::{Crop, HEIGHT};
use super::ctc::Characters;
use super::detector::write;
use crate::model::{Graph, ModelError};

/// Widths are rounded up to a multiple of this, so that lines of about the same width share a batch.
const MULTIPLE: u32 = 32;
/// The narrowest input.
const NARROWEST: u32 = 64;
/// Models were trained with at least this width. In a narrower input, which takes less time, they are a little less sure of
/// short words.
const TRAINED_WIDTH: u32 = 320;
/// Lines of which the recogniser is less sure than this in a narrower input are read once more in that width. Then 932 of 932
/// short words in made pictures, and all lines of `tests/goldens/text`, were read as if all inputs had that width.
const SURE: f32 = 0.95;
/// The sum of the widths of a batch's lines. The output has 75 kB for each 8 columns, so a batch takes about 25 MB, or 30 MB
/// for the widest line alone. On a CPU larger batches are not faster.
const BATCH_WIDTH: u32 = 2560;

/// What a line says, and how sure that is: 0 to 1.
pub(super) type Reading = (String, f32);

/// A text recogniser of PP-OCR: a line of text to the probability of each character at each step from left to right.
pub(super) struct Recogniser {
    graph: Graph,
    characters: Characters,
}

/// The width of the input for a line.
fn input_width(line: &Crop, narrowest: u32) -> u32 {
    line.pixels.width().next_multiple_of(MULTIPLE).max(narrowest)
}

impl Recogniser {
    pub(super) fn new(graph: Graph, characters: Characters) -> Recogniser {
        Recogniser { graph, characters }
    }

    /// Reads lines; the readings are in the same order.
    ///
    /// # Errors
    /// [`ModelError::Inference`].
    pub(super) fn read(&self, lines: &[&Crop]) -> Result<Vec<Reading>, ModelError> {
        let mut readings = self.read_in(lines, NARROWEST)?;
        let is_narrow = |line: usize| input_width(lines[line], NARROWEST) < TRAINED_WIDTH;
        let unsure: Vec<usize> =
            (0..lines.len()).filter(|line| readings[*line].1 < SURE && is_narrow(*line)).collect();
        let again: Vec<&Crop> = unsure.iter().map(|line| lines[*line]).collect();
        for (line, reading) in unsure.into_iter().zip(self.read_in(&again, TRAINED_WIDTH)?) {
            readings[line] = reading;
        }
        Ok(readings)
    }

    /// Reads lines in inputs that have at least this width.
    fn read_in(&self, lines: &[&Crop], narrowest: u32) -> Result<Vec<Reading>, ModelError> {
        let width = |line: usize| input_width(lines[line], narrowest);
        let mut by_width: Vec<usize> = (0..lines.len()).collect();
        by_width.sort_by_key(|line| width(*line));
        let mut readings = vec![Reading::default(); lines.len()];
        for same in by_width.chunk_by(|one, other| width(*one) == width(*other)) {
            let width = width(same[0]);
            for batch in same.chunks((BATCH_WIDTH / width).max(1) as usize) {
                let pixels: Vec<_> = batch.iter().map(|line| lines[*line]).collect();
                for (line, reading) in batch.iter().zip(self.read_batch(&pixels, width)?) {
                    readings[*line] = reading;
                }
            }
        }
        Ok(readings)
    }

    fn read_batch(&self, lines: &[&Crop], width: u32) -> Result<Vec<Reading>, ModelError> {
        // What is right of a line is 0, as in training: a medium grey.
        let mut tensor = Array4::zeros((lines.len(), 3, HEIGHT as usize, width as usize));
        for (line, tensor) in lines.iter().zip(tensor.outer_iter_mut()) {
            write(&line.pixels, tensor);
        }
        self.graph.run(tensor, |output| self.readings(&output, lines.len()))
    }

    fn readings(&self, output: &ArrayViewD<'_, f32>, batch: usize) -> Result<Vec<Reading>, String> {
        let (shape, characters) = (output.shape(), self.characters.len());
        if shape.len() != 3 || shape[0] != batch || shape[2] != characters {
            return Err(format!("output is {shape:?}, expected [{batch}, any, {characters}]"));
        }
        let one = |line: ArrayViewD<'_, f32>| match line.into_dimensionality::<Ix2>() {
            Ok(line) => Ok(self.characters.decode(&line)),
            Err(error) => Err(error.to_string()),
        };
        output.axis_iter(Axis(0)).map(one).collect()
    }
}
