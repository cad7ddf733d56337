//! Kinds of files other than pictures, by extension, so that a run can say what it skipped.

use std::path::Path;

use minicbor::{Decode, Encode};

/// A kind of file that is not indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Videos.
    #[n(0)]
    Video,
    /// Audio.
    #[n(1)]
    Sound,
    /// PDF files.
    #[n(2)]
    Pdf,
    /// Text documents, tables, slides and books.
    #[n(3)]
    Document,
    /// Project files of drawing, layout and 3D programs.
    #[n(4)]
    Drawing,
    /// Files that accompany pictures and videos: edits, ratings, previews, catalogues, subtitles, tracks, colour profiles.
    #[n(5)]
    Sidecar,
    /// Program data: JSON, databases, logs, settings.
    #[n(6)]
    Data,
    /// Archives and disk images.
    #[n(7)]
    Archive,
    /// Programs, their source code, and fonts.
    #[n(8)]
    Program,
    /// Anything else.
    #[n(9)]
    Other,
}

/// The extensions of each kind. A file whose extension is neither here nor a picture's is classified by its content, so a
/// missing entry only costs opening the file.
const ENDINGS: &[(Kind, &[&str])] = &[
    (
        Kind::Video,
        &[
            "3g2", "3gp", "amv", "asf", "avi", "braw", "divx", "dv", "f4v", "flv", "insv", "lrv", "m1v",
            "m2p", "m2ts", "m2v", "m4v", "mkv", "mod", "mov", "mp4", "mpe", "mpeg", "mpg", "mts", "mxf",
            "ogm", "ogv", "qt", "r3d", "rm", "rmvb", "tod", "ts", "vob", "webm", "wmv",
        ],
    ),
    (
        Kind::Sound,
        &[
            "aac", "aif", "aiff", "amr", "ape", "au", "caf", "flac", "m3u", "m3u8", "m4a", "m4b", "m4p",
            "mid", "midi", "mka", "mp2", "mp3", "oga", "ogg", "opus", "pls", "wav", "wma", "wv",
        ],
    ),
    (Kind::Pdf, &["pdf"]),
    (
        Kind::Document,
        &[
            "azw", "azw3", "csv", "djvu", "doc", "docm", "docx", "dot", "dotx", "eml", "epub", "htm", "html",
            "ics", "key", "md", "mhtml", "mobi", "msg", "numbers", "odp", "ods", "odt", "pages", "pot",
            "pps", "ppsx", "ppt", "pptx", "rst", "rtf", "tex", "tsv", "txt", "url", "vcf", "webloc", "xhtml",
            "xls", "xlsm", "xlsx", "xps",
        ],
    ),
    (
        Kind::Drawing,
        &[
            "3ds", "3mf", "afdesign", "afphoto", "afpub", "ai", "blend", "cdr", "dwg", "dxf", "emf", "eps",
            "fbx", "fig", "gltf", "glb", "indd", "kra", "obj", "odg", "ply", "ps", "sketch", "skp", "stl",
            "vsd", "vsdx", "wmf",
        ],
    ),
    (
        Kind::Sidecar,
        &[
            "aae",
            "bib",
            "cos",
            "cop",
            "cosessiondb",
            "cot",
            "ctg",
            "dop",
            "dxo",
            "exv",
            "gpx",
            "icc",
            "icm",
            "ind",
            "kml",
            "kmz",
            "lrcat",
            "lrprev",
            "lrtemplate",
            "mie",
            "nksc",
            "on1",
            "pp3",
            "rpp",
            "srt",
            "sub",
            "thm",
            "vtt",
            "vrd",
            "xmp",
        ],
    ),
    (
        Kind::Data,
        &[
            "bin",
            "cfg",
            "conf",
            "dat",
            "db",
            "db-shm",
            "db-wal",
            "ds_store",
            "ini",
            "ion",
            "json",
            "jsonl",
            "lock",
            "log",
            "mdb",
            "npy",
            "onnx",
            "parquet",
            "pickle",
            "plist",
            "pt",
            "safetensors",
            "sql",
            "sqlite",
            "sqlite3",
            "toml",
            "xml",
            "yaml",
            "yml",
        ],
    ),
    (
        Kind::Archive,
        &[
            "7z", "apk", "bz2", "cab", "deb", "dmg", "gz", "img", "iso", "jar", "lz4", "lzma", "qcow2",
            "rar", "rpm", "tar", "tbz2", "tgz", "txz", "vdi", "vhd", "vhdx", "vmdk", "xz", "zip", "zst",
        ],
    ),
    (
        Kind::Program,
        &[
            "a", "app", "asm", "bat", "c", "cc", "class", "cmd", "cpp", "cs", "css", "cxx", "d", "dart",
            "dll", "dylib", "exe", "go", "h", "hpp", "hs", "ipynb", "java", "js", "jsx", "kt", "ko", "lib",
            "lua", "m", "map", "mjs", "msi", "o", "php", "pl", "ps1", "py", "pyc", "pyd", "r", "rb", "rlib",
            "rmeta", "rs", "scala", "scss", "sh", "so", "swift", "sys", "tsx", "ttf", "otf", "vb", "vue",
            "wasm", "whl", "woff", "woff2",
        ],
    ),
    // The content of an incomplete download may start like a picture's.
    (Kind::Other, &["crdownload", "download", "opdownload", "part", "partial", "swp", "temp", "tmp"]),
];

impl Kind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Kind; 10] = [
        Kind::Video,
        Kind::Sound,
        Kind::Pdf,
        Kind::Document,
        Kind::Drawing,
        Kind::Sidecar,
        Kind::Data,
        Kind::Archive,
        Kind::Program,
        Kind::Other,
    ];

    /// The kind of the file with this name; `None` if only its content can tell.
    pub fn of(path: &Path) -> Option<Kind> {
        let ending = path.extension()?.as_encoded_bytes();
        let has =
            |endings: &[&str]| endings.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
        ENDINGS.iter().find(|(_, endings)| has(endings)).map(|(kind, _)| *kind)
    }

    /// The plural name, also used in `status --json`.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Video => "videos",
            Kind::Sound => "sounds",
            Kind::Pdf => "PDF",
            Kind::Document => "documents",
            Kind::Drawing => "drawings",
            Kind::Sidecar => "sidecars",
            Kind::Data => "data files",
            Kind::Archive => "archives",
            Kind::Program => "program files",
            Kind::Other => "others",
        }
    }

    /// A number with the name: "1 video", "312 videos".
    pub fn counted(self, files: u64) -> String {
        let name = self.plural();
        format!("{files} {}", if files == 1 { name.trim_end_matches('s') } else { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::FileType;
    use crate::walk::file_type::UNREAD_EXTENSIONS;

    #[test]
    fn the_extension_decides_the_kind() {
        #[track_caller]
        fn check(name: &str, expected: Option<Kind>) {
            assert_eq!(Kind::of(Path::new(name)), expected, "{name}");
        }
        check("a/film.MOV", Some(Kind::Video));
        check("letter.pdf", Some(Kind::Pdf));
        check("IMG_1.AAE", Some(Kind::Sidecar));
        check("a.jpg.part", Some(Kind::Other));
        check("import.log", Some(Kind::Data));
        check(".picasa.ini", Some(Kind::Data));
        check("photo.jpeg~2", None);
        check("no ending", None);
        check(".hidden", None);
    }

    #[test]
    fn no_extension_has_two_kinds_or_is_a_pictures() {
        let endings = || ENDINGS.iter().flat_map(|(_, endings)| *endings).chain(UNREAD_EXTENSIONS);
        let of_pictures: Vec<_> =
            endings().filter(|ending| FileType::of(format!(".{ending}").as_bytes()).is_some()).collect();
        assert!(of_pictures.is_empty(), "{of_pictures:?}");
        let mut endings: Vec<_> = endings().collect();
        endings.sort();
        let twice: Vec<_> = endings.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn counts_read_naturally() {
        #[track_caller]
        fn check(kind: Kind, files: u64, expected: &str) {
            assert_eq!(kind.counted(files), expected);
        }
        check(Kind::Video, 1, "1 video");
        check(Kind::Video, 312, "312 videos");
        check(Kind::Pdf, 40, "40 PDF");
        check(Kind::Data, 1, "1 data file");
        check(Kind::Other, 3, "3 others");
    }
}
