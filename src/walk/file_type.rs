//! The file types of pictures, by extension.

use std::str::FromStr;

/// A type of picture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileType {
    name: &'static str,
    endings: &'static [&'static str],
}

/// All supported types with their extensions. Among the JPEGs, browsers save `pjpeg` and `jpg_large`, and exiftool leaves
/// `jpg_original` behind; mpo and jps contain two pictures of one scene, and insp comes from 360-degree cameras.
const FILE_TYPES: &[FileType] = &[
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
    RAW,
];

/// Extensions of unsupported picture formats. Such a file is skipped with the name of its format.
pub(super) const UNREAD_EXTENSIONS: &[&str] = &[
    "psd", "psb", "xcf", "jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "jpm", "svg", "svgz", "ico", "cur", "dds",
    "exr", "hdr", "ff", "jxr", "wdp", "hdp", "tga", "pcx", "xbm", "xpm",
];

/// Cameras' RAW files, of every maker that exiftool, LibRaw or Adobe's DNG Converter supports.
pub(super) const RAW: FileType = FileType {
    name: "raw",
    endings: &[
        "dng", // Adobe, phones, Leica, Pentax and others
        "gpr", // GoPro
        "crw", "cr2", "cr3", // Canon
        "nef", "nrw", // Nikon
        "arw", "srf", "sr2", "arq", "ari", // Sony; Arri
        "raf", // Fujifilm
        "orf", "ori", // Olympus
        "raw", "rw2", "rwl", // Panasonic, Leica
        "pef", "ptx", // Pentax
        "srw", // Samsung
        "x3f", // Sigma
        "3fr", "fff", // Hasselblad, Imacon
        "iiq", "cap", "eip", "mos", // Phase One, Leaf
        "mef", // Mamiya
        "mrw", "mdc", // Minolta
        "erf", // Epson
        "dcr", "dcs", "drf", "k25", "kdc", "kc2", // Kodak
        "bay", // Casio
        "pxn", "qtk", "rdc", "rwz", "sti", // Logitech, Apple, Ricoh, Rawzor, Sinar
    ],
};

impl FileType {
    /// The type of the file with this path or name, if it is supported. Case is ignored.
    pub fn of(path: &[u8]) -> Option<FileType> {
        FILE_TYPES.iter().find(|kind| kind.is_of(path)).copied()
    }

    /// All types that are read.
    pub fn all() -> impl Iterator<Item = FileType> {
        FILE_TYPES.iter().copied()
    }

    /// The name, as typed on the command line.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its extensions, in lower case.
    pub fn endings(&self) -> &'static [&'static str] {
        self.endings
    }

    /// Whether the file with this path or name has this type. Case is ignored.
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
            format!("unknown type; the types are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_the_type() {
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
}
