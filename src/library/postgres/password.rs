//! Finds the password for a connection in PostgreSQL's password file: lines of `host:port:database:user:password`, in
//! which `*` matches anything, as [libpq reads it](https://www.postgresql.org/docs/current/libpq-pgpass.html).

use std::path::Path;

use crate::files::read_bounded;

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// The password of the first line that matches host, port, database and user. As libpq does, it ignores a file that others
/// may read.
pub(super) fn from_file(file: &Path, wanted: [&str; 4]) -> Option<String> {
    if is_open_to_others(file) {
        return None;
    }
    let text = String::from_utf8(read_bounded(file, MOST_BYTES).ok()?).ok()?;
    text.lines().find_map(|line| password(line, wanted))
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// The password of a line, if the line matches.
fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line).into_iter();
    let matches =
        wanted.iter().all(|wanted| fields.next().is_some_and(|field| field == "*" || field == *wanted));
    fields.next().filter(|_| matches)
}

/// The fields of a line. A backslash takes a colon or a backslash literally.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut letters) = (vec![String::new()], line.chars());
    while let Some(letter) = letters.next() {
        let taken = match letter {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            letter => letter,
        };
        if let Some(last) = fields.last_mut() {
            last.push(taken);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_line_has_the_password() {
        #[track_caller]
        fn check(line: &str, expected: Option<&str>) {
            let found = password(line, ["h", "5432", "d", "u"]);
            assert_eq!(found.as_deref(), expected, "{line}");
        }
        check("h:5432:d:u:secret", Some("secret"));
        check("*:*:*:u:a:b", Some("a:b"));
        check("h:5432:d:u:a\\:b\\\\c", Some("a:b\\c"));
        check("h:5433:d:u:secret", None);
        check("#h:5432:d:u:secret", None);
        check("h:5432:d:u", None);
        check("", None);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_ignored() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        std::fs::write(&file, "# mine\nx:*:*:*:no\nh:*:*:*:secret\n").unwrap();
        for (mode, expected) in [(0o600, Some("secret")), (0o644, None)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(from_file(&file, ["h", "1", "d", "u"]).as_deref(), expected);
        }
    }
}
