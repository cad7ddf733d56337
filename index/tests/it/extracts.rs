//! Searches in extracts find the same records as reading all of them does: also if an extract is missing, damaged, of
//! another version, or that of another segment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use imgsearch_index::{
    Change, Error, Extractor, Key, Record, Searcher, Space, Vector, Writer, WriterOptions, repair, verify,
};

const ROWS: u32 = 5_000;

const WORDS: Extractor = Extractor { version: 1, append };

fn append(payload: &[u8], into: &mut Vec<u8>) {
    into.extend(payload.to_ascii_lowercase());
}

/// A payload with two words, or none.
fn payload(row: u32) -> String {
    if row.is_multiple_of(3) { String::new() } else { format!("Word{} and {}X\n", row % 97, row % 1_009) }
}

fn write(dir: &Path, options: WriterOptions, rows: std::ops::Range<u32>) {
    let space = Space::new("id", "label", 2).unwrap();
    let writer = Writer::open(dir, &space, options).unwrap();
    let put = |row: u32| Change::Put {
        key: Key::new(format!("{row:05}")).unwrap(),
        record: Record { fingerprint: None, payload: payload(row).into_bytes() },
        vector: (!row.is_multiple_of(11)).then(|| Vector::normalized(vec![1.0, row as f32]).unwrap()),
    };
    writer.apply(rows.map(put).collect()).unwrap();
    writer.close().unwrap();
}

/// Checks what is found against reading every record.
#[track_caller]
fn check(dir: &Path) {
    let searcher = Searcher::open(dir).unwrap();
    for needles in
        [&["word7 "][..], &["word7 ", " 12x"], &["and"], &["nowhere"], &["x\nword", "x\n"], &["", "w"], &[]]
    {
        let holds = |payload: &[u8]| {
            let payload = String::from_utf8(payload.to_ascii_lowercase()).unwrap();
            needles.iter().any(|needle| !needle.is_empty() && payload.contains(needle))
        };
        let bytes: Vec<&[u8]> = needles.iter().map(|needle| needle.as_bytes()).collect();
        let found = searcher.containing(&WORDS, &bytes);
        let among = searcher.select_among(&found, |record| holds(record.payload)).unwrap();
        let keys = |selection| {
            let records = searcher.records_among(selection).unwrap();
            records.map(|record| record.unwrap().key.to_vec()).collect::<BTreeSet<_>>()
        };
        assert_eq!(keys(&among), keys(&searcher.select(|record| holds(record.payload))), "{needles:?}");
        let is_told = !needles.is_empty() && !needles.contains(&"");
        assert!(
            !is_told || found.len() <= among.len() + 2,
            "{needles:?}: {} for {}",
            found.len(),
            among.len()
        );
    }
    assert!(searcher.has_extracts(&WORDS));
}

fn extracts(dir: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut extracts: Vec<_> =
        all.filter(|path| path.extension().is_some_and(|extension| extension == "extract")).collect();
    extracts.sort();
    extracts
}

#[test]
fn what_is_looked_for_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let with = || WriterOptions::default().extractor(WORDS);
    write(dir, WriterOptions::default(), 0..ROWS);
    assert_eq!(extracts(dir), [] as [&Path; 0]);
    check(dir);
    // The next writer makes them.
    write(dir, with(), ROWS..ROWS + 700);
    check(dir);
    let segments = Searcher::open(dir).unwrap().stats().segments;
    assert_eq!(extracts(dir).len(), segments);
    // Those of another version are not used but made again, and damaged ones are not used.
    let other = Extractor { version: 2, append: |_, into| into.extend(b"nonsense") };
    write(dir, WriterOptions::default().extractor(other), 0..1);
    check(dir);
    assert!(Searcher::open(dir).unwrap().containing(&other, &[b"sens"]).len() > 3_000);
    write(dir, with(), 1..2);
    check(dir);
    assert!(verify(dir).unwrap().is_clean());
    let path = &extracts(dir)[0];
    let whole = fs::read(path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::remove_file(path).unwrap();
    fs::write(path, &flipped).unwrap();
    check(dir);
    assert!(!verify(dir).unwrap().is_clean());
    assert!(repair(dir).unwrap().is_whole_again());
    assert!(verify(dir).unwrap().is_clean());
    check(dir);
}

#[test]
fn an_extract_of_another_segment_is_not_used() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [dir, other] = [folders[0].path(), folders[1].path()];
    let with = || WriterOptions::default().extractor(WORDS);
    write(dir, with(), 0..ROWS);
    write(other, with(), 1..ROWS + 1);
    let (to, from) = (&extracts(dir)[0], &extracts(other)[0]);
    assert_eq!(to.file_name(), from.file_name());
    fs::remove_file(to).unwrap();
    fs::copy(from, to).unwrap();
    check(dir);
    assert!(!verify(dir).unwrap().is_clean());
    assert!(repair(dir).unwrap().is_whole_again());
    assert!(verify(dir).unwrap().is_clean());
    check(dir);
}

#[test]
fn a_damaged_record_is_selected() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    write(dir, WriterOptions::default(), 0..50);
    let segment = dir.join("0000000000000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    let place = bytes.windows(6).position(|window| window == b"Word7 ").unwrap();
    bytes[place] ^= 1;
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();
    let searcher = Searcher::open(dir).unwrap();
    let found = searcher.containing(&WORDS, &[b"nowhere"]);
    let found = searcher.select_among(&found, |_| false).unwrap();
    assert_eq!(found.len(), 1);
    assert!(matches!(searcher.records_among(&found).unwrap().next(), Some(Err(Error::Damaged { .. }))));
    let other = Searcher::open(dir).unwrap();
    assert!(matches!(other.select_among(&found, |_| true), Err(Error::ForeignSelection { .. })));
}
