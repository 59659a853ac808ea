# SPDX-License-Identifier: Apache-2.0
"""The text of the demo model: cleaning, hold-out split, tokenizer, training windows."""
import re

import numpy as np
import torch
import zstandard
from tokenizers import decoders, models, pre_tokenizers, processors, Tokenizer, trainers

EOT = "<|endoftext|>"  # id 0: begins every window (bos) and would end a text (eos)


def clean(text):
    """One paragraph per line: half of the novels come with hard-wrapped lines, which are
    joined again (by the width of the lines around), and dashes lost in the corpus have
    left double spaces."""
    lines, out, join = text.split("\n"), [], False
    size = [len(line.rstrip()) for line in lines]
    for i, line in enumerate(lines):
        s = re.sub(r"('t|'ve|'ll|'re|-) {2,}", r"\1 ", line.strip())
        s = re.sub(r" {2,}", " - ", re.sub(r" {2,}(?=-)", " ", s))
        if s:
            out[-1:] = [out[-1] + " " + s] if join else out[-1:] + [s]
        near = sorted(k for k in size[max(0, i - 20):i + 21] if k) or [0]
        width = near[len(near) * 7 // 8]
        after = lines[i + 1] if i + 1 < len(lines) else ""
        join = bool(s and after.strip() and after[0] != " " and width <= 85) and (
            (s[-1] in ",;-" or s[-1].isalpha()) and after[0].islower()
            or size[i] + 1 + len(after.split()[0]) > width - 3
            and not re.search(r"[.!?]['\"]?\n['\"]", s + "\n" + after))
    return "\n".join(out) + "\n"


def split_corpus(path, section=400_000, held_share=0.03):
    """Cut the corpus into sections of ~400 kB; the last 3 % of each are held out."""
    with open(path, "rb") as f:
        text = clean(zstandard.ZstdDecompressor().stream_reader(f).read().decode("utf-8"))
    train, held, at = [], [], 0
    while at < len(text):
        end = text.find("\n", at + section) + 1
        end = len(text) if end == 0 or len(text) - end < section // 2 else end
        cut = text.rfind("\n", at, end - int(held_share * (end - at))) + 1
        train.append(text[at:cut])
        held.append(text[cut:end])
        at = end
    return train, held


def make_tokenizer(texts, vocab):
    """Byte-level BPE with the GPT-2 pattern; all 256 bytes are in the alphabet."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=[EOT], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tok.post_processor = processors.TemplateProcessing(
        single=f"{EOT} $A", pair=f"{EOT} $A {EOT} $B", special_tokens=[(EOT, 0)])
    return tok


def encode(tok, texts):
    """One token stream; sections are separated by EOT."""
    ids = [np.array([0] + tok.encode(t, add_special_tokens=False).ids, np.int64) for t in texts]
    return np.concatenate(ids)


class Windows:
    """Training windows: a random shift and a permutation per epoch, snapped to line starts.

    A window is BOS and the ctx tokens after a start, so the model always sees BOS first
    and learns to begin at the start of a line, as a prompt does.
    """

    def __init__(self, stream, tok, ctx, batch, seed):
        self.stream, self.ctx, self.batch, self.seed = stream, ctx, batch, seed
        newline = [i for t, i in tok.get_vocab().items() if t.endswith("Ċ")] + [0]
        self.lines = np.flatnonzero(np.isin(stream[:-1], newline)) + 1
        self.per_epoch = len(stream) // ctx - 1
        self.epoch = -1

    def get(self, step):
        rows = []
        for i in range(step * self.batch, (step + 1) * self.batch):
            epoch, k = divmod(i, self.per_epoch)
            if epoch != self.epoch:
                rng = np.random.default_rng([self.seed, self.ctx, epoch])
                self.epoch, self.shift = epoch, rng.integers(self.ctx)
                self.order = rng.permutation(self.per_epoch)
            start = self.shift + self.order[k] * self.ctx
            line = self.lines[max(0, np.searchsorted(self.lines, start, side="right") - 1)]
            start = line if 0 <= start - line <= self.ctx // 4 else start
            rows.append(np.concatenate([[0], self.stream[start:start + self.ctx]]))
        block = torch.from_numpy(np.stack(rows))
        return block[:, :-1], block[:, 1:]
