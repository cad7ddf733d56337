//! Bindings to libheif's C interface.
//!
//! One of the unsafe files listed in ARCHITECTURE.md. Each function below has had this signature since libheif 1.3 (2018).
//! Dropping a value frees what libheif allocated for it.

#![expect(unsafe_code, reason = "libheif is a C library, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};

use image::{DynamicImage, RgbImage, RgbaImage};

use super::super::DecodeError;
use super::super::raster::Alpha;

/// `heif_colorspace_RGB`.
const RGB: c_int = 1;
/// `heif_chroma_interleaved_RGB`, three bytes per pixel.
const INTERLEAVED_RGB: c_int = 10;
/// `heif_chroma_interleaved_RGBA`, four bytes per pixel.
const INTERLEAVED_RGBA: c_int = 11;
/// `heif_channel_interleaved`.
const INTERLEAVED: c_int = 10;
/// `heif_error_Unsupported_filetype` and `heif_error_Unsupported_feature`.
const UNSUPPORTED: [c_int; 2] = [3, 4];
/// `heif_suberror_Unsupported_codec`, and its successor in newer versions: the file is fine, but this libheif was built
/// without the needed codec.
const NO_CODEC: [c_int; 2] = [3000, 6003];
/// `heif_error_Memory_allocation_error`, also used for libheif's own size limits.
const TOO_LARGE: c_int = 6;

/// `struct heif_error`.
#[repr(C)]
struct HeifError {
    code: c_int,
    subcode: c_int,
    message: *const c_char,
}

// Opaque pointers of libheif.
type Context = *mut c_void;
type Handle = *mut c_void;
type Image = *mut c_void;

/// `heif_compression_HEVC`, used in HEIC.
const HEVC: c_int = 1;
/// `heif_compression_AV1`, used in AVIF.
const AV1: c_int = 4;

/// A loaded libheif.
pub(super) struct Library {
    version: unsafe extern "C" fn() -> *const c_char,
    have_decoder: unsafe extern "C" fn(c_int) -> c_int,
    context_alloc: unsafe extern "C" fn() -> Context,
    context_free: unsafe extern "C" fn(Context),
    set_threads: Option<unsafe extern "C" fn(Context, c_int)>,
    read_memory: unsafe extern "C" fn(Context, *const c_void, usize, *const c_void) -> HeifError,
    primary_handle: unsafe extern "C" fn(Context, *mut Handle) -> HeifError,
    handle_release: unsafe extern "C" fn(Handle),
    handle_width: unsafe extern "C" fn(Handle) -> c_int,
    handle_height: unsafe extern "C" fn(Handle) -> c_int,
    has_alpha: unsafe extern "C" fn(Handle) -> c_int,
    is_premultiplied: Option<unsafe extern "C" fn(Handle) -> c_int>,
    decode_image: unsafe extern "C" fn(Handle, *mut Image, c_int, c_int, *const c_void) -> HeifError,
    image_release: unsafe extern "C" fn(Image),
    image_width: unsafe extern "C" fn(Image, c_int) -> c_int,
    image_height: unsafe extern "C" fn(Image, c_int) -> c_int,
    plane: unsafe extern "C" fn(Image, c_int, *mut c_int) -> *const u8,
    /// Keeps the libraries loaded, because the functions above point into them.
    _libraries: Vec<libloading::Library>,
}

impl Library {
    /// Loads the library at `path`, or one of this name from the system's places; `None` if that fails. The codecs are loaded
    /// first, because libheif refers to them only by name.
    pub(super) fn open(path: &Path, codecs: &[PathBuf]) -> Option<Library> {
        // SAFETY: codecs beside libheif are trusted like libheif itself.
        let mut libraries: Vec<_> =
            codecs.iter().filter_map(|path| unsafe { libloading::Library::new(path) }.ok()).collect();
        // SAFETY: a file named libheif is trusted to be libheif, whose initialisers only register its codecs.
        let library = unsafe { libloading::Library::new(path) }.ok()?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the field it goes to has the signature that libheif's header declares.
                *unsafe { library.get($name) }.ok()?
            };
        }
        let functions = Library {
            version: function!(b"heif_get_version"),
            have_decoder: function!(b"heif_have_decoder_for_format"),
            context_alloc: function!(b"heif_context_alloc"),
            context_free: function!(b"heif_context_free"),
            // SAFETY: as above; libheif has had it since 1.13.
            set_threads: unsafe { library.get(b"heif_context_set_max_decoding_threads") }
                .ok()
                .map(|found| *found),
            read_memory: function!(b"heif_context_read_from_memory_without_copy"),
            primary_handle: function!(b"heif_context_get_primary_image_handle"),
            handle_release: function!(b"heif_image_handle_release"),
            handle_width: function!(b"heif_image_handle_get_width"),
            handle_height: function!(b"heif_image_handle_get_height"),
            has_alpha: function!(b"heif_image_handle_has_alpha_channel"),
            // SAFETY: as above; libheif has had it since 1.12.
            is_premultiplied: unsafe { library.get(b"heif_image_handle_is_premultiplied_alpha") }
                .ok()
                .map(|found| *found),
            decode_image: function!(b"heif_decode_image"),
            image_release: function!(b"heif_image_release"),
            image_width: function!(b"heif_image_get_width"),
            image_height: function!(b"heif_image_get_height"),
            plane: function!(b"heif_image_get_plane_readonly"),
            _libraries: Vec::new(),
        };
        libraries.push(library);
        Some(Library { _libraries: libraries, ..functions })
    }

    /// Its version, such as `1.23.0`.
    pub(super) fn version(&self) -> String {
        // SAFETY: it returns a string that is part of the library.
        unsafe { CStr::from_ptr((self.version)()) }.to_string_lossy().into_owned()
    }

    pub(super) fn reads_heic(&self) -> bool {
        // SAFETY: it accepts any number.
        unsafe { (self.have_decoder)(HEVC) != 0 }
    }

    pub(super) fn reads_avif(&self) -> bool {
        // SAFETY: as above.
        unsafe { (self.have_decoder)(AV1) != 0 }
    }

    /// Decodes the main picture of a file. `check` gets the size before anything is decoded.
    pub(super) fn decode(
        &self,
        bytes: &[u8],
        name: &str,
        check: impl Fn((u32, u32)) -> Result<(), DecodeError>,
    ) -> Result<Heif, DecodeError> {
        // SAFETY: it takes no arguments.
        let context = Owned { pointer: unsafe { (self.context_alloc)() }, free: self.context_free };
        if let Some(set_threads) = self.set_threads {
            // SAFETY: the context is alive. (No threads: every core is already decoding a picture.)
            unsafe { set_threads(context.pointer, 0) };
        }
        // SAFETY: `bytes` outlives the context, which reads from it without copying.
        let read = unsafe { (self.read_memory)(context.pointer, bytes.as_ptr().cast(), bytes.len(), null()) };
        worked(&read, name)?;
        let mut handle = Owned { pointer: null_mut(), free: self.handle_release };
        // SAFETY: the context is alive; the handle is written only on success.
        worked(&unsafe { (self.primary_handle)(context.pointer, &raw mut handle.pointer) }, name)?;
        // SAFETY: the handle is alive.
        let size = unsafe { ((self.handle_width)(handle.pointer), (self.handle_height)(handle.pointer)) };
        check((u32::try_from(size.0).unwrap_or(0), u32::try_from(size.1).unwrap_or(0)))?;
        Ok(Heif { pixels: self.pixels(&handle, name)?, alpha: self.alpha(&handle) })
    }

    fn pixels(&self, handle: &Owned, name: &str) -> Result<DynamicImage, DecodeError> {
        // SAFETY: the handle is alive.
        let has_alpha = unsafe { (self.has_alpha)(handle.pointer) } != 0;
        let (chroma, channels) = if has_alpha { (INTERLEAVED_RGBA, 4) } else { (INTERLEAVED_RGB, 3) };
        let mut image = Owned { pointer: null_mut(), free: self.image_release };
        // SAFETY: the handle is alive; the image is written only on success; null options mean defaults.
        let decoded =
            unsafe { (self.decode_image)(handle.pointer, &raw mut image.pointer, RGB, chroma, null()) };
        worked(&decoded, name)?;
        let (width, height, pixels) = self.rows(&image, channels).ok_or_else(no_pixels)?;
        let picture = if has_alpha {
            RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8)
        } else {
            RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
        };
        picture.ok_or_else(no_pixels)
    }

    /// Copies the rows into one buffer, without libheif's padding.
    fn rows(&self, image: &Owned, channels: usize) -> Option<(u32, u32, Vec<u8>)> {
        // SAFETY: the image is alive.
        let size = unsafe {
            ((self.image_width)(image.pointer, INTERLEAVED), (self.image_height)(image.pointer, INTERLEAVED))
        };
        let (width, height) = (u32::try_from(size.0).ok()?, u32::try_from(size.1).ok()?);
        let mut stride = 0;
        // SAFETY: the image is alive; the stride is written to.
        let plane = unsafe { (self.plane)(image.pointer, INTERLEAVED, &raw mut stride) };
        let (row, stride) = (width as usize * channels, usize::try_from(stride).ok()?);
        if plane.is_null() || stride < row {
            return None;
        }
        let mut pixels = Vec::with_capacity(row * height as usize);
        for y in 0..height as usize {
            // SAFETY: the plane has `height` rows of `stride` bytes, and `row` is no more than `stride`.
            pixels.extend_from_slice(unsafe { std::slice::from_raw_parts(plane.add(y * stride), row) });
        }
        Some((width, height, pixels))
    }

    fn alpha(&self, handle: &Owned) -> Alpha {
        // SAFETY: the handle is alive.
        let is_premultiplied = self.is_premultiplied.is_some_and(|ask| unsafe { ask(handle.pointer) != 0 });
        if is_premultiplied { Alpha::Premultiplied } else { Alpha::Separate }
    }
}

/// A decoded picture.
pub(super) struct Heif {
    pub(super) pixels: DynamicImage,
    /// How alpha is stored, if there is any.
    pub(super) alpha: Alpha,
}

/// An object of libheif that must be freed.
struct Owned {
    pointer: *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.pointer.is_null() {
            // SAFETY: libheif gave it to us, with this function to free it, and nothing uses it any more.
            unsafe { (self.free)(self.pointer) };
        }
    }
}

fn worked(error: &HeifError, name: &str) -> Result<(), DecodeError> {
    if error.code == 0 {
        return Ok(());
    }
    let message = if error.message.is_null() {
        "no reason given".into()
    } else {
        // SAFETY: a message is a NUL-terminated string that lives until the next call.
        unsafe { CStr::from_ptr(error.message) }.to_string_lossy()
    };
    Err(match error.code {
        _ if NO_CODEC.contains(&error.subcode) => {
            DecodeError::Unsupported { format: format!("{name} (libheif has no decoder for what it holds)") }
        }
        code if UNSUPPORTED.contains(&code) => {
            DecodeError::Unsupported { format: format!("{name} ({message})") }
        }
        TOO_LARGE => DecodeError::TooLarge { detail: message.into_owned() },
        _ => DecodeError::Damaged { detail: message.into_owned() },
    })
}

fn no_pixels() -> DecodeError {
    DecodeError::Damaged { detail: "libheif delivers no pixels".into() }
}
