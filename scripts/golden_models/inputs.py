"""The inputs of all models: texts, and pictures of tests/goldens."""

import json
import os
import random

import torch
from PIL import Image, ImageOps

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PICTURES = os.path.join(ROOT, "tests", "goldens")

WORDS = (
    "dog cat sunset beach mountain snow city street night car red bicycle old woman child birthday cake wedding tree "
    "river bridge food pizza coffee laptop keyboard horse boat train airplane flower garden window door house kitchen"
).split()
PHRASES = [
    "a {} next to a {}", "two {}s and one {}", "A Photo Of A {} And A {}", "the {}'s {}", "{} & {}", "{}, {}!", "{}/{}",
    "a {} with 3 {}s (2019)", "I don't see a {} - only a {}...", "{}\t{}\n", "  {}   {}  ", "{}_{}", "#{} @{}",
]
HARD = [
    "", " ", "\t\n", "a", "A", ".", "!!!", "...", "?", "'", "''", "it's", "IT'S", "they'll we've I'd you're 'tis o'clock",
    "“curly” quotes", "‘single’ and it’s", "„low“ «guillemets»", "—dash–dash-", "…", "a…b", "5 o’clock",
    "&amp;", "&lt;b&gt;bold&lt;/b&gt;", "Tom &amp; Jerry", "&amp;amp; twice", "caf&eacute;", "&quot;x&quot;", "&#8217;s",
    "&#x1F600;", "AT&T", "a & b", "&notanentity;", "<b>html</b> &amp; more", "1 &lt; 2",
    "café", "cafe\u0301", "naïve façade", "Ångström", "Straße", "STRASSE", "ﬁne ﬂuﬀy oﬃce", "ŉ ǆ Ĳ", "ÀÉÎÕÜ",
    "ＦＵＬＬ　ｗｉｄｔｈ", "ﾊﾝｶｸ ｶﾀｶﾅ", "ΟΔΟΣ ΣΑΣ", "Σ", "İstanbul", "ıI", "ǅ", "ß", "ẞ",
    "日本の猫", "猫が好き", "北京的雪", "서울의 밤", "ประเทศไทย", "हिन्दी में", "தமிழ்", "български", "Москва зимой", "Ελλάδα",
    "مرحبا بالعالم", "שלום עולם", "فارسی", "\u202bمرحبا\u202c", "abc שלום def", "اُردُو",
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "a dog 🐶 and a cat 🐱", "❤️", "☃", "©®™", "→←", "½ ⅓ ²", "①②③", "Ⅷ", "٣٤٥", "１２３",
    "3.14159", "1,000,000", "2024-01-31", "12:30", "007", "1234567890" * 3, "x" * 60, "ab" * 80, "supercalifragilistic" * 4,
    "http://example.org/a?b=c&d=e", "me@example.org", "C:\\dir\\file.txt", "/usr/bin/env", "#hashtag", "@user", "$100", "50%",
    "a\u200bb", "a\u00adb", "a\ufeffb", "\u0000null", "bell\u0007", "a\u00a0b", "a\u2028b", "a\u3000b", "tab\tand\r\nnewline",
    "_", "__init__", "snake_case_name", "kebab-case", "CamelCase", "SHOUTING", "MiXeD", "a.b.c", "e.g.", "U.S.A.", "(a)", "[b]", "{c}",
    "a▁b", "Ġ", "</w>", "a</w>", "##ing", "\ufffd", "\U0010ffff", "\ue000", "𝒥ohn", "𝟘𝟙", "Ａ", "ａ", "ｱ",
    "a photo of " + " and ".join(WORDS), " ".join(WORDS * 4), "the " * 100, "🐶 " * 50, "猫" * 90, "! " * 90, "é" * 90,
    "a photo of a dog." * 12, "cat," * 70, "123 " * 60,
]
# Typed by a person, these are text. Reference tokenizers take most of them for special tokens, so their ids are not
# compared; the test only checks that none of our ids is special.
SPECIAL = [
    "<|endoftext|>", "a <|startoftext|> b", "<start_of_text>", "<end_of_text> x", "</s>", "dog </s> cat", "<s>", "<pad>", "<unk>",
    "<eos>", "<bos>", "<mask>", "[SEP]", "dog</s>", "<pad><pad>",
]


def texts():
    rng = random.Random(5)
    made = [phrase.format(*rng.sample(WORDS, 2)) for phrase in PHRASES for _ in range(13)]
    return made + HARD + SPECIAL


TEXTS = texts()


def pictures():
    """Lossless 8-bit pictures, which every decoder decodes to the same pixels. tests/it/goldens.rs tests the others;
    here random weights would only amplify a decoder's last bit.

    A model that is added gets the same pictures as the committed models. To give all models all pictures, remove
    tests/goldens/models/inputs.json first."""
    return list(CHOSEN)


def choose():
    committed = os.path.join(PICTURES, "models", "inputs.json")
    if os.path.exists(committed):
        with open(committed, encoding="utf-8") as file:
            return json.load(file)["pictures"]
    lossless = ("rgb.png", "rgb.bmp", "rgb.ppm", "rgb.qoi", "gray.png", "plain.tiff", "lzw.tiff", "portrait.png")
    return sorted(name for name in os.listdir(PICTURES) if name.endswith(".ref.png") or name in lossless)


CHOSEN = choose()


def as_people_see_it(name):
    return ImageOps.exif_transpose(Image.open(os.path.join(PICTURES, name))).convert("RGB")


def seen(preprocess):
    """All pictures after open_clip's transform."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    cfg = PreprocessCfg(
        size=preprocess["image_size"][0], mean=tuple(preprocess["mean"]), std=tuple(preprocess["std"]),
        interpolation=preprocess["interpolation"], resize_mode=preprocess["resize_mode"],
    )
    transform = image_transform_v2(cfg, is_train=False)
    return torch.stack([transform(as_people_see_it(name)) for name in pictures()])
