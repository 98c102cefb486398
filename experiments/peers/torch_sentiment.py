#!/usr/bin/python3
"""The sentiment model of CLASSP's author in PyTorch, as he wrote it: attention over all positions, a dense optimizer.

usage: torch_sentiment.py [--threads N] [--only NAME] [--rounds R] [--batch 750] [--vocabulary 82000] [--width 600] [--feed-forward 2048]
       torch_sentiment.py --curve FOLDER [--threads N]
Prints a JSON line for sentiment_b750_published and sentiment_b750_paper, the cases of `engram bench only=sentiment`, whose peer it can be:
{"case", "seconds_per_step" (the least of the rounds, after one step that warms up), "batch", "threads", "peak_bytes" (of the process: with --only, of that case)}.
--curve: goes through the steps that experiments/sentiment_curve.lua has written to FOLDER, without dropout, and prints both losses of each.
"""
import argparse, json, math, resource, time
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F

WORDS, HEAD = 30, 20                                  # positions; the width of a head


class Reader(nn.Module):
    def __init__(self, vocabulary, width, feed_forward, dropout=0.1):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(width)
        self.encoder = nn.TransformerEncoderLayer(width, width // HEAD, feed_forward, dropout, batch_first=True)
        self.output = nn.Linear(width, 3)

    def forward(self, index):
        x = self.norm(self.dropout(self.embedding(index)))
        return self.output(self.norm(self.encoder(x))[:, -1])


class CLASSP(torch.optim.Optimizer):
    """published: one gate a tensor, the share of its gradient that is not 0; paper: one gate a weight, its squared gradient."""

    def __init__(self, parameters, variant, lr=0.025, epsilon=1e-4):
        super().__init__(parameters, dict(lr=lr, epsilon=epsilon))
        self.published, self.threshold = variant == "published", 0.99 if variant == "published" else 1e-7

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                total = self.state[p].setdefault("sum", torch.zeros_like(p))
                if not self.published:
                    gate = p.grad ** 2 > self.threshold
                    total.add_(gate * p.grad.abs())
                    p.sub_(gate * (group["lr"] / (total + group["epsilon"])) * p.grad)
                elif float((p.grad != 0).any()) > self.threshold:
                    total.add_(p.grad.abs())
                    p.sub_(group["lr"] / (total + group["epsilon"]) * p.grad)


def step(model, optimizer, index, labels):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(index), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(variant, given):
    case = f"sentiment_b750_{variant}"
    if given.only and given.only not in case:
        return
    model = Reader(given.vocabulary, given.width, given.feed_forward)
    optimizer = CLASSP(model.parameters(), variant)
    # Words as a text has them: the r-th most frequent about 1 / r as often as the first.
    rank = torch.rand(given.batch, WORDS, dtype=torch.float64) * math.log(given.vocabulary)
    index = torch.exp(rank).long().clamp(0, given.vocabulary - 1)
    labels, best = torch.randint(0, 3, (given.batch,)), math.inf
    step(model, optimizer, index, labels)
    for _ in range(given.rounds):
        began = time.perf_counter()
        step(model, optimizer, index, labels)
        best = min(best, time.perf_counter() - began)
    print(json.dumps(dict(case=case, seconds_per_step=best, batch=given.batch, threads=given.threads, peak_bytes=peak())), flush=True)


def curve(folder):
    def load(name): return torch.from_numpy(np.load(f"{folder}/{name}.npy"))
    embedding, losses = load("embedding.weight"), load("losses")
    torch.set_default_dtype(embedding.dtype)
    model = Reader(*embedding.shape, load("encoder.linear1.weight").shape[0], dropout=0.0)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(load(name))
    optimizer = CLASSP(model.parameters(), open(f"{folder}/variant").read().strip())
    index, labels, worst = load("tokens") - 1, load("labels") - 1, 0.0
    for i, theirs in enumerate(losses.tolist()):
        own = step(model, optimizer, index, labels)
        worst = max(worst, abs(own - theirs))
        print(f"{i + 1:3d}  PyTorch {own:.15g}  Engram {theirs:.15g}")
    print(f"largest difference {worst:.2g}\npeak memory {peak() / 1e6:.0f} MB")


parser = argparse.ArgumentParser(usage=__doc__[__doc__.index("usage: ") + 7:__doc__.index("Prints")])
for name, kind, usual in (("threads", int, 1), ("only", str, None), ("rounds", int, 3), ("batch", int, 750), ("vocabulary", int, 82000),
                          ("width", int, 600), ("feed-forward", int, 2048), ("curve", str, None)):
    parser.add_argument("--" + name, type=kind, default=usual)
given = parser.parse_args()
torch.set_num_threads(given.threads)
torch.manual_seed(0)
if given.curve:
    curve(given.curve)
else:
    for variant in ("published", "paper"):
        measure(variant, given)
