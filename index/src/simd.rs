//! The innermost loops, in a portable form and in forms for newer processors.
//!
//! The processor is detected once per process. All forms give the same results to the last bit: sums of codes are exact,
//! and floats are added in the order of [`dot`]. On ARM the compiler turns the portable forms into NEON, which is always
//! available.
#![expect(unsafe_code, reason = "intrinsics need the processor to have them, which is checked here")]

use std::sync::LazyLock;

use half::f16;

use crate::vector::{dot, kept};

/// The loops to use on this processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    codes: Codes,
    halves: Halves,
}

#[derive(Debug, Clone, Copy)]
enum Codes {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

#[derive(Debug, Clone, Copy)]
enum Halves {
    Portable,
    #[cfg(target_arch = "x86_64")]
    F16c,
}

impl Kernels {
    /// The best kernels for this processor.
    pub(crate) fn best() -> Kernels {
        static BEST: LazyLock<Kernels> = LazyLock::new(detect);
        *BEST
    }

    /// The kernels for any processor.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare the others with it"))]
    pub(crate) fn portable() -> Kernels {
        Kernels { codes: Codes::Portable, halves: Halves::Portable }
    }

    /// The sum of the products of a row's codes with the query's, and the sum of the row's codes. Both must have the same
    /// length, a multiple of 64.
    #[inline]
    pub(crate) fn products(self, row: &[u8], query: &[i8]) -> (i32, u32) {
        match self.codes {
            Codes::Portable => products_portable(row, query),
            // SAFETY: `detect` found AVX2.
            #[cfg(target_arch = "x86_64")]
            Codes::Avx2 => unsafe { x86::products_avx2(row, query) },
            // SAFETY: `detect` found AVX-512 F, BW and VNNI.
            #[cfg(target_arch = "x86_64")]
            Codes::Vnni => unsafe { x86::products_vnni(row, query) },
        }
    }

    /// [`Kernels::products`] of consecutive rows.
    pub(crate) fn products_of_all(self, rows: &[u8], query: &[i8], found: &mut Vec<(i32, u32)>) {
        found.clear();
        match self.codes {
            Codes::Portable => {
                found.extend(rows.chunks_exact(query.len()).map(|row| products_portable(row, query)));
            }
            // SAFETY: `detect` found AVX2.
            #[cfg(target_arch = "x86_64")]
            Codes::Avx2 => unsafe { x86::products_of_all_avx2(rows, query, found) },
            // SAFETY: `detect` found AVX-512 F, BW and VNNI.
            #[cfg(target_arch = "x86_64")]
            Codes::Vnni => unsafe { x86::products_of_all_vnni(rows, query, found) },
        }
    }

    /// The [`dot`] of a stored vector and floats of the same length.
    pub(crate) fn dot_kept(self, halves: &[f16], inverse_length: f32, floats: &[f32]) -> f32 {
        match self.halves {
            Halves::Portable => dot(&kept(halves, inverse_length), floats),
            // SAFETY: `detect` found AVX2 and F16C.
            #[cfg(target_arch = "x86_64")]
            Halves::F16c => unsafe { x86::dot_kept_f16c(halves, inverse_length, floats) },
        }
    }

    /// Prefetches the cache lines of a row.
    #[inline]
    pub(crate) fn prefetch(row: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        for line in row.chunks(64) {
            // SAFETY: every x86-64 processor has SSE, and prefetching changes nothing.
            unsafe {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Kernels {
    let avx2 = is_x86_feature_detected!("avx2");
    let vnni = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni");
    let codes = match (vnni, avx2) {
        (true, _) => Codes::Vnni,
        (false, true) => Codes::Avx2,
        (false, false) => Codes::Portable,
    };
    let f16c = avx2 && is_x86_feature_detected!("f16c");
    Kernels { codes, halves: if f16c { Halves::F16c } else { Halves::Portable } }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Kernels {
    Kernels { codes: Codes::Portable, halves: Halves::Portable }
}

fn products_portable(row: &[u8], query: &[i8]) -> (i32, u32) {
    row.iter().zip(query).fold((0i32, 0u32), |(products, sum), (&code, &query)| {
        (products.wrapping_add(i32::from(code) * i32::from(query)), sum.wrapping_add(u32::from(code)))
    })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::f16;

    use crate::vector::{self, LANES};

    #[target_feature(enable = "avx2")]
    pub(super) fn products_of_all_avx2(rows: &[u8], query: &[i8], found: &mut Vec<(i32, u32)>) {
        found.extend(rows.chunks_exact(query.len()).map(|row| products_avx2(row, query)));
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn products_of_all_vnni(rows: &[u8], query: &[i8], found: &mut Vec<(i32, u32)>) {
        found.extend(rows.chunks_exact(query.len()).map(|row| products_vnni(row, query)));
    }

    /// Widens codes to 16 bits, because the sum of two 8-bit products of a `u8` and an `i8` can overflow.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn products_avx2(row: &[u8], query: &[i8]) -> (i32, u32) {
        let mut products = _mm256_setzero_si256();
        let mut sums = _mm256_setzero_si256();
        for (row, query) in row.as_chunks::<32>().0.iter().zip(query.as_chunks::<32>().0) {
            // SAFETY: both are 32 bytes long, and the loads need no alignment.
            let (row, query) = unsafe {
                (_mm256_loadu_si256(row.as_ptr().cast()), _mm256_loadu_si256(query.as_ptr().cast()))
            };
            let low = _mm256_madd_epi16(
                _mm256_cvtepu8_epi16(_mm256_castsi256_si128(row)),
                _mm256_cvtepi8_epi16(_mm256_castsi256_si128(query)),
            );
            let high = _mm256_madd_epi16(
                _mm256_cvtepu8_epi16(_mm256_extracti128_si256::<1>(row)),
                _mm256_cvtepi8_epi16(_mm256_extracti128_si256::<1>(query)),
            );
            products = _mm256_add_epi32(products, _mm256_add_epi32(low, high));
            sums = _mm256_add_epi64(sums, _mm256_sad_epu8(row, _mm256_setzero_si256()));
        }
        (total(products), total(sums).cast_unsigned())
    }

    /// The sum of all 32-bit lanes. (It also works for 64-bit lanes whose upper halves are zero.)
    #[inline]
    #[target_feature(enable = "avx2")]
    fn total(lanes: __m256i) -> i32 {
        let four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
        let two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<1>(two)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn products_vnni(row: &[u8], query: &[i8]) -> (i32, u32) {
        let mut products = _mm512_setzero_si512();
        let mut sums = _mm512_setzero_si512();
        let ones = _mm512_set1_epi8(1);
        for (row, query) in row.as_chunks::<64>().0.iter().zip(query.as_chunks::<64>().0) {
            // SAFETY: both are 64 bytes long, and the loads need no alignment.
            let (row, query) = unsafe {
                (_mm512_loadu_si512(row.as_ptr().cast()), _mm512_loadu_si512(query.as_ptr().cast()))
            };
            products = _mm512_dpbusd_epi32(products, row, query);
            sums = _mm512_dpbusd_epi32(sums, row, ones);
        }
        (_mm512_reduce_add_epi32(products), _mm512_reduce_add_epi32(sums).cast_unsigned())
    }

    /// Same as [`dot`](crate::vector::dot), in the same order, and without fused multiply-add, which would round differently.
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn dot_kept_f16c(halves: &[f16], inverse_length: f32, floats: &[f32]) -> f32 {
        let (half_lanes, half_rest) = halves.as_chunks::<LANES>();
        let (float_lanes, float_rest) = floats.as_chunks::<LANES>();
        let inverse_length = _mm256_set1_ps(inverse_length);
        let mut sums = [_mm256_setzero_ps(); LANES / 8];
        for (halves, floats) in half_lanes.iter().zip(float_lanes) {
            add_products(&mut sums, halves, inverse_length, floats);
        }
        if !half_rest.is_empty() {
            // A sum is never minus zero, so adding zero does not change it.
            let (mut halves, mut floats) = ([f16::ZERO; LANES], [0.0; LANES]);
            halves[..half_rest.len()].copy_from_slice(half_rest);
            floats[..float_rest.len()].copy_from_slice(float_rest);
            add_products(&mut sums, &halves, inverse_length, &floats);
        }
        let mut lanes = [0.0f32; LANES];
        for (lanes, sums) in lanes.as_chunks_mut::<8>().0.iter_mut().zip(sums) {
            // SAFETY: there is room for 8 numbers, and the store needs no alignment.
            unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), sums) };
        }
        vector::total(&lanes)
    }

    #[inline]
    #[target_feature(enable = "avx2,f16c")]
    fn add_products(
        sums: &mut [__m256; LANES / 8],
        halves: &[f16; LANES],
        inverse_length: __m256,
        floats: &[f32; LANES],
    ) {
        let (halves, floats) = (halves.as_chunks::<8>().0, floats.as_chunks::<8>().0);
        for ((sum, halves), floats) in sums.iter_mut().zip(halves).zip(floats) {
            // SAFETY: both hold 8 numbers, and the loads need no alignment.
            let (halves, floats) =
                unsafe { (_mm_loadu_si128(halves.as_ptr().cast()), _mm256_loadu_ps(floats.as_ptr())) };
            let kept = _mm256_mul_ps(_mm256_cvtph_ps(halves), inverse_length);
            *sum = _mm256_add_ps(*sum, _mm256_mul_ps(kept, floats));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set of kernels that this processor can run.
    fn all() -> Vec<Kernels> {
        let mut all = vec![Kernels::portable(), Kernels::best()];
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            all.push(Kernels { codes: Codes::Avx2, ..Kernels::best() });
        }
        all
    }

    #[test]
    fn products_are_those_of_the_portable_loop() {
        for len in [64, 128, 384, 512, 65_536] {
            let extremes = (vec![255u8; len], vec![-127i8; len]);
            let bytes = |step: u8| {
                (0..len).scan(0u8, move |byte, _| {
                    *byte = byte.wrapping_add(step);
                    Some(*byte)
                })
            };
            let mixed = (bytes(151).collect(), bytes(89).map(|byte| byte.cast_signed().max(-127)).collect());
            for (row, query) in [extremes, mixed] {
                let expected = products_portable(&row, &query);
                for kernels in all() {
                    assert_eq!(kernels.products(&row, &query), expected, "{kernels:?} {len}");
                    let mut found = Vec::new();
                    kernels.products_of_all(&row.repeat(2), &query, &mut found);
                    assert_eq!(found, [expected, expected], "{kernels:?} {len}");
                }
            }
        }
    }

    #[test]
    fn dots_are_those_of_the_portable_loop_to_the_last_bit() {
        for len in [1, 7, 8, 31, 32, 33, 63, 64, 100, 384, 512, 1_001] {
            for scale in [1.0, 1e-3, 6e4] {
                let floats: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin()).collect();
                let halves: Vec<f16> =
                    (0..len).map(|i| f16::from_f32((i as f32 * 0.73).cos() * scale)).collect();
                let inverse_length = 0.731 / scale;
                let expected = Kernels::portable().dot_kept(&halves, inverse_length, &floats);
                for kernels in all() {
                    let found = kernels.dot_kept(&halves, inverse_length, &floats);
                    assert_eq!(found.to_bits(), expected.to_bits(), "{kernels:?} {len}: {found} {expected}");
                }
            }
        }
    }
}
