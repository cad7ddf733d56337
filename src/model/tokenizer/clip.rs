//! CLIP's byte-pair encoding, for models without `tokenizer.json`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ahash::AHashMap;
use flate2::read::GzDecoder;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, Error, SplitDelimiterBehavior, Tokenizer};

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// The end of a word in the vocabulary.
const END_OF_WORD: &str = "</w>";
/// CLIP uses only this many merges of `bpe_simple_vocab_16e6`, which has more. A smaller vocabulary is used completely.
const MOST_MERGES: usize = 49_152 - 256 - 2;
/// The maximum unpacked size. The vocabulary has 3 MB.
const MOST_BYTES: u64 = 16 << 20;
/// Splits a text before byte-pair encoding: into contractions, words, single digits, and runs of other characters.
const PATTERN: &str = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Reads `bpe_simple_vocab_16e6.txt.gz`: one merge per line, after a header line. Only compressed files are accepted, because
/// their checksum detects truncation, which would make all ids wrong.
pub(super) fn from_merges(path: &Path) -> Result<Tokenizer, Error> {
    let mut text = String::new();
    GzDecoder::new(File::open(path)?).take(MOST_BYTES).read_to_string(&mut text)?;
    let lines = text.lines().skip(1).take(MOST_MERGES).filter(|line| !line.is_empty());
    let merges = lines.map(pair).collect::<Option<Vec<_>>>().ok_or("a line is not two tokens")?;
    let bytes = byte_characters().map(String::from);
    let words = bytes.clone().map(|byte| byte + END_OF_WORD);
    let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
    let tokens = bytes.chain(words).chain(merged).chain([START.to_owned(), END.to_owned()]);
    let vocabulary: AHashMap<String, u32> = tokens.zip(0..).collect();
    build(
        BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            .end_of_word_suffix(END_OF_WORD.to_owned())
            .build()?,
    )
}

/// Reads Hugging Face's `vocab.json` and `merges.txt`.
pub(super) fn from_vocabulary(vocabulary: &Path, merges: &Path) -> Result<Tokenizer, Error> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or("its path is not Unicode");
    let builder = BPE::from_file(&text(vocabulary)?, &text(merges)?);
    build(builder.end_of_word_suffix(END_OF_WORD.to_owned()).unk_token(END.to_owned()).build()?)
}

fn pair(line: &str) -> Option<(String, String)> {
    let (left, right) = line.trim_end().split_once(' ')?;
    Some((left.to_owned(), right.to_owned()))
}

fn build(model: BPE) -> Result<Tokenizer, Error> {
    let mut tokenizer = Tokenizer::new(model);
    let split = Split::new(SplitPattern::Regex(PATTERN.to_owned()), SplitDelimiterBehavior::Removed, true)?;
    let steps = vec![split.into(), ByteLevel::new(false, true, false).into()];
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    let specials = [START, END].map(|token| AddedToken::from(token, true).normalized(false));
    tokenizer.add_special_tokens(specials)?;
    let id = |token: &str| {
        tokenizer.token_to_id(token).map(|id| (token.to_owned(), id)).ok_or("a special token is missing")
    };
    let template = TemplateProcessing::builder()
        .try_single(format!("{START} $A {END}"))?
        .special_tokens(vec![id(START)?, id(END)?])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    Ok(tokenizer)
}

/// The characters that represent bytes in the vocabulary, in its order: first the printable ones of Latin-1, which represent
/// themselves, then those from U+0100 on for the others.
fn byte_characters() -> impl Iterator<Item = char> + Clone {
    let printable = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    printable.chain(('\u{100}'..).take(256 - 94 - 12 - 82))
}
