//! Measures the image tower of a model on a device, for `scripts/bench/cuda`.
//!
//! ```text
//! device RUNTIME DEVICE MODEL SECONDS    one line: the device, pictures per batch, pictures per second
//! ```
//!
//! RUNTIME is the library file of ONNX Runtime.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use imgsearch::Model;
use imgsearch::model::{Device, Execution, ImageSpeed, Precision};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [runtime, device, model, seconds] = &args[..] else {
        bail!("usage: device RUNTIME DEVICE MODEL SECONDS")
    };
    let device =
        Device::ALL.iter().copied().find(|known| known.name() == device).context("no such device")?;
    let execution = Execution {
        precision: Precision::Auto,
        dim: None,
        prompt: None,
        cache_folder: None,
        runtime_places: vec![runtime.into()],
        device,
        threads: std::thread::available_parallelism()?.get(),
    };
    let model = Model::open(Path::new(model), execution)?;
    let ImageSpeed { device, batch, per_second } =
        model.image_speed(Duration::from_secs(seconds.parse()?))?;
    println!("{device} {batch} {per_second:.2}");
    Ok(())
}
