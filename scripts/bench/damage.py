"""Damages files of a library, for scripts/bench/faults."""

import shutil


def files_of(library):
    return sorted(path for path in library.rglob("*") if path.is_file())


def counterpart(name, library):
    """The corresponding file of another library."""
    if library is None or (library / name).is_file():
        return library and library / name
    same = [file for file in files_of(library) if file.suffix == name.suffix and file.parent.name == name.parent.name]
    alike = [file for file in files_of(library) if file.name == name.name or name.suffix and file.suffix == name.suffix]
    return (same or alike or [None])[0]


def take_published(library, foreign):
    """Replaces the manifest and all segments, graphs and extracts by those of another library."""
    own, theirs = (next(path.parent for path in files_of(side) if path.name == "manifest")
                   for side in (library, foreign))
    for file in files_of(own) + files_of(theirs):
        if file.suffix in (".segment", ".graph", ".extract") or file.name == "manifest":
            if file.parent == own:
                file.unlink()
            elif file.parent == theirs:
                shutil.copy(file, own / file.name)


def damage(file, kind, rng, foreign):
    """Does one kind of damage to a file."""
    content = bytearray(file.read_bytes())
    if kind == "deleted":
        return file.unlink()
    if kind == "folder":
        file.unlink()
        return file.mkdir()
    if kind == "zero length":
        content = b""
    elif kind == "half":
        content = content[:len(content) // 2]
    elif kind == "one byte less":
        content = content[:-1]
    elif kind == "flips":
        for _ in range(4 if content else 0):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "zeros":
        start = rng.randrange(len(content) // 4096 + 1) * 4096
        content[start:start + 4096] = bytes(len(content[start:start + 4096]))
    elif kind == "longer":
        content += bytes(rng.randrange(256) for _ in range(100))
    elif foreign is not None:
        content = foreign.read_bytes()
    file.write_bytes(content)
