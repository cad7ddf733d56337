//! Shares: how several workers divide an archive without talking to each other.
//!
//! It is for stores in which files cannot be claimed. Which worker a file belongs to depends on its stored path alone, so
//! every machine decides the same. A last run without a share fills what a worker that died has left.

use std::num::NonZeroU16;
use std::path::Path;
use std::str::FromStr;

use crate::item::path_bytes;
use crate::roots::Roots;

/// One of several equal shares of all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 1.
    number: u16,
    of: NonZeroU16,
}

impl FromStr for Share {
    type Err = &'static str;

    /// Parses `2/3`: the second of three shares.
    fn from_str(text: &str) -> Result<Share, &'static str> {
        const FORM: &str = "write I/N, for example 2/3 for the second of three workers";
        let (number, of) = text.split_once('/').ok_or(FORM)?;
        let (number, of): (u16, NonZeroU16) =
            (number.parse().map_err(|_| FORM)?, of.parse().map_err(|_| FORM)?);
        if (1..=of.get()).contains(&number) { Ok(Share { number, of }) } else { Err(FORM) }
    }
}

impl Share {
    /// Whether the file at this path of this machine belongs to this share. Files that differ only in their extension
    /// belong to the same one, because a JPEG decides about the RAW file beside it.
    pub(super) fn has(&self, path: &Path, roots: &Roots) -> bool {
        let stem = roots.stored(path).with_extension("");
        let hash = blake3::hash(path_bytes(&stem).unwrap_or_default());
        let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        u64::from_le_bytes(*first) % u64::from(self.of.get()) == u64::from(self.number - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_belongs_to_exactly_one_share() {
        let shares: Vec<Share> = (1..=3).map(|number| format!("{number}/3").parse().unwrap()).collect();
        let mut counts = [0; 3];
        for file in 0..3_000 {
            let has = |ending: &str| -> Vec<bool> {
                let path = format!("/photos/{file}.{ending}");
                shares.iter().map(|share| share.has(Path::new(&path), &Roots::default())).collect()
            };
            let mine = has("jpg");
            assert_eq!((mine.iter().filter(|is_mine| **is_mine).count(), &mine), (1, &has("CR3")));
            counts[mine.iter().position(|is_mine| *is_mine).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
    }

    #[cfg(unix)]
    #[test]
    fn the_share_of_a_file_is_the_same_wherever_it_is_mounted() {
        let roots = |folder: &str| Roots::new([("photos".to_owned(), folder.into())]).unwrap();
        let share: Share = "1/2".parse().unwrap();
        let has =
            |folder: &str, file: u32| share.has(Path::new(&format!("{folder}/{file}.jpg")), &roots(folder));
        assert!((0..100).all(|file| has("/mnt/a", file) == has("/mnt/b/c", file)));
    }

    #[test]
    fn shares_are_read_or_refused() {
        for text in ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert!("2/2".parse::<Share>().is_ok());
    }
}
