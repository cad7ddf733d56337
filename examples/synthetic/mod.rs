//! Shared code of the examples that measure libraries of synthetic photos.

use std::time::Instant;

use anyhow::{Context, Result};
use directories::ProjectDirs;
use imgsearch::Model;
use imgsearch::model::{Device, Execution, Precision};

/// Rounds of each kind; the median is printed.
const ROUNDS: usize = 31;

/// The installed offline model. The libraries are in its space; it embeds nothing.
pub(crate) fn offline_model() -> Result<Model> {
    let data = ProjectDirs::from("", "", "imgsearch").context("no home folder")?.data_dir().to_owned();
    let execution = Execution {
        runtime_places: Vec::new(),
        device: Device::Cpu,
        threads: 1,
        precision: Precision::Auto,
        dim: None,
        prompt: None,
        cache_folder: None,
    };
    Ok(Model::open(&data.join("models/offline"), execution)?)
}

/// The median of some rounds, in milliseconds.
pub(crate) fn time(work: impl Fn() -> Result<()>) -> Result<f64> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work()?;
        rounds.push(start.elapsed().as_secs_f64() * 1e3);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[ROUNDS / 2])
}

/// Reproducible pseudo-random numbers (xorshift64*).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// A number from 0 to below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 20) % bound
    }

    /// A number from −1 to 1.
    #[expect(clippy::cast_precision_loss, reason = "below two million")]
    pub(crate) fn unit(&mut self) -> f32 {
        self.below(2_000_001) as f32 / 1e6 - 1.0
    }
}
