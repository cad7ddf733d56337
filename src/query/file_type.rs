//! What kind of file a photo is in, by the ending of its name.

use std::str::FromStr;

use crate::walk::RAW_EXTENSIONS;

/// A kind of picture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType {
    name: &'static str,
    endings: &'static [&'static str],
}

/// All kinds, each with the endings its files have.
pub const FILE_TYPES: &[FileType] = &[
    FileType {
        name: "jpeg",
        endings: &[
            "jpg",
            "jpeg",
            "jpe",
            "jfif",
            "jif",
            "jfi",
            "pjpeg",
            "pjpg",
            "jpg_large",
            "jpg_original",
            "mpo",
            "jps",
            "insp",
        ],
    },
    FileType { name: "png", endings: &["png", "apng"] },
    FileType { name: "webp", endings: &["webp"] },
    FileType { name: "gif", endings: &["gif"] },
    FileType { name: "bmp", endings: &["bmp", "dib"] },
    FileType { name: "tiff", endings: &["tif", "tiff", "btf", "tf8"] },
    FileType { name: "jxl", endings: &["jxl"] },
    FileType { name: "qoi", endings: &["qoi"] },
    FileType { name: "pnm", endings: &["pnm", "ppm", "pgm", "pbm", "pam"] },
    FileType { name: "heic", endings: &["heic", "heif", "hif", "heics", "heifs"] },
    FileType { name: "avif", endings: &["avif", "avifs"] },
    FileType { name: "raw", endings: RAW_EXTENSIONS },
];

impl FileType {
    /// As it is typed.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the file with this path or name is of this kind. Upper and lower case are the same.
    pub fn is_of(&self, path: &[u8]) -> bool {
        let Some(dot) = path.iter().rposition(|byte| *byte == b'.') else { return false };
        self.endings.iter().any(|ending| path[dot + 1..].eq_ignore_ascii_case(ending.as_bytes()))
    }
}

impl FromStr for FileType {
    type Err = String;

    fn from_str(text: &str) -> Result<FileType, String> {
        let found = FILE_TYPES.iter().find(|kind| kind.name == text || kind.endings.contains(&text));
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = FILE_TYPES.iter().map(FileType::name).collect();
            format!("no such type; there are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_type() {
        #[track_caller]
        fn check(kind: &str, path: &str, expected: bool) {
            assert_eq!(FileType::from_str(kind).unwrap().is_of(path.as_bytes()), expected, "{kind} {path}");
        }
        check("jpeg", "/a/b.JPG", true);
        check("jpg", "/a/b.jpeg", true);
        check("raw", "/a/b.Cr3", true);
        check("png", "/a.png/b", false);
        check("png", "png", false);
        assert!(FileType::from_str("exe").unwrap_err().contains("jpeg, png"));
    }

    #[test]
    fn every_file_that_is_indexed_has_a_type() {
        for ending in crate::walk::EXTENSIONS.iter().chain(crate::walk::RAW_EXTENSIONS) {
            assert!(FileType::from_str(ending).is_ok(), "{ending}");
        }
    }
}
