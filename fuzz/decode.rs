//! Fuzzes `decode`: no input may cause a crash, a hang or unbounded memory.
//!
//! `decode` catches panics of decoders. A panic that escapes it ends the run.
#![no_main]

use std::sync::Once;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;

use decode::{Detail, Limits, decode, memory};

#[path = "../src/decode/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the module as it is, of which this calls the front door")]
mod decode;
/// How decode cleans texts.
#[path = "../src/fold.rs"]
#[allow(dead_code, reason = "decode does not compare texts")]
mod fold;
/// The hints of decode's errors.
#[path = "../src/hint.rs"]
#[allow(dead_code, reason = "decode guesses no names")]
mod hint;

/// Small limits, so that no file takes long.
const LIMITS: Limits = Limits {
    max_bytes: 1 << 20,
    max_pixels: 16 << 20,
    max_memory: 256 << 20,
    max_time: Duration::from_secs(10),
};

static QUIET: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    // libFuzzer's own hook would end the run even at a caught panic.
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    for detail in [Detail::ShortSide(64), Detail::Full] {
        memory(bytes, detail);
        decode(bytes, &LIMITS, detail).ok();
    }
});
