#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model of Lamina: a small Llama on public-domain English novels.

One run makes a plain Hugging Face directory (LlamaForCausalLM, bfloat16):

    python train.py --corpus novels.txt.zst --out demo

The schedule is warm-up / stable / decay. The stable phase has short windows, the decay
phase long ones, so that most of the compute is cheap and long contexts still work. The
order of the data depends only on the seed and the step, so a run that is stopped and
started again with the same --work folder goes on exactly where its last checkpoint was.
Because nothing before the decay depends on when the decay begins, --stable-steps may be
changed at such a restart (and --export-only writes a model from the last checkpoint).
"""
import argparse
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from corpus import Windows, encode, make_tokenizer, split_corpus
from model import Llama, export


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz steps, matrices of a shape at a time."""

    def __init__(self, params, lr, momentum=0.95, decay=0.05):
        super().__init__(params, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for g in self.param_groups:
            shapes = {}
            for p in g["params"]:
                shapes.setdefault(tuple(p.shape), []).append(p)
            for (rows, cols), ps in shapes.items():
                grad = torch.stack([p.grad for p in ps])
                buf = self.state[ps[0]].setdefault("momentum", torch.zeros_like(grad))
                buf.lerp_(grad, 1 - g["momentum"])
                x = grad.lerp(buf, g["momentum"])  # Nesterov
                x = x.mT if rows > cols else x
                x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
                x = x.mT if rows > cols else x
                for p, u in zip(ps, x):
                    p.mul_(1 - g["lr"] * g["decay"])
                    p.add_(u, alpha=-g["lr"] * max(1, rows / cols) ** 0.5)


@torch.no_grad()
def evaluate(model, stream, ctx, windows=None):
    """Mean loss per token over windows of BOS + ctx tokens, without overlap."""
    n = len(stream) // ctx
    starts = np.arange(n) if windows is None else np.linspace(0, n - 1, windows).astype(int)
    total = 0.0
    for part in np.array_split(starts, max(1, len(starts) * ctx // 8192)):
        y = torch.from_numpy(np.stack([stream[s * ctx:(s + 1) * ctx] for s in part]))
        total += len(part) * model(F.pad(y, (1, 0))[:, :-1], y).item()
    return total / len(starts)


@torch.no_grad()
def lens_table(model, stream, ctx, windows=16):
    """Per residual: mean KL(final || lens), loss of the lens, agreement of the first choice."""
    sums, n = np.zeros((model.c.layers + 1, 3)), len(stream) // ctx
    for s in np.linspace(0, n - 1, windows).astype(int):
        y = torch.from_numpy(stream[s * ctx:(s + 1) * ctx])[None]
        logs = [model.head(x)[0].log_softmax(-1) for x in model.residuals(F.pad(y, (1, 0))[:, :-1])]
        for i, lp in enumerate(logs):
            kl = F.kl_div(lp, logs[-1], reduction="batchmean", log_target=True)
            same = (lp.argmax(-1) == logs[-1].argmax(-1)).float().mean()
            sums[i] += kl.item(), F.nll_loss(lp, y[0]).item(), same.item()
    return sums / windows


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arg = ap.add_argument
    arg("--corpus", required=True, help="text, compressed with zstd")
    arg("--out", default="demo", help="folder for the model")
    arg("--work", default="work", help="folder for the checkpoint, the tokenizer and train.log")
    arg("--export-only", action="store_true", help="export the last checkpoint and stop")
    for name, value in dict(
            vocab=2048, layers=8, hidden=192, ffn=512, heads=6, kv_heads=2, head_dim=32,
            max_context=1024, warmup_steps=100, stable_steps=1200, decay_steps=400,
            stable_context=256, decay_context=1024, batch_tokens=4096, seed=1,
            eval_every=100, save_every=200, threads=2).items():
        arg("--" + name.replace("_", "-"), type=int, default=value)
    for name, value in dict(lr_matrix=0.02, lr_embed=4e-3, lr_norm=4e-3, eps=1e-5,
                            rope_theta=10000.0).items():
        arg("--" + name.replace("_", "-"), type=float, default=value)
    c = ap.parse_args()
    torch.manual_seed(c.seed)
    torch.set_num_threads(c.threads)
    work = Path(c.work)
    work.mkdir(parents=True, exist_ok=True)

    train_text, held_text = split_corpus(c.corpus)
    if not (work / "tokenizer.json").exists():
        make_tokenizer(train_text, c.vocab).save(str(work / "tokenizer.json"))
    tok = Tokenizer.from_file(str(work / "tokenizer.json"))
    held = encode(tok, held_text)
    held_bytes = sum(len(t.encode()) for t in held_text)

    model = Llama(c)
    matrices = [p for p in model.layers.parameters() if p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim == 1]
    optimisers = [Muon(matrices, c.lr_matrix),
                  torch.optim.AdamW([dict(params=[model.embed], lr=c.lr_embed, weight_decay=0.01),
                                     dict(params=norms, lr=c.lr_norm, weight_decay=0.0)],
                                    betas=(0.9, 0.95), eps=1e-10, fused=True)]
    base = [[g["lr"] for g in o.param_groups] for o in optimisers]
    step = tokens = 0
    spent = 0.0
    if (work / "last.pt").exists():
        ck = torch.load(work / "last.pt", weights_only=True)
        model.load_state_dict(ck["model"])
        step, tokens, spent = ck["step"], ck["tokens"], ck["spent"]
        for o, s in zip(optimisers, ck["optimisers"]):
            o.load_state_dict(s)

    def finish():
        export(model, tok, c.out)
        for p in model.parameters():  # measure what was exported
            p.data = p.data.bfloat16().float()
        loss = evaluate(model, held, c.decay_context)
        say(f"# step {step}: held-out loss {loss:.4f} per token, "
            f"{loss * len(held) / held_bytes / math.log(2):.4f} bits per byte "
            f"({len(held)} tokens, {held_bytes} bytes, context {c.decay_context})")
        for i, (kl, nll, same) in enumerate(lens_table(model, held, c.decay_context)):
            say(f"# lens {i}: KL {kl:.4f}, loss {nll:.4f}, same first choice {same:.4f}")

    def say(line):
        print(line, flush=True)
        with open(work / "train.log", "a") as f:
            f.write(line + "\n")

    if c.export_only:
        return finish()

    stream = encode(tok, train_text)
    stable_end = c.warmup_steps + c.stable_steps
    last = stable_end + c.decay_steps
    if step == 0:
        say(f"# {sum(p.numel() for p in model.parameters())} parameters; {len(stream)} tokens to "
            f"train on, {len(held)} held out ({held_bytes / len(held):.3f} bytes per token)")
        say("step,tokens,minutes,lr,train_loss,held_out_loss")
    compiled = torch.compile(model, dynamic=False)
    data = {}
    start, sum_loss, count = time.monotonic() - spent, 0.0, 0
    while step < last:
        ctx = c.stable_context if step < stable_end else c.decay_context
        batch = c.batch_tokens // ctx
        if ctx not in data:
            data = {ctx: Windows(stream, tok, ctx, batch, c.seed)}
        scale = min(1.0, (step + 1) / c.warmup_steps, (last - step) / c.decay_steps)
        for o, lrs in zip(optimisers, base):
            for g, lr in zip(o.param_groups, lrs):
                g["lr"] = lr * scale
        x, y = data[ctx].get(step if ctx == c.stable_context else step - stable_end)
        loss = compiled(x, y)
        loss.backward()
        for o in optimisers:
            o.step()
            o.zero_grad(set_to_none=True)
        step, tokens, count = step + 1, tokens + y.numel(), count + 1
        sum_loss += loss.item()
        if step % c.eval_every == 0 or step == last:
            held_loss = evaluate(model, held, ctx, 16384 // ctx)
            say(f"{step},{tokens},{(time.monotonic() - start) / 60:.2f},{scale:.3f},"
                f"{sum_loss / count:.4f},{held_loss:.4f}")
            sum_loss, count = 0.0, 0
        if step % c.save_every == 0 or step in (stable_end, last):
            torch.save(dict(model=model.state_dict(), step=step, tokens=tokens,
                            spent=time.monotonic() - start,
                            optimisers=[o.state_dict() for o in optimisers]), work / "new.pt")
            os.replace(work / "new.pt", work / "last.pt")
    finish()


if __name__ == "__main__":
    main()
