//! The options for words that stand somewhere: in the picture, in its names, captions and keywords.

use clap::Args;

/// Conditions on words. All words must be there, at the start of a word: `invoice` finds `invoices`. Quotation marks keep
/// words together, and `-` in front excludes a word.
#[derive(Clone, Debug, Args)]
pub(crate) struct WordsArgs {
    /// Only photos with these words in the picture (repeatable).
    ///
    /// `index --text` reads the text in pictures. All words must be there. Quotation marks keep words together, and `-`
    /// excludes a word.
    /// Examples: `--text invoice`, `--text 'invoice "in total" -draft'`
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) text: Vec<String>,

    /// Only photos with these words in picture, caption, keywords or names.
    ///
    /// The names are those of people, of the file and of its folders. It can be repeated.
    /// Example: `imgsearch query --words lisbon`
    #[arg(id = "anywhere", long = "words", value_name = "WORDS", allow_hyphen_values = true)]
    pub(crate) anywhere: Vec<String>,

    /// Only photos with these words in their title or description (repeatable).
    ///
    /// Example: `imgsearch query boats --caption harbour`
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true, hide_short_help = true)]
    pub(crate) caption: Vec<String>,

    /// Only photos with these words among their keywords (repeatable).
    ///
    /// Example: `imgsearch query beach --keyword holiday`
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true, hide_short_help = true)]
    pub(crate) keyword: Vec<String>,

    /// Only photos of a person with this name, as digiKam, Lightroom or Picasa have noted it (repeatable).
    ///
    /// Example: `imgsearch query on a boat --person Ada`
    #[arg(long, value_name = "NAME", allow_hyphen_values = true, hide_short_help = true)]
    pub(crate) person: Vec<String>,

    /// Only photos with these words in the name of the file or of a folder (repeatable).
    ///
    /// Example: `imgsearch query cake --name wedding`
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true, hide_short_help = true)]
    pub(crate) name: Vec<String>,

    /// Only photos taken within 15 km of any town of this name (repeatable).
    ///
    /// `imgsearch setup places` downloads the names of towns. `--near` chooses one town and the distance.
    /// Example: `imgsearch query a tram --place Lisbon`
    #[arg(long, value_name = "TOWN[,COUNTRY]", allow_hyphen_values = true, hide_short_help = true)]
    pub(crate) place: Vec<String>,
}

impl WordsArgs {
    /// The conditions, by the names of parameters.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let WordsArgs { text, anywhere, caption, keyword, person, name, place } = self;
        let all = [
            ("text", text),
            ("words", anywhere),
            ("caption", caption),
            ("keyword", keyword),
            ("person", person),
            ("name", name),
            ("place", place),
        ];
        all.into_iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())))
    }
}
