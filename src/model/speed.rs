//! Measures the speed of a model on this computer.

use std::time::{Duration, Instant};

use ndarray::Array3;

use super::{BatchSize, Device, Encode, Encoded, ImageEncoder, Model, ModelError};

/// The text tower gets one part in this many of the time.
const TEXT_SHARE: u32 = 5;
/// About as long as most queries.
const QUERY: &str = "a dog on the beach at sunset";

/// The speed of both towers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// The device on which the image tower ran.
    pub device: Device,
    /// Pictures that the image tower embeds per second, without reading and decoding.
    pub images_per_second: f32,
    /// The time of the loaded text tower for one query.
    pub query: Duration,
}

/// The speed of the image tower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageSpeed {
    /// The device on which it ran.
    pub device: Device,
    /// Pictures per batch: as many as the indexer would use.
    pub batch: usize,
    /// Pictures per second, without reading and decoding.
    pub per_second: f32,
}

impl Model {
    /// Measures the speed of both towers. It takes about `most`, including loading. Each tower runs at least twice, and the
    /// first run does not count. `loaded` gets the image tower before it is measured.
    ///
    /// # Errors
    /// As [`Model::image_encoder`] and [`Model::text_encoder`].
    pub fn speed(&self, most: Duration, loaded: impl FnOnce(&ImageEncoder)) -> Result<Speed, ModelError> {
        let for_text = most / TEXT_SHARE;
        let images = self.measure_images(most - for_text, loaded)?;
        let begin = Instant::now();
        let encoder = self.text_encoder()?;
        let query = median_of(begin + for_text, || encoder.encode_text(QUERY).map(drop))?;
        Ok(Speed { device: images.device, images_per_second: images.per_second, query })
    }

    /// Measures the speed of the image tower, as [`Model::speed`] does.
    ///
    /// # Errors
    /// As [`Model::image_encoder`].
    pub fn image_speed(&self, most: Duration) -> Result<ImageSpeed, ModelError> {
        self.measure_images(most, |_| ())
    }

    fn measure_images(
        &self,
        most: Duration,
        loaded: impl FnOnce(&ImageEncoder),
    ) -> Result<ImageSpeed, ModelError> {
        let begin = Instant::now();
        let encoder = self.image_encoder()?;
        loaded(&encoder);
        let [height, width] = self.config.image.preprocess.image_size;
        let batch_of = |pictures| vec![Array3::zeros((3, height as usize, width as usize)); pictures];
        let batch = batch_of(best_size(&encoder, begin + most / 2, batch_of)?);
        let took = median_of(begin + most, || encoder.encode_each(&batch).map(drop))?;
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let per_second = batch.len() as f32 / took.as_secs_f32();
        Ok(ImageSpeed { device: encoder.device(), batch: batch.len(), per_second })
    }
}

/// The size of batches that suits the device, found as the indexer does, until `end` at most.
fn best_size(
    encoder: &dyn Encode,
    end: Instant,
    batch_of: impl Fn(usize) -> Vec<Array3<f32>>,
) -> Result<usize, ModelError> {
    let size = BatchSize::new(&encoder.ability());
    while !size.is_settled() && Instant::now() < end {
        let pictures = size.now();
        match encoder.encode_batch(&batch_of(pictures)) {
            Ok(Encoded { took, .. }) => size.ran(pictures, took, || encoder.free_memory()),
            Err(ModelError::OutOfMemory { .. }) if size.too_large(pictures).is_some() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(size.now())
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
