"""Folders of small pictures, for scripts/bench/faults."""

import random
import struct
import zlib


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(seed, comment=b""):
    """A PNG of 24 × 24 pixels with a few smooth waves, unique for each seed; a comment changes only bytes."""
    rng, side = random.Random(seed), 24
    waves = [[(rng.uniform(-.4, .4), rng.uniform(-.4, .4), rng.uniform(20, 60)) for _ in range(2)] for _ in range(3)]
    bases = [rng.randrange(60, 196) for _ in range(3)]
    rows = bytearray()
    for y in range(side):
        rows.append(0)
        for x in range(side):
            for base, channel in zip(bases, waves):
                # A triangle wave: as good as a sine, and faster.
                value = base + sum(s * (4 * abs((a * x + b * y) % 1 - .5) - 1) for a, b, s in channel)
                rows.append(min(255, max(0, int(value))))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))]
    if comment:
        parts.append(chunk(b"tEXt", b"Comment\0" + comment))
    parts += [chunk(b"IDAT", zlib.compress(bytes(rows), 1)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Photos:
    """Makes a folder of pictures, and the twins of some of them in another."""

    def __init__(self, folder, first, count, twins):
        self.folder, self.count, self.pairs = folder, count, {}
        folder.mkdir(parents=True)
        (folder.parent / "twins").mkdir(exist_ok=True)
        every = max(1, count // twins)
        for number in range(count):
            path = folder / f"{first + number:06}.png"
            path.write_bytes(picture(first + number))
            if number % every == 0:
                twin = folder.parent / "twins" / path.name
                twin.write_bytes(picture(first + number, b"twin"))
                self.pairs[str(twin)] = str(path)
