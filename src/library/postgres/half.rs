//! Vectors as pgvector's `halfvec`: half precision, which keeps scores to about 1e-4 at half the space.
//!
//! ```text
//! dimensions: u16   unused: u16   one f16 for each dimension     (all big-endian)
//! ```

use std::error::Error;

use bytes::BytesMut;
use half::f16;
use imgsearch_index::Vector;
use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The most dimensions of a `halfvec`.
pub(super) const MOST_DIMENSIONS: usize = 16_000;

/// The most dimensions that an HNSW graph of `halfvec` can have.
pub(super) const MOST_GRAPH_DIMENSIONS: usize = 4_000;

/// A vector on its way to the database.
#[derive(Debug)]
pub(super) struct Half(Vec<u8>);

impl Half {
    /// Rounds a vector, which must have at most [`MOST_DIMENSIONS`].
    pub(super) fn of(vector: &Vector) -> Half {
        let dim = u16::try_from(vector.dim()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(4 + 2 * vector.dim());
        bytes.extend(dim.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(vector.as_slice().iter().flat_map(|number| f16::from_f32(*number).to_be_bytes()));
        Half(bytes)
    }
}

fn is_halfvec(kind: &Type) -> bool {
    kind.name() == "halfvec"
}

impl ToSql for Half {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        is_halfvec(kind)
    }

    to_sql_checked!();
}

/// A vector from the database.
#[derive(Debug)]
pub(super) struct HalfVector(pub(super) Vector);

impl<'a> FromSql<'a> for HalfVector {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<HalfVector, Box<dyn Error + Sync + Send>> {
        let numbers = raw.get(4..).ok_or("a vector without dimensions")?.as_chunks().0;
        let numbers = numbers.iter().map(|bytes| f16::from_be_bytes(*bytes).to_f32());
        Ok(HalfVector(Vector::normalized(numbers.collect())?))
    }

    fn accepts(kind: &Type) -> bool {
        is_halfvec(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_round_trip() {
        let vector = Vector::normalized(vec![0.6, -0.8, 0.001]).unwrap();
        let half = Half::of(&vector);
        assert_eq!(half.0[..4], [0, 3, 0, 0]);
        let HalfVector(found) = HalfVector::from_sql(&Type::BYTEA, &half.0).unwrap();
        assert!((found.dot(&vector) - 1.0).abs() < 1e-6);
        assert!(HalfVector::from_sql(&Type::BYTEA, &[0, 0]).is_err());
        assert!(HalfVector::from_sql(&Type::BYTEA, &[0, 0, 0, 0]).is_err());
    }
}
