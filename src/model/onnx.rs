//! Reads an ONNX file without its weights: inputs, outputs, the files of external weights, and the graph.
//!
//! ONNX Runtime also reports inputs and outputs, but only after loading hundreds of megabytes. This reads the few relevant
//! fields (of `onnx.proto`) and skips the rest, which takes about a millisecond.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read, Seek};
use std::path::Path;

use super::ModelError;
use super::ports::{Dim, Element, Port};

/// The longest name that is read. Usual names have a few dozen bytes.
const LONGEST_NAME: u64 = 1 << 16;
/// The deepest nesting of graphs. Branches of control flow nest a few levels; more would be an attack on the stack.
const DEEPEST: u32 = 16;
/// Smaller weights are kept in an outline.
const SMALL: u64 = 1 << 10;
/// The largest outline. If a file's outline is larger, leaving out its weights would gain nothing.
const LONGEST_OUTLINE: usize = 64 << 20;

/// The inputs, outputs and weight files of an ONNX file.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// Files with external weights (`external_data`) beside this one, as named in it.
    pub(crate) data: BTreeSet<String>,
}

impl Graph {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] if it cannot be read, [`ModelError::Config`] if it is not an ONNX file.
    pub(crate) fn read(path: &Path) -> Result<Graph, ModelError> {
        let missing = |source| ModelError::Missing { path: path.to_owned(), source };
        let (reader, length) = Reader::open(path).map_err(missing)?;
        match reader.model(length) {
            Ok(graph) if !graph.inputs.is_empty() && !graph.outputs.is_empty() => Ok(graph),
            Ok(_) => Err(not_onnx(path, "it has no graph with inputs and outputs")),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Err(not_onnx(path, &error.to_string()))
            }
            Err(error) => Err(missing(error)),
        }
    }

    /// Reads a file in memory.
    ///
    /// # Errors
    /// Errors of parsing.
    pub(super) fn parse(model: &[u8]) -> io::Result<Graph> {
        Reader::over(model).model(model.len() as u64)
    }
}

/// The file at `path` with each weight replaced by a reference to its position in `path`, as `external_data` of
/// `onnx.proto`. The references are relative to the file's folder.
///
/// ONNX Runtime maps such weights. Loading a whole file would keep them in memory twice: as parsed, and in its own form.
///
/// # Errors
/// Errors of reading; [`ErrorKind::Unsupported`] if this would gain nothing.
pub(crate) fn outline(path: &Path) -> io::Result<Vec<u8>> {
    let location = path.file_name().and_then(|name| name.to_str()).ok_or(ErrorKind::Unsupported)?;
    let (mut reader, length) = Reader::open(path)?;
    let mut outline = Vec::new();
    reader.each_field(length, |reader, number, field| match (number, field) {
        (7, Field::Bytes { end }) => {
            let mut graph = Vec::new();
            reader.outline_graph(end, location, &mut graph)?;
            put_bytes(&mut outline, 7, &graph);
            Ok(())
        }
        (number, field) => reader.copy(number, &field, &mut outline),
    })?;
    Ok(outline)
}

fn not_onnx(path: &Path, detail: &str) -> ModelError {
    ModelError::Config { path: path.to_owned(), detail: format!("is not a whole ONNX file: {detail}") }
}

/// A field's value: a number, or the end position of its bytes.
pub(super) enum Field {
    Number(u64),
    /// A fixed field of four or eight bytes.
    Fixed {
        kind: u64,
        end: u64,
    },
    Bytes {
        end: u64,
    },
}

/// A forward reader for the wire format of protocol buffers.
pub(super) struct Reader<R> {
    bytes: BufReader<R>,
    position: u64,
    depth: u32,
}

impl Reader<File> {
    /// Opens the file at `path` and returns its length.
    fn open(path: &Path) -> io::Result<(Reader<File>, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((Reader::new(file), length))
    }
}

impl<'a> Reader<Cursor<&'a [u8]>> {
    /// Reads from memory.
    pub(super) fn over(bytes: &'a [u8]) -> Self {
        Reader::new(Cursor::new(bytes))
    }
}

impl<R: Read + Seek> Reader<R> {
    fn new(bytes: R) -> Reader<R> {
        Reader { bytes: BufReader::with_capacity(1 << 14, bytes), position: 0, depth: 0 }
    }

    fn model(mut self, length: u64) -> io::Result<Graph> {
        let mut graph = Graph::default();
        self.each_field(length, |reader, number, field| match (number, field) {
            (7, Field::Bytes { end }) => reader.graph(end, &mut graph),
            _ => Ok(()),
        })?;
        Ok(graph)
    }

    fn graph(&mut self, end: u64, graph: &mut Graph) -> io::Result<()> {
        // Files of IR version 3 list their weights as inputs too.
        let mut weights = HashSet::new();
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        self.each_field(end, |reader, number, field| {
            match (number, field) {
                (1, Field::Bytes { end }) => reader.node(end, graph)?,
                (5, Field::Bytes { end }) => drop(weights.insert(reader.tensor(end, graph)?)),
                (11, Field::Bytes { end }) => inputs.push(reader.port(end)?),
                (12, Field::Bytes { end }) => outputs.push(reader.port(end)?),
                _ => {}
            }
            Ok(())
        })?;
        inputs.retain(|input| !weights.contains(&input.name));
        (graph.inputs, graph.outputs) = (inputs, outputs);
        Ok(())
    }

    /// Reads a node, only the tensors and graphs in its attributes, because they may have weights.
    fn node(&mut self, end: u64, graph: &mut Graph) -> io::Result<()> {
        self.each_field(end, |reader, number, field| match (number, field) {
            (5, Field::Bytes { end }) => {
                reader.each_field(end, |reader, number, field| match (number, field) {
                    (5, Field::Bytes { end }) => reader.tensor(end, graph).map(drop),
                    (6, Field::Bytes { end }) => {
                        let mut inner = Graph::default();
                        reader.graph(end, &mut inner)?;
                        graph.data.append(&mut inner.data);
                        Ok(())
                    }
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        })
    }

    /// Reads a tensor's name, and records the file of external weights if there is one.
    fn tensor(&mut self, end: u64, graph: &mut Graph) -> io::Result<String> {
        let mut name = String::new();
        self.each_field(end, |reader, number, field| {
            match (number, field) {
                (8, Field::Bytes { end }) => name = reader.text(end)?,
                (13, Field::Bytes { end }) => {
                    let (mut key, mut value) = (String::new(), String::new());
                    reader.each_field(end, |reader, number, field| {
                        match (number, field) {
                            (1, Field::Bytes { end }) => key = reader.text(end)?,
                            (2, Field::Bytes { end }) => value = reader.text(end)?,
                            _ => {}
                        }
                        Ok(())
                    })?;
                    if key == "location" {
                        graph.data.insert(value);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(name)
    }

    pub(super) fn port(&mut self, end: u64) -> io::Result<Port> {
        let (mut name, mut element, mut dims) = (String::new(), Element::Other, Vec::new());
        self.each_field(end, |reader, number, field| match (number, field) {
            (1, Field::Bytes { end }) => reader.text(end).map(|text| name = text),
            (2, Field::Bytes { end }) => {
                reader.each_field(end, |reader, number, field| match (number, field) {
                    (1, Field::Bytes { end }) => reader.tensor_type(end, &mut element, &mut dims),
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        })?;
        Ok(Port { name, element, dims })
    }

    fn tensor_type(&mut self, end: u64, element: &mut Element, dims: &mut Vec<Dim>) -> io::Result<()> {
        self.each_field(end, |reader, number, field| match (number, field) {
            (1, Field::Number(number)) => {
                *element = Element::of_onnx(number);
                Ok(())
            }
            (2, Field::Bytes { end }) => {
                reader.each_field(end, |reader, number, field| match (number, field) {
                    (1, Field::Bytes { end }) => reader.dim(end).map(|dim| dims.push(dim)),
                    _ => Ok(()),
                })
            }
            _ => Ok(()),
        })
    }

    fn dim(&mut self, end: u64) -> io::Result<Dim> {
        let mut dim = Dim::Named(String::new());
        self.each_field(end, |reader, number, field| {
            match (number, field) {
                (1, Field::Number(size)) => {
                    dim = usize::try_from(size).map(Dim::Fixed).map_err(|_| bad("a dimension"))?
                }
                (2, Field::Bytes { end }) => dim = Dim::Named(reader.text(end)?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(dim)
    }

    /// Calls `each` with every field up to `end`, and skips the bytes that it does not read.
    pub(super) fn each_field(
        &mut self,
        end: u64,
        mut each: impl FnMut(&mut Self, u64, Field) -> io::Result<()>,
    ) -> io::Result<()> {
        self.depth += 1;
        if self.depth > 4 * DEEPEST {
            return Err(bad("its graphs are nested too deeply"));
        }
        while self.position < end {
            let tag = self.varint()?;
            let field_end = match tag & 7 {
                0 => {
                    let number = self.varint()?;
                    each(self, tag >> 3, Field::Number(number))?;
                    self.position
                }
                kind @ (1 | 5) => {
                    let field_end = self.position + if kind == 1 { 8 } else { 4 };
                    each(self, tag >> 3, Field::Fixed { kind, end: field_end })?;
                    field_end
                }
                2 => {
                    let length = self.varint()?;
                    let field_end = self.position.checked_add(length).filter(|field_end| *field_end <= end);
                    let field_end = field_end.ok_or_else(|| bad("it ends too early"))?;
                    each(self, tag >> 3, Field::Bytes { end: field_end })?;
                    field_end
                }
                _ => return Err(bad("a field has an unknown kind")),
            };
            self.skip_to(field_end)?;
        }
        self.depth -= 1;
        if self.position == end { Ok(()) } else { Err(bad("a field ends outside of its message")) }
    }

    /// Writes the graph without its weights.
    fn outline_graph(&mut self, end: u64, location: &str, outline: &mut Vec<u8>) -> io::Result<()> {
        self.each_field(end, |reader, number, field| match (number, field) {
            (5, Field::Bytes { end }) => {
                let mut tensor = Vec::new();
                reader.outline_tensor(end, location, &mut tensor)?;
                put_bytes(outline, 5, &tensor);
                if outline.len() > LONGEST_OUTLINE { Err(ErrorKind::Unsupported.into()) } else { Ok(()) }
            }
            (number, field) => reader.copy(number, &field, outline),
        })
    }

    /// Writes the tensor; large content is replaced by its position.
    fn outline_tensor(&mut self, end: u64, location: &str, outline: &mut Vec<u8>) -> io::Result<()> {
        let mut place = None;
        self.each_field(end, |reader, number, field| match (number, field) {
            (9, Field::Bytes { end }) if end - reader.position >= SMALL => {
                place = Some((reader.position, end - reader.position));
                Ok(())
            }
            // Already external: such files would not be found from another place.
            (13, _) => Err(ErrorKind::Unsupported.into()),
            (number, field) => reader.copy(number, &field, outline),
        })?;
        let Some((offset, length)) = place else { return Ok(()) };
        let entries = [
            ("location", location.to_owned()),
            ("offset", offset.to_string()),
            ("length", length.to_string()),
        ];
        for (key, value) in entries {
            let mut entry = Vec::new();
            put_bytes(&mut entry, 1, key.as_bytes());
            put_bytes(&mut entry, 2, value.as_bytes());
            put_bytes(outline, 13, &entry);
        }
        // `data_location` is `EXTERNAL`.
        put_number(outline, 14, 1);
        Ok(())
    }

    /// Copies the field unchanged.
    pub(super) fn copy(&mut self, number: u64, field: &Field, outline: &mut Vec<u8>) -> io::Result<()> {
        let (kind, end) = match field {
            Field::Number(value) => {
                put_number(outline, number, *value);
                return Ok(());
            }
            Field::Fixed { kind, end } => (*kind, *end),
            Field::Bytes { end } => (2, *end),
        };
        let length = end - self.position;
        if length > LONGEST_OUTLINE.saturating_sub(outline.len()) as u64 {
            return Err(ErrorKind::Unsupported.into());
        }
        put_varint(outline, number << 3 | kind);
        if kind == 2 {
            put_varint(outline, length);
        }
        let read = Read::by_ref(&mut self.bytes).take(length).read_to_end(outline)? as u64;
        self.position += read;
        if read == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    fn skip_to(&mut self, end: u64) -> io::Result<()> {
        let ahead = end.checked_sub(self.position).and_then(|ahead| i64::try_from(ahead).ok());
        self.bytes.seek_relative(ahead.ok_or_else(|| bad("a field overlaps the next"))?)?;
        self.position = end;
        Ok(())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(bad("a number is too long"))
    }

    fn byte(&mut self) -> io::Result<u8> {
        let byte = *self.bytes.fill_buf()?.first().ok_or(ErrorKind::UnexpectedEof)?;
        self.bytes.consume(1);
        self.position += 1;
        Ok(byte)
    }

    /// Reads integers, either single or packed.
    pub(super) fn integers(&mut self, field: &Field, into: &mut Vec<i64>) -> io::Result<()> {
        match field {
            Field::Number(number) => into.push(number.cast_signed()),
            Field::Bytes { end } => {
                while self.position < *end {
                    into.push(self.varint()?.cast_signed());
                }
            }
            Field::Fixed { .. } => return Err(bad("a number is of another kind")),
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, end: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let length = end - self.position;
        self.position += Read::by_ref(&mut self.bytes).take(length).read_to_end(&mut bytes)? as u64;
        if self.position == end { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    pub(super) fn text(&mut self, end: u64) -> io::Result<String> {
        if end - self.position > LONGEST_NAME {
            return Err(bad("a name is too long"));
        }
        String::from_utf8(self.bytes(end)?).map_err(|_| bad("a name is not Unicode"))
    }
}

fn put_varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    into.push(value.to_le_bytes()[0]);
}

pub(super) fn put_number(into: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(into, number << 3);
    put_varint(into, value);
}

pub(super) fn put_bytes(into: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(into, number << 3 | 2);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

fn bad(detail: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, detail.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn message(number: u64, content: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, number, content);
        bytes
    }

    /// A file with two weights, one with this content, and with a field of each kind.
    fn file(content: &[u8]) -> Vec<u8> {
        let tensor =
            |name: &str, content: &[u8]| message(5, &[&message(8, name.as_bytes()), content].concat());
        let weights = [tensor("small", &message(9, b"123")), tensor("large", content)].concat();
        let graph = [message(1, b"node"), weights, message(2, b"name")].concat();
        let fixed = [&[9 << 3 | 1][..], &[1; 8], &[10 << 3 | 5], &[2; 4]].concat();
        [&[1 << 3, 10][..], &fixed, &message(7, &graph), &message(8, b"opset")].concat()
    }

    #[test]
    fn an_outline_is_the_file_with_positions_of_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tower.onnx");
        let weights = [7; 3000];
        let whole = file(&message(9, &weights));
        fs::write(&path, &whole).unwrap();
        let offset = whole.windows(weights.len()).position(|window| window == weights).unwrap();
        let entry = |(key, value): (&str, &str)| {
            message(13, &[message(1, key.as_bytes()), message(2, value.as_bytes())].concat())
        };
        let entries =
            [("location", "tower.onnx"), ("offset", &offset.to_string()), ("length", "3000")].map(entry);
        let external = [14 << 3, 1];
        assert_eq!(outline(&path).unwrap(), file(&[&entries.concat()[..], &external].concat()));
    }

    #[test]
    fn files_without_an_outline_are_unsupported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tower.onnx");
        let whole = file(&message(9, &[7; 3000]));
        let opset = message(8, b"opset").len();
        // A file truncated between two fields would be valid, with fewer fields.
        let cuts = (30..whole.len() - opset).chain(whole.len() - opset + 1..whole.len());
        for length in cuts {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(outline(&path).is_err(), "cut after {length} bytes");
        }
        let external = message(7, &message(5, &message(13, b"")));
        fs::write(&path, external).unwrap();
        assert_eq!(outline(&path).unwrap_err().kind(), ErrorKind::Unsupported);
        fs::write(&path, message(7, &message(1, &vec![0; LONGEST_OUTLINE + 1]))).unwrap();
        assert_eq!(outline(&path).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
