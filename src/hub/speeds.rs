//! The speeds of models on this computer: measured by `models bench`, and estimated for others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::store::OFFLINE;
use super::{HubError, Known, Store};
use crate::files::{Readers, replace};
use crate::model::Speed;

/// The offline model takes as long per picture as a vision transformer with this many billion operations. Measured with
/// `models bench`, compared with the ViT-B/32 of `scripts/random_clip`, on two cores with AVX-512.
const OFFLINE_GFLOPS: f32 = 2.8;

/// The measurements of `models bench`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
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
    /// The device on which the image tower ran, which need not be the one that was asked for.
    device: String,
    threads: usize,
}

impl Measured {
    /// Figures can be compared if the device and the number of threads were the same.
    fn is_comparable(&self, other: &Measured) -> bool {
        (&self.device, self.threads) == (&other.device, other.threads)
    }
}

impl Speeds {
    /// Adds the speed of the model `name`, which has this space, with this number of threads.
    pub fn add(&mut self, name: &str, space: &str, known: Option<&Known>, speed: Speed, threads: usize) {
        let measured = Measured {
            space: space.to_owned(),
            gflops: known.and_then(|known| known.gflops),
            images_per_second: speed.images_per_second,
            query_ms: 1000.0 * speed.query.as_secs_f32(),
            device: speed.device.name().to_owned(),
            threads,
        };
        self.models.insert(name.to_owned(), measured);
    }

    /// Pictures per second, and the milliseconds of a query, of the model `name`, if it was measured and still has this space.
    pub fn measured(&self, name: &str, space: &str) -> Option<(f32, f32)> {
        let measured = self.models.get(name).filter(|measured| measured.space == space)?;
        Some((measured.images_per_second, measured.query_ms))
    }

    /// The speed of the model `name` as a multiple of the offline model's, if both were measured with the same device and
    /// number of threads.
    pub fn relative(&self, name: &str) -> Option<f32> {
        let (model, offline) = (self.models.get(name)?, self.models.get(OFFLINE)?);
        model.is_comparable(offline).then(|| model.images_per_second / offline.images_per_second)
    }

    /// An estimate of this for a model that was not measured, from the operations of its image tower and the speeds of other
    /// vision transformers.
    pub fn estimated(&self, known: &Known) -> Option<f32> {
        let offline_gflops = || {
            let offline = self.models.get(OFFLINE)?;
            let comparable = self.models.values().filter(|model| model.is_comparable(offline));
            let rates = comparable.filter_map(|model| Some(model.images_per_second * model.gflops?));
            let mut rates: Vec<f32> = rates.collect();
            rates.sort_by(f32::total_cmp);
            Some(rates.get(rates.len() / 2)? / offline.images_per_second)
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
    use std::time::Duration;

    use super::*;
    use crate::model::Device;

    fn add(speeds: &mut Speeds, name: &str, images_per_second: f32, device: Device, threads: usize) {
        let speed = Speed { device, images_per_second, query: Duration::from_millis(8) };
        speeds.add(name, "space", Known::named(name), speed, threads);
    }

    fn speeds(measured: &[(&str, f32)]) -> Speeds {
        let mut speeds = Speeds::default();
        for (name, images_per_second) in measured {
            add(&mut speeds, name, *images_per_second, Device::Cpu, 2);
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
    fn figures_apply_to_one_model() {
        let speeds = speeds(&[("offline", 40.0), ("mine", 10.0)]);
        assert_eq!(speeds.measured("mine", "space"), Some((10.0, 8.0)));
        assert_eq!(speeds.relative("mine"), Some(0.25));
        assert_eq!(speeds.measured("mine", "another space"), None);
        assert_eq!(speeds.measured("other", "space"), None);
    }

    /// A model may fit a GPU that another does not fit, in one run with `--device auto`.
    #[test]
    fn figures_are_compared_with_those_of_the_same_device_and_threads() {
        for (device, threads) in [(Device::Cuda, 2), (Device::Cpu, 4)] {
            let mut speeds = speeds(&[("offline", 40.0), ("clip-b32", 20.0)]);
            let clip = Known::named("clip-b32").unwrap();
            assert_eq!(speeds.relative("clip-b32"), Some(0.5));
            add(&mut speeds, "clip-b32", 2000.0, device, threads);
            assert_eq!(speeds.measured("clip-b32", "space"), Some((2000.0, 8.0)));
            assert_eq!(speeds.relative("clip-b32"), None);
            assert_eq!(speeds.estimated(clip), Speeds::default().estimated(clip));
            add(&mut speeds, "offline", 4000.0, device, threads);
            assert_eq!(speeds.relative("clip-b32"), Some(0.5));
        }
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
