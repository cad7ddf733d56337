//! Files as memory.
//!
//! Only files that are never changed are mapped: the writer gives a file its name when it is complete, and from
//! then on can only remove the name.
#![expect(unsafe_code, reason = "a file that changes under a map would be undefined behaviour")]

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::Error;

#[cfg(target_endian = "big")]
compile_error!("the numbers in mapped files are little-endian, and are used as they lie there");

/// Maps a file that is never changed.
pub(crate) fn read(path: &Path) -> Result<Mmap, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    // SAFETY: segments and graphs are written under another name and never changed under this one. Against
    // somebody else who writes into them while they are mapped, nothing that maps files can protect itself.
    unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))
}

/// How a part of a map is going to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// All of it: what has to come from disk is kept, and mapped, in large pages.
    Whole,
    /// A row here and there, for each of which no 2 MB are to be mapped.
    Rows,
    /// At once: it is mapped, and read where it is not in memory, in one call. Mapped where they are touched, sixteen
    /// pages at a time, a gigabyte of them takes 16,000 interruptions.
    Now,
}

/// Tells the kernel how a part is going to be read. It is only advice: a system that does not know it reads the same
/// bytes, as they are touched.
pub(crate) fn advise(map: &Mmap, part: Range<usize>, reading: Reading) {
    #[cfg(target_os = "linux")]
    {
        let advice = match reading {
            Reading::Whole => memmap2::Advice::HugePage,
            Reading::Rows => memmap2::Advice::NoHugePage,
            Reading::Now => memmap2::Advice::PopulateRead,
        };
        map.advise_range(advice, part.start, part.len()).ok();
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (map, part, reading);
}
