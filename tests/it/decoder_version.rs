//! A library of an older version: details that its decoder missed are added without embedding.

use std::fs;
use std::sync::atomic::AtomicBool;

use imgsearch::Library;
use imgsearch::ingest::Plan;
use imgsearch::item::{Item, path_of};
use imgsearch::photo::{Clock, Details, Photo, Skip, SkipKind, Stamp, Step, fingerprint};
use imgsearch_index::{Change, Key, Record, Writer, WriterOptions};
use minicbor::Encode;

use crate::accounting::small_model;
use crate::in_process::{Silent, index_in, open_model, plan};
use crate::workspace::{Workspace, jpeg};

/// A record of versions that did not store the decoder's version yet.
#[derive(Encode)]
struct OldPhoto {
    #[n(0)]
    stamp: Stamp,
    #[n(1)]
    skip: Option<Skip>,
    #[n(2)]
    disk: u64,
    #[n(3)]
    details: Option<Details>,
}

/// Rewrites every record of the library like an older version; `missed` removes what its decoder did not read.
fn make_older(workspace: &Workspace, missed: impl Fn(&str, &mut OldPhoto)) {
    let library = Library::new(workspace.root().join("library"));
    let space = library.view().unwrap().space().clone();
    let writer = Writer::open(&library.index_folder().unwrap(), &space, WriterOptions::default()).unwrap();
    let records: Vec<(Key, Record)> = writer.records(b"").map(Result::unwrap).collect();
    for (key, record) in records {
        let Photo { stamp, skip, disk, details, .. } = Photo::decode(&record.payload).unwrap();
        let name = path_of(key.as_bytes()).file_name().unwrap().to_str().unwrap().to_owned();
        let mut old = OldPhoto { stamp, skip, disk, details };
        missed(&name, &mut old);
        let fingerprint = record.fingerprint.filter(|_| old.skip.is_none());
        let known = fingerprint.and_then(|content| writer.records_of(&content).next());
        let vector = known.map(|known| known.unwrap().2);
        let record = Record { fingerprint, payload: minicbor::to_vec(&old).unwrap() };
        writer.apply(vec![Change::Put { key, record, vector }]).unwrap();
    }
    writer.close().unwrap();
}

/// A JPEG with a camera and a date in EXIF.
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    tiff.extend(b"\x10\x01\x02\0\x08\0\0\0\x26\0\0\0"); // Model, 8 bytes at 38
    tiff.extend(b"\x32\x01\x02\0\x14\0\0\0\x2e\0\0\0"); // DateTime, 20 bytes at 46
    tiff.extend(b"\0\0\0\0");
    tiff.extend(b"Pixel 7\0");
    tiff.extend(b"2019:05:06 12:00:00\0");
    let segment =
        [b"\xff\xe1".as_slice(), &u16::try_from(tiff.len() + 8).unwrap().to_be_bytes(), b"Exif\0\0", &tiff];
    [&jpeg[..2], &segment.concat(), &jpeg[2..]].concat()
}

#[test]
fn missed_metadata_is_added_without_embedding() {
    let workspace = Workspace::new();
    let photos = workspace.photos();
    fs::write(photos.join("a.jpg"), with_exif(&jpeg(480, 320, 1))).unwrap();
    fs::write(photos.join("a's copy.jpg"), with_exif(&jpeg(480, 320, 1))).unwrap();
    fs::write(photos.join("turned.jpg"), jpeg(480, 320, 2)).unwrap();
    fs::write(photos.join("without hash.jpg"), jpeg(480, 320, 3)).unwrap();
    fs::write(photos.join("damaged.jpg"), "not really").unwrap();
    fs::write(photos.join("refused.jpg"), jpeg(480, 320, 4)).unwrap();
    workspace.index(&[], 2).check(&[("embedded", 4), ("copied", 1), ("skipped", 1)]);
    let scores = workspace.scores();
    make_older(&workspace, |name, photo| {
        if let Some(skip) = &mut photo.skip {
            skip.decoder_version = 3;
        }
        if let Some(details) = &mut photo.details {
            (details.camera, details.clock, details.taken_ms) = (None, Clock::File, 0);
            match name {
                "turned.jpg" => details.orientation = 6,
                "without hash.jpg" => details.perceptual = None,
                _ => {}
            }
        }
        if name == "refused.jpg" {
            photo.details = None;
            photo.skip = Some(Skip { decoder_version: 3, ..Skip::new(SkipKind::Unsupported, "JPEG") });
        }
    });
    assert_eq!(workspace.found(&["--camera", "Pixel"]).len(), 0, "the fixture has it");

    // Photos that had other pixels, or may have had, are embedded, as are those that the older version refused.
    workspace.index(&[], 2).check(&[("metadata read again", 2), ("embedded", 3), ("skipped", 1)]);
    assert_eq!(workspace.found(&["--camera", "Pixel"]).len(), 2);
    assert_eq!(workspace.found(&["--on", "2019-05-06"]).len(), 2);
    for (path, score) in workspace.scores() {
        assert!((score - scores[&path]).abs() < 1e-4, "{path:?}");
    }
    let third = workspace.index(&[], 0);
    third.check(&[("unchanged", 5), ("skipped before and unchanged since", 1)]);
    assert!(third.0.contains("nothing to do"), "{}", third.0);
}

/// A decoder that worked before may be missing now. Then photos must not be lost.
#[test]
fn a_photo_that_cannot_be_decoded_any_more_keeps_its_vector() {
    let workspace = Workspace::new();
    let psd = b"8BPS\0\x01";
    fs::write(workspace.photos().join("a.jpg"), jpeg(480, 320, 1)).unwrap();
    fs::write(workspace.photos().join("layers.psd"), psd).unwrap();
    workspace.index(&[], 2).check(&[("embedded", 1), ("skipped", 1)]);
    // As if an earlier version had decoded it as the same picture as `a.jpg`.
    let library = Library::new(workspace.root().join("library"));
    let space = library.view().unwrap().space().clone();
    let writer = Writer::open(&library.index_folder().unwrap(), &space, WriterOptions::default()).unwrap();
    let mut records: Vec<(Key, Record)> = writer.records(b"").map(Result::unwrap).collect();
    let (key, refused) = records.pop().unwrap();
    let (_, record) = records.pop().unwrap();
    let (.., vector) = writer.records_of(&record.fingerprint.unwrap()).next().unwrap().unwrap();
    let Photo { stamp, disk, .. } = Photo::decode(&refused.payload).unwrap();
    let details = Photo::decode(&record.payload).unwrap().details;
    let payload = minicbor::to_vec(OldPhoto { stamp, skip: None, disk, details }).unwrap();
    let record = Record { fingerprint: Some(fingerprint(psd)), payload };
    writer.apply(vec![Change::Put { key, record, vector: Some(vector) }]).unwrap();
    writer.close().unwrap();
    assert_eq!(workspace.found(&[]).len(), 2);
    workspace.index(&[], 2).check(&[("embedded", 0), ("skipped", 1)]);
    assert_eq!(workspace.found(&[]).len(), 2);
}

/// What is switched on later is done to every content once, and none is embedded for it.
#[test]
fn a_step_that_is_new_is_done_to_all_photos_and_embeds_none() {
    let (workspace, model) = (Workspace::new(), open_model(&small_model()));
    (0..3).for_each(|seed| drop(workspace.photo(&format!("{seed}.png"), seed)));
    workspace.photo("copy.png", 2);
    fs::write(workspace.photos().join("damaged.jpg"), "not really").unwrap();
    let library = workspace.root().join("library");
    let run = |steps: &[Step]| {
        let plan = Plan { steps: steps.to_vec(), ..plan(&workspace) };
        let totals = index_in(&library, &model, &plan, &Silent, &AtomicBool::new(false)).unwrap();
        (totals.embedded, totals.reread + totals.copied, totals.unchanged, totals.skipped_before)
    };
    let (text, faces) = (Step::new(1, 1), Step::new(2, 1));
    assert_eq!(run(&[]), (3, 1, 0, 0));
    assert_eq!(run(&[text]), (0, 4, 0, 1));
    assert_eq!(run(&[text]), (0, 0, 4, 1));
    assert_eq!(run(&[]), (0, 0, 4, 1));
    assert_eq!(run(&[text, faces]), (0, 4, 0, 1));
    // A newer version of one of them.
    assert_eq!(run(&[Step::new(1, 2), faces]), (0, 4, 0, 1));
    // A copy of what had a step has had it too.
    workspace.photo("another copy.png", 1);
    assert_eq!(run(&[faces]), (0, 1, 4, 1));
    let path = workspace.photos().canonicalize().unwrap().join("another copy.png");
    let stored = Library::new(&library).view().unwrap().get(&Item::file(path)).unwrap().unwrap();
    assert_eq!(stored.photo.unwrap().steps, [Step::new(1, 2), faces]);
}
