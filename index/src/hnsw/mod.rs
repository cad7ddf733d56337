//! The links of an HNSW graph (arXiv 1603.09320) over the rows of one segment, in a mapped file.
//!
//! `hnsw_rs` builds the graph ([`build`]); its links are taken out, chosen again among more candidates
//! ([`links`]), and laid out flat for our own walk ([`walk`]). The words `m`, `ef` and `level` are the paper's. Sections, see [`crate::sections`], all
//! numbers but those of the shape `u32`, and `u32::MAX` where there is none:
//!
//! ```text
//! 0 shape    rows, m, entry, checksum of the segment: 4 × u64
//! 1 links    rows × 2m, on level 0: positions
//! 2 orphans  positions that no way leads to from the entry; a walk compares them too
//! 3 sizes    how many nodes each level from 1 on has
//! 4 nodes    of each level from 1 on, its nodes: positions
//! 5 down     of each such node, which node of the level below it is; on level 1 the position
//! 6 upper    of each such node, m links: nodes of the same level
//! ```
//!
//! The entry is a node of the highest level, or a position where there is only level 0. Opening checks the
//! lengths; a link that leads nowhere is an error when a walk comes to it.

mod build;
mod links;
#[cfg(test)]
mod tests;
mod walk;

use std::ops::Range;
use std::path::Path;

use crate::sections::{Kind, Sections, SectionsWriter};
use crate::segment::Segment;
use crate::{Error, files};
pub(crate) use build::Builder;

const KIND: Kind = Kind { magic: *b"imgraph\0", format: 1, sections: 7 };

const SHAPE: usize = 0;
const LINKS: usize = 1;
const ORPHANS: usize = 2;
const SIZES: usize = 3;
const NODES: usize = 4;
const DOWN: usize = 5;
const UPPER: usize = 6;

/// Where a list of links ends before its last place.
pub(crate) const NONE: u32 = u32::MAX;

/// The first section.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Shape {
    rows: u64,
    m: u64,
    entry: u64,
    segment: u64,
}

/// The links in memory, as they will lie in the file.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    pub(crate) m: usize,
    pub(crate) entry: u32,
    pub(crate) links: Vec<u32>,
    pub(crate) orphans: Vec<u32>,
    pub(crate) sizes: Vec<u32>,
    pub(crate) nodes: Vec<u32>,
    pub(crate) down: Vec<u32>,
    pub(crate) upper: Vec<u32>,
}

/// Lists of links, one after another, each of at most `width`.
#[derive(Clone, Copy)]
struct Lists<'a> {
    links: &'a [u32],
    width: usize,
}

impl<'a> Lists<'a> {
    /// `None` where there is no such list.
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
    /// Which nodes belong to each level from 1 on.
    levels: Vec<Range<usize>>,
    sections: Sections,
}

impl Graph {
    /// Opens graph `id` over `segment`.
    pub(crate) fn open(dir: &Path, id: u64, segment: &Segment) -> Result<Graph, Error> {
        let sections = Sections::open(&files::graph(dir, id), KIND)?;
        let shape = sections.slice::<Shape>(SHAPE).and_then(|shapes| shapes.first().copied());
        let shape = shape.ok_or_else(|| sections.damaged("the shape is missing"))?;
        if shape.segment != u64::from(segment.sections().checksum()) {
            return Err(sections.damaged("the graph is that of another segment"));
        }
        let levels = levels(&sections, shape, segment.vectors());
        let levels = levels.ok_or_else(|| sections.damaged("the sections do not fit the shape"))?;
        let number = |x: u64| usize::try_from(x).unwrap_or(0);
        let entry = u32::try_from(shape.entry).unwrap_or(NONE);
        Ok(Graph { rows: number(shape.rows), m: number(shape.m), entry, levels, sections })
    }

    pub(crate) fn sections(&self) -> &Sections {
        &self.sections
    }

    fn lists(&self) -> Lists<'_> {
        Lists { links: self.sections.slice(LINKS).unwrap_or_default(), width: 2 * self.m }
    }

    /// The links of a node of a level from 1 on. `node` counts from the beginning of its level.
    fn upper_links(&self, level: &Range<usize>, node: u32) -> Result<&[u32], Error> {
        let lists = Lists { links: self.sections.slice(UPPER).unwrap_or_default(), width: self.m };
        lists.of(self.node(level, node)?).ok_or_else(|| self.broken())
    }

    /// The position of a node, and which node of the level below it is.
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

/// Which nodes belong to each level from 1 on; `None` where lengths do not fit.
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
    let fits = shape.rows == rows as u64
        && m > 0
        && found(LINKS)? == rows.checked_mul(2)?.checked_mul(m)?
        && found(NODES)? == end
        && found(DOWN)? == end
        && found(UPPER)? == end.checked_mul(m)?;
    fits.then_some(levels)
}

/// Writes graph `id` over `segment`.
pub(crate) fn write(dir: &Path, id: u64, segment: &Segment, flat: &Flat) -> Result<(), Error> {
    let Flat { m, entry, links, orphans, sizes, nodes, down, upper } = flat;
    let shape = Shape {
        rows: segment.vectors() as u64,
        m: *m as u64,
        entry: u64::from(*entry),
        segment: u64::from(segment.sections().checksum()),
    };
    let parts: [&[u8]; 7] = [
        bytemuck::bytes_of(&shape),
        bytemuck::cast_slice(links),
        bytemuck::cast_slice(orphans),
        bytemuck::cast_slice(sizes),
        bytemuck::cast_slice(nodes),
        bytemuck::cast_slice(down),
        bytemuck::cast_slice(upper),
    ];
    let lengths: Vec<usize> = parts[..UPPER].iter().map(|part| part.len()).collect();
    let mut writer = SectionsWriter::create(&files::graph(dir, id), KIND, &lengths)?;
    for (section, bytes) in parts.into_iter().enumerate() {
        writer.write(section, bytes)?;
    }
    writer.finish()
}
