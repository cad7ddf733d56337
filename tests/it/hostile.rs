//! Malicious files: none may cause a panic, a hang or unbounded memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use imgsearch::decode::{DecodeError, Detail, Limits, decode, memory};

use crate::workspace::{look_for_heif, skip};

/// The maximum time per file. The slowest take a few tenths of a second.
const LONGEST: Duration = Duration::from_secs(5);
/// The maximum memory of a test, in KiB: the limit for one picture, and as much for its RGB copy.
const MOST_MEMORY: u64 = 2 << 20;
/// Set in a process that runs only one test.
const ALONE: &str = "IMGSEARCH_TEST_ALONE";

/// A reproducible generator of pseudo-random numbers (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// The smaller pictures of the golden set, of every format.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pictures = paths.filter(|path| path.is_file() && !path.to_str().unwrap().ends_with(".ref.png"));
    let mut seeds: Vec<_> = pictures
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .filter(|(_, bytes)| bytes.len() < 80_000)
        .collect();
    seeds.sort();
    seeds
}

/// Decodes a file both ways, and checks only that this ends in time.
#[track_caller]
fn survive(name: &str, bytes: &[u8], limits: &Limits) {
    for detail in [Detail::ShortSide(64), Detail::Full] {
        let start = Instant::now();
        memory(bytes, detail);
        let result = decode(bytes, limits, detail);
        assert!(start.elapsed() < LONGEST, "{name} took {:?}", start.elapsed());
        let panicked = result.err().filter(|error| matches!(error, DecodeError::Panicked { .. }));
        assert_eq!(panicked, None, "{name}");
    }
}

fn truncated(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    bytes[..numbers.below(bytes.len())].to_vec()
}

fn flipped(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // Half of the flips are in the headers, where they have the most effect.
    for i in 0..1 + numbers.below(12) {
        let reach = if i % 2 == 0 { bytes.len() } else { bytes.len().min(600) };
        let at = numbers.below(reach);
        bytes[at] ^= 1 << numbers.below(8);
    }
    bytes
}

/// Sets four bytes to extreme values for lengths and sizes.
fn extreme(bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const EXTREMES: [[u8; 4]; 5] =
        [[0; 4], [0xFF; 4], [0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 0, 1], [0xFF, 0, 0, 0]];
    let mut bytes = bytes.to_vec();
    let at = numbers.below(bytes.len().min(400).saturating_sub(4));
    let end = (at + 4).min(bytes.len());
    bytes[at..end].copy_from_slice(&EXTREMES[numbers.below(EXTREMES.len())][..end - at]);
    bytes
}

/// The head of one file on the body of another.
fn crossed(bytes: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let cut = numbers.below(bytes.len().min(other.len()).min(300));
    [&bytes[..cut], &other[cut..]].concat()
}

#[test]
fn broken_files_of_every_format_are_survived() {
    in_bounded_memory("hostile::broken_files_of_every_format_are_survived", survive_broken_files);
}

fn survive_broken_files() {
    look_for_heif();
    let (seeds, limits, mut numbers) = (seeds(), Limits::default(), Numbers(1));
    let mut count = 0;
    for (i, (name, bytes)) in seeds.iter().enumerate() {
        let other = &seeds[(i + 7) % seeds.len()].1;
        for round in 0..8 {
            let broken = [
                truncated(bytes, &mut numbers),
                flipped(bytes, &mut numbers),
                extreme(bytes, &mut numbers),
                crossed(bytes, other, &mut numbers),
            ];
            for (way, file) in broken.iter().enumerate() {
                survive(&format!("{name}, round {round}, way {way}"), file, &limits);
                count += 1;
            }
        }
    }
    assert!(count >= 2_000, "{count}");
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    in_bounded_memory("hostile::bombs_are_refused_before_they_go_off", refuse_bombs);
}

fn refuse_bombs() {
    let limits = Limits::default();
    let golden =
        |name| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)).unwrap();
    let mut jpeg = golden("baseline-420.jpg");
    let frame = jpeg.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    jpeg[frame + 5..frame + 9].fill(0xFF);
    let mut bmp = golden("rgb.bmp");
    bmp[18..26].copy_from_slice(&[0, 0, 1, 0, 0, 0, 1, 0]);
    let mut qoi = golden("rgb.qoi");
    qoi[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let ppm = b"P6 100000 100000 255\n\0\0\0".to_vec();
    for (name, bytes) in [("jpeg", jpeg), ("bmp", bmp), ("qoi", qoi), ("ppm", ppm)] {
        let refused = decode(&bytes, &limits, Detail::ShortSide(64));
        assert!(
            matches!(refused, Err(DecodeError::TooLarge { .. } | DecodeError::Damaged { .. })),
            "{name}: {:?}",
            refused.map(|picture| picture.full_size)
        );
    }
}

/// Runs `test` in a separate process, so that other tests' memory does not count, and checks its peak memory on Linux.
#[track_caller]
fn in_bounded_memory(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_none() {
        let program = std::env::current_exe().unwrap();
        let ended =
            Command::new(program).args(["--exact", name, "--nocapture"]).env(ALONE, "").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    test();
    if !cfg!(target_os = "linux") {
        return skip("only Linux tells the most memory that a process had");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MOST_MEMORY, "{peak} KiB at most");
}
