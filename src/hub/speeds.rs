//! The speeds of models on this computer: measured by `models bench`, and estimated for others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::store::OFFLINE;
use super::{HubError, Known, Store};
use crate::files::{Readers, replace};
use crate::model::Speed;

/// The offline model takes as long per picture as a vision transformer with this many billion operations. Measured with
/// `models bench`, compared with the ViT-B/32 of `scripts/random_clip`, on two cores with AVX-512.
const OFFLINE_GFLOPS: f32 = 2.8;

/// The measurements of `models bench`, all on one device with one number of threads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    device: String,
    threads: usize,
    models: BTreeMap<String, Measured>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// The space of the measured model, because another model may have its name now.
    space: String,
    /// The operations of its image tower, if known.
    gflops: Option<f32>,
    images_per_second: f32,
    query_ms: f32,
}

impl Speeds {
    /// The earlier measurements with this device and number of threads. If these differ, the figures cannot be compared with
    /// new ones and are dropped.
    #[must_use]
    pub fn with(self, device: &str, threads: usize) -> Speeds {
        if (self.device.as_str(), self.threads) == (device, threads) {
            return self;
        }
        Speeds { device: device.to_owned(), threads, models: BTreeMap::new() }
    }

    /// Adds the speed of the model `name`, which has this space.
    pub fn add(&mut self, name: &str, space: &str, known: Option<&Known>, speed: Speed) {
        let measured = Measured {
            space: space.to_owned(),
            gflops: known.and_then(|known| known.gflops),
            images_per_second: speed.images_per_second,
            query_ms: 1000.0 * speed.query.as_secs_f32(),
        };
        self.models.insert(name.to_owned(), measured);
    }

    /// The measured speed of the model `name`, if it still has this space.
    pub fn measured(&self, name: &str, space: &str) -> Option<Speed> {
        let measured = self.models.get(name).filter(|measured| measured.space == space)?;
        let query = Duration::try_from_secs_f32(measured.query_ms / 1000.0).ok()?;
        Some(Speed { images_per_second: measured.images_per_second, query })
    }

    /// The speed as a multiple of the offline model's, if both were measured.
    pub fn relative(&self, speed: Speed) -> Option<f32> {
        Some(speed.images_per_second / self.models.get(OFFLINE)?.images_per_second)
    }

    /// An estimate of this for a model that was not measured, from the operations of its image tower and the speeds of other
    /// vision transformers.
    pub fn estimated(&self, known: &Known) -> Option<f32> {
        let offline_gflops = || {
            let offline = self.models.get(OFFLINE)?.images_per_second;
            let rates =
                self.models.values().filter_map(|model| Some(model.images_per_second * model.gflops?));
            let mut rates: Vec<f32> = rates.collect();
            rates.sort_by(f32::total_cmp);
            Some(rates.get(rates.len() / 2)? / offline)
        };
        Some(offline_gflops().unwrap_or(OFFLINE_GFLOPS) / known.gflops?)
    }
}

impl Store {
    /// The measurements of `models bench`; empty if they cannot be read, because they can be made again.
    pub fn speeds(&self) -> Speeds {
        let bytes = fs::read(self.speeds_file()).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Stores the measurements of `models bench`.
    ///
    /// # Errors
    /// [`HubError::Io`].
    pub fn keep_speeds(&self, speeds: &Speeds) -> Result<(), HubError> {
        let path = self.speeds_file();
        let json = serde_json::to_vec_pretty(speeds).map_err(io::Error::from);
        json.and_then(|json| replace(&path, &json, Readers::AsUsual))
            .map_err(|source| HubError::Io { path, source })
    }

    fn speeds_file(&self) -> PathBuf {
        self.folder().join("speeds.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(images_per_second: f32) -> Speed {
        Speed { images_per_second, query: Duration::from_millis(8) }
    }

    fn speeds(measured: &[(&str, f32)]) -> Speeds {
        let mut speeds = Speeds::default().with("cpu", 2);
        for (name, images_per_second) in measured {
            speeds.add(name, "space", Known::named(name), speed(*images_per_second));
        }
        speeds
    }

    #[track_caller]
    fn check_estimate(measured: &[(&str, f32)], of: &str, expected: Option<f32>) {
        let estimated = speeds(measured).estimated(Known::named(of).unwrap());
        let is_near = |(a, b): (f32, f32)| (a / b - 1.0).abs() < 0.01;
        assert!(estimated.zip(expected).map_or(estimated == expected, is_near), "{estimated:?}");
    }

    #[test]
    fn speed_follows_the_operations_of_the_image_tower() {
        check_estimate(&[], "clip-b32", Some(OFFLINE_GFLOPS / 8.82));
        check_estimate(&[("offline", 40.0)], "clip-b32", Some(OFFLINE_GFLOPS / 8.82));
        check_estimate(&[("offline", 40.0), ("clip-b32", 20.0)], "clip-b32-laion", Some(0.5));
        check_estimate(&[("offline", 40.0), ("clip-b32", 20.0)], "clip-b16", Some(0.5 * 8.82 / 35.13));
        check_estimate(&[], "mobileclip-s0", None);
    }

    #[test]
    fn figures_apply_to_one_model_device_and_number_of_threads() {
        let speeds = speeds(&[("offline", 40.0), ("mine", 10.0)]);
        let mine = speeds.measured("mine", "space").unwrap();
        assert_eq!(mine, speed(10.0));
        assert_eq!(speeds.relative(mine), Some(0.25));
        assert_eq!(speeds.measured("mine", "another space"), None);
        assert_eq!(speeds.clone().with("cpu", 2), speeds);
        assert_eq!(speeds.clone().with("cpu", 4).measured("mine", "space"), None);
        assert_eq!(speeds.with("cuda", 2).measured("mine", "space"), None);
    }

    #[test]
    fn figures_are_stored_beside_the_models() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        assert_eq!(store.speeds(), Speeds::default());
        store.keep_speeds(&speeds(&[("offline", 40.0)])).unwrap();
        assert_eq!(store.speeds(), speeds(&[("offline", 40.0)]));
        assert!(store.installed().is_empty());
    }
}
