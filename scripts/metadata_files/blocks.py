"""Metadata blocks as files contain them (EXIF, XMP, IPTC), and the values expected from them."""

import struct

SHORT, LONG, RATIONAL, SLONG, SRATIONAL, DOUBLE, IFD = 3, 4, 5, 9, 10, 12, 13
PACKED = {SHORT: "H", LONG: "I", SLONG: "i", IFD: "I", DOUBLE: "d"}


def value(kind, numbers):
    """Count and bytes of a value: a text, bytes, numbers, or pairs of numbers."""
    if isinstance(numbers, str):
        data = numbers.encode() + b"\0"
        return 2, len(data), data
    if isinstance(numbers, bytes):
        return kind, len(numbers), numbers
    if kind in (RATIONAL, SRATIONAL):
        letter = "I" if kind == RATIONAL else "i"
        return kind, len(numbers), b"".join(struct.pack("<2" + letter, *pair) for pair in numbers)
    return kind, len(numbers), struct.pack("<{}{}".format(len(numbers), PACKED[kind]), *numbers)


def directory(entries, at):
    """A directory that begins at `at`, followed by its values. Entries: tag -> (type, numbers)."""
    table, values, free = struct.pack("<H", len(entries)), b"", at + 2 + 12 * len(entries) + 4
    for tag, (kind, numbers) in sorted(entries.items()):
        kind, count, data = value(kind, numbers)
        table += struct.pack("<HHI", tag, kind, count)
        if len(data) <= 4:
            table += data.ljust(4, b"\0")
        else:
            table += struct.pack("<I", free + len(values))
            values += data + b"\0" * (len(data) % 2)
    return table + bytes(4) + values


def exif(picture=(), shot=(), place=(), pointer=LONG, magic=b"II*\0"):
    picture, body = dict(picture), b""
    for tag, entries in ((0x8769, dict(shot)), (0x8825, dict(place))):
        if entries:
            picture[tag] = (pointer, [8 + len(body)])
            body += directory(entries, 8 + len(body))
    return magic + struct.pack("<I", 8 + len(body)) + body + directory(picture, 8 + len(body))


CAMERA = {0x010F: (2, "Google"), 0x0110: (2, "Pixel 7")}
TURNED = {**CAMERA, 0x0112: (SHORT, [6])}
DATE = {0x9003: (2, "2019:05:06 07:08:09")}
PLACE = {1: (2, "N"), 2: (RATIONAL, [(49, 1), (30, 1), (0, 1)]), 3: (2, "E"), 4: (RATIONAL, [(15, 1), (15, 1), (0, 1)])}
FACTS = exif(TURNED, DATE, PLACE)
RIGHT = {"taken": "2019-05-06T07:08:09", "camera": "Google Pixel 7", "place": (49.5, 15.25), "turned": True}

XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/" {}>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Harbour</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">Boats</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>gulls</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
PACKET = XMP.format(
    'exif:DateTimeOriginal="2019-05-06T07:08:09+02:00" exif:GPSLatitude="49,30.0N" exif:GPSLongitude="15,15.0E"'
).encode()
WORDS = {"title": "Harbour", "description": "Boats", "keywords": ["sea", "gulls"]}
RIGHT_XMP = dict(WORDS, taken="2019-05-06T07:08:09+02:00", place=(49.5, 15.25))


def iptc():
    fields = [(5, "Harbour"), (25, "sea"), (25, "gulls"), (55, "20190506"), (60, "070809+0200"), (120, "Boats")]
    return b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(text)) + text.encode() for number, text in fields)


def resources(records):
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records + b"\0" * (len(records) % 2)


RIGHT_IPTC = dict(WORDS, taken="2019-05-06T07:08:09+02:00")
