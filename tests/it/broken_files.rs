//! A thousand files, one in twenty broken: the run finishes, the counts add up, and all good files are found.

use std::fs;
use std::path::{Path, PathBuf};

use image::ImageFormat;

use crate::workspace::{Workspace, encoded};

const FILES: u32 = 1_000;
const BROKEN: u32 = 50;

/// Writes a file that is broken in some way; the seed makes contents differ.
type Break = fn(&Path, u32);

/// Ways to break a file, each with the expected reason.
const WAYS: &[(&str, Break)] = &[
    ("empty file", |path, _| fs::write(path, "").unwrap()),
    ("damaged", |path, seed| {
        let whole = encoded(seed, ImageFormat::Png);
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }),
    ("damaged", |path, seed| {
        let whole = encoded(seed, ImageFormat::Jpeg);
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }),
    ("not an image", |path, _| fs::write(path, "Dear diary, no photo today.\n").unwrap()),
    ("damaged", |path, seed| {
        // A PNG header with 0 × 0 pixels and a correct checksum.
        let mut bytes = encoded(seed, ImageFormat::Png);
        bytes[16..24].fill(0);
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        fs::write(path, bytes).unwrap();
    }),
    ("unsupported", |path, _| fs::write(path, b"8BPS\0\x01\0\0\0\0\0\0\0\x03").unwrap()),
    #[cfg(unix)]
    ("dangling link", |path, _| std::os::unix::fs::symlink("/nowhere/at/all.jpg", path).unwrap()),
];

#[test]
fn a_run_with_broken_files_finishes_and_adds_up() {
    let workspace = Workspace::new();
    let mut good = Vec::new();
    for seed in 0..FILES - BROKEN {
        let format = ["png", "jpg", "bmp", "gif", "webp", "tiff"][seed as usize % 6];
        good.push(workspace.photo(&format!("{}/{seed}.{format}", seed % 7), seed));
    }
    for seed in 0..BROKEN {
        let (_, break_it) = WAYS[seed as usize % WAYS.len()];
        break_it(&workspace.photos().join(format!("broken {seed}.jpg")), seed + FILES);
    }
    // These look odd but are fine.
    good.extend(odd_but_good(&workspace));

    let first = workspace.index(&[], 2);
    first.check(&[("embedded", good.len() as u64), ("skipped", u64::from(BROKEN)), ("unchanged", 0)]);
    let mut found = workspace.found(&[]);
    found.sort();
    good.sort();
    assert_eq!(found, good);
    check_reasons(&workspace);

    let second = workspace.index(&[], 0);
    second.check(&[
        ("embedded", 0),
        ("unchanged", good.len() as u64),
        ("skipped before and unchanged since", u64::from(BROKEN)),
    ]);
    assert!(second.0.contains("nothing to do"), "{}", second.0);
}

/// A folder named like a photo with a photo in it, a PNG called .jpg, and a name that is not Unicode.
fn odd_but_good(workspace: &Workspace) -> Vec<PathBuf> {
    let in_folder = workspace.photo("x.jpg/inside.png", 5_001);
    let wrong_extension = workspace.photos().join("really a png.jpg");
    fs::write(&wrong_extension, encoded(5_002, ImageFormat::Png)).unwrap();
    let mut odd = vec![in_folder, wrong_extension];
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;
        let not_unicode = workspace.photos().join(std::ffi::OsStr::from_bytes(b"caf\xe9.png"));
        fs::write(&not_unicode, encoded(5_003, ImageFormat::Png)).unwrap();
        odd.push(not_unicode);
    }
    odd
}

#[track_caller]
fn check_reasons(workspace: &Workspace) {
    let skipped = &workspace.status()["skipped"];
    for (reason, _) in WAYS {
        let ways = (0..BROKEN).filter(|seed| WAYS[*seed as usize % WAYS.len()].0 == *reason).count();
        assert_eq!(skipped[reason], ways, "{reason} in {skipped}");
    }
}

#[test]
fn a_broken_file_that_was_fixed_is_embedded() {
    let workspace = Workspace::new();
    let path = workspace.photos().join("a.jpg");
    fs::write(&path, "").unwrap();
    workspace.index(&[], 2).check(&[("embedded", 0), ("skipped", 1)]);
    fs::write(&path, encoded(1, ImageFormat::Jpeg)).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 1), ("skipped", 0)]);
    assert_eq!(workspace.found(&[]), [path]);
}

/// PNG's CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}
