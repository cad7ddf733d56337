//! Reads the descriptions of fields in docs/FORMATS.md, so that they exist only once.

/// A field and its description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Documented {
    pub(crate) name: &'static str,
    /// `text`, `number`, `path`, `time`, `flag` or `list`.
    pub(crate) kind: &'static str,
    /// The description.
    pub(crate) what: &'static str,
}

/// The fields in the tables of a section. A reference to the section on photos is replaced by its fields.
pub(crate) fn documented(section: &str) -> Vec<Documented> {
    let page = include_str!("../../docs/FORMATS.md");
    let Some(section) = page.split("\n## ").find(|text| text.starts_with(section)) else { return Vec::new() };
    let mut fields = Vec::new();
    for line in section.lines() {
        if line.contains("(#photos)") {
            fields.extend(documented("Photos\n"));
        } else if let Some(row) = line.strip_prefix("| `") {
            let mut cells = row.trim_end_matches('|').split(" | ");
            let (names, kind) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
            let what = cells.last().unwrap_or_default().trim();
            let named = names.split("`, `").map(|name| name.trim_matches('`'));
            fields.extend(named.map(|name| Documented { name, kind, what }));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_kind_and_description() {
        let fields = documented("`query` and `similar`\n");
        let field = |name: &str| *fields.iter().find(|field| field.name == name).unwrap();
        assert_eq!((field("rank").kind, field("rank").what), ("number", "1 for the best"));
        assert_eq!(field("longitude"), Documented { name: "longitude", ..field("latitude") });
        assert_eq!(field("keywords").kind, "list");
        let known = ["text", "number", "path", "time", "flag", "list"];
        assert!(
            fields.iter().all(|field| known.contains(&field.kind) && !field.what.is_empty()),
            "{fields:?}"
        );
    }
}
