# SPDX-License-Identifier: Apache-2.0
"""The demo model, and its export as a plain Hugging Face directory."""
import json
import math
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from corpus import EOT


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        kv = c.kv_heads * c.head_dim
        self.n1, self.n2 = nn.Parameter(torch.ones(c.hidden)), nn.Parameter(torch.ones(c.hidden))
        for name, rows, cols in (("q", c.heads * c.head_dim, c.hidden), ("k", kv, c.hidden),
                                 ("v", kv, c.hidden), ("o", c.hidden, c.heads * c.head_dim),
                                 ("gate", c.ffn, c.hidden), ("up", c.ffn, c.hidden),
                                 ("down", c.hidden, c.ffn)):
            std = 0.5 * cols ** -0.5 / (math.sqrt(2 * c.layers) if name in ("o", "down") else 1)
            self.register_parameter(name, nn.Parameter(torch.randn(rows, cols) * std))

    def forward(self, x, cos, sin, c):
        b, t, _ = x.shape
        h = F.rms_norm(x, (c.hidden,), self.n1, c.eps)
        q = F.linear(h, self.q).view(b, t, c.heads, c.head_dim).transpose(1, 2)
        k = F.linear(h, self.k).view(b, t, c.kv_heads, c.head_dim).transpose(1, 2)
        v = F.linear(h, self.v).view(b, t, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = (z * cos + torch.cat([-z[..., c.head_dim // 2:], z[..., :c.head_dim // 2]], -1) * sin
                for z in (q, k))
        k, v = (z.repeat_interleave(c.heads // c.kv_heads, 1) for z in (k, v))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + F.linear(a.transpose(1, 2).reshape(b, t, -1), self.o)
        h = F.rms_norm(x, (c.hidden,), self.n2, c.eps)
        return x + F.linear(F.silu(F.linear(h, self.gate)) * F.linear(h, self.up), self.down)


class Llama(nn.Module):
    """The architecture of transformers' LlamaForCausalLM, tied embeddings, no biases."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed = nn.Parameter(torch.randn(c.vocab, c.hidden) * 0.02)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = nn.Parameter(torch.ones(c.hidden))
        freq = c.rope_theta ** (-torch.arange(0, c.head_dim, 2) / c.head_dim)
        angle = torch.outer(torch.arange(c.max_context), freq).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), False)
        self.register_buffer("sin", angle.sin(), False)

    def head(self, x):
        return F.linear(F.rms_norm(x, (self.c.hidden,), self.norm, self.c.eps), self.embed)

    def residuals(self, ids):
        """The embedding and the output of each layer."""
        x, t = F.embedding(ids, self.embed), ids.shape[1]
        yield x
        for layer in self.layers:
            x = layer(x, self.cos[:t], self.sin[:t], self.c)
            yield x

    def forward(self, ids, targets):
        for x in self.residuals(ids):
            pass
        return F.cross_entropy(self.head(x).flatten(0, 1), targets.flatten())


def hf_state(model):
    """The weights under the names transformers gives them, in bfloat16."""
    names = {"n1": "input_layernorm", "n2": "post_attention_layernorm"}
    out = {"model.embed_tokens.weight": model.embed, "model.norm.weight": model.norm}
    for i, layer in enumerate(model.layers):
        for n, p in layer.named_parameters():
            full = names.get(n) or (f"self_attn.{n}_proj" if n in "qkvo" else f"mlp.{n}_proj")
            out[f"model.layers.{i}.{full}.weight"] = p
    return {k: v.detach().to(torch.bfloat16).contiguous() for k, v in out.items()}


def export(model, tok, out):
    c, tmp = model.c, Path(str(out).rstrip("/") + ".tmp")
    tmp.mkdir(parents=True, exist_ok=True)
    save_file(hf_state(model), tmp / "model.safetensors", metadata={"format": "pt"})
    tok.save(str(tmp / "tokenizer.json"))
    ids = dict(bos_token_id=0, eos_token_id=0)
    for name, value in {
        "config.json": dict(
            architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=c.vocab,
            hidden_size=c.hidden, intermediate_size=c.ffn, num_hidden_layers=c.layers,
            num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, head_dim=c.head_dim,
            hidden_act="silu", max_position_embeddings=c.max_context, rms_norm_eps=c.eps,
            rope_theta=c.rope_theta, rope_scaling=None, attention_bias=False, mlp_bias=False,
            attention_dropout=0.0, initializer_range=0.02, pretraining_tp=1,
            tie_word_embeddings=True, use_cache=True, torch_dtype="bfloat16", **ids),
        "tokenizer_config.json": dict(
            tokenizer_class="PreTrainedTokenizerFast", bos_token=EOT, eos_token=EOT,
            add_bos_token=True, add_eos_token=False, clean_up_tokenization_spaces=False,
            model_max_length=c.max_context),
        "generation_config.json": dict(do_sample=True, temperature=0.7, top_p=0.95, **ids),
    }.items():
        (tmp / name).write_text(json.dumps(value, indent=2) + "\n")
    Path(out).mkdir(parents=True, exist_ok=True)
    for f in tmp.iterdir():
        os.replace(f, Path(out) / f.name)
    tmp.rmdir()
