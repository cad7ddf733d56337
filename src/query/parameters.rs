//! The parameters of a query: their names, kinds and descriptions. The OpenAPI document and the tools of assistants are made
//! from this table; `words.rs` parses the values.

use super::TextField;

/// A parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: Kind,
    /// Whether it may be given several times.
    pub is_list: bool,
    /// A description.
    pub what: &'static str,
}

/// The kind of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text. This is an example.
    Text(&'static str),
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
    /// A number with its minimum and maximum.
    Number(f64, f64),
    /// An integer with its minimum and maximum.
    Count(u32, u32),
}

/// The largest value of `n`.
pub const MOST: u32 = 1_000;

/// The maximum length of a value, in characters.
pub const MOST_CHARACTERS: usize = 500;

/// All parameters, in the order of the command line's help.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "in",
        kind: Kind::Text("/photos/2023"),
        is_list: true,
        what: "Only photos in this folder or its subfolders. Give an absolute path, as in the answers.",
    },
    Parameter {
        name: "glob",
        kind: Kind::Text("IMG_*.jpg"),
        is_list: true,
        what: "Only files whose name matches this pattern. A pattern with slashes matches the last parts of the path.",
    },
    Parameter {
        name: "after",
        kind: Kind::Text("2023-07"),
        is_list: false,
        what: "Only photos taken at this time or later: 2023, 2023-07, 2023-07-14, today, yesterday, or 2 weeks ago.",
    },
    Parameter {
        name: "before",
        kind: Kind::Text("2 weeks ago"),
        is_list: false,
        what: "Only photos taken before this time.",
    },
    Parameter {
        name: "on",
        kind: Kind::Text("2023-12-24"),
        is_list: false,
        what: "Only photos taken in this year, in this month, or on this day.",
    },
    Parameter {
        name: "near",
        kind: Kind::Text("52.52,13.40"),
        is_list: false,
        what: "Only photos taken near a point (LAT,LON in degrees) or a town (TOWN or TOWN,COUNTRY).",
    },
    Parameter {
        name: "radius",
        kind: Kind::Number(0.001, 20_040.0),
        is_list: false,
        what: "The radius for `near`, in kilometres. Default: 10.",
    },
    Parameter {
        name: "camera",
        kind: Kind::Text("iphone"),
        is_list: false,
        what: "Only photos from a camera whose maker or model contains this text.",
    },
    Parameter {
        name: "lens",
        kind: Kind::Text("85mm"),
        is_list: false,
        what: "Only photos taken with a lens whose name contains this text.",
    },
    Parameter {
        name: "orientation",
        kind: Kind::Word(&["landscape", "portrait", "square"]),
        is_list: false,
        what: "Only photos with this orientation, seen upright.",
    },
    Parameter {
        name: "min_size",
        kind: Kind::Text("12MP"),
        is_list: false,
        what: "Only photos of at least this width and height (1920x1080) or this many million pixels (12MP).",
    },
    Parameter {
        name: "type",
        kind: Kind::Word(&[
            "jpeg", "png", "webp", "gif", "bmp", "tiff", "jxl", "qoi", "pnm", "heic", "avif", "raw",
        ]),
        is_list: true,
        what: "Only files of this type, by file extension.",
    },
    Parameter {
        name: "text",
        kind: Kind::Text("invoice 2023"),
        is_list: true,
        what: "Only photos with these words in the picture. All words must be there; quotation marks keep words together, \
               and `-` excludes a word: `invoice \"in total\" -draft`.",
    },
    Parameter {
        name: "caption",
        kind: Kind::Text("harbour"),
        is_list: true,
        what: "Only photos with these words in their title or description.",
    },
    Parameter {
        name: "keyword",
        kind: Kind::Text("holiday"),
        is_list: true,
        what: "Only photos with these words among their keywords.",
    },
    Parameter {
        name: "person",
        kind: Kind::Text("Ada"),
        is_list: true,
        what: "Only photos of a person with this name, as programs such as digiKam, Lightroom or Picasa have noted it.",
    },
    Parameter {
        name: "name",
        kind: Kind::Text("wedding"),
        is_list: true,
        what: "Only photos with these words in the name of the file or of a folder.",
    },
    Parameter {
        name: "place",
        kind: Kind::Text("Lisbon"),
        is_list: true,
        what: "Only photos taken within 15 km of any town of this name (TOWN or TOWN,COUNTRY).",
    },
    Parameter {
        name: "words",
        kind: Kind::Text("invoice"),
        is_list: true,
        what: "Only photos with these words in the picture, in a caption, keyword or name of a person, or in the name of \
               the file or of a folder.",
    },
    Parameter {
        name: "n",
        kind: Kind::Count(1, MOST),
        is_list: false,
        what: "The maximum number of photos.",
    },
    Parameter {
        name: "min_score",
        kind: Kind::Number(-1.0, 1.0),
        is_list: false,
        what: "Leave out photos with a lower score.",
    },
    Parameter {
        name: "cutoff",
        kind: Kind::Flag,
        is_list: false,
        what: "Leave out photos that do not seem to match, even if few are left. It takes precedence over min_score.",
    },
    Parameter {
        name: "sort",
        kind: Kind::Word(&["score", "date", "path"]),
        is_list: false,
        what: "The order of the photos. It does not change which photos are found.",
    },
    Parameter {
        name: "collapse",
        kind: Kind::Flag,
        is_list: false,
        what: "Show only the best of near-duplicates, and how many more there are.",
    },
    Parameter {
        name: "exact",
        kind: Kind::Flag,
        is_list: false,
        what: "Compare with every photo, even if a graph is faster.",
    },
];

/// The parameters that filter photos: those before `n`.
pub fn conditions() -> &'static [Parameter] {
    let end = PARAMETERS.iter().position(|parameter| parameter.name == "n");
    &PARAMETERS[..end.unwrap_or(PARAMETERS.len())]
}

/// The parameters about words, which can also exclude: `-text:draft`.
pub(super) fn is_about_words(name: &str) -> bool {
    name == "words" || name.parse::<TextField>().is_ok()
}

/// The smallest and the largest value of a number; `None` for other parameters.
pub(super) fn limits(name: &str) -> Option<(f64, f64)> {
    let parameter = PARAMETERS.iter().find(|parameter| parameter.name == name)?;
    match parameter.kind {
        Kind::Number(least, most) => Some((least, most)),
        Kind::Text(_) | Kind::Word(_) | Kind::Flag | Kind::Count(..) => None,
    }
}
