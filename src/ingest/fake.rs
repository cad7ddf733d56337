//! Tests of the pipeline with devices that do not exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use crossbeam_channel::unbounded;
use image::{Rgb, RgbImage};
use imgsearch_index::{Fingerprint, Vector};
use ndarray::Array3;

use super::busy::Clocks;
use super::embed::{Embedding, Pictures};
use super::file::{Decoded, Done, Job};
use super::halt::Halt;
use super::load::Ready;
use super::pipeline::Run;
use super::{Busy, Encoders, Event, IngestError, Outcome, Plan, Reporter, Totals};
use crate::Library;
use crate::decode::{Metadata, Picture};
use crate::item::Item;
use crate::library::View;
use crate::model::{Ability, BATCH, Device, Encode, Encoded, Execution, Model, ModelError, Precision};
use crate::photo::{Details, Stamp};
use crate::query::Filter;
use crate::sidecar::Sidecars;

/// A device whose vectors are the mean colours of pictures.
struct Fake {
    is_parallel: bool,
    /// The most pictures per batch that fit into its memory.
    fits: usize,
    /// How long it says that a batch takes, in microseconds.
    micros: fn(usize) -> u64,
    /// After this many pictures it fails, for good.
    lasts: usize,
    embedded: AtomicUsize,
    /// The sizes of the batches that it was given.
    batches: Mutex<Vec<usize>>,
}

impl Fake {
    /// A GPU that is as fast with any number of pictures.
    fn large() -> Fake {
        Fake {
            is_parallel: false,
            fits: usize::MAX,
            micros: |_| 1_000,
            lasts: usize::MAX,
            embedded: AtomicUsize::new(0),
            batches: Mutex::default(),
        }
    }

    fn batches(&self) -> Vec<usize> {
        self.batches.lock().unwrap().clone()
    }
}

impl Encode for Fake {
    fn ability(&self) -> Ability {
        let most = if self.is_parallel { BATCH } else { 64 };
        Ability { device: Device::Cuda, is_parallel: self.is_parallel, most, passed_over: Vec::new() }
    }

    fn encode_batch(&self, tensors: &[Array3<f32>]) -> Result<Encoded, ModelError> {
        let mut batches = self.batches.lock().unwrap();
        batches.push(tensors.len());
        if tensors.len() > self.fits {
            let (device, batch, detail) = (Device::Cuda, tensors.len(), "no more".to_owned());
            return Err(ModelError::OutOfMemory { device, batch, detail });
        }
        if self.embedded.fetch_add(tensors.len(), Ordering::SeqCst) + tensors.len() > self.lasts {
            self.embedded.fetch_sub(tensors.len(), Ordering::SeqCst);
            return Err(ModelError::Inference {
                path: "i.onnx".into(),
                detail: "the GPU fell off the bus".into(),
            });
        }
        let took = Duration::from_micros((self.micros)(tensors.len()));
        Ok(Encoded { vectors: tensors.iter().map(|tensor| Ok(mean(tensor))).collect(), took })
    }

    fn free_memory(&self) -> Option<u64> {
        None
    }
}

/// The direction of a picture's mean colour.
fn mean(tensor: &Array3<f32>) -> Vector {
    let means = tensor.outer_iter().map(|colour| colour.mean().unwrap() + 0.1);
    Vector::normalized(means.chain([1.0]).collect()).unwrap()
}

fn colour(number: usize) -> [u8; 3] {
    [number % 16 * 16, number / 16 % 16 * 16, number / 256 * 16].map(|part| u8::try_from(part).unwrap())
}

// --- the stage alone, with all pictures waiting for it ------------------------

fn ready(number: usize) -> Ready {
    let stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
    let (sidecars, said_beside) = (Sidecars::default(), Metadata::default());
    let path = PathBuf::from(format!("/{number}"));
    let job = Job { path, disk: 1, stamp, by_content: false, embedded: None, sidecars, said_beside };
    let [r, g, b] = colour(number);
    let picture = Picture {
        pixels: RgbImage::from_pixel(2, 2, Rgb([r, g, b])),
        full_size: (2, 2),
        eighths: 8,
        orientation: image::metadata::Orientation::NoTransforms,
        metadata: Metadata::default(),
        note: None,
    };
    let details = Details::of(&picture, &stamp);
    let tensor = Array3::from_shape_fn((3, 2, 2), |(channel, ..)| f32::from([r, g, b][channel]) / 255.0);
    let mut content = [0; 16];
    content[..8].copy_from_slice(&number.to_le_bytes());
    let content = Fingerprint(content);
    Ready { file: Decoded { job, content, details, steps: Vec::new(), text: None }, tensor }
}

/// Embeds this many pictures. Returns what was passed on, and what the stage ended with.
fn embed(device: &Arc<Fake>, pictures: usize) -> (Vec<Done>, Result<(), IngestError>) {
    let (cancel, clocks) = (AtomicBool::new(false), Clocks::default());
    let ((sender, tensors), (done_sender, done)) = (unbounded(), unbounded());
    (0..pictures).for_each(|number| sender.send(ready(number)).unwrap());
    drop(sender);
    let waiting = Pictures { ready: tensors, senders: Weak::new() };
    let halt = Halt::new(&cancel);
    let embedding = Embedding { halt: &halt, clocks: &clocks, threads: 2, batches: None, done: done_sender };
    let ended = embedding.run(&waiting, |_| Ok(Box::new(Shared(device.clone()))));
    (done.iter().collect(), ended)
}

/// A device that outlives the stage, so that a test can ask it afterwards.
struct Shared(Arc<Fake>);

impl Encode for Shared {
    fn ability(&self) -> Ability {
        self.0.ability()
    }

    fn encode_batch(&self, tensors: &[Array3<f32>]) -> Result<Encoded, ModelError> {
        self.0.encode_batch(tensors)
    }

    fn free_memory(&self) -> Option<u64> {
        self.0.free_memory()
    }
}

/// Fails unless each file has the vector of its own picture, and each of `pictures` files came once.
#[track_caller]
fn assert_own_vectors(done: &[Done], pictures: usize) {
    let mut numbers = Vec::new();
    for file in done {
        assert_eq!(file.outcome, Outcome::Embedded);
        let number: usize = file.job.path.to_str().unwrap()[1..].parse().unwrap();
        let [crate::library::Write::Put { vector: Some(vector), .. }] = file.writes.as_slice() else {
            panic!("no vector")
        };
        assert_eq!(vector.as_slice(), mean(&ready(number).tensor).as_slice(), "picture {number}");
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..pictures).collect::<Vec<_>>());
}

#[test]
fn batches_grow_on_a_device_that_gains_from_it_and_every_file_has_its_own_vector() {
    let device = Arc::new(Fake::large());
    let (done, ended) = embed(&device, 700);
    ended.unwrap();
    assert_own_vectors(&done, 700);
    let batches = device.batches();
    assert_eq!(batches.iter().max(), Some(&64));
    assert_eq!(batches.iter().sum::<usize>(), 700);
}

#[test]
fn batches_stay_small_on_a_slow_device_and_on_a_cpu() {
    let slow = Arc::new(Fake { micros: |pictures| 1_000 * pictures as u64, ..Fake::large() });
    let (done, ended) = embed(&slow, 300);
    ended.unwrap();
    assert_own_vectors(&done, 300);
    assert!(slow.batches().iter().max() <= Some(&(2 * BATCH)), "{:?}", slow.batches());
    assert_eq!(slow.batches().last(), Some(&BATCH));

    let cpu = Arc::new(Fake { is_parallel: true, ..Fake::large() });
    let (done, ended) = embed(&cpu, 300);
    ended.unwrap();
    assert_own_vectors(&done, 300);
    assert_eq!(cpu.batches().iter().max(), Some(&BATCH));
}

#[test]
fn a_device_without_memory_gets_smaller_batches_and_no_file_is_lost() {
    #[track_caller]
    fn check(fits: usize) {
        let device = Arc::new(Fake { fits, ..Fake::large() });
        let (done, ended) = embed(&device, 500);
        ended.unwrap();
        assert_own_vectors(&done, 500);
        let refused = device.batches().into_iter().filter(|pictures| *pictures > fits).count();
        // At most one of each thread before the smaller size is known, for each time that it is halved.
        assert!((1..=9).contains(&refused), "{refused} refused with room for {fits}");
    }
    check(33);
    check(32);
    check(5);
    check(3);
    check(1);
}

#[test]
fn too_little_memory_for_one_picture_ends_the_run_with_a_sentence() {
    let (done, ended) = embed(&Arc::new(Fake { fits: 0, ..Fake::large() }), 100);
    assert!(done.is_empty());
    let error = ended.unwrap_err();
    assert_eq!(error.to_string(), "cuda ran out of memory with one picture: no more");
    assert!(crate::hint::Hint::hint(&error).unwrap().contains("run the same command again"));
}

// --- a whole run --------------------------------------------------------------

/// A folder with photos, a model without towers, and a library.
struct Place {
    folder: tempfile::TempDir,
    model: Model,
    library: Library,
}

/// Keeps what a run said about its stages.
#[derive(Default)]
struct Heard {
    devices: Mutex<Vec<Device>>,
    busy: Mutex<Option<Busy>>,
}

impl Reporter for Heard {
    fn report(&self, event: Event<'_>) {
        if let Event::ModelLoaded { device, .. } = event {
            self.devices.lock().unwrap().push(device);
        }
        if let Event::Busy(busy) = event {
            *self.busy.lock().unwrap() = Some(busy);
        }
    }
}

const MODEL: &str = r#"{"format": 1, "name": "n", "embed_dim": 4,
    "image": {"file": "i.onnx", "image_size": [8, 8], "resize_mode": "squash", "interpolation": "bicubic",
              "mean": [0, 0, 0], "std": [1, 1, 1]},
    "text": {"file": "t.onnx", "tokenizer": "t.json", "context_length": 64}, "sha256": {"i.onnx": "ab"}}"#;

impl Place {
    fn new(photos: usize) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        fs::create_dir_all(&model).unwrap();
        fs::create_dir_all(folder.path().join("photos")).unwrap();
        fs::write(model.join("model.json"), MODEL).unwrap();
        for file in ["i.onnx", "t.onnx", "t.json"] {
            fs::write(model.join(file), "").unwrap();
        }
        for number in 0..photos {
            let picture = RgbImage::from_pixel(8, 8, Rgb(colour(number)));
            picture.save(folder.path().join(format!("photos/{number}.png"))).unwrap();
        }
        let execution = Execution {
            precision: Precision::Auto,
            dim: None,
            prompt: None,
            cache_folder: None,
            runtime_places: Vec::new(),
            device: Device::Auto,
            threads: 2,
        };
        let model = Model::open(&model, execution).unwrap();
        let library = Library::new(folder.path().join("library"));
        library.create().unwrap();
        Place { folder, model, library }
    }

    fn photos(&self) -> PathBuf {
        self.folder.path().join("photos").canonicalize().unwrap()
    }

    fn index(&self, device: &Arc<Fake>, heard: &Heard) -> Result<Totals, IngestError> {
        let sink = self.library.lock().unwrap().open(self.model.space()).unwrap().sink;
        let plan = Plan { threads: 2, ..Plan::new(vec![self.photos()], SystemTime::UNIX_EPOCH) };
        let cancel = AtomicBool::new(false);
        let encoders: Encoders<'_> = &|_| Ok(Box::new(Shared(device.clone())));
        let ended = Run::new(&*sink, None, (&self.model, encoders), &plan, heard, &cancel).whole();
        sink.close().unwrap();
        ended
    }

    /// The number of photos with vectors, which must be the right ones.
    #[track_caller]
    fn stored(&self, photos: usize) -> usize {
        let view = self.library.view().unwrap();
        let folder = self.photos();
        let stored = (0..photos).filter(|number| is_right(&*view, &folder, *number)).count();
        assert_eq!(view.count(&Filter::default()).unwrap(), stored);
        stored
    }
}

/// Whether a photo is stored. Fails if its vector is another's.
fn is_right(view: &dyn View, folder: &Path, number: usize) -> bool {
    let item = Item::file(folder.join(format!("{number}.png")));
    let Some(vector) = view.get(&item).unwrap().and_then(|stored| stored.vector) else { return false };
    // The library stores half floats.
    assert!(vector.dot(&mean(&ready(number).tensor)) > 0.9999, "photo {number}");
    true
}

#[test]
fn a_device_that_fails_in_the_middle_costs_nothing_that_was_embedded() {
    let place = Place::new(200);
    let broken = Arc::new(Fake { lasts: 90, ..Fake::large() });
    let error = place.index(&broken, &Heard::default()).unwrap_err();
    assert!(error.to_string().contains("the GPU fell off the bus"), "{error}");
    let embedded = broken.embedded.load(Ordering::SeqCst);
    assert!((1..=90).contains(&embedded));
    assert_eq!(place.stored(200), embedded);

    let (repaired, heard) = (Arc::new(Fake::large()), Heard::default());
    let totals = place.index(&repaired, &heard).unwrap();
    assert_eq!(totals.embedded, 200 - embedded as u64);
    assert_eq!(place.stored(200), 200);
    assert_eq!(*heard.devices.lock().unwrap(), [Device::Cuda]);
}

#[test]
fn the_limit_of_a_run_is_named() {
    let place = Place::new(40);
    // It says that each picture took an hour: nothing can have been busier.
    let slow = Arc::new(Fake { micros: |pictures| 3_600_000_000 * pictures as u64, ..Fake::large() });
    let heard = Heard::default();
    place.index(&slow, &heard).unwrap();
    let busy = heard.busy.lock().unwrap().unwrap();
    assert_eq!((busy.limit(), busy.batch), ("embedding", BATCH));
    // A run that embeds nothing has no limit worth naming.
    let heard = Heard::default();
    place.index(&slow, &heard).unwrap();
    assert!(heard.busy.lock().unwrap().is_none() && heard.devices.lock().unwrap().is_empty());
}
