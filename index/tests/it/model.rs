//! Random sequences of changes, compared with a plain map and a full comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use imgsearch_index::{
    Change, Extractor, Fingerprint, Key, OptimizeOptions, Record, SearchOptions, Searcher, Space, Vector,
    Writer, WriterOptions,
};
use proptest::prelude::*;

const DIM: usize = 5;

#[derive(Debug, Clone)]
enum Step {
    Put { key: u8, payload: u8, vector: Option<u16> },
    Delete { key: u8 },
    Publish,
    Reopen,
    Optimize,
}

fn step() -> impl Strategy<Value = Step> {
    let vector = prop::option::weighted(0.9, any::<u16>());
    prop_oneof![
        8 => (0..40u8, any::<u8>(), vector).prop_map(|(key, payload, vector)| Step::Put { key, payload, vector }),
        3 => (0..40u8).prop_map(|key| Step::Delete { key }),
        2 => Just(Step::Publish),
        1 => Just(Step::Reopen),
        1 => Just(Step::Optimize),
    ]
}

fn vector(of: u16) -> Vector {
    let component = |i: usize| (f32::from(of) * 0.37 + i as f32 * 1.9).sin();
    Vector::normalized((0..DIM).map(component).collect()).unwrap()
}

fn key(of: u8) -> Key {
    Key::new(vec![b'k', of]).unwrap()
}

/// Half of the extracts are empty.
const EVEN: Extractor = Extractor {
    version: 1,
    append: |payload, into| into.extend(payload.iter().filter(|byte| byte.is_multiple_of(2))),
};

fn options() -> WriterOptions {
    // Small numbers, so that there are merges and compactions.
    let options = WriterOptions::default().cache_bytes(4 << 20).segment_rows(12).publish_rows(5);
    options.extractor(EVEN)
}

type State = BTreeMap<u8, (u8, Option<u16>)>;

/// Checks that a searcher sees `state`, and that its hits are those of a full comparison.
fn check(searcher: &Searcher, state: &State) {
    let found: BTreeMap<u8, (u8, bool)> = searcher
        .records()
        .map(Result::unwrap)
        .map(|found| (found.key[1], (found.payload[0], found.has_vector)))
        .collect();
    let expected = state.iter().map(|(&key, &(payload, vector))| (key, (payload, vector.is_some())));
    assert_eq!(found, expected.collect());
    let (few, all) = ([[2_u8], [3]], (0..=u8::MAX).map(|byte| [byte]).collect::<Vec<_>>());
    for needles in [few.as_slice(), &all] {
        let has = |payload: u8| payload.is_multiple_of(2) && needles.contains(&[payload]);
        let expected: Vec<u8> = state
            .iter()
            .filter(|(_, (payload, of))| of.is_some() && has(*payload))
            .map(|(key, _)| *key)
            .collect();
        let needles: Vec<&[u8]> = needles.iter().map(<[u8; 1]>::as_slice).collect();
        let selection = searcher.containing(&EVEN, &needles);
        let selection = searcher.select_among(&selection, |record| has(record.payload[0])).unwrap();
        let found = searcher.records_among(&selection).unwrap().map(|record| record.unwrap().key[1]);
        assert_eq!(found.collect::<BTreeSet<u8>>(), expected.into_iter().collect());
    }
    let has_any = state.values().any(|(payload, of)| of.is_some() && payload.is_multiple_of(2));
    assert!(searcher.has_extracts(&EVEN) || !has_any);
    let query = vector(777);
    for keep in [|_: &[u8]| true, |key: &[u8]| key[1].is_multiple_of(3)] {
        let mut scores: Vec<f32> = state
            .iter()
            .filter(|(key, _)| keep(&[0, **key]))
            .filter_map(|(_, (_, of))| of.map(|of| vector(of).dot(&query)))
            .collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        scores.truncate(7);
        let selection = searcher.select(|record| keep(record.key));
        let options = SearchOptions::default().filter(&selection);
        let hits = searcher.search(&query, NonZeroUsize::new(7).unwrap(), &options).unwrap();
        assert_eq!(hits.len(), scores.len());
        assert!(
            hits.iter().zip(&scores).all(|(hit, score)| (hit.score - score).abs() < 2e-3),
            "{hits:?} {scores:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_is_a_map(steps in prop::collection::vec(step(), 1..80)) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let space = Space::new("id", "label", DIM).unwrap();
        let open = || Writer::open(dir, &space, options()).unwrap();
        let mut writer = Some(open());
        let mut state = State::new();
        for step in steps {
            let current = writer.as_ref().unwrap();
            match step {
                Step::Put { key: of, payload, vector: number } => {
                    let record = Record { fingerprint: Some(Fingerprint([payload; 16])), payload: vec![payload] };
                    let change = Change::Put { key: key(of), record, vector: number.map(vector) };
                    current.apply(vec![change]).unwrap();
                    state.insert(of, (payload, number));
                }
                Step::Delete { key: of } => {
                    current.apply(vec![Change::Delete { key: key(of) }]).unwrap();
                    state.remove(&of);
                }
                Step::Publish => {
                    current.publish().unwrap();
                    check(&Searcher::open(dir).unwrap(), &state);
                }
                Step::Reopen => {
                    drop(writer.take());
                    writer = Some(open());
                    check(&Searcher::open(dir).unwrap(), &state);
                }
                Step::Optimize => {
                    let options = OptimizeOptions::default().segment_rows(25);
                    assert!(current.optimize(&options).unwrap());
                    let searcher = Searcher::open(dir).unwrap();
                    check(&searcher, &state);
                    assert_eq!(searcher.stats().dead_rows, 0);
                }
            }
            let current = writer.as_ref().unwrap();
            let with = |print: u8| {
                state.iter().filter(move |(_, (payload, vector))| *payload == print && vector.is_some())
            };
            if let Some((_, (print, _))) = state.iter().next() {
                let expected: Vec<Key> = with(*print).map(|(of, _)| key(*of)).collect();
                let found = current.records_of(&Fingerprint([*print; 16])).map(|found| found.unwrap().0);
                assert_eq!(found.collect::<Vec<Key>>(), expected);
            }
        }
    }
}
