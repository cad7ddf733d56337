//! The list of what set-up installs, and from which packages: `pins.txt`, which scripts read too.

use std::fmt;

/// The list of this version of imgsearch.
const SHIPPED: &str = include_str!("pins.txt");

/// Something to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// ONNX Runtime for the CPU.
    Runtime,
    /// libheif, which reads HEIC and AVIF.
    Heif,
    /// The offline model.
    Offline,
    /// The model that reads text in pictures.
    Text,
    /// The names of towns.
    Places,
    /// ONNX Runtime for NVIDIA GPUs, with the libraries of CUDA and cuDNN.
    Cuda,
}

impl Kind {
    /// All of them, in the order in which they are installed.
    pub const ALL: &[Kind] =
        &[Kind::Runtime, Kind::Heif, Kind::Offline, Kind::Text, Kind::Places, Kind::Cuda];

    /// What is installed if nothing is named.
    pub const USUAL: &[Kind] = &[Kind::Runtime, Kind::Heif, Kind::Offline, Kind::Text, Kind::Places];

    /// The name on the command line and in the list.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Runtime => "runtime",
            Kind::Heif => "heif",
            Kind::Offline => "offline",
            Kind::Text => "text",
            Kind::Places => "places",
            Kind::Cuda => "cuda",
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Runtime => "ONNX Runtime",
            Kind::Heif => "libheif (HEIC, AVIF)",
            Kind::Offline => "offline model",
            Kind::Text => "text model (reads text in pictures)",
            Kind::Places => "names of towns",
            Kind::Cuda => "ONNX Runtime with CUDA",
        }
    }
}

/// What is installed on which platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    parts: Vec<Part>,
}

/// A [`Kind`] for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: Kind,
    /// `linux-x86_64` and so on, as Rust names systems and processors; `any` if it is the same everywhere.
    pub platform: String,
    /// The packages it comes from.
    pub wheels: Vec<Wheel>,
    /// The files that set-up makes itself.
    pub made: Vec<Pinned>,
}

/// A package: one file of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// The name in the package index.
    pub package: String,
    /// The version.
    pub version: String,
    /// The file and its digest.
    pub file: Pinned,
    /// The files that are taken out of it.
    pub members: Vec<Member>,
}

/// A file in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path in the package.
    pub path: String,
    /// Its name where it is installed.
    pub name: String,
    /// Its size and digest, if they are known. The package's digest covers it in any case.
    pub pin: Option<Pin>,
    /// Whether it is only needed to make something, and not installed.
    pub is_source: bool,
}

/// A file name with its size and digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The file's name.
    pub name: String,
    /// Its size and digest.
    pub pin: Pin,
}

/// The size and digest of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its bytes.
    pub size: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the list of packages cannot be understood: {text:?}")]
pub struct ListError {
    line: usize,
    text: String,
}

impl List {
    /// The list of this version.
    ///
    /// # Panics
    /// Never: a test reads the list, which is part of the program.
    pub fn shipped() -> List {
        List::parse(SHIPPED).expect("a test reads it")
    }

    /// Parses a list. `pins.txt` explains its lines.
    ///
    /// # Errors
    /// [`ListError`] for the first wrong line.
    pub fn parse(text: &str) -> Result<List, ListError> {
        let mut list = List { parts: Vec::new() };
        let lines = text.lines().enumerate().map(|(at, line)| (at, line.trim()));
        for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split_whitespace().collect();
            list.add(&words).ok_or_else(|| ListError { line: at + 1, text: line.to_owned() })?;
        }
        Ok(list)
    }

    /// The part for a platform, if there is one.
    pub fn part(&self, kind: Kind, platform: &str) -> Option<&Part> {
        let is_for = |part: &&Part| part.kind == kind && [platform, "any"].contains(&part.platform.as_str());
        self.parts.iter().find(is_for)
    }

    fn add(&mut self, words: &[&str]) -> Option<()> {
        if let ["part", kind, platform] = words {
            let kind = Kind::ALL.iter().copied().find(|known| known.name() == *kind)?;
            let (platform, wheels, made) = ((*platform).to_owned(), Vec::new(), Vec::new());
            self.parts.push(Part { kind, platform, wheels, made });
            return Some(());
        }
        let part = self.parts.last_mut()?;
        match words {
            ["wheel", package, version, size, sha256, file] => {
                let (package, version) = ((*package).to_owned(), (*version).to_owned());
                let file = Pinned { name: (*file).to_owned(), pin: Pin::parse(size, sha256)? };
                part.wheels.push(Wheel { package, version, file, members: Vec::new() });
            }
            ["makes", name, size, sha256] => {
                part.made.push(Pinned { name: plain(name)?, pin: Pin::parse(size, sha256)? });
            }
            [what @ ("file" | "uses"), path, rest @ ..] => {
                let (pin, name) = match rest {
                    [] => (None, base(path)),
                    ["as", name] => (None, *name),
                    [size, sha256] => (Some(Pin::parse(size, sha256)?), base(path)),
                    _ => return None,
                };
                let (path, name, is_source) = ((*path).to_owned(), plain(name)?, *what == "uses");
                part.wheels.last_mut()?.members.push(Member { path, name, pin, is_source });
            }
            _ => return None,
        }
        Some(())
    }
}

impl Part {
    /// The files that are there after it is installed, with size and digest where they are known.
    pub fn files(&self) -> impl Iterator<Item = (&str, Option<&Pin>)> {
        let members = self.wheels.iter().flat_map(Wheel::installed);
        members.chain(self.made.iter().map(|made| (made.name.as_str(), Some(&made.pin))))
    }
}

impl Wheel {
    /// The files of this package that are installed.
    pub fn installed(&self) -> impl Iterator<Item = (&str, Option<&Pin>)> {
        let kept = self.members.iter().filter(|member| !member.is_source);
        kept.map(|member| (member.name.as_str(), member.pin.as_ref()))
    }
}

impl Pin {
    fn parse(size: &str, sha256: &str) -> Option<Pin> {
        let is_digest =
            sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        Some(Pin { size: size.parse().ok()?, sha256: is_digest.then(|| sha256.to_owned())? })
    }
}

impl fmt::Display for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.version)
    }
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A name that stays inside its folder.
fn plain(name: &str) -> Option<String> {
    (!name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\'])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_has_a_runtime_for_each_platform_and_digests_for_every_library() {
        let list = List::shipped();
        for platform in ["linux-x86_64", "linux-aarch64", "macos-aarch64", "windows-x86_64"] {
            assert!(list.part(Kind::Runtime, platform).is_some(), "{platform}");
            assert!(list.part(Kind::Offline, platform).is_some(), "{platform}");
        }
        assert_eq!(list.part(Kind::Runtime, "linux-riscv64"), None);
        for part in &list.parts {
            let libraries = part.files().filter(|(name, _)| name.contains(".so") || name.ends_with(".onnx"));
            for (name, pin) in libraries {
                assert!(pin.is_some(), "{name} has no digest");
            }
            assert!(
                part.files().any(|(_, pin)| pin.is_some()),
                "{part:?}: nothing shows that it is installed"
            );
        }
    }

    #[test]
    fn lines_that_cannot_be_understood_are_errors() {
        let digest = "0".repeat(64);
        let wheel = format!("part runtime any\nwheel a 1 2 {digest} a.whl\n");
        List::parse(&format!(
            "# comment\n\n{wheel}file x/y 3 {digest}\nuses z\nfile x/y as w\nmakes v 4 {digest}"
        ))
        .unwrap();
        #[track_caller]
        fn check(text: &str, line: usize) {
            assert_eq!(List::parse(text).map_err(|error| error.line), Err(line), "{text}");
        }
        check("file x", 1);
        check("part other any", 1);
        check("part runtime any\nfile x", 2);
        check(&format!("{wheel}file x 3 abc"), 3);
        check(&format!("{wheel}file x as ../y"), 3);
        check(&format!("{wheel}file x/.."), 3);
        check(&format!("{wheel}makes a/b 3 {digest}"), 3);
        check(&format!("{wheel}else"), 3);
    }
}
