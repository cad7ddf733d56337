//! The vector space of a model. Only vectors of the same space can be compared.
//!
//! On disk: `dim` as a little-endian `u32`, the length of `id` as another, the bytes of `id`, and the bytes of
//! `label` to the end.

/// The most dimensions of a space. Up to this, sums of products of two 8-bit codes fit 32 bits:
/// 127 × 127 × 65,535 < 2³¹.
pub const MAX_DIM: usize = 65_535;

/// The vector space of a model.
///
/// Two spaces are equal if their ids and dimensions are equal; the label is only for people.
#[derive(Debug, Clone)]
pub struct Space {
    id: String,
    label: String,
    dim: usize,
}

/// Why a space is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpaceError {
    /// Vectors have 1 to [`MAX_DIM`] dimensions.
    #[error("a space cannot have {found} dimensions, only 1 to {MAX_DIM}")]
    Dimension {
        /// The requested dimensions.
        found: usize,
    },
}

impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        self.id == other.id && self.dim == other.dim
    }
}

impl Eq for Space {}

impl Space {
    /// A space of vectors with `dim` components. `id`, such as a hash of the model, decides whether two vectors can be
    /// compared. `label` is the model's name for people.
    ///
    /// # Errors
    /// [`SpaceError::Dimension`] unless `dim` is 1 to [`MAX_DIM`].
    pub fn new(id: impl Into<String>, label: impl Into<String>, dim: usize) -> Result<Space, SpaceError> {
        match dim {
            1..=MAX_DIM => Ok(Space { id: id.into(), label: label.into(), dim }),
            found => Err(SpaceError::Dimension { found }),
        }
    }

    /// The id, which decides whether two vectors can be compared.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The model's name for people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The number of components of each vector, 1 to [`MAX_DIM`].
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `None` if a number does not fit its field.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let dim = u32::try_from(self.dim).ok()?;
        let id_len = u32::try_from(self.id.len()).ok()?;
        Some([&dim.to_le_bytes(), &id_len.to_le_bytes(), self.id.as_bytes(), self.label.as_bytes()].concat())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Space> {
        let (dim, rest) = bytes.split_first_chunk()?;
        let (id_len, rest) = rest.split_first_chunk()?;
        let (id, label) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*id_len)).ok()?)?;
        let dim = usize::try_from(u32::from_le_bytes(*dim)).ok()?;
        Space::new(str::from_utf8(id).ok()?, str::from_utf8(label).ok()?, dim).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: &str, label: &str, dim: usize) -> Space {
        Space::new(id, label, dim).unwrap()
    }

    #[test]
    fn dimensions_are_checked() {
        #[track_caller]
        fn check(dim: usize, is_right: bool) {
            let expected = if is_right { Ok(dim) } else { Err(SpaceError::Dimension { found: dim }) };
            assert_eq!(Space::new("id", "label", dim).map(|space| space.dim()), expected);
        }
        check(0, false);
        check(1, true);
        check(MAX_DIM, true);
        check(MAX_DIM + 1, false);
    }

    #[test]
    fn label_does_not_decide_equality() {
        assert_eq!(space("a", "x", 3), space("a", "y", 3));
        assert_ne!(space("a", "x", 3), space("b", "x", 3));
        assert_ne!(space("a", "x", 3), space("a", "x", 4));
    }

    #[test]
    fn bytes_round_trip() {
        for space in [space("", "", 1), space("id", "ä label", MAX_DIM)] {
            let read = Space::from_bytes(&space.to_bytes().unwrap()).unwrap();
            assert_eq!((&read, &read.label), (&space, &space.label));
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let whole = space("id", "", 7).to_bytes().unwrap();
        for cut in 0..whole.len() {
            assert_eq!(Space::from_bytes(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(Space::from_bytes(&[0, 0, 0, 0, 1, 0, 0, 0, b'i']), None, "no dimension");
        assert_eq!(Space::from_bytes(&[1, 0, 0, 0, 1, 0, 0, 0, 0xff]), None, "no text");
    }
}
