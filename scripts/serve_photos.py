"""Starts a server with some pictures, for the scripts that test it."""

import contextlib
import os
import subprocess

import packages

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def draw(folder):
    """Draws different pictures as PPM, which needs no library."""
    for seed in range(6):
        pixels = bytes((x * 5 + seed * 37 + y * c) % 256 for y in range(32) for x in range(48) for c in (1, 7, 3))
        with open(os.path.join(folder, "{}.ppm".format(seed)), "wb") as file:
            file.write(b"P6 48 32 255\n" + pixels)


def indexed(stage):
    """Builds the program and indexes pictures in `stage`. Returns the program, and an environment with the library."""
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    program = os.path.join(target, "debug", "imgsearch")
    photos = os.path.join(stage, "photos")
    os.mkdir(photos)
    draw(photos)
    environ = dict(os.environ, IMGSEARCH_LIBRARY=os.path.join(stage, "library"), IMGSEARCH_CONFIG=os.devnull)
    subprocess.run([program, "index", "-q", photos], env=environ, check=True)
    return program, environ


@contextlib.contextmanager
def served(program, environ):
    """Starts a server, yields its address, and stops it after the block."""
    server = subprocess.Popen([program, "serve", "-q", "--port", "0"], env=environ, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
        if server.poll() is not None:
            raise packages.Failure("the server has ended", "its output above may say why")
    finally:
        server.terminate()
        server.wait()
