"""The peers of scripts/bench/ann: building, saving, loading and searching. Each runs in a separate process.

usage: peers.py build PEER FOLDER M EF_CONSTRUCTION | peers.py search PEER FOLDER
"""
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
from vectors import DIM, TRUTHS

PEERS = ("hnswlib", "usearch-f32", "usearch-i8", "faiss")
EFS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def hnswlib():
    import hnswlib

    def build(base, m, ef_construction):
        index = hnswlib.Index("ip", DIM)
        index.init_index(len(base), M=m, ef_construction=ef_construction)
        index.set_num_threads(os.cpu_count())
        index.add_items(base)
        return index

    def load(path):
        index = hnswlib.Index("ip", DIM)
        index.load_index(path)
        index.set_num_threads(1)
        return index

    def search(index, queries, ef):
        index.set_ef(max(ef, 10))
        return index.knn_query(queries, 10)[0]
    return build, lambda index, path: index.save_index(path), load, search


def faiss():
    import faiss

    def build(base, m, ef_construction):
        index = faiss.IndexHNSWFlat(DIM, m, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = ef_construction
        index.add(base)
        return index

    def search(index, queries, ef):
        faiss.omp_set_num_threads(1)
        index.hnsw.efSearch = ef
        return index.search(queries, 10)[1]
    return build, faiss.write_index, faiss.read_index, search


def usearch(kind):
    from usearch.index import Index

    def build(base, m, ef_construction):
        metric = "cos" if kind == "i8" else "ip"
        index = Index(ndim=DIM, metric=metric, dtype=kind, connectivity=m, expansion_add=ef_construction)
        index.add(np.arange(len(base)), base, threads=os.cpu_count())
        return index

    def search(index, queries, ef):
        index.expansion_search = ef
        return index.search(queries, 10, threads=1).keys
    return build, lambda index, path: index.save(path), lambda path: Index.restore(path, view=True), search


def functions(name):
    library, _, kind = name.partition("-")
    return {"hnswlib": hnswlib, "faiss": faiss, "usearch": lambda: usearch(kind)}[library]()


def build(name, folder, m, ef_construction):
    """Builds once: an existing index with the same parameters is kept, and its cost is printed again."""
    path, note = folder / f"{name}-{m}-{ef_construction}.bin", folder / f"{name}-{m}-{ef_construction}.json"
    if not note.exists():
        make, save, _, _ = functions(name)
        base = np.fromfile(folder / "base.f32", np.float32).reshape(-1, DIM)
        wall, cpu = time.time(), time.process_time()
        index = make(base, int(m), int(ef_construction))
        took = {"seconds": round(time.time() - wall, 1), "cpu": round(time.process_time() - cpu, 1)}
        save(index, str(path))
        took["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        took["bytes_per_vector"] = path.stat().st_size // len(base)
        note.write_text(json.dumps(took))
    took = json.loads(note.read_text())
    print(f"{name} build", *(f"{what} {figure}" for what, figure in took.items()), "(the peak includes the vectors)")


def search(name, folder, m, ef_construction):
    _, _, load, ask = functions(name)
    queries = np.fromfile(folder / "q.f32", np.float32).reshape(-1, DIM)
    truth = np.fromfile(folder / "gt100.u32", np.uint32).reshape(-1, TRUTHS)[:, :10]
    begin = time.time()
    index = load(str(folder / f"{name}-{m}-{ef_construction}.bin"))
    ask(index, queries[:1], 64)
    print(f"first both_ms {1000 * (time.time() - begin):.1f}")
    ask(index, queries, 64)
    for ef in EFS:
        begin = time.time()
        found = ask(index, queries, ef)
        ms = 1000 * (time.time() - begin) / len(queries)
        recall = np.mean([len(set(a) & set(b)) for a, b in zip(np.asarray(found).tolist(), truth.tolist())]) / 10
        print(f"ef {ef} recall {recall:.4f} ms {ms:.4f}")


if __name__ == "__main__":
    what, name, folder, m, ef_construction = sys.argv[1:]
    {"build": build, "search": search}[what](name, Path(folder), m, ef_construction)
