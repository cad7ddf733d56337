//! Unpacks archives: zip, tar and tar.gz.
//!
//! Archives are untrusted: they may be truncated, damaged or malicious. Only files and folders are extracted, each once,
//! under names inside the target folder, and with a limit on the number of bytes.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

use super::listing::check_name;
use super::store::remove_folder;
use super::{Event, HubError};
use crate::disk;

/// Exporters that store each weight in its own file make hundreds.
const MOST_ENTRIES: usize = 10_000;

/// The maximum depth of folders. Each entry can create this many.
const MOST_LEVELS: usize = 16;

/// The maximum size of a tar extension header, which has a file's long name, times and owners.
const LONGEST_EXTENSION: u64 = 1 << 16;

/// How many times its own size an archive may unpack to. As tar.gz, the offline model grows 1.1 times, and the small models
/// of `tests/goldens/models`, which are mostly tokenizers, at most 3.4 times.
const MOST_GROWTH: u64 = 50;

/// Any archive may unpack to this size.
const SMALL: u64 = 64 << 20;

/// The position and text of a tar file's magic number.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// Unpacks everything into `folder`. Returns the model's folder: `folder` itself, or its only subfolder.
pub(super) fn unpack_into(
    archive: &Path,
    folder: &Path,
    report: &dyn Fn(Event<'_>),
) -> Result<PathBuf, HubError> {
    let unreadable = |error: io::Error| wrong(archive, error.to_string());
    let io = |source| HubError::Io { path: folder.to_owned(), source };
    let mut file = File::open(archive).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let mut start = Vec::new();
    (&file).take(512).read_to_end(&mut start).map_err(unreadable)?;
    file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    if let Some(available) = disk::free_space(folder).filter(|available| *available < size) {
        return Err(HubError::NoSpace { folder: folder.to_owned(), needed: size, available });
    }
    remove_folder(folder)?;
    fs::create_dir_all(folder).map_err(io)?;
    let limit = size.saturating_mul(MOST_GROWTH).max(SMALL);
    let mut unpacking = Unpacking { archive, folder, entries: 0, limit, left: limit, report };
    match start.as_slice() {
        [b'P', b'K', 3 | 5, ..] => unpacking.zip(file)?,
        [0x1f, 0x8b, ..] => unpacking.tar(GzDecoder::new(io::BufReader::new(file)))?,
        tar if tar.get(TAR_MAGIC.0..).is_some_and(|rest| rest.starts_with(TAR_MAGIC.1)) => {
            check_end(&mut file).map_err(unreadable)?;
            unpacking.tar(io::BufReader::new(file))?;
        }
        _ => return Err(wrong(archive, "it is not a zip, tar or tar.gz file".to_owned())),
    }
    let entries: Vec<_> = folder.read_dir().and_then(Iterator::collect).map_err(io)?;
    match entries.as_slice() {
        [only] if only.path().is_dir() => Ok(only.path()),
        _ => Ok(folder.to_owned()),
    }
}

/// Checks for the block of zeros at the end of a tar file. Without it, a truncation between two files would go unnoticed.
fn check_end(file: &mut File) -> io::Result<()> {
    let mut end = [1; 512];
    file.seek(SeekFrom::End(-512))?;
    file.read_exact(&mut end)?;
    if end != [0; 512] {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "its end is missing"));
    }
    file.seek(SeekFrom::Start(0)).map(drop)
}

/// An archive being unpacked into a folder.
struct Unpacking<'a> {
    archive: &'a Path,
    folder: &'a Path,
    /// Files and folders so far.
    entries: usize,
    /// Bytes that may be extracted, in all and from now on.
    limit: u64,
    left: u64,
    report: &'a dyn Fn(Event<'_>),
}

impl Unpacking<'_> {
    fn zip(&mut self, file: File) -> Result<(), HubError> {
        let archive = self.archive;
        let damaged = |error: zip::result::ZipError| wrong(archive, error.to_string());
        let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(damaged)?;
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(damaged)?;
            let name = entry.name().map_err(damaged)?.into_owned();
            if entry.is_dir() {
                self.folder(&name)?;
            } else if entry.is_symlink() {
                return Err(wrong(archive, format!("{name:?} is a link")));
            } else {
                self.file(&name, entry.size(), &mut entry)?;
            }
        }
        Ok(())
    }

    fn tar(&mut self, content: impl Read) -> Result<(), HubError> {
        let archive = self.archive;
        let damaged = |error: io::Error| wrong(archive, error.to_string());
        // Headers and padding come on top of the files' contents.
        let mut content = content.take(self.limit.saturating_mul(2));
        let mut tar = tar::Archive::new(&mut content);
        let mut long_name = None;
        // Read raw entries, because the crate would accept names of any length.
        for entry in tar.entries().map_err(damaged)?.raw(true) {
            let mut entry = entry.map_err(damaged)?;
            let (kind, size) = (entry.header().entry_type(), entry.size());
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                long_name = self.long_name(kind, &mut entry)?.or(long_name);
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = String::from_utf8_lossy(&name).into_owned();
            if kind.is_dir() {
                self.folder(&name)?;
            } else if kind.is_file() {
                self.file(&name, size, &mut entry)?;
            } else if !kind.is_pax_global_extensions() {
                // Global extensions are comments, as written by `git archive`.
                return Err(wrong(archive, format!("{name:?} is a link or another special file")));
            }
        }
        // Read to the end, where gzip has the checksum of everything.
        io::copy(&mut content, &mut io::sink()).map(drop).map_err(damaged)
    }

    /// The long name that an extension entry gives to the next entry.
    fn long_name(&self, kind: tar::EntryType, entry: &mut impl Read) -> Result<Option<Vec<u8>>, HubError> {
        let damaged = |error: io::Error| wrong(self.archive, error.to_string());
        let mut content = Vec::new();
        entry.take(LONGEST_EXTENSION + 1).read_to_end(&mut content).map_err(damaged)?;
        if content.len() as u64 > LONGEST_EXTENSION {
            return Err(wrong(self.archive, format!("it has a name of more than {LONGEST_EXTENSION} bytes")));
        }
        if kind.is_gnu_longname() {
            let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
            content.truncate(end);
            return Ok(Some(content));
        }
        let mut name = None;
        for extension in tar::PaxExtensions::new(&content) {
            let extension = extension.map_err(damaged)?;
            match extension.key_bytes() {
                b"path" => name = Some(extension.value_bytes().to_vec()),
                b"size" => return Err(wrong(self.archive, "it has a file of 8 GiB or more".to_owned())),
                _ => {}
            }
        }
        Ok(name)
    }

    fn folder(&mut self, name: &str) -> Result<(), HubError> {
        let Some(path) = self.place(name.trim_end_matches('/'))? else { return Ok(()) };
        fs::create_dir_all(&path).map_err(|error| self.refused(name, &path, error))
    }

    /// Extracts a file, `size` bytes long according to the archive.
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<(), HubError> {
        let Some(path) = self.place(name)? else { return Ok(()) };
        (self.report)(Event::File(name));
        self.left = self.left.checked_sub(size).ok_or_else(|| self.too_large())?;
        let refused = |error| self.refused(name, &path, error);
        fs::create_dir_all(path.parent().unwrap_or(self.folder)).map_err(refused)?;
        let mut out = File::create_new(&path).map_err(refused)?;
        let mut written = 0;
        let mut buffer = vec![0; 1 << 16];
        // Read one byte more, to detect longer contents and to reach the end of a zip entry, where its checksum is checked.
        let mut content = content.take(size.saturating_add(1));
        loop {
            let read = content
                .read(&mut buffer)
                .map_err(|error| wrong(self.archive, format!("{name:?} is damaged: {error}")))?;
            if read == 0 {
                break;
            }
            out.write_all(&buffer[..read]).map_err(refused)?;
            written += read as u64;
        }
        if written != size {
            return Err(wrong(self.archive, format!("{name:?} is not {size} bytes long, as it says")));
        }
        out.sync_all().map_err(refused)
    }

    /// The path for an entry. `None` for files that macOS adds, and for the folder itself.
    fn place(&mut self, name: &str) -> Result<Option<PathBuf>, HubError> {
        let plain = name.strip_prefix("./").unwrap_or(name);
        let is_added = |part: &str| part == "__MACOSX" || part == ".DS_Store" || part.starts_with("._");
        if ["", "."].contains(&plain) || plain.split('/').any(is_added) {
            return Ok(None);
        }
        check_name(&self.archive.display().to_string(), plain)?;
        self.entries += 1;
        if self.entries > MOST_ENTRIES || plain.split('/').count() > MOST_LEVELS {
            return Err(self.too_large());
        }
        Ok(Some(self.folder.join(plain)))
    }

    fn too_large(&self) -> HubError {
        let limit = self.limit;
        let detail =
            format!("it has more than {MOST_ENTRIES} entries, {MOST_LEVELS} levels or {limit} bytes");
        wrong(self.archive, detail)
    }

    /// The error if `name` cannot be written: the cause may be the archive's contents or the disk.
    fn refused(&self, name: &str, path: &Path, error: io::Error) -> HubError {
        use io::ErrorKind::{AlreadyExists, IsADirectory, NotADirectory};
        if [AlreadyExists, IsADirectory, NotADirectory].contains(&error.kind()) {
            return wrong(self.archive, format!("{name:?} is in it twice"));
        }
        HubError::Io { path: path.to_owned(), source: error }
    }
}

pub(super) fn wrong(archive: &Path, detail: String) -> HubError {
    HubError::Archive { path: archive.to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];

    const MODEL: Files<'_> = &[("model.json", "{}"), ("visual/model.onnx", "tower"), ("a b", "")];

    fn zip(files: &[(impl AsRef<str>, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, content) in files {
            zip.start_file(name.as_ref(), SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    /// Makes a tar file. It writes all names, even those that the crate's own functions refuse.
    fn tar(files: &[(impl AsRef<str>, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in files {
            tar.append(
                &header(name.as_ref(), tar::EntryType::Regular, content.len() as u64),
                content.as_bytes(),
            )
            .unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn header(name: &str, kind: tar::EntryType, size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o777);
        header.set_cksum();
        header
    }

    fn gz(tar: &[u8]) -> Vec<u8> {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(tar).unwrap();
        gz.finish().unwrap()
    }

    /// The extracted files by path, or the error. Checks that nothing was written outside the folder.
    fn unpacked(archive: &[u8]) -> Result<BTreeMap<String, String>, String> {
        let outside = tempfile::tempdir().unwrap();
        let (file, folder) = (outside.path().join("archive"), outside.path().join("a/b"));
        fs::write(&file, archive).unwrap();
        let model = unpack_into(&file, &folder, &|_| ()).map_err(|error| error.to_string());
        assert_eq!(outside.path().read_dir().unwrap().count(), 1 + usize::from(folder.exists()), "escaped");
        let model = model?;
        let entries = walkdir::WalkDir::new(&model).into_iter().map(Result::unwrap);
        let files = entries.filter(|entry| entry.file_type().is_file()).map(|entry| {
            let name = entry.path().strip_prefix(&model).unwrap().to_str().unwrap().replace('\\', "/");
            (name, fs::read_to_string(entry.path()).unwrap())
        });
        Ok(files.collect())
    }

    #[test]
    fn packed_files_are_extracted() {
        #[track_caller]
        fn check(archive: &[u8]) {
            let expected = MODEL.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned()));
            assert_eq!(unpacked(archive), Ok(expected.collect()));
        }
        check(&zip(MODEL));
        check(&tar(MODEL));
        check(&gz(&tar(MODEL)));
        // In a folder, as most people pack it, with the files that macOS adds and the names that `tar -C folder .` makes.
        let below = |prefix: &str, more: Files<'static>| {
            let files = MODEL.iter().map(|(name, content)| (format!("{prefix}{name}"), *content));
            files.chain(more.iter().map(|(name, content)| ((*name).to_owned(), *content))).collect::<Vec<_>>()
        };
        check(&zip(&below("clip/", &[("__MACOSX/clip/._model.json", "x"), ("clip/.DS_Store", "x")])));
        check(&gz(&tar(&below("./", &[("./._visual", "x")]))));
        check(&tar(&below("clip/", &[])));
        let mut with_folders = tar::Builder::new(Vec::new());
        for folder in ["./", "./visual/", "visual"] {
            with_folders.append(&header(folder, tar::EntryType::Directory, 0), io::empty()).unwrap();
        }
        with_folders.append(&header("pax", tar::EntryType::XGlobalHeader, 0), io::empty()).unwrap();
        let mut with_folders = with_folders.into_inner().unwrap();
        with_folders.truncate(4 * 512);
        with_folders.extend(tar(MODEL));
        check(&with_folders);
    }

    #[test]
    fn long_names_are_extracted_and_endless_ones_refused() {
        let long = "a".repeat(150) + "/" + &"b".repeat(200);
        let mut gnu = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        gnu.append_data(&mut header, &long, b"x".as_slice()).unwrap();
        let mut pax = tar::Builder::new(Vec::new());
        pax.append_pax_extensions([("mtime", b"1.5".as_slice()), ("path", long.as_bytes())]).unwrap();
        pax.append(&self::header("short", tar::EntryType::Regular, 1), b"x".as_slice()).unwrap();
        for archive in [gnu, pax] {
            let whole = unpacked(&archive.into_inner().unwrap());
            assert_eq!(whole, Ok([("b".repeat(200), "x".to_owned())].into()));
        }
        // A thousand times as long as the archive.
        for kind in [tar::EntryType::GNULongName, tar::EntryType::XHeader] {
            let mut tar = tar::Builder::new(Vec::new());
            let size = 64 << 20;
            tar.append(&self::header("x", kind, size), io::repeat(b'a').take(size)).unwrap();
            let error = unpacked(&gz(&tar.into_inner().unwrap())).unwrap_err();
            assert!(error.contains("a name of more than 65536 bytes"), "{error}");
        }
        let mut huge = tar::Builder::new(Vec::new());
        huge.append_pax_extensions([("size", b"9000000000".as_slice())]).unwrap();
        assert!(unpacked(&huge.into_inner().unwrap()).unwrap_err().contains("8 GiB"));
    }

    #[test]
    fn malicious_and_damaged_archives_are_refused() {
        #[track_caller]
        fn check(archive: &[u8], named: &str) {
            let error = unpacked(archive).unwrap_err();
            assert!(error.contains(named), "{named} in: {error}");
        }
        for name in ["../x", "a/../../x", "/x", "a\\..\\x", "C:x", "a//x", "a\nx"] {
            check(&tar(&[(name, "")]), "unsafe name");
        }
        check(&zip(&[("a\\..\\x", "")]), "unsafe name");
        check(&tar(&[("a", ""), ("a", "")]), "\"a\" is in it twice");
        check(&tar(&[("a", ""), ("a/b", "")]), "\"a/b\" is in it twice");
        check(&tar(&[("a/b", ""), ("a", "")]), "\"a\" is in it twice");
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo] {
            let mut tar = tar::Builder::new(Vec::new());
            tar.append(&header("a", kind, 0), io::empty()).unwrap();
            check(&tar.into_inner().unwrap(), "\"a\" is a link or another special file");
        }
        let mut linked = ZipWriter::new(io::Cursor::new(Vec::new()));
        linked.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        check(&linked.finish().unwrap().into_inner(), "\"a\" is a link");
        // More bytes than allowed: according to the header, and in reality.
        let mut large = tar::Builder::new(Vec::new());
        large.append(&header("a", tar::EntryType::Regular, SMALL + 1), io::empty()).unwrap();
        check(&large.into_inner().unwrap(), "more than 10000 entries, 16 levels or 67108864 bytes");
        let zeros = vec![0; usize::try_from(SMALL + 1).unwrap()];
        check(&zip(&[("a", std::str::from_utf8(&zeros).unwrap())]), "more than 10000 entries");
        let many: Vec<_> = (0..=MOST_ENTRIES).map(|number| number.to_string()).collect();
        check(
            &tar(&many.iter().map(|name| (name.as_str(), "")).collect::<Vec<_>>()),
            "more than 10000 entries",
        );
        check(&tar(&[("a/".repeat(MOST_LEVELS) + "b", "")]), "16 levels");
        let mut folders = tar::Builder::new(Vec::new());
        for name in many.iter().map(|name| name.clone() + "/") {
            folders.append(&header(&name, tar::EntryType::Directory, 0), io::empty()).unwrap();
        }
        check(&folders.into_inner().unwrap(), "more than 10000 entries");
        check(b"", "not a zip, tar or tar.gz");
        check(&[b'x'; 1000], "not a zip, tar or tar.gz");
        check(&gz(b"no tar"), "cannot unpack");
        check(&gz(&[b'x'; 1024]), "cannot unpack");
    }

    #[test]
    fn a_truncated_archive_is_refused() {
        #[track_caller]
        fn check(archive: &[u8], end: usize) {
            for length in 0..end {
                assert!(
                    unpacked(&archive[..length]).is_err(),
                    "cut after {length} of {} bytes",
                    archive.len()
                );
            }
        }
        let (zip, two) = (zip(MODEL), tar(&[("a", "content"), ("b", "content")]));
        check(&zip, zip.len());
        check(&gz(&two), gz(&two).len());
        // After the last file there are only zeros, and some of them may be missing.
        check(&two, 4 * 512 + 511);
    }

    #[test]
    fn a_flipped_bit_in_a_file_is_found() {
        let content = "what a tower may hold ".repeat(20);
        for archive in [zip(&[("a", &content)]), gz(&tar(&[("a", &content)]))] {
            let whole = unpacked(&archive).unwrap();
            for at in 0..archive.len() {
                let mut flipped = archive.clone();
                flipped[at] ^= 4;
                let found = unpacked(&flipped);
                let content = |files: &BTreeMap<String, String>| files.values().cloned().collect::<Vec<_>>();
                assert!(found.is_err() || content(&found.unwrap()) == content(&whole), "bit at {at}");
            }
        }
    }
}
