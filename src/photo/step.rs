//! What is done to the content of a file besides decoding and embedding it.

use minicbor::{Decode, Encode};

/// Something that is done to the content of a file, and the version of how it is done.
///
/// A record notes the steps that its content had, beside the version of the decoder. A run names those that it asks for.
/// A content that lacks one is decoded once more, and where its pixels are the same it keeps its vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    #[n(0)]
    id: u32,
    #[n(1)]
    version: u32,
}

impl Step {
    /// The step with this number, which never stands for another one. Its version is raised whenever it gives something
    /// different.
    pub const fn new(id: u32, version: u32) -> Step {
        Step { id, version }
    }
}
