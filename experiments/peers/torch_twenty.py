#!/usr/bin/python3
"""Twenty permuted or rotated MNIST tasks in PyTorch by the settings of Buzzega et al. 2020: what the cells of `engram verify der2020` that
do not agree with the paper are held against.

usage: torch_twenty.py METHOD [--stream permuted|rotated] [--memory N] [--offered N] [--lr X] [--strength X] [--seed N] [--data FOLDER]
                       [--limit N] [--threads N]
METHOD: naive, online-ewc, si, agem or joint. Reads the IDX files of FOLDER/mnist (default: $ENGRAM_DATA), trains 784-100-100-10 on twenty tasks
of one epoch in batches of 128, and prints a JSON line with the mean accuracy of all test sets at the end, in percent. --memory, --offered:
A-GEM's items and how many a task offers to them (0: memory / tasks); --strength: EWC's lambda, without 1/2, or SI's c; --limit: so many
images of each set.
"""
import argparse, gzip, json, math, os, random
import torch, torch.nn as nn, torch.nn.functional as F

TASKS, BATCH, SIDE = 20, 128, 28


def load(part):
    def content(kind, head):
        with gzip.open(f"{given.data}/mnist/{part}-{kind}-ubyte.gz") as file:
            return torch.frombuffer(bytearray(file.read()[head:]), dtype=torch.uint8)
    images = content("images-idx3", 16).view(-1, SIDE * SIDE)
    most = given.limit or len(images)
    return images[:most].float() / 255, content("labels-idx1", 8)[:most].long()


def permuted():
    return torch.randperm(SIDE * SIDE), torch.ones(SIDE * SIDE)


def rotated():
    """By an angle from [0, 180), counter-clockwise: which pixel is the nearest to each one's place, and whether there is one."""
    angle, middle = math.pi * random.random(), (SIDE - 1) / 2
    y, x = (torch.arange(SIDE * SIDE) // SIDE - middle).double(), (torch.arange(SIDE * SIDE) % SIDE - middle).double()
    column = (math.cos(angle) * x - math.sin(angle) * y + middle).round().long()
    row = (math.sin(angle) * x + math.cos(angle) * y + middle).round().long()
    inside = (row >= 0) & (row < SIDE) & (column >= 0) & (column < SIDE)
    return torch.where(inside, row * SIDE + column, torch.zeros_like(row)), inside.float()


def turned(task, items):
    index, mask = tasks[task]
    return items[:, index] * mask


def batches(x, y, task):
    for chosen in torch.randperm(len(y)).split(BATCH):
        yield turned(task, x[chosen]), y[chosen]


class OnlineEWC:
    """gradient + 2 strength F (w - anchor), F the sum over tasks of the mean of p(y) (d log p(y) / d w)^2 with the true label y."""

    fisher = anchor = None

    def change(self):
        for p, f, a in zip(model.parameters(), self.fisher or [], self.anchor or []):
            p.grad.add_(2 * given.strength * f * (p.detach() - a))

    @torch.no_grad()
    def end(self, x, y, task):
        first, second, last = (layer for layer in model if isinstance(layer, nn.Linear))
        total = [torch.zeros_like(p) for p in model.parameters()]
        for items, labels in batches(x, y, task):
            one = first(items).relu()
            two = second(one).relu()
            p = last(two).softmax(1)
            share = p.gather(1, labels[:, None])
            delta = F.one_hot(labels, 10) - p
            for k, (layer, below) in enumerate(((last, two), (second, one), (first, items))):
                total[4 - 2 * k].add_((share * delta ** 2).t() @ below ** 2)
                total[5 - 2 * k].add_((share * delta ** 2).sum(0))
                delta = (delta @ layer.weight) * (below > 0)
        for k, f in enumerate(total):
            f.div_(math.ceil(len(y) / BATCH) * BATCH)
            total[k] = f + self.fisher[k] if self.fisher else f
        self.fisher, self.anchor = total, [p.detach().clone() for p in model.parameters()]


class SI:
    """gradient + 2 strength omega (w - anchor), cut to 1; omega sums the paths lr g^2 over (w - anchor)^2 + 1."""

    def __init__(self):
        self.anchor = [p.detach().clone() for p in model.parameters()]
        self.omega, self.path = ([torch.zeros_like(p) for p in self.anchor] for _ in range(2))

    @torch.no_grad()
    def change(self):
        for p, omega, anchor, path in zip(model.parameters(), self.omega, self.anchor, self.path):
            p.grad.add_(2 * given.strength * omega * (p - anchor)).clamp_(-1, 1)
            path.add_(given.lr * p.grad ** 2)

    @torch.no_grad()
    def end(self, x, y, task):
        for p, omega, anchor, path in zip(model.parameters(), self.omega, self.anchor, self.path):
            omega.add_(path / ((p - anchor) ** 2 + 1))
            anchor.copy_(p)
            path.zero_()


class AGEM:
    """A gradient against that of a batch of old items loses its part along it. Each item ever offered stays with the same probability."""

    def __init__(self):
        self.items, self.seen = [], 0

    def change(self):
        if not self.items:
            return
        own = [p.grad.clone() for p in model.parameters()]
        drawn = random.sample(self.items, min(BATCH, len(self.items)))
        optimizer.zero_grad()
        F.cross_entropy(model(torch.stack([x for x, _ in drawn])), torch.stack([y for _, y in drawn])).backward()
        reference = [p.grad.clone() for p in model.parameters()]
        along = sum((g * r).sum() for g, r in zip(own, reference))
        square = sum((r * r).sum() for r in reference)
        for p, g, r in zip(model.parameters(), own, reference):
            p.grad.copy_(g - along / square * r if along < 0 else g)

    def end(self, x, y, task):
        for i in torch.randperm(len(y))[:given.offered or given.memory // TASKS]:
            item = turned(task, x[i:i + 1])[0], y[i]
            self.seen += 1
            if len(self.items) < given.memory:
                self.items.append(item)
            elif (slot := random.randrange(self.seen)) < given.memory:
                self.items[slot] = item


def train(stream, method=None):
    for items, labels in stream:
        optimizer.zero_grad()
        F.cross_entropy(model(items), labels).backward()
        if method:
            method.change()
        optimizer.step()


def mixed(x, y):
    """The items of all tasks in one order."""
    for chosen in torch.randperm(TASKS * len(y)).split(BATCH):
        own = [(x[chosen[chosen // len(y) == k] % len(y)], y[chosen[chosen // len(y) == k] % len(y)], k) for k in range(TASKS)]
        yield torch.cat([turned(k, items) for items, _, k in own]), torch.cat([labels for _, labels, _ in own])


parser = argparse.ArgumentParser(usage=__doc__[__doc__.index("usage: ") + 7:__doc__.index("METHOD: ")])
parser.add_argument("method", choices=("naive", "online-ewc", "si", "agem", "joint"))
parser.add_argument("--stream", default="permuted", choices=("permuted", "rotated"))
for name, kind, usual in (("memory", int, 200), ("offered", int, 0), ("lr", float, 0.1), ("strength", float, 0.7), ("seed", int, 1),
                          ("data", str, os.environ.get("ENGRAM_DATA", "data")), ("limit", int, 0), ("threads", int, 1)):
    parser.add_argument("--" + name, type=kind, default=usual)
given = parser.parse_args()
if given.limit < 0 or given.offered < 0 or given.memory < 1:
    parser.error("--memory must be at least 1, --limit and --offered at least 0")
if not os.path.isdir(f"{given.data}/mnist"):
    parser.error(f"there is no folder {given.data}/mnist: give --data or ENGRAM_DATA the folder that holds it (engram data fetch mnist)")
torch.set_num_threads(given.threads)
torch.manual_seed(given.seed)
random.seed(given.seed)
tasks = [(permuted if given.stream == "permuted" else rotated)() for _ in range(TASKS)]
model = nn.Sequential(nn.Linear(SIDE * SIDE, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
for p in model.parameters():
    nn.init.xavier_uniform_(p) if p.dim() > 1 else nn.init.zeros_(p)
optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)

(x, y), (test_x, test_y) = load("train"), load("t10k")
if given.method == "joint":
    train(mixed(x, y))
else:
    method = {"online-ewc": OnlineEWC, "si": SI, "agem": AGEM}.get(given.method, lambda: None)()
    for task in range(TASKS):
        train(batches(x, y, task), method)
        if method:
            method.end(x, y, task)
with torch.no_grad():
    found = [float((model(turned(task, test_x)).argmax(1) == test_y).float().mean()) for task in range(TASKS)]
settings = {name: value for name, value in vars(given).items() if name not in ("data", "threads")}
print(json.dumps({**settings, "accuracy": round(100 * sum(found) / TASKS, 3)}), flush=True)
