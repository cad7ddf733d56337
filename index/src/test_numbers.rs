//! Reproducible pseudo-random numbers for tests.

/// The finaliser of SplitMix64.
pub(crate) fn mix(x: u64) -> u64 {
    let x = (x.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Between -1 and 1.
pub(crate) fn spread(x: u64) -> f32 {
    f32::from(u16::try_from(mix(x) >> 48).unwrap()) / 32_768.0 - 1.0
}
