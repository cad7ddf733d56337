//! Memory-mapped files.
//!
//! Only immutable files are mapped: the writer gives a file its name when it is complete, and later only removes it.
#![expect(unsafe_code, reason = "a file that changes under a map would be undefined behaviour")]

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::Error;

#[cfg(target_endian = "big")]
compile_error!("mapped files contain little-endian numbers, which are used in place");

/// Maps a file that is never changed.
pub(crate) fn read(path: &Path) -> Result<Mmap, Error> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    // SAFETY: segments and graphs are written under another name and never changed under this one. No program that maps
    // files can protect itself against someone else who writes to them meanwhile.
    unsafe { Mmap::map(&file) }.map_err(Error::io("map", path))
}

/// How a part of a map will be read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reading {
    /// Completely. It is read from disk, cached and mapped in large pages.
    Whole,
    /// Single rows here and there. Mapping 2 MB for each of them would be a waste.
    Rows,
    /// Completely and now: one call reads and maps everything. Otherwise pages are mapped when touched, sixteen at a time,
    /// which takes 16,000 page faults per gigabyte.
    Now,
}

/// Tells the kernel how a part will be read. This is only advice: a system that ignores it reads the bytes when touched.
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
