"""Photo-like pictures, and writers for formats that Pillow cannot write."""

import struct
import zlib

import numpy as np
import tifffile
from PIL import Image, ImageOps

JPEG = {"quality": 88}


def photo(width, height, seed=1):
    """A photo-like picture: clouds with a natural spectrum, and a few shapes with edges."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    falloff = 1 / np.maximum(np.hypot(fx, fy), 1 / max(width, height)) ** 1.7
    channels = []
    base = rng.normal(size=(height, width))
    for _ in range(3):
        noise = 0.7 * base + 0.3 * rng.normal(size=(height, width))
        cloud = np.fft.irfft2(np.fft.rfft2(noise) * falloff, s=(height, width))
        spread = cloud.std() or 1
        channels.append(128 + 45 * (cloud - cloud.mean()) / spread)
    pixels = np.stack(channels, -1)
    y, x = np.mgrid[0:height, 0:width]
    for _ in range(4):
        cx, cy, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.1, 0.25) * min(width, height)
        pixels[np.hypot(x - cx, y - cy) < r] += rng.uniform(-50, 50, 3)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def with_alpha(picture):
    width, height = picture.size
    y, x = np.mgrid[0:height, 0:width]
    alpha = np.clip(400 - 500 * np.hypot(x / width - 0.5, y / height - 0.5) * 1.6, 0, 255).astype(np.uint8)
    picture = picture.copy()
    picture.putalpha(Image.fromarray(alpha))
    return picture


def gray16(picture):
    gray = np.asarray(picture.convert("L")).astype(np.uint16)
    fine = np.random.default_rng(3).integers(0, 256, gray.shape)
    return Image.fromarray((gray * 256 + fine).astype(np.uint16))


def oriented(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png16(picture, path):
    """RGB of 16 bits, which Pillow reads (as 8) but does not write."""
    pixels = np.asarray(picture).astype(np.uint16) * 257
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", *picture.size, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks:
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def ycck(picture, path):
    """Four inks of which three are turned into brightness and colours, which Pillow reads but does not write.

    They are saved as if they were inks; what they are stands in one byte of the APP14 segment.
    """
    inks = ImageOps.invert(picture).convert("YCbCr").split()
    inverted = [ink.point(lambda value: 255 - value) for ink in inks]  # Pillow inverts them again, as Adobe does
    Image.merge("CMYK", [*inverted, Image.new("L", picture.size, 25)]).save(path, **JPEG)
    with open(path, "r+b") as file:
        transform = file.read().index(b"Adobe") + 11
        file.seek(transform)
        file.write(b"\2")


def few_bits_tiff(bits, interpretation, order="<", is_reversed=False):
    """TIFF of 1, 2 or 4 bits a pixel, which Pillow reads but does not write."""

    def save(picture, path):
        colours = 1 << bits
        pixels = picture.convert("L")
        numbers = np.asarray(pixels).astype(np.uint16) * colours // 256
        width, height = picture.size
        places = 8 // bits
        padded = np.pad(numbers, ((0, 0), (0, -width % places))).reshape(height, -1, places)
        packed = (padded << (8 - bits - bits * np.arange(places))).sum(-1).astype(np.uint8).tobytes()
        palette = np.random.default_rng(bits).integers(0, 65536, 3 * colours).astype(order + "u2").tobytes()
        if is_reversed:
            packed = packed.translate(bytes(int("{:08b}".format(byte)[::-1], 2) for byte in range(256)))
        more = {266: (3, 1, 2)} if is_reversed else {}
        if interpretation == 3:
            more[320] = (3, 3 * colours, 8 + len(packed))
        write_tiff(path, order, picture.size, (bits, interpretation, 1), packed, palette, more)

    return save


def write_tiff(path, order, size, meaning, strip, behind=b"", more=()):
    """TIFF of one strip. A directory entry has a tag, a type, the number of values, and the values or their offset."""
    bits, interpretation, samples = meaning
    entries = {
        256: (3, 1, size[0]), 257: (3, 1, size[1]), 258: (3, 1, bits), 259: (3, 1, 1), 262: (3, 1, interpretation),
        273: (4, 1, 8), 277: (3, 1, samples), 278: (3, 1, size[1]), 279: (4, 1, len(strip)), **dict(more),
    }
    directory = struct.pack(order + "H", len(entries))
    for tag, (kind, count, *values) in sorted(entries.items()):
        directory += struct.pack(order + "HHI", tag, kind, count)
        directory += struct.pack(order + ("H" if kind == 3 and count <= 2 else "I") * len(values), *values).ljust(4, b"\0")
    at = 8 + len(strip) + len(behind)
    with open(path, "wb") as file:
        file.write({"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, at))
        file.write(strip + behind + directory + bytes(4))


def ycbcr_tiff(across, down):
    """TIFF with subsampled chroma."""

    def save(picture, path):
        y, cb, cr = (np.asarray(channel).astype(int) for channel in picture.convert("YCbCr").split())
        height, width = y.shape
        ends = ((0, -height % down), (0, -width % across))
        y, cb, cr = (np.pad(channel, ends, mode="edge") for channel in (y, cb, cr))
        units = lambda a: a.reshape(a.shape[0] // down, down, a.shape[1] // across, across).swapaxes(1, 2)
        mean = lambda a: units(a).mean((2, 3)).round()[..., None]
        strip = np.concatenate([units(y).reshape(*units(y).shape[:2], -1), mean(cb), mean(cr)], -1)
        # Compressed, because Pillow reads every uncompressed strip as if it had no subsampling.
        packed = zlib.compress(strip.astype(np.uint8).tobytes())
        write_tiff(path, "<", (width, height), (8, 6, 3), packed, more={259: (3, 1, 8), 530: (3, 2, across, down)})

    return save


def tiff(**how):
    """TIFF written by tifffile, for variants that Pillow cannot write."""

    def save(picture, path):
        pixels = np.asarray(picture)
        if how.pop("sixteen", False):
            pixels = pixels.astype(np.uint16) * 257
        if how.get("planarconfig") == "separate":
            pixels = pixels.transpose(2, 0, 1)
        tifffile.imwrite(path, pixels, metadata=None, software=None, **how)

    return save


def premultiplied(picture):
    """RGB multiplied by alpha, and alpha."""
    pixels = np.asarray(picture).astype(int)
    alpha = pixels[..., 3:]
    return Image.fromarray(np.concatenate([(pixels[..., :3] * alpha + 127) // 255, alpha], -1).astype(np.uint8))
