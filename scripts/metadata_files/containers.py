"""Small pictures in every container, with metadata blocks in every position."""

import io
import struct
import zlib

import pillow_heif
import pillow_jxl  # noqa: F401, registers itself
from PIL import Image

from .blocks import DATE, FACTS, LONG, PLACE, SHORT, TURNED, directory, exif

pillow_heif.register_heif_opener()

SIZE = (60, 40)
RAW_SIZE = (5472, 3648)


def picture(size=SIZE):
    across = Image.linear_gradient("L").resize(size)
    down = across.transpose(Image.Transpose.ROTATE_180)
    return Image.merge("RGB", (across, down, Image.radial_gradient("L").resize(size)))


def saved(name, size=SIZE, **how):
    out = io.BytesIO()
    picture(size).save(out, name, **how)
    return out.getvalue()


def jpeg(*segments, size=SIZE):
    body = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return b"\xFF\xD8" + body + saved("JPEG", size)[2:]


def png(before=(), after=()):
    plain = saved("PNG")
    end = plain.index(b"IDAT") - 4
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    add = lambda chunks: b"".join(chunk(*each) for each in chunks)
    return plain[:end] + add(before) + plain[end:-12] + add(after) + plain[-12:]


def profile(name, data):
    digits = data.hex()
    lines = "\n".join(digits[i : i + 72] for i in range(0, len(digits), 72))
    return "\n{}\n{:8}\n{}\n".format(name, len(data), lines).encode()


def webp(*chunks):
    """The extended format, whose flags list the chunks that follow."""
    plain = saved("WEBP", lossless=True)[12:]
    flags = sum({b"EXIF": 8, b"XMP ": 4}[name] for name, _ in chunks)
    width, height = (struct.pack("<I", side - 1)[:3] for side in SIZE)
    body = b"WEBPVP8X" + struct.pack("<II", 10, flags) + width + height + plain
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(entries, shot=(), place=(), pointer=LONG):
    """8-bit grey in one strip, after all directories."""
    width, height = SIZE
    layout = {
        256: (SHORT, [width]), 257: (SHORT, [height]), 258: (SHORT, [8]), 259: (SHORT, [1]), 262: (SHORT, [1]),
        277: (SHORT, [1]), 278: (SHORT, [height]), 279: (LONG, [width * height]), 273: (LONG, [0]),
    }
    layout.update(entries)
    start = len(exif(layout, shot, place, pointer))
    layout[273] = (LONG, [start])
    return exif(layout, shot, place, pointer) + picture().convert("L").tobytes()


def box(name, *content):
    content = b"".join(content)
    return struct.pack(">I", len(content) + 8) + name + content


def jxl(*boxes):
    bare = saved("JXL", lossless=True)
    if not bare.startswith(b"\xff\x0a"):  # a container already
        return bare + b"".join(boxes)
    start = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return start + b"".join(boxes) + box(b"jxlc", bare)


def heif(name, data, xmp=None):
    out = io.BytesIO()
    picture().save(out, name, quality=80, exif=data, **({"xmp": xmp} if xmp else {}))
    return out.getvalue()


def cr3():
    size = {256: (LONG, [RAW_SIZE[0]]), 257: (LONG, [RAW_SIZE[1]])}
    first = exif({**TURNED, **size, 0x0132: (2, "2024:01:01 00:00:00")})
    second = exif({**DATE, 0x9291: (2, "92"), 0x9011: (2, "+02:00")})
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    boxes = box(b"uuid", canon, box(b"CMT1", first), box(b"CMT2", second), box(b"CMT4", exif(PLACE)))
    start = box(b"ftyp", b"crx \0\0\0\x01crx isom")
    return start + box(b"moov", boxes) + box(b"mdat", jpeg(size=(640, 480)))


def raf():
    head = b"FUJIFILMCCD-RAW 0201FF000000Test".ljust(84, b"\0")
    preview = jpeg((0xE1, b"Exif\0\0" + FACTS), size=(640, 480))
    entries = struct.pack(">IHHHH", 1, 0x0111, 4, RAW_SIZE[1], RAW_SIZE[0])
    return head + struct.pack(">IIIIII", 108, len(preview), 108 + len(preview), len(entries), 0, 0) + preview + entries


def dng(**extra):
    """IFD0 is a thumbnail; the RAW image is in a directory that IFD0 points to."""
    size = {254: (LONG, [0]), 256: (LONG, [RAW_SIZE[0] + 96]), 257: (LONG, [RAW_SIZE[1] + 60])}
    size[0xC620] = (LONG, list(RAW_SIZE))
    first = dict(TURNED)
    first.update({254: (LONG, [1]), 256: (LONG, [160]), 257: (LONG, [120]), 0xC612: (1, b"\1\4\0\0"), 0x014A: (LONG, [0])})
    first.update(extra.get("entries", {}))
    start = len(exif(first, DATE, PLACE))
    first[0x014A] = (LONG, [start])
    return exif(first, DATE, PLACE) + directory(size, start) + jpeg(size=(640, 480))
