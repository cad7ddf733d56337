#!/usr/bin/env python3
"""Turns search results into one HTML file with the pictures inside.

    imgsearch query "a cat" --format jsonl | scripts/contact_sheet.py cats.html

Reads the lines of any number of queries on stdin; each has `query`, `rank`,
`score` and `path`. The page needs nothing else: pictures are embedded as they
are, and one that is too large or unreadable is named instead.
"""

import argparse
import base64
import html
import json
import os
import sys

LARGEST_EMBEDDED = 6_000_000  # bytes; a page of dozens should still open at once

# What browsers show. Other formats are named, not shown.
TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>imgsearch</title>
<style>
:root {{ color-scheme: light dark; --soft: light-dark(#667, #99a); --card: light-dark(#fff, #202226); }}
body {{ margin: 0 auto; max-width: 1200px; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f4f4f6, #131417); color: light-dark(#16181d, #e8e9ec); }}
h1 {{ font-size: 1rem; font-weight: 500; color: var(--soft); margin: 0; }}
h2 {{ font-size: 1.5rem; font-weight: 600; margin: 2.5rem 0 .75rem; }}
.matches {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 280px), 1fr)); gap: 1rem; }}
figure {{ margin: 0; background: var(--card); border-radius: 12px; overflow: hidden; box-shadow: 0 1px 3px #0003; }}
figure > img, figure > p {{ display: block; width: 100%; height: 220px; object-fit: cover; margin: 0; }}
figure > p {{ display: grid; place-items: center; box-sizing: border-box; padding: 1rem; color: var(--soft); }}
figcaption {{ display: flex; justify-content: space-between; gap: 1rem; padding: .6rem .9rem; font-size: .85rem; }}
figcaption span:first-child {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.score {{ color: var(--soft); font-variant-numeric: tabular-nums; }}
</style>
</head>
<body>
<h1>imgsearch</h1>
{sections}
</body>
</html>
"""


def read_matches(lines):
    """The matches of each query, in the order of the input."""
    queries = {}
    for line in lines:
        if line.strip():
            match = json.loads(line)
            queries.setdefault(str(match["query"]), []).append(match)
    return queries


def section(query, matches):
    figures = "\n".join(figure(match) for match in sorted(matches, key=lambda m: m["rank"]))
    return '<section>\n<h2>{}</h2>\n<div class="matches">\n{}\n</div>\n</section>'.format(html.escape(query), figures)


def figure(match):
    shown = match["path"]
    # A path that is not Unicode comes with its exact bytes.
    exact = match.get("path_base64")
    path = os.fsdecode(base64.b64decode(exact)) if exact else shown
    return (
        '<figure>{}<figcaption><span title="{}">{}</span><span class="score">{:.2f}</span></figcaption></figure>'
    ).format(picture(path, shown), html.escape(shown), html.escape(os.path.basename(shown)), match["score"])


def picture(path, shown):
    """The picture as a data: URI, or why it is not shown."""
    kind = TYPES.get(os.path.splitext(path)[1].lower())
    if kind is None:
        return "<p>not a format that browsers show</p>"
    try:
        if os.path.getsize(path) > LARGEST_EMBEDDED:
            return "<p>too large to embed</p>"
        with open(path, "rb") as file:
            data = base64.b64encode(file.read()).decode()
    except OSError as error:
        return "<p>{}</p>".format(html.escape(error.strerror or "unreadable"))
    name = html.escape(os.path.basename(shown))
    return '<img loading="lazy" alt="{}" src="data:{};base64,{}">'.format(name, kind, data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", help="the HTML file to write")
    page = parser.parse_args().page
    sys.stdin.reconfigure(encoding="utf-8")
    queries = read_matches(sys.stdin)
    text = PAGE.format(sections="\n".join(section(query, matches) for query, matches in queries.items()))
    with open(page + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(page + ".new", page)


if __name__ == "__main__":
    main()
