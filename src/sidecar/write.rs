//! Writes keywords to XMP sidecars for photo managers.
//!
//! A sidecar that imgsearch wrote ends with a comment that contains a hash of the rest. Only an unchanged file of this
//! kind is ever overwritten, because any other may contain the user's own keywords.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::LONGEST;
use crate::files::{Readers, create, read_bounded, replace};

const MARK: &str = "<!-- imgsearch ";

/// The result of writing a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It now has these keywords.
    Done,
    /// Someone else wrote or changed the sidecar, so it was left alone.
    NotOurs,
}

/// `photo.jpg` → `photo.jpg.xmp`. The extension is kept so that a RAW file and its JPEG get one each.
pub fn path(photo: &Path) -> PathBuf {
    let mut name = OsString::from(photo);
    name.push(".xmp");
    name.into()
}

/// Writes keywords.
///
/// # Errors
/// Any error of the system. An existing sidecar is unchanged then.
pub fn write(sidecar: &Path, keywords: &[&str]) -> io::Result<Written> {
    let bytes = bytes(keywords);
    match create(sidecar, &bytes, Readers::AsUsual) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map(|()| Written::Done),
    }
    if !fs::symlink_metadata(sidecar)?.is_file() {
        return Ok(Written::NotOurs);
    }
    let found = match read_bounded(sidecar, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(Written::NotOurs),
        found => found?,
    };
    if !is_ours(&found) {
        return Ok(Written::NotOurs);
    }
    replace(sidecar, &bytes, Readers::AsUsual)?;
    Ok(Written::Done)
}

fn bytes(keywords: &[&str]) -> Vec<u8> {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n   \
         <dc:subject>\n    <rdf:Bag>\n",
    );
    for keyword in keywords {
        text.push_str(&format!("     <rdf:li>{}</rdf:li>\n", escaped(keyword)));
    }
    text.push_str("    </rdf:Bag>\n   </dc:subject>\n  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n");
    let mark = format!("{MARK}{} -->\n", blake3::hash(text.as_bytes()).to_hex());
    text.push_str(&mark);
    text.into_bytes()
}

/// Whether imgsearch wrote this sidecar and nobody has changed it since.
pub(super) fn is_ours(bytes: &[u8]) -> bool {
    let Some(at) = memchr::memmem::rfind(bytes, MARK.as_bytes()) else { return false };
    let (text, mark) = bytes.split_at(at);
    mark == format!("{MARK}{} -->\n", blake3::hash(text).to_hex()).as_bytes()
}

/// Escapes text for XML and drops characters that XML does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_sidecars_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let sidecar = path(&folder.path().join("a.jpg"));
        assert!(sidecar.ends_with("a.jpg.xmp"));
        let text = || fs::read_to_string(&sidecar).unwrap();
        assert_eq!(write(&sidecar, &["dog"]).unwrap(), Written::Done);
        assert_eq!(write(&sidecar, &["cat", "<&>"]).unwrap(), Written::Done);
        assert!(text().contains("<rdf:li>cat</rdf:li>") && text().contains("&lt;&amp;&gt;"));
        assert!(!text().contains("dog"));
        let long = "x".repeat(5 << 20);
        for changed in [text().replace("cat", "my cat"), "theirs".into(), String::new(), text() + "\n", long]
        {
            fs::write(&sidecar, &changed).unwrap();
            assert_eq!(write(&sidecar, &["bird"]).unwrap(), Written::NotOurs);
            assert_eq!(text(), changed);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }
}
