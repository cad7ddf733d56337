//! What becomes of memory that was freed.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "there is no safe `mallopt`")
)]

/// Does `work`, and has the memory that this process frees meanwhile given back to the system at once.
///
/// While ONNX Runtime loads a tower it holds the weights twice, as they were read and as it wants them. Of the half it
/// frees glibc would keep most for later: indexing with ViT-B/32 of 32 bits had its peak at 730 to 910 MB, and has it at
/// 550 to 580 (`scripts/bench/index`). Other allocators are left as they are.
pub(super) fn giving_back<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// Smaller than any weights that count.
        const LOADING: libc::c_int = 256 << 10;
        /// The most that glibc takes, and where its own rules end up once something large was freed: to map a buffer of
        /// megabytes for every picture, or to give the heap's end back after it, takes 5 ms a photo.
        const RUNNING: libc::c_int = 32 << 20;
        let set = |parameter, bytes| {
            // SAFETY: it sets a number, under a lock of the allocator's.
            unsafe { libc::mallopt(parameter, bytes) };
        };
        set(libc::M_MMAP_THRESHOLD, LOADING);
        let done = work();
        set(libc::M_MMAP_THRESHOLD, RUNNING);
        set(libc::M_TRIM_THRESHOLD, 2 * RUNNING);
        done
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    work()
}
