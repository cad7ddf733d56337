//! Measures the speed of a model on this computer.

use std::time::{Duration, Instant};

use ndarray::Array3;

use super::{BATCH, Model, ModelError};

/// The text tower gets one part in this many of the time.
const TEXT_SHARE: u32 = 5;
/// About as long as most queries.
const QUERY: &str = "a dog on the beach at sunset";

/// The speed of both towers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Pictures that the image tower embeds per second, without reading and decoding.
    pub images_per_second: f32,
    /// The time of the loaded text tower for one query.
    pub query: Duration,
}

impl Model {
    /// Measures the speed of both towers. It takes about `most`, including loading. Each tower runs at least twice, and the
    /// first run does not count.
    ///
    /// # Errors
    /// As [`Model::image_encoder`] and [`Model::text_encoder`].
    pub fn speed(&self, most: Duration) -> Result<Speed, ModelError> {
        let begin = Instant::now();
        let for_text = most / TEXT_SHARE;
        let encoder = self.image_encoder()?;
        let [height, width] = self.config.image.preprocess.image_size;
        let batch = vec![Array3::zeros((3, height as usize, width as usize)); BATCH];
        let batch_took = median_of(begin + (most - for_text), || encoder.encode_each(&batch).map(drop))?;
        drop(encoder);
        let begin = Instant::now();
        let encoder = self.text_encoder()?;
        let query = median_of(begin + for_text, || encoder.encode_text(QUERY).map(drop))?;
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let images_per_second = BATCH as f32 / batch_took.as_secs_f32();
        Ok(Speed { images_per_second, query })
    }
}

/// The time that `work` takes: the median of repetitions until `end`. The first one does not count.
fn median_of(end: Instant, mut work: impl FnMut() -> Result<(), ModelError>) -> Result<Duration, ModelError> {
    work()?;
    let mut took = Vec::new();
    loop {
        let begin = Instant::now();
        work()?;
        took.push(begin.elapsed());
        if Instant::now() >= end {
            break;
        }
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}
