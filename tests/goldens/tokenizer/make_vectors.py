#!/usr/bin/env python3
"""Makes two small byte-level BPE tokenizers and records what Hugging Face
`tokenizers` does with hostile strings. Run in a fresh environment:

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.3
    venv/bin/python make_vectors.py

Writes, beside this script: words/ (GPT-2's expression) and split/ (Llama 3's
style: a Split step, a BOS template, added tokens of every kind), each with
tokenizer.json and vectors.json. A vector is the text in hex (so that NUL and
the like survive every tool), its ids with special tokens as text ("plain")
and, where they differ, with special tokens parsed ("special"). "front" is what
stands before them when the post-processor runs.
"""
import json
import random
from pathlib import Path

import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models,
                        normalizers, pre_tokenizers, processors, trainers)

HERE = Path(__file__).resolve().parent

LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

SUBJECTS = ("the night watchman", "a grey heron", "our old engine",
            "the river", "somebody's cousin", "the third layer",
            "a careful reader", "the harbour master", "my sister's clock",
            "every token", "the frozen canal", "a small machine")
VERBS = ("remembers", "didn't notice", "keeps", "was looking for", "explains",
         "would have counted", "writes down", "can't forget", "they'll open",
         "measures", "has lost", "I've seen", "we're watching")
OBJECTS = ("the lighthouse", "42 letters", "a theory of weather",
           "the year 1987", "two hundred doors", "an unfinished bridge",
           "the café menu", "Zürich and Łódź", "its own reflection",
           "the cost (3.14 or so)", "nothing at all", "snow in July")
OTHERS = ("Москва просыпается рано. ", "東京の夜は静かだ。", "שלום עולם ",
          "مرحبا بالعالم ", "안녕하세요 여러분 ", "😀👍🏽 ", "naïve façade ",
          "if (x >= 10) {\n    return y[i] * 2;\n}\n", "\r\n\r\n", "    ",
          "ελληνικά γράμματα ", "नमस्ते दुनिया ", "...!!! --- *** ### ")


def corpus(rng):
    for i in range(6000):
        line = " ".join((rng.choice(SUBJECTS), rng.choice(VERBS),
                         rng.choice(OBJECTS))) + rng.choice((". ", ", ", "! "))
        if i % 5 == 0:
            line += rng.choice(OTHERS)
        yield line.capitalize() if i % 3 == 0 else line


def train(pre_tokenizer, specials, normalizer=None):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizer
    tok.decoder = decoders.ByteLevel()
    if normalizer:
        tok.normalizer = normalizer
    tok.train_from_iterator(corpus(random.Random(7)), trainers.BpeTrainer(
        vocab_size=1000, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tok


def words_tokenizer():
    tok = train(pre_tokenizers.ByteLevel(add_prefix_space=False),
                ["<|endoftext|>"])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    return tok


def split_tokenizer():
    tok = train(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        ["<|begin|>", "<|end|>"], normalizers.NFC())
    tok.add_special_tokens([
        AddedToken("<|eot|>", normalized=False, special=True),
        AddedToken("<|eot|><|eot|>", normalized=False, special=True),
        AddedToken("<|mask|>", normalized=False, special=True, lstrip=True),
    ])
    tok.add_tokens([
        AddedToken("<tool>", normalized=False),
        AddedToken("<café>", normalized=True),
        AddedToken("<wide>", normalized=True, lstrip=True, rstrip=True),
        AddedToken("lens", normalized=True, single_word=True),
    ])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B",
            special_tokens=[("<|begin|>", tok.token_to_id("<|begin|>"))])])
    return tok


HOSTILE = [
    "", " ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n\n", " \n ", "\t\t x",
    "Hello", " Hello", "Hello world", "Hello  world", "Hello   world   ",
    "I'm, I'M, you're, YOU'RE, it'll, IT'LL, we've, WE'VE, she'd, SHE'D",
    "don't DON'T doN'T 'tis 's'S's ''s '", "it\u2019s, it\u02bcs, it'\u017f",
    "K'\u212a 'm'M'D'd", "0", "12", "123", "1234", "12345678901234567890",
    "3.14159e-10 0x7fff 1,000,000", "٣٤٥ ४५६ ⅷ ² ½ ₃ 四", "x1y22z333",
    "a" * 300, " " * 300, "\n" * 100, "ab" * 200, "!" * 200, "=-" * 100,
    "   leading", "trailing   ", "a\u00a0b", "a\u3000b", "\u2028\u2029\u0085x",
    "\u180ex y\u180e", "\u200b\u200c\u200d\u2060\ufeff", "\u1680 \u2000\u200a",
    "\0", "a\0b\0\0c", "\x01\x02\x1f\x7f\x80\x9f",
    "👨‍👩‍👧‍👦", "🏳️‍🌈 🏴\U000e0067\U000e0062\U000e007f", "👍🏿👍🏻", "❤️❤", "🇩🇪🇫🇷",
    "1️⃣2️⃣", "e\u0301 \u00e9", "Z\u0351\u036b\u0343\u034c\u0368a\u0334l\u0361g",
    "n\u0303 a\u030a\u0323 a\u0323\u030a", "\u1100\u1161\u11a8 \uac01",
    "\u212b \u00c5 A\u030a", "q\u0307\u0323 \u1e69 s\u0323\u0307 s\u0307\u0323",
    "\u0344 \u0340\u0341\u0343 \u0958 \u2adc \u037e \u0387 \u1f71 \u2126",
    "\ufb1d \u0f73 \u0f75 \u0f81 \U0001d15e \U0002f800 \uf900",
    "\u0915\u093c \u09c7\u09be \u0b47\u0b57 \u0dd9\u0dcf\u0dca \u1025\u102e",
    "\u0301leading mark", "\u0300\u0301\u0302", "\U00011131\U00011127",
    "\ufb01 \u00df \u1e9e \u0130 \u0131 \u01c4 \u01c5",
    "שָׁלוֹם עוֹלָם", "مَرْحَبًا", "\u202eabc\u202c \u2066x\u2069", "א1ב2ג3",
    "你好，世界！", "東京都、大阪府。", "한국어 텍스트", "ภาษาไทยไม่มีช่องว่าง", "ខ្មែរ",
    "မြန်မာ", "தமிழ்", "తెలుగు", "नमस्ते", "ᏣᎳᎩ", "𓀀𓁐", "𝒳𝔸𝟙", "ﷺ", "Ａ１！",
    "\u0378\u0379", "\U000e0080", "\ue000\uf8ff", "\U000f0000\U0010fffd",
    "\ufffe\uffff\ufdd0", "\U0001fffe\U0010ffff", "\ufffd\ufffd", "\U0003fffd",
    "<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|endoftext|>",
    "<|endoftext|", "<<|endoftext|>>", " <|endoftext|> ", "<|ENDOFTEXT|>",
    "<|begin|>", "<|begin|>x<|end|>", "<|eot|>", "<|eot|><|eot|>",
    "<|eot|><|eot|><|eot|>", "a <|mask|> b", "a \t\n<|mask|>b", "<|mask|>  ",
    "  <|mask|>  <|mask|>  ", "<tool>", " <tool> ", "x<tool>y<tool", "<tool><",
    "<café>", "<cafe\u0301>", "a  <wide>  b", "<wide> <wide>", "x<wide>\n\ny",
    "\u00a0\u3000<wide>\u2003.", "lens", "a lens b", "lenses", "_lens", "lens_",
    "lens.", "lens lens lens", "(lens)", "élens lens\u0301", "lens\u200d",
    "2lens lens2", "\u203flens", "<|end|>lens<|end|>", "len", "éè<tool>é",
    "def f(x):\n\treturn x  # no\n\n\nclass A:\r\n    pass\r\n",
    "{\"a\": [1, 2, {\"b\": null}]}", "http://example.org/a?b=c&d=%20#e",
    "C:\\path\\to\\file", "a\\n\\t", "$$$ €€€ £10 ¥", "~!@#$%^&*()_+{}|:\"<>?",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case", "a_b __c__",
    "The third layer keeps the frozen canal's 42 letters.", "\n \n \n x",
    "x \n", "x\n y", "x \n y", " \r\n \r\n", "...\n\n", ".\r\n.", "  .  ,  ",
]

POOLS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
    " \t\n\r", "    ", ".,;:!?'\"()[]{}<>|-_/\\@#$%^&*+=~`", "'sStTdDmM",
    "éèêëàâäôöùûüçñßøåæœ", "абвгдежзийклмн", "你好世界東京日本語한국어",
    "\u0300\u0301\u0302\u0303\u0308\u030a\u0323\u0327\u0331\u0345",
    "\u200b\u200c\u200d\u2060\ufe0f\u00ad", "😀😃👍❤🏽🏿👨👩👧", "שלוםעולם",
    "مرحباعالم", "\u00a0\u1680\u2003\u2028\u3000\u0085\u180e", "²½ⅷ٣४",
    "\u1100\u1161\u11a8\u1112\u1175", "\0\x01\x7f\x9f",
]
LITERALS = ["<|endoftext|>", "<|begin|>", "<|end|>", "<|eot|>", "<|mask|>",
            "<tool>", "<café>", "<wide>", "lens", "<|", "'re", "'LL", "\r\n"]


def random_text(rng):
    out = ""
    for _ in range(rng.randint(1, 12)):
        kind = rng.random()
        if kind < 0.15:
            out += rng.choice(LITERALS)
        elif kind < 0.25:
            # Below U+3400 and in the emoji blocks: whole Unicode blocks,
            # surrogates aside, that are older than every library concerned.
            out += "".join(chr(rng.choice((rng.randint(0, 0x33FF),
                                           rng.randint(0xF900, 0xFAFF),
                                           rng.randint(0x1F300, 0x1F64F))))
                           for _ in range(rng.randint(1, 4)))
        else:
            pool = rng.choice(POOLS)
            out += "".join(rng.choice(pool) for _ in range(rng.randint(1, 8)))
    return out


def record(name, tok):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    text = json.dumps(json.loads(tok.to_str()), ensure_ascii=False,
                      separators=(",", ":"))
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    rng = random.Random(11)
    texts = HOSTILE + [random_text(rng) for _ in range(500 - len(HOSTILE))]
    rows = []
    for text in texts:
        ids = []
        for parse_special in (False, True):
            tok.encode_special_tokens = not parse_special
            ids.append(tok.encode(text, add_special_tokens=False).ids)
        tok.encode_special_tokens = False
        row = {"hex": text.encode().hex(), "plain": ids[0]}
        if ids[1] != ids[0]:
            row["special"] = ids[1]
        rows.append(row)
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in rows)
    (folder / "vectors.json").write_text(
        '{"tokenizers": "%s", "front": %s, "vectors": [\n%s\n]}\n'
        % (tokenizers.__version__, tok.encode("").ids, lines))
    print(name, len(rows), "vectors,", tok.get_vocab_size(), "tokens")


if __name__ == "__main__":
    record("words", words_tokenizer())
    record("split", split_tokenizer())
