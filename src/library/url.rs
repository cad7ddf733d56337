//! The URL of a library in a database. It is shown without secrets wherever it is shown.

use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;

/// The URL of a library in a database, for example `postgres://user@host/database?library=name`.
///
/// [`fmt::Display`] and [`fmt::Debug`] show no password and no parameter except `library`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
}

impl Url {
    /// The URL that a setting consists of; `None` if the setting is a path.
    pub fn parse(setting: &Path) -> Option<Url> {
        let text = setting.to_str()?;
        let (scheme, _) = text.split_once("://")?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        (!scheme.is_empty() && scheme.bytes().all(is_scheme)).then(|| Url { text: text.to_owned() })
    }

    /// What comes before `://`.
    pub fn scheme(&self) -> &str {
        self.text.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// Whether it has a password, as `user:password@host` or as a parameter.
    pub fn has_password(&self) -> bool {
        let has_it = self.user_info().is_some_and(|user| user.contains(':'));
        has_it || self.parameters().any(|(name, _)| is_secret(name))
    }

    /// The decoded value of a parameter. The last one counts.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters().filter(|(found, _)| *found == name).last()?;
        Some(percent_decode_str(found.1).decode_utf8_lossy().into_owned())
    }

    /// The URL without the parameters of these names: those that only we know. It has its secrets.
    pub fn without_parameters(&self, names: &[&str]) -> String {
        let (front, _) = self.text.split_once('?').unwrap_or((&self.text, ""));
        let kept: Vec<_> = self.parameters().filter(|(name, _)| !names.contains(name)).collect();
        let kept: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if kept.is_empty() { front.to_owned() } else { format!("{front}?{}", kept.join("&")) }
    }

    /// The name of the folder for the small files that this machine keeps for the library.
    pub(super) fn folder_name(&self) -> String {
        blake3::hash(self.to_string().as_bytes()).to_hex()[..16].to_owned()
    }

    /// What is between `://` and the path.
    fn authority(&self) -> &str {
        let rest = self.text.split_once("://").map_or("", |(_, rest)| rest);
        let rest = rest.split(['?', '#']).next().unwrap_or("");
        // A password may have a slash in it, though that should be encoded.
        let start = rest.rfind('@').unwrap_or(0);
        &rest[..rest[start..].find('/').map_or(rest.len(), |slash| start + slash)]
    }

    fn user_info(&self) -> Option<&str> {
        self.authority().rsplit_once('@').map(|(user, _)| user)
    }

    /// What is between `://` and the path, without user and password.
    #[cfg(feature = "milvus")]
    pub(super) fn host(&self) -> &str {
        let authority = self.authority();
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }

    /// What is behind the host, with its slash.
    pub(super) fn path(&self) -> &str {
        let front = self.text.split(['?', '#']).next().unwrap_or("");
        &front[(self.scheme().len() + "://".len() + self.authority().len()).min(front.len())..]
    }

    fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let query = self.text.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "token", "secret"].iter().any(|word| name.contains(word)) && !name.ends_with("file")
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        write!(f, "{}://", self.scheme())?;
        if let Some(user) = self.user_info() {
            write!(f, "{}@", user.split(':').next().unwrap_or(""))?;
        }
        write!(f, "{host}{}", self.path())?;
        if let Some((_, library)) = self.parameters().filter(|(name, _)| *name == "library").last() {
            write!(f, "?library={library}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(Path::new(text)).unwrap()
    }

    #[test]
    fn urls_are_told_from_paths() {
        for path in ["/a/b", "photos", "C:\\photos", "a:b", "://x", "a b://x", ""] {
            assert_eq!(Url::parse(Path::new(path)), None, "{path}");
        }
        assert_eq!(url("milvus://h:19530/name").scheme(), "milvus");
    }

    #[test]
    fn secrets_are_never_shown() {
        #[track_caller]
        fn check(text: &str, shown: &str, has_password: bool) {
            let url = url(text);
            assert_eq!((url.to_string(), format!("{url:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(url.has_password(), has_password, "{text}");
        }
        check("postgres://h/d?library=l", "postgres://h/d?library=l", false);
        check("postgres://u:s3cret@h:5432/d?library=l", "postgres://u@h:5432/d?library=l", true);
        check("postgres://u:s3/c@r:et@h/d", "postgres://u@h/d", true);
        check("postgres://h/d?password=s3cret&library=l", "postgres://h/d?library=l", true);
        check("milvus://h:1/name?token=s3cret", "milvus://h:1/name", true);
        check("postgres://u@h?sslrootcert=/ca.pem", "postgres://u@h", false);
        check("postgres://", "postgres://", false);
    }

    #[test]
    fn our_own_parameters_are_taken_out() {
        let url = url("postgres://u:p@h/d?library=a%20b&sslmode=require&library=c%2Fd");
        assert_eq!(url.parameter("library").as_deref(), Some("c/d"));
        assert_eq!(url.parameter("libraries"), None);
        assert_eq!(url.without_parameters(&["library"]), "postgres://u:p@h/d?sslmode=require");
        assert_eq!(url.without_parameters(&["library", "sslmode"]), "postgres://u:p@h/d");
    }
}
