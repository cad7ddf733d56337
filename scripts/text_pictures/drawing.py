"""Draws pictures of documents, screens and signs. Every function returns the picture and the words on it."""

import random

from PIL import Image, ImageDraw, ImageFilter

from text_pictures.fonts import font

INK, PAPER = (30, 30, 34), (250, 249, 245)


def page(size, lines, face="sans", height=24, at=(40, 40), gap=1.5, ink=INK, paper=PAPER):
    """A page with lines of text. A line is a string, or pairs of a place from the left and a string."""
    picture = Image.new("RGB", size, paper)
    draw, (left, top), words = ImageDraw.Draw(picture), at, []
    for number, line in enumerate(lines):
        for x, text in [(left, line)] if isinstance(line, str) else line:
            draw.text((x, top + number * height * gap), text, fill=ink, font=font(face, height))
            words += text.split()
    return picture, words


def placed(picture, angle=0, ground=(120, 105, 90), margin=60, lean=0.0):
    """The picture as if it lay on a table: turned, leaning to the back, on a ground with some texture."""
    width, height = picture.size
    whole = Image.new("RGBA", (width + 2 * margin, height + 2 * margin), (0, 0, 0, 0))
    whole.paste(picture.convert("RGBA"), (margin, margin))
    whole = whole.rotate(angle, Image.Resampling.BICUBIC)
    if lean:
        inset = lean * whole.width
        whole = perspective(whole, [(inset, 0), (whole.width - inset, 0), (whole.width, whole.height), (0, whole.height)])
    table = textured(whole.size, ground)
    table.paste(whole, (0, 0), whole)
    return table


def perspective(picture, corners):
    """The picture with its corners (from the top left, clockwise) moved to these places."""
    import numpy

    width, height = picture.size
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, [(0, 0), (width, 0), (width, height), (0, height)]):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved = numpy.linalg.solve(numpy.array(rows, float), numpy.array(values, float))
    return picture.transform(picture.size, Image.Transform.PERSPECTIVE, solved, Image.Resampling.BICUBIC)


def textured(size, colour, seed=3):
    """A ground that is not even: coarse noise around a colour."""
    source = random.Random(seed)
    small = Image.new("RGB", (size[0] // 16 + 2, size[1] // 16 + 2))
    for x in range(small.width):
        for y in range(small.height):
            small.putpixel((x, y), tuple(max(0, min(255, c + source.randint(-18, 18))) for c in colour))
    return small.resize(size, Image.Resampling.BICUBIC)


def scene(size, seed):
    """A landscape of shapes without any text."""
    source = random.Random(seed)
    picture = Image.new("RGB", size)
    draw = ImageDraw.Draw(picture)
    sky, ground = [tuple(source.randint(60, 220) for _ in range(3)) for _ in range(2)]
    for y in range(size[1]):
        share = y / size[1]
        draw.line([(0, y), (size[0], y)], tuple(int(a + (b - a) * share) for a, b in zip(sky, ground)))
    for _ in range(25):
        x, y, r = source.randint(0, size[0]), source.randint(size[1] // 3, size[1]), source.randint(10, 140)
        colour = tuple(source.randint(20, 235) for _ in range(3))
        shape = source.choice([draw.ellipse, draw.rectangle])
        shape([x - r, y - r * source.uniform(0.4, 1.2), x + r, y + r], fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(1.5))


def sign(lines, size, paper, ink, face="bold", height=72):
    """A sign: large letters in the middle, with a frame."""
    picture = Image.new("RGB", size, paper)
    draw, words = ImageDraw.Draw(picture), []
    draw.rounded_rectangle([8, 8, size[0] - 8, size[1] - 8], 24, outline=ink, width=6)
    top = (size[1] - len(lines) * height * 1.3) / 2
    for number, line in enumerate(lines):
        length = draw.textlength(line, font=font(face, height))
        draw.text(((size[0] - length) / 2, top + number * height * 1.3), line, fill=ink, font=font(face, height))
        words += line.split()
    return picture, words


def receipt(shop, items, total, angle=0, lean=0.0):
    """A till receipt on a table."""
    lines = [shop, "Tel. 030 5550142", "", *[[(40, name), (400, price)] for name, price in items], "",
             [(40, "SUMME EUR"), (400, total)], "Bar 50,00", "Vielen Dank für Ihren Einkauf!"]
    picture, words = page((560, 60 + 36 * len(lines)), lines, "mono", 24)
    return placed(picture, angle, lean=lean), words


def chat(messages, dark=False):
    """A chat on a phone."""
    paper, ink = ((18, 20, 24), (235, 235, 238)) if dark else ((240, 242, 245), INK)
    picture = Image.new("RGB", (540, 1170), paper)
    draw, words, top = ImageDraw.Draw(picture), [], 60
    for number, message in enumerate(messages):
        left = 24 if number % 2 == 0 else 120
        colour = (70, 110, 190) if number % 2 else ((44, 48, 54) if dark else (255, 255, 255))
        lines = message.split("\n")
        draw.rounded_rectangle([left, top, left + 396, top + 24 + 32 * len(lines)], 16, fill=colour)
        for line in lines:
            draw.text((left + 16, top + 10), line, fill=(255, 255, 255) if number % 2 else ink, font=font("sans", 22))
            words += line.split()
            top += 32
        top += 52
    return picture, words
