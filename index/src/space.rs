//! Which model made the vectors: only vectors of one space can be compared.
//!
//! On disk: `dim` as a little-endian `u32`, the length of `id` as another, the bytes of `id`, and the bytes of
//! `label` to the end.

/// The most dimensions a space can have. Sums of products of two 8-bit codes then stay within 32 bits:
/// 127 × 127 × 65,535 < 2³¹.
pub const MAX_DIM: usize = 65_535;

/// Which model made the vectors.
///
/// Two spaces are equal when `id` and `dim` are; `label` is only for people.
#[derive(Debug, Clone)]
pub struct Space {
    /// Decides whether two vectors can be compared, such as a hash of the model.
    pub id: String,
    /// The name people know the model by.
    pub label: String,
    /// How many components each vector has, 1 to [`MAX_DIM`].
    pub dim: usize,
}

impl PartialEq for Space {
    fn eq(&self, other: &Space) -> bool {
        self.id == other.id && self.dim == other.dim
    }
}

impl Eq for Space {}

impl Space {
    /// `None` when a number is too large for its field.
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
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        (1..=MAX_DIM).contains(&dim).then_some(Space { id: text(id)?, label: text(label)?, dim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(id: &str, label: &str, dim: usize) -> Space {
        Space { id: id.into(), label: label.into(), dim }
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
        assert_eq!(Space::from_bytes(&space("id", "", 0).to_bytes().unwrap()), None);
        assert_eq!(Space::from_bytes(&[1, 0, 0, 0, 1, 0, 0, 0, 0xff]), None);
    }
}
