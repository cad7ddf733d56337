"""Makes unit vectors for scripts/bench/ann, and their true neighbours.

`neighbourhoods` are like embeddings of photos. Themes form a tree in 32 latent dimensions: each theme has 12 narrower
ones, four levels deep, and some are far more popular than others, as in a real collection. Photos lie around the
leaves of the tree. A random two-layer network carries them into 512 dimensions, where all of them share a direction
(CLIP's vectors do) and get a little noise. The local intrinsic dimension is about 21 (maximum likelihood over 100
neighbours); that of 40,000 real sentence embeddings is 19.

`hard` are clusters of some fifty vectors whose centres are all about equally far from each other. Nothing real is
like that, and no graph can find its way between such clusters: a good index notices that, and scans.
"""
import numpy as np

DIM = 512
TRUTHS = 100
QUERIES = 1000
AT_A_TIME = 20_000


def make(folder, rows, hard):
    """Writes base.f32 [rows, 512], q.f32 [1000, 512] and gt100.u32 [1000, 100], unless they exist."""
    if (folder / "gt100.u32").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    vectors = hard_vectors(rows) if hard else neighbourhoods()
    queries = vectors(QUERIES)
    queries.tofile(folder / "q.f32")
    truth = Truth(queries)
    with open(folder / "base.f32", "wb") as base:
        for first in range(0, rows, AT_A_TIME):
            part = vectors(min(AT_A_TIME, rows - first))
            part.tofile(base)
            truth.add(part)
    truth.nearest().astype(np.uint32).tofile(folder / "gt100.u32")


class Truth:
    """The nearest rows of each query, over consecutive parts."""

    def __init__(self, queries):
        self.queries, self.rows = queries, 0
        self.scores = np.full((len(queries), TRUTHS), -2, np.float32)
        self.positions = np.zeros((len(queries), TRUTHS), np.int64)

    def add(self, part):
        positions = np.broadcast_to(np.arange(self.rows, self.rows + len(part)), (len(self.queries), len(part)))
        scores = np.concatenate([self.scores, self.queries @ part.T], 1)
        positions = np.concatenate([self.positions, positions], 1)
        best = np.argpartition(-scores, TRUTHS - 1, axis=1)[:, :TRUTHS]
        self.scores, self.positions = np.take_along_axis(scores, best, 1), np.take_along_axis(positions, best, 1)
        self.rows += len(part)

    def nearest(self):
        order = np.argsort(-self.scores, axis=1, kind="stable")
        return np.take_along_axis(self.positions, order, 1)


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def neighbourhoods():
    rng = np.random.default_rng(7)
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
    latent, branches, levels, narrowing, noise = 32, 12, 4, .62, .3
    themes = np.zeros((1, latent), np.float32)
    for level in range(levels):
        themes = np.repeat(themes, branches, 0)
        themes += np.float32(narrowing ** level) * normal(*themes.shape)
    popularity = rng.permutation(np.arange(1, len(themes) + 1) ** -.6)
    popularity /= popularity.sum()
    hidden = 256
    inner, bias, outer = normal(latent, hidden) * np.float32(1.1 / latent ** .5), normal(hidden) * np.float32(.3), normal(hidden, DIM)
    shared = unit(normal(DIM))

    def vectors(count):
        photos = themes[rng.choice(len(themes), count, p=popularity)] + np.float32(.5) * normal(count, latent)
        carried = np.tanh(photos @ inner + bias) @ outer
        carried /= np.sqrt((carried * carried).sum(1).mean())
        return unit(.7 * shared + .75 * carried + noise / DIM ** .5 * normal(count, DIM))
    return vectors


def hard_vectors(rows):
    rng = np.random.default_rng(7)
    normal = lambda *shape: rng.standard_normal(shape, dtype=np.float32)
    centres, shared = unit(normal(max(1, rows // 50), DIM)), unit(normal(DIM))

    def vectors(count):
        noise = np.float32(.6 / DIM ** .5) * normal(count, DIM)
        return unit(.8 * shared + .75 * centres[rng.integers(0, len(centres), count)] + noise)
    return vectors
