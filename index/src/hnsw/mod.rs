//! An HNSW graph (arXiv 1603.09320) over the rows of one segment, in a mapped file.
//!
//! To build it ([`build`]), `hnsw_rs` links the first rows ([`start`]), or a merge reuses the largest segment's graph
//! ([`seed`]). The other rows are inserted with the paper's algorithms ([`grow`], [`links`]). Then the graph is measured
//! ([`curve`]) and stored flat for walks ([`walk`]). The words `m`, `ef` and `level` are the paper's. All comparisons use
//! codes.
//!
//! Sections (see [`crate::sections`]). Numbers are `u32`, except those of the shape, and `u32::MAX` means none:
//!
//! ```text
//! 0 shape    rows, m, entry, checksum of the segment: 4 × u64
//! 1 links    rows × 2m links of level 0: positions
//! 2 orphans  positions that are not reachable from the entry; a walk compares them too
//! 3 sizes    number of nodes on each level from 1 on
//! 4 nodes    nodes of each level from 1 on: positions
//! 5 down     for each such node, its number on the level below; on level 1 its position
//! 6 upper    for each such node, m links to nodes of the same level
//! 7 curve    recall and cost of walks: k, ef, recall f32, rows compared f32
//! ```
//!
//! The entry is a node of the highest level, or a position if there is only level 0. Opening checks the lengths. An
//! invalid link is an error when a walk reaches it.
//!
//! If walks turned out to cost more than scans, only the curve is stored, with zero rows, so that the graph is not built
//! again. A file of format 1 has no curve. Its links were selected in another way and did not connect clusters, so it is
//! used only if a caller requests a walk, and the writer replaces it.

mod build;
mod curve;
mod grow;
mod links;
mod seed;
mod start;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;
use std::path::Path;

use crate::sections::{Kind, Sections, SectionsWriter};
use crate::segment::Segment;
use crate::{Error, Method, files};
pub(crate) use build::{Builder, m_of};
pub(crate) use curve::{Plan, Point};
pub(crate) use seed::Seed;

const KIND: Kind = Kind { magic: *b"imgraph\0", format: 2, sections: 8 };

/// Format 1, without a curve.
const OLD_KIND: Kind = Kind { format: 1, sections: 7, ..KIND };

const SHAPE: usize = 0;
const LINKS: usize = 1;
const ORPHANS: usize = 2;
const SIZES: usize = 3;
const NODES: usize = 4;
const DOWN: usize = 5;
const UPPER: usize = 6;
const CURVE: usize = 7;

/// Marks an unused place in a list of links.
pub(crate) const NONE: u32 = u32::MAX;

/// The greatest `m`: `hnsw_rs` keeps at most 256 links on level 0.
const MOST_M: usize = 128;

/// The first section.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Shape {
    rows: u64,
    m: u64,
    entry: u64,
    segment: u64,
}

/// A graph in memory, as it will be stored in the file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Flat {
    pub(crate) m: usize,
    pub(crate) entry: u32,
    pub(crate) links: Vec<u32>,
    pub(crate) orphans: Vec<u32>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) nodes: Vec<u32>,
    pub(crate) down: Vec<u32>,
    pub(crate) upper: Vec<u32>,
    pub(crate) curve: Vec<Point>,
}

impl Flat {
    fn rows(&self) -> usize {
        self.links.len() / (2 * self.m)
    }

    /// Drops the links if walks cost more than scans. The curve stays, so the graph is not built again.
    pub(crate) fn if_of_use(self) -> Flat {
        if curve::is_of_use(&self.curve, self.rows()) {
            return self;
        }
        Flat { m: self.m, curve: self.curve, ..Flat::default() }
    }
}

/// A position or node number as stored in files.
fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NONE)
}

/// Lists of links, one after another, each of at most `width`.
#[derive(Clone, Copy)]
struct Lists<'a> {
    links: &'a [u32],
    width: usize,
}

impl<'a> Lists<'a> {
    /// `None` if there is no such list.
    fn of(self, row: u32) -> Option<&'a [u32]> {
        let start = row as usize * self.width;
        let list = self.links.get(start..start + self.width)?;
        let end = list.iter().position(|&link| link == NONE).unwrap_or(self.width);
        Some(&list[..end])
    }
}

/// An open graph.
#[derive(Debug)]
pub(crate) struct Graph {
    rows: usize,
    m: usize,
    entry: u32,
    /// The nodes of each level from 1 on.
    levels: Vec<Range<usize>>,
    /// Whether there is a curve.
    is_measured: bool,
    sections: Sections,
}

impl Graph {
    /// Opens graph `id` over `segment`.
    pub(crate) fn open(dir: &Path, id: u64, segment: &Segment) -> Result<Graph, Error> {
        let path = files::graph(dir, id);
        let (sections, is_measured) = match Sections::open(&path, KIND) {
            Ok(sections) => (sections, true),
            Err(error) => (Sections::open(&path, OLD_KIND).map_err(|_| error)?, false),
        };
        let shape = sections.slice::<Shape>(SHAPE).and_then(|shapes| shapes.first().copied());
        let shape = shape.ok_or_else(|| sections.damaged("the shape is missing"))?;
        if shape.segment != u64::from(segment.sections().checksum()) {
            return Err(sections.damaged("the graph is that of another segment"));
        }
        let levels = levels(&sections, shape, segment.vectors());
        let levels = levels.ok_or_else(|| sections.damaged("the sections do not fit the shape"))?;
        let number = |x: u64| usize::try_from(x).unwrap_or(0);
        let entry = u32::try_from(shape.entry).unwrap_or(NONE);
        Ok(Graph { rows: number(shape.rows), m: number(shape.m), entry, levels, is_measured, sections })
    }

    pub(crate) fn sections(&self) -> &Sections {
        &self.sections
    }

    /// Whether there are links. Without links, walks cost more than scans.
    pub(crate) fn has_links(&self) -> bool {
        self.rows > 0
    }

    /// Whether recall and cost of walks are known.
    pub(crate) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// A graph without links, if this one (over `rows` rows) shows that a new one would not be used either. That is assumed
    /// until there are twice as many rows.
    pub(crate) fn verdict(&self, rows: usize, now: usize) -> Option<Flat> {
        let holds = self.is_measured && !self.has_links() && now < rows.saturating_mul(2);
        holds.then(|| Flat { m: self.m, curve: self.curve().to_vec(), ..Flat::default() })
    }

    fn curve(&self) -> &[Point] {
        let curve = self.is_measured.then(|| self.sections.slice(CURVE));
        curve.flatten().unwrap_or_default()
    }

    /// How to walk to the best `k` matching rows; `None` if they should be scanned.
    pub(crate) fn plan(&self, k: usize, method: Method, matching: usize) -> Option<Plan> {
        match method {
            Method::Exact => None,
            Method::Auto { recall } => curve::plan(self.curve(), k, recall, (matching, self.rows)),
            // All of these rows are candidates anyway, so scan them.
            Method::Walk { ef } if matching <= ef.max(k) => None,
            Method::Walk { ef } => Some(Plan { ef: ef.max(k), most: usize::MAX }),
        }
    }

    fn lists(&self) -> Lists<'_> {
        Lists { links: self.sections.slice(LINKS).unwrap_or_default(), width: 2 * self.m }
    }

    /// The links of a node on a level from 1 on. `node` counts from the start of its level.
    fn upper_links(&self, level: &Range<usize>, node: u32) -> Result<&[u32], Error> {
        let lists = Lists { links: self.sections.slice(UPPER).unwrap_or_default(), width: self.m };
        lists.of(self.node(level, node)?).ok_or_else(|| self.broken())
    }

    /// The position of a node, and its number on the level below.
    fn place(&self, level: &Range<usize>, node: u32) -> Result<(u32, u32), Error> {
        let node = self.node(level, node)? as usize;
        let at = |section| self.sections.slice::<u32>(section).and_then(|all| all.get(node).copied());
        at(NODES).zip(at(DOWN)).ok_or_else(|| self.broken())
    }

    fn node(&self, level: &Range<usize>, node: u32) -> Result<u32, Error> {
        let node = level.start + node as usize;
        u32::try_from(node).ok().filter(|_| level.contains(&node)).ok_or_else(|| self.broken())
    }

    fn orphans(&self) -> &[u32] {
        self.sections.slice(ORPHANS).unwrap_or_default()
    }

    fn broken(&self) -> Error {
        self.sections.damaged("a link leads nowhere")
    }
}

/// The nodes of each level from 1 on; `None` if the lengths are inconsistent.
fn levels(sections: &Sections, shape: Shape, rows: usize) -> Option<Vec<Range<usize>>> {
    let m = usize::try_from(shape.m).ok()?;
    let found = |section| sections.slice::<u32>(section).map(<[u32]>::len);
    let mut levels = Vec::new();
    let mut end = 0usize;
    for &size in sections.slice::<u32>(SIZES)? {
        let start = end;
        end = end.checked_add(usize::try_from(size).ok()?)?;
        levels.push(start..end);
    }
    let linked = usize::try_from(shape.rows).ok()?;
    let fits = (linked == rows || linked == 0)
        && (1..=MOST_M).contains(&m)
        && found(LINKS)? == linked.checked_mul(2)?.checked_mul(m)?
        && found(NODES)? == end
        && found(DOWN)? == end
        && found(UPPER)? == end.checked_mul(m)?;
    fits.then_some(levels)
}

/// Writes graph `id` over `segment`.
pub(crate) fn write(dir: &Path, id: u64, segment: &Segment, flat: &Flat) -> Result<(), Error> {
    let Flat { m, entry, links, orphans, sizes, nodes, down, upper, curve } = flat;
    let shape = Shape {
        rows: flat.rows() as u64,
        m: *m as u64,
        entry: u64::from(*entry),
        segment: u64::from(segment.sections().checksum()),
    };
    let parts: [&[u8]; 8] = [
        bytemuck::bytes_of(&shape),
        bytemuck::cast_slice(links),
        bytemuck::cast_slice(orphans),
        bytemuck::cast_slice(sizes),
        bytemuck::cast_slice(nodes),
        bytemuck::cast_slice(down),
        bytemuck::cast_slice(upper),
        bytemuck::cast_slice(curve),
    ];
    let lengths: Vec<usize> = parts[..CURVE].iter().map(|part| part.len()).collect();
    let mut writer = SectionsWriter::create(&files::graph(dir, id), KIND, &lengths)?;
    for (section, bytes) in parts.into_iter().enumerate() {
        writer.write(section, bytes)?;
    }
    writer.finish()
}
