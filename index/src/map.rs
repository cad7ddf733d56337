//! Files as memory.
//!
//! Only files that are never changed are mapped: the writer gives a file its name when it is complete, and from
//! then on can only remove the name.
#![expect(unsafe_code, reason = "a file that changes under a map would be undefined behaviour")]

use std::fs::File;
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
