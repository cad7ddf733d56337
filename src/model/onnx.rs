//! The outside of an ONNX file: its inputs, its outputs, and the files its weights lie in.
//!
//! ONNX Runtime tells the first two as well, but only after loading hundreds of megabytes. This reads the few fields
//! that matter (of `onnx.proto`) and seeks over the rest, which takes about a millisecond.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use super::ModelError;
use super::ports::{Dim, Element, Port};

/// Longer names than this are not read: a name is a few dozen bytes.
const LONGEST_NAME: u64 = 1 << 16;
/// Graphs lie in the branches of control flow, a few levels deep; more is an attack on the stack.
const DEEPEST: u32 = 16;

/// What an ONNX file says about itself.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
    /// Files beside this one that hold weights (`external_data`), as the file names them.
    pub(crate) data: BTreeSet<String>,
}

impl Graph {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] when it cannot be read, [`ModelError::Config`] when it is no ONNX file.
    pub(crate) fn read(path: &Path) -> Result<Graph, ModelError> {
        let missing = |source| ModelError::Missing { path: path.to_owned(), source };
        let file = File::open(path).map_err(missing)?;
        let length = file.metadata().map_err(missing)?.len();
        let reader = Reader { bytes: BufReader::with_capacity(1 << 14, file), position: 0, depth: 0 };
        match reader.model(length) {
            Ok(graph) if !graph.inputs.is_empty() && !graph.outputs.is_empty() => Ok(graph),
            Ok(_) => Err(not_onnx(path, "it has no graph with inputs and outputs")),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Err(not_onnx(path, &error.to_string()))
            }
            Err(error) => Err(missing(error)),
        }
    }
}

fn not_onnx(path: &Path, detail: &str) -> ModelError {
    ModelError::Config { path: path.to_owned(), detail: format!("is not a whole ONNX file: {detail}") }
}

/// A field's value: a number, or the place where its bytes end.
enum Field {
    Number(u64),
    Bytes { end: u64 },
}

/// Protocol buffers' wire format, read forwards.
struct Reader<R> {
    bytes: BufReader<R>,
    position: u64,
    depth: u32,
}

impl<R: Read + io::Seek> Reader<R> {
    fn model(mut self, length: u64) -> io::Result<Graph> {
        let mut graph = Graph::default();
        self.each_field(length, |reader, number, field| match (number, field) {
            (7, Field::Bytes { end }) => reader.graph(end, &mut graph),
            _ => Ok(()),
        })?;
        Ok(graph)
    }

    fn graph(&mut self, end: u64, graph: &mut Graph) -> io::Result<()> {
        // Files of IR version 3 list their weights among the inputs.
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

    /// Of a node only the tensors and graphs in its attributes, for the weights they hold.
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

    /// The tensor's name; where its bytes lie in another file, that is noted.
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

    fn port(&mut self, end: u64) -> io::Result<Port> {
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

    /// Calls `each` with every field up to `end`, and skips what it leaves unread.
    fn each_field(
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
                1 => self.position + 8,
                2 => {
                    let length = self.varint()?;
                    let field_end = self.position.checked_add(length).filter(|field_end| *field_end <= end);
                    let field_end = field_end.ok_or_else(|| bad("it ends too early"))?;
                    each(self, tag >> 3, Field::Bytes { end: field_end })?;
                    field_end
                }
                5 => self.position + 4,
                _ => return Err(bad("a field is of no known kind")),
            };
            self.skip_to(field_end)?;
        }
        self.depth -= 1;
        if self.position == end { Ok(()) } else { Err(bad("a field ends outside of its message")) }
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

    fn text(&mut self, end: u64) -> io::Result<String> {
        let length = end - self.position;
        if length > LONGEST_NAME {
            return Err(bad("a name is too long"));
        }
        let mut text = vec![0; usize::try_from(length).map_err(|_| bad("a name is too long"))?];
        self.bytes.read_exact(&mut text)?;
        self.position = end;
        String::from_utf8(text).map_err(|_| bad("a name is not Unicode"))
    }
}

fn bad(detail: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, detail.to_owned())
}
