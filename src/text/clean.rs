//! Makes harmless what a picture says. Whoever takes or sends a picture decides what is read in it.

/// The longest line that is kept, in characters.
const LONGEST: usize = 500;

/// The line without control and formatting characters, which could change how the text around it is displayed; with
/// single spaces between words, and cut at 500 characters. `None` if nothing is left.
pub(super) fn clean(line: &str) -> Option<String> {
    let visible: String =
        line.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_hidden(*c)).collect();
    let words = visible.split(' ').filter(|word| !word.is_empty());
    let mut kept = String::new();
    for word in words {
        if !kept.is_empty() {
            kept.push(' ');
        }
        kept.push_str(word);
    }
    let end = kept.char_indices().nth(LONGEST).map_or(kept.len(), |(at, _)| at);
    kept.truncate(end);
    let kept = kept.trim_end();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// Control characters, and formatting characters of Unicode: directions (bidi marks, overrides, isolates), joiners and
/// other characters without width, tags, and unassigned noncharacters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(clean(line).as_deref(), expected, "{line:?}");
    }

    #[test]
    fn lines_are_harmless() {
        check("Rechnung Nr. 7", Some("Rechnung Nr. 7"));
        check("  two \t words\u{3000}", Some("two words"));
        check("\u{1b}[31mred\u{7}\u{9b}1m", Some("[31mred1m"));
        check("a\u{202e}gpj.exe\u{2066}", Some("agpj.exe"));
        check("in\u{200b}vi\u{ad}sible", Some("invisible"));
        check("<b>not & markup</b>", Some("<b>not & markup</b>"));
        check("你好 Ñandú", Some("你好 Ñandú"));
        check("\u{202e} \u{200b}", None);
        check("", None);
    }

    #[test]
    fn lines_are_short() {
        assert_eq!(clean(&"é".repeat(100_000)).unwrap().chars().count(), LONGEST);
        assert_eq!(clean(&format!("{} b", "a".repeat(LONGEST - 1))).unwrap().len(), LONGEST - 1);
    }
}
