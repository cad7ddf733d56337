"""All pictures of the matrix: extension, description, bytes, and the expected metadata."""

import json
import struct
import zlib

from .blocks import (
    CAMERA, DATE, DOUBLE, FACTS, IFD, LONG, PACKET, PLACE, RATIONAL, RIGHT, RIGHT_IPTC, RIGHT_XMP, SLONG, SRATIONAL, TURNED,
    WORDS, XMP, exif, iptc, resources,
)
from .containers import RAW_SIZE, box, cr3, dng, heif, jpeg, jxl, png, profile, raf, tiff, webp


def containers():
    """The same EXIF block in each container and position."""
    segment, front = b"Exif\0\0" + FACTS, b"http://ns.adobe.com/xap/1.0/\0"
    almost = b"Exif\0\0" + exif({0x0131: (2, "An editor")})
    yield "jpg", "exif", jpeg((0xE1, segment)), RIGHT
    yield "jpg", "exif, second segment", jpeg((0xE1, almost), (0xE1, segment)), RIGHT
    yield "jpg", "exif, behind XMP", jpeg((0xE1, front + XMP.format("").encode()), (0xE1, segment)), dict(RIGHT, **WORDS)
    yield "jpg", "exif, behind MPF", jpeg((0xE2, b"MPF\0II*\0\x08\0\0\0\0\0\0\0\0\0"), (0xE1, segment)), RIGHT
    yield "png", "eXIf", png([(b"eXIf", FACTS)]), RIGHT
    yield "png", "eXIf, behind the pixels", png([], [(b"eXIf", FACTS)]), RIGHT
    yield "png", "eXIf, with a prefix", png([(b"eXIf", segment)]), RIGHT
    for name in ("exif", "APP1"):
        key, text = b"Raw profile type " + name.encode(), profile(name.lower(), segment)
        yield "png", "profile {}, tEXt".format(name), png([(b"tEXt", key + b"\0" + text)]), RIGHT
        yield "png", "profile {}, zTXt".format(name), png([], [(b"zTXt", key + b"\0\0" + zlib.compress(text))]), RIGHT
        yield "png", "profile {}, iTXt".format(name), png([(b"iTXt", key + b"\0\0\0\0\0" + text)]), RIGHT
    yield "webp", "EXIF", webp((b"EXIF", FACTS)), RIGHT
    yield "webp", "EXIF, with a prefix", webp((b"EXIF", segment)), RIGHT
    for name, pointer in (("LONG", LONG), ("SLONG", SLONG), ("IFD", IFD)):
        yield "tif", "pointers of type " + name, tiff(TURNED, DATE, PLACE, pointer), RIGHT
        yield "jpg", "pointers of type " + name, jpeg((0xE1, b"Exif\0\0" + exif(TURNED, DATE, PLACE, pointer))), RIGHT
    upright = dict(RIGHT, turned=False)
    for name in ("HEIF", "AVIF"):
        ending = {"HEIF": "heic", "AVIF": "avif"}[name]
        yield ending, "Exif", heif(name, b"Exif\0\0" + exif(CAMERA, DATE, PLACE)), upright
    yield "jxl", "Exif", jxl(box(b"Exif", bytes(4), FACTS)), upright
    raw = dict(RIGHT, size=RAW_SIZE[::-1])
    yield "cr3", "CMT1, CMT2, CMT4", cr3(), dict(raw, taken="2019-05-06T07:08:09.92+02:00")
    yield "raf", "Exif of the preview", raf(), raw
    yield "dng", "its directories", dng(), raw


def packets():
    key, segment = b"XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0" + PACKET
    yield "jpg", "xmp", jpeg((0xE1, segment)), RIGHT_XMP
    half = len(PACKET) // 2
    extended = lambda at, part: b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + struct.pack(">II", len(PACKET), at) + part
    main = b"http://ns.adobe.com/xap/1.0/\0" + (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="' + b"A" * 32 + b'"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    pieces = (0xE1, extended(0, PACKET[:half])), (0xE1, extended(half, PACKET[half:]))
    yield "jpg", "xmp, extended", jpeg((0xE1, main), *pieces), RIGHT_XMP
    yield "png", "xmp, iTXt", png([(b"iTXt", key + b"\0\0\0\0\0" + PACKET)]), RIGHT_XMP
    yield "png", "xmp, iTXt behind the pixels", png([], [(b"iTXt", key + b"\0\1\0\0\0" + zlib.compress(PACKET))]), RIGHT_XMP
    for name, data in (("xmp", PACKET), ("APP1", segment)):
        text = zlib.compress(profile(name.lower(), data))
        yield "png", "xmp, profile " + name, png([(b"zTXt", b"Raw profile type " + name.encode() + b"\0\0" + text)]), RIGHT_XMP
    yield "webp", "xmp", webp((b"XMP ", PACKET)), RIGHT_XMP
    yield "tif", "xmp", tiff({700: (1, PACKET)}), RIGHT_XMP
    yield "jxl", "xmp", jxl(box(b"xml ", PACKET)), RIGHT_XMP
    yield "heic", "xmp", heif("HEIF", None, PACKET), RIGHT_XMP
    yield "avif", "xmp", heif("AVIF", None, PACKET), RIGHT_XMP
    yield "jpg", "iptc", jpeg((0xED, b"Photoshop 3.0\0" + resources(iptc()))), RIGHT_IPTC
    yield "tif", "iptc", tiff({33723: (7, iptc())}), RIGHT_IPTC
    text = zlib.compress(profile("iptc", resources(iptc())))
    yield "png", "iptc, profile", png([(b"zTXt", b"Raw profile type iptc\0\0" + text)]), RIGHT_IPTC
    for name, text in (
        ("rfc 1123", "Mon, 06 May 2019 07:08:09 +0200"), ("iso", "2019-05-06T07:08:09+02:00"), ("exif", "2019:05:06 07:08:09+02:00"),
    ):
        data = png([(b"tEXt", b"Creation Time\0" + text.encode()), (b"tEXt", b"Title\0Harbour")])
        yield "png", "Creation Time, " + name, data, {"taken": "2019-05-06T07:08:09+02:00", "title": "Harbour"}
    for name in ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"):
        data = XMP.format('{}="2019-05-06T07:08:09"'.format(name)).encode()
        yield "jpg", name, jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + data)), dict(WORDS, taken="2019-05-06T07:08:09")


def dates():
    spellings = {
        "2016:02:02 24:28:33": "2016-02-02T00:28:33",
        "2019-11-28 14:38:40": "2019-11-28T14:38:40",
        "2019/11/28 14:38:40": "2019-11-28T14:38:40",
        "2019.11.28 14:38:40": "2019-11-28T14:38:40",
        "2025-01-30T08:59:50+01:00": "2025-01-30T08:59:50+01:00",
        "2025-01-30T08:59:50Z": "2025-01-30T08:59:50+00:00",
        "2025:01:30 08:59:50+0100": "2025-01-30T08:59:50+01:00",
        "2025:01:30 08:59:50.25": "2025-01-30T08:59:50.25",
        "2015:08:22 10:08": "2015-08-22T10:08:00",
        "2016:12:31 23:59:60": "2016-12-31T23:59:59",
        "2019:1:8 4:08:04": "2019-01-08T04:08:04",
        "2019:11:28 02:38:40 PM": "2019-11-28T14:38:40",
        "Thu Nov 28 14:38:40 2019": "2019-11-28T14:38:40",
        "1958:07:04": "1958-07-04",
        "1958:07:04   :  :  ": "1958-07-04",
        "1958:07:00 00:00:00": "1958-07",
        "1958:00:00 00:00:00": "1958",
        "1958": "1958",
    }
    later = {0x0132: (2, "2024:06:15 12:00:00")}
    for text, right in spellings.items():
        data = jpeg((0xE1, b"Exif\0\0" + exif(later, {0x9003: (2, text)})))
        yield "jpg", "Original `{}`".format(text), data, {"taken": right}
    for text, right in {
        "+02:00": "+02:00", "+2:00": "+02:00", "+0200": "+02:00", "+02": "+02:00", "-03:30": "-03:30", "Z": "+00:00", "   :  ": "",
    }.items():
        data = jpeg((0xE1, b"Exif\0\0" + exif(later, {**DATE, 0x9011: (2, text)})))
        yield "jpg", "offset `{}`".format(text), data, {"taken": "2019-05-06T07:08:09" + right}
    blank = {0x9003: (2, "    :  :     :  :  ")}
    yield "jpg", "Original blank, Modify good", jpeg((0xE1, b"Exif\0\0" + exif(later, blank))), {"taken": "2024-06-15T12:00:00"}
    stamps = {29: (2, "2019:05:06"), 7: (RATIONAL, [(7, 1), (8, 1), (9, 1)])}
    data = jpeg((0xE1, b"Exif\0\0" + exif(CAMERA, (), stamps)))
    yield "jpg", "satellites' time alone", data, {"taken": "2019-05-06T07:08:09+00:00", "camera": "Google Pixel 7"}


def places():
    zero = [(49, 1), (30, 1), (0, 0)], [(15, 1), (15, 1), (0, 0)]
    plain = [(49, 1), (30, 1), (0, 1)], [(15, 1), (15, 1), (0, 1)]
    negative = [(-49, 1), (30, 1), (0, 1)], [(-15, 1), (15, 1), (0, 1)]
    for name, letters, kind, (north, east), sign in (
        ("plain", "NE", RATIONAL, plain, (1, 1)),
        ("south and west", "SW", RATIONAL, plain, (-1, -1)),
        ("seconds 0/0", "NE", RATIONAL, zero, (1, 1)),
        ("signed fractions", "NE", SRATIONAL, plain, (1, 1)),
        ("signed fractions, negative", "SW", SRATIONAL, negative, (-1, -1)),
        ("no letters", "", RATIONAL, plain, (1, 1)),
        ("no letters, negative", "", SRATIONAL, negative, (-1, -1)),
        ("whole numbers", "NW", LONG, ([49, 30, 0], [15, 15, 0]), (1, -1)),
        ("texts", "NW", 2, ("49,30.0", "15,15.0"), (1, -1)),
        ("doubles", "NE", DOUBLE, ([49.5], [15.25]), (1, 1)),
    ):
        entries = {2: (kind, north), 4: (kind, east)}
        if letters:
            entries.update({1: (2, letters[0]), 3: (2, letters[1])})
        data = jpeg((0xE1, b"Exif\0\0" + exif((), DATE, entries)))
        yield "jpg", "place, " + name, data, {"taken": RIGHT["taken"], "place": (49.5 * sign[0], 15.25 * sign[1])}
    for name, parts in (("zeros", [(0, 1)] * 3), ("0/0", [(0, 0)] * 3)):
        entries = {1: (2, "N"), 2: (RATIONAL, parts), 3: (2, "E"), 4: (RATIONAL, parts)}
        data = jpeg((0xE1, b"Exif\0\0" + exif((), DATE, entries)))
        yield "jpg", "place, " + name, data, {"taken": RIGHT["taken"], "place": None}


SIDECAR = "beside it: "
TAKEOUT = json.dumps({
    "title": "x", "description": "Boats", "photoTakenTime": {"timestamp": "1557126489"},
    "geoData": {"latitude": 49.5, "longitude": 15.25}, "people": [{"name": "sea"}, {"name": "gulls"}],
}).encode()


def sidecars():
    """Pictures without metadata, with sidecars: extension, description, bytes, expected metadata, sidecar names and contents."""
    google = {"taken": "2019-05-06T07:08:09+00:00", "description": "Boats", "keywords": ["sea", "gulls"], "place": (49.5, 15.25)}
    for names, right, data in (
        (("NAME.jpg.xmp", "NAME.xmp"), RIGHT_XMP, PACKET),
        (("NAME.jpg.json", "NAME.jpg.supplemental-metadata.json", "NAME.jpg.suppl.json"), google, TAKEOUT),
    ):
        for name in names:
            yield "jpg", SIDECAR + name, jpeg(), right, name, data


def rows():
    for group in (containers, packets, dates, places):
        for ending, name, data, right in group():
            yield ending, name, data, right, None, None
    yield from sidecars()
