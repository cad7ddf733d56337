//! Compares small models in every layout with their reference code (`scripts/model_goldens`).

mod clip_tokens;

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch::Model;
use imgsearch::decode::{Limits, decode};
use imgsearch::model::{Device, Execution, Precision};
use imgsearch_index::Vector;
use ndarray::Array3;
use serde::Deserialize;
use tempfile::TempDir;

use crate::workspace::skip;

/// The least cosine for 32-bit towers.
pub(crate) const LEAST_COSINE: f32 = 0.9999;

/// The folder and layout of each model.
const MODELS: &[(&str, &str)] = &[
    ("clip-immich", "Immich"),
    ("clip-open_clip", "open_clip_inference"),
    ("clip-own", "imgsearch"),
    ("clip-rclip", "rclip"),
    ("clip-transformers", "transformers.js"),
    ("mclip-immich", "Immich"),
    ("metaclip2-own", "imgsearch"),
    ("metaclip2-transformers", "transformers.js"),
    ("mobileclip-immich-u8", "Immich"),
    ("mobileclip2-own", "imgsearch"),
    ("nllb-immich", "Immich"),
    ("pe-core-own", "imgsearch"),
    ("resnet-own", "imgsearch"),
    ("siglip-transformers", "transformers.js"),
    ("siglip2-transformers", "transformers.js"),
    ("xlm-roberta-immich", "Immich"),
];

/// The inputs of all models.
#[derive(Deserialize)]
pub(crate) struct Inputs {
    /// Files in `tests/goldens`.
    pub(crate) pictures: Vec<String>,
    pub(crate) texts: Vec<String>,
    /// Texts from this index on spell special tokens, which reference tokenizers treat as such.
    pub(crate) special: usize,
}

/// The reference outputs of one model.
#[derive(Deserialize)]
pub(crate) struct Golden {
    pub(crate) images: Vec<Vec<f32>>,
    pub(crate) texts: Vec<Vec<f32>>,
    /// Token ids, with at most one token of padding.
    tokens: Vec<Vec<u32>>,
    special_ids: Vec<u32>,
}

/// The folder of other models, to use in place of the committed ones.
const OTHER_GOLDENS: &str = "IMGSEARCH_MODEL_GOLDENS";

/// The folder of the committed models, or of others that `scripts/model_goldens` made.
pub(crate) fn goldens() -> PathBuf {
    let committed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models");
    std::env::var_os(OTHER_GOLDENS).map_or_else(committed, PathBuf::from)
}

pub(crate) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

pub(crate) fn inputs() -> Inputs {
    read(&goldens().join("inputs.json"))
}

/// A model in a separate folder, and its golden.
struct Case {
    folder: TempDir,
    name: &'static str,
    golden: Golden,
}

impl Case {
    /// All committed models; of other models, those that exist (with CLIP's own vocabulary there are only CLIP models).
    fn all() -> impl Iterator<Item = (Case, &'static str)> {
        let is_committed = std::env::var_os(OTHER_GOLDENS).is_none();
        let is_asked = |name: &str| is_committed || goldens().join(name).is_dir();
        let (asked, left_out): (Vec<_>, Vec<_>) =
            MODELS.iter().copied().partition(|(name, _)| is_asked(name));
        assert!(!asked.is_empty(), "{} has no model", goldens().display());
        if !left_out.is_empty() {
            skip(&format!("{} has not {left_out:?}", goldens().display()));
        }
        asked.into_iter().map(|(name, layout)| (Case::named(name), layout))
    }

    fn named(name: &'static str) -> Case {
        let (from, folder) = (goldens().join(name), tempfile::tempdir().unwrap());
        let to = folder.path().join(name);
        for entry in walkdir::WalkDir::new(&from) {
            let entry = entry.unwrap();
            let target = to.join(entry.path().strip_prefix(&from).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir_all(target).unwrap();
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
        // The place in rclip's layout, and the place for the others.
        let vocabulary = "bpe_simple_vocab_16e6.txt.gz";
        fs::create_dir(folder.path().join("tokenizer")).unwrap();
        for place in ["../tokenizer", "textual", "."] {
            let place = to.join(place);
            let is_rclip = to.join("textual.onnx").exists();
            let is_place = place.is_dir() && (!is_rclip || place.ends_with("tokenizer"));
            // Models of other families have none.
            if is_place && goldens().join(vocabulary).exists() {
                fs::copy(goldens().join(vocabulary), place.join(vocabulary)).unwrap();
            }
        }
        let (golden, Inputs { pictures, texts, .. }) = (read::<Golden>(&to.join("golden.json")), inputs());
        let lengths = [golden.images.len(), golden.texts.len(), golden.tokens.len()];
        assert_eq!(lengths, [pictures.len(), texts.len(), texts.len()], "{name}");
        Case { golden, folder, name }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    fn model(&self) -> Model {
        Model::open(&self.path(), execution(None)).unwrap()
    }
}

pub(crate) fn execution(cache_folder: Option<PathBuf>) -> Execution {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    Execution {
        runtime_places: vec![data.join("runtime")],
        device: Device::Cpu,
        threads: 1,
        precision: Precision::Fp32,
        dim: None,
        prompt: None,
        cache_folder,
    }
}

/// The cosine of two vectors; the golden one is rounded to four digits.
pub(crate) fn cosine(found: &Vector, golden: &[f32]) -> f32 {
    found.dot(&Vector::normalized(golden.to_vec()).unwrap())
}

#[test]
fn layouts_are_recognised_by_their_files() {
    for (case, layout) in Case::all() {
        assert_eq!(case.model().layout().to_string(), layout, "{}", case.name);
    }
}

#[test]
fn pictures_have_the_reference_vectors() {
    let pictures = inputs().pictures;
    assert!(pictures.len() >= 50, "{}", pictures.len());
    let mut wrong = Vec::new();
    for (case, _) in Case::all() {
        let model = case.model();
        let tensors: Vec<_> = pictures.iter().map(|name| picture(&model, name)).collect();
        let encoder = model.image_encoder().unwrap();
        let vectors = tensors.chunks(8).flat_map(|batch| encoder.encode_images(batch).unwrap());
        let vectors: Vec<_> = vectors.collect();
        assert_eq!(vectors.len(), pictures.len(), "{}", case.name);
        for ((vector, golden), name) in vectors.iter().zip(&case.golden.images).zip(&pictures) {
            let cosine = cosine(vector, golden);
            if cosine < LEAST_COSINE {
                wrong.push(format!("{} {name}: {cosine}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are off:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn parallel_batches_give_the_same_as_sequential_ones() {
    let pictures = inputs().pictures;
    for (case, _) in Case::all() {
        let model = case.model();
        let tensors: Vec<_> = pictures.iter().map(|name| picture(&model, name)).collect();
        let encoder = model.image_encoder().unwrap();
        let all = || -> Vec<Vector> {
            tensors.chunks(2).flat_map(|batch| encoder.encode_images(batch).unwrap()).collect()
        };
        let expected = all();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(all)).collect();
            for thread in threads {
                assert!(thread.join().unwrap() == expected, "{}", case.name);
            }
        });
    }
}

#[test]
fn texts_have_the_reference_tokens_and_vectors() {
    let Inputs { texts, special, .. } = inputs();
    assert!(special >= 300, "{special}");
    let mut wrong = Vec::new();
    for (case, _) in Case::all() {
        let encoder = case.model().text_encoder().unwrap();
        for (text, (tokens, vector)) in
            texts[..special].iter().zip(case.golden.tokens.iter().zip(&case.golden.texts))
        {
            let found = encoder.tokenize(text).unwrap();
            if !same_but_for_padding(&found, tokens) {
                wrong.push(format!("{} {text:?}: {found:?}, expected {tokens:?}", case.name));
                continue;
            }
            let cosine = cosine(&encoder.encode_text(text).unwrap(), vector);
            if cosine < LEAST_COSINE {
                wrong.push(format!("{} {text:?}: {cosine}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are off:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tensor of the golden picture `name`.
pub(crate) fn picture(model: &Model, name: &str) -> Array3<f32> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name)).unwrap();
    let preprocess = model.preprocess();
    preprocess.tensor(&decode(&bytes, &Limits::default(), preprocess.detail()).unwrap())
}

/// Whether the sequences differ only in trailing padding.
fn same_but_for_padding(a: &[u32], b: &[u32]) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let padding = &long[short.len()..];
    long.starts_with(short) && padding.iter().all(|id| Some(id) == b.last())
}

#[test]
fn special_tokens_that_a_person_types_are_text() {
    let Inputs { texts, special, .. } = inputs();
    for (case, _) in Case::all() {
        let encoder = case.model().text_encoder().unwrap();
        let is_special = |id: &u32| case.golden.special_ids.contains(id);
        for text in &texts[special..] {
            let tokens = encoder.tokenize(text).unwrap();
            let inner = tokens.iter().skip_while(|id| is_special(id)).collect::<Vec<_>>();
            // Padding repeats one token, and follows the end token.
            let padding = inner.iter().rev().take_while(|id| **id == inner[inner.len() - 1]).count();
            let inner = &inner[..inner.len() - if padding > 1 { padding } else { 0 }];
            let end = inner.iter().rposition(|id| !is_special(id)).map_or(0, |last| last + 1);
            assert!(!inner[..end].iter().any(|id| is_special(id)), "{} {text:?}: {tokens:?}", case.name);
            assert!(end > 0, "{} {text:?} leaves nothing: {tokens:?}", case.name);
        }
    }
}

#[test]
fn the_space_depends_on_the_tower_and_its_weights_and_is_cached() {
    let case = Case::named("clip-open_clip");
    let cache = case.folder.path().join("cache");
    let space = || Model::open(&case.path(), execution(Some(cache.clone()))).unwrap().space().clone();
    let first = space();
    assert_eq!(first, space());
    assert_eq!(first.dim(), 8);
    // Change only the weights, which are in another file.
    let weights = case.path().join("visual.onnx.data");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[100] ^= 1;
    fs::write(&weights, bytes).unwrap();
    assert_ne!(first.id(), space().id());
}

/// Opens `model` after `change`, and checks that the error contains all of `named`.
#[track_caller]
fn check_refused(model: &'static str, file: &str, from: &str, to: &str, named: &[&str]) {
    let case = Case::named(model);
    let path = case.path().join(file);
    if to.is_empty() {
        fs::remove_file(&path).unwrap();
    } else {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replace(from, to)).unwrap();
    }
    let opened = Model::open(&case.path(), execution(None)).and_then(|model| model.text_encoder().map(drop));
    let message = opened.unwrap_err().to_string();
    for named in named {
        assert!(message.contains(named), "{message}");
    }
}

#[test]
fn unclear_configurations_are_refused_with_file_and_field() {
    let check = check_refused;
    check(
        "clip-immich",
        "config.json",
        "\"embed_dim\":8",
        "\"embed_dim\":9",
        &["visual/model.onnx", "8", "9"],
    );
    check(
        "clip-immich",
        "config.json",
        "\"context_length\":77",
        "\"context_length\":64",
        &["textual/model.onnx", "77", "64"],
    );
    check(
        "clip-immich",
        "visual/preprocess_cfg.json",
        "[32,32]",
        "[48,48]",
        &["preprocess_cfg.json", "48", "32"],
    );
    check(
        "clip-immich",
        "visual/preprocess_cfg.json",
        "shortest",
        "stretch",
        &["preprocess_cfg.json", "stretch"],
    );
    check("clip-immich", "visual/preprocess_cfg.json", "bicubic", "lanczos", &["`interpolation`", "lanczos"]);
    check("clip-immich", "visual/model.onnx", "", "", &["visual/model.onnx"]);
    check("clip-immich", "textual/model.onnx", "", "", &["textual/model.onnx"]);
    check("clip-open_clip", "visual.onnx.data", "", "", &["visual.onnx.data"]);
    check(
        "clip-open_clip",
        "open_clip_config.json",
        "\"context_length\"",
        "\"tokenizer_kwargs\":{\"x\":1},\"context_length\"",
        &["tokenizer_kwargs.x"],
    );
    check(
        "siglip-transformers",
        "config.json",
        "\"siglip\"",
        "\"blip\"",
        &["config.json", "`model_type`", "blip"],
    );
    check(
        "siglip-transformers",
        "tokenizer_config.json",
        "SiglipTokenizer",
        "Other",
        &["`tokenizer_class`", "Other"],
    );
    check("siglip-transformers", "tokenizer_config.json", "\"pad_token\"", "\"x\"", &["`pad_token`"]);
    check(
        "siglip-transformers",
        "preprocessor_config.json",
        "\"resample\":3",
        "\"resample\":1",
        &["`resample`"],
    );
    check(
        "clip-transformers",
        "preprocessor_config.json",
        "{\"height\":32",
        "{\"height\":24",
        &["`crop_size`"],
    );
    check("clip-transformers", "onnx/text_model.onnx", "", "", &["text_model.onnx"]);
}

#[test]
fn precision_chooses_among_the_existing_files() {
    let case = Case::named("clip-transformers");
    let tower = |name: &str| case.path().join("onnx").join(name);
    let open = |precision| Model::open(&case.path(), Execution { precision, ..execution(None) });
    let error = open(Precision::Int8).unwrap_err().to_string();
    assert!(error.contains("vision_model_int8.onnx, vision_model_quantized.onnx"), "{error}");
    // The 8-bit text tower is preferred, and the other one may even be damaged.
    fs::rename(tower("text_model.onnx"), tower("text_model_quantized.onnx")).unwrap();
    fs::write(tower("text_model.onnx"), "").unwrap();
    assert!(open(Precision::Auto).unwrap().text_encoder().is_ok());
    assert!(open(Precision::Fp32).unwrap().text_encoder().is_err());
    // The 32-bit image tower is preferred, then any other.
    fs::write(tower("vision_model_quantized.onnx"), "").unwrap();
    assert!(open(Precision::Auto).is_ok());
    assert!(open(Precision::Int8).unwrap_err().to_string().contains("vision_model_quantized.onnx"));
    fs::rename(tower("vision_model.onnx"), tower("vision_model_fp16.onnx")).unwrap();
    assert!(open(Precision::Auto).is_ok());
}

#[test]
fn a_damaged_graph_is_reported_and_never_a_panic() {
    let case = Case::named("clip-rclip");
    let (path, whole) = (case.path().join("visual.onnx"), fs::read(case.path().join("visual.onnx")).unwrap());
    let open = || Model::open(&case.path(), execution(None)).map(drop);
    let mut refused = 0;
    for end in (0..whole.len()).step_by(whole.len() / 60) {
        fs::write(&path, &whole[..end]).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains("visual.onnx"), "cut at {end}: {error}");
        // A wrong byte may be in a weight, where only the hash shows it.
        let mut wrong = whole.clone();
        wrong[end] ^= 0xff;
        fs::write(&path, wrong).unwrap();
        refused += usize::from(open().is_err());
    }
    assert!(refused > 0);
}
