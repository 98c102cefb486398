#!/usr/bin/python3
"""CLASSP's vision experiment in PyTorch with the author's optimizer: what `engram verify classp-vision` is held against.

usage: torch_vision.py [--seed N] [--optimizer classp|sgd] [--data FOLDER] [--limit N] [--threads N]
Reads the IDX files of FOLDER/mnist and FOLDER/fashion-mnist (default: $ENGRAM_DATA), trains 4 epochs of one and 1 of the other in file
order, and prints a JSON line of accuracies in percent: learned, kept, new on the test sets; published-kept, published-new on the training
sets with dropout on. --limit: so many images of each set.
"""
import argparse, gzip, json, os
import torch, torch.nn as nn, torch.nn.functional as F

BATCH = 32


class CLASSP(torch.optim.Optimizer):
    """A tensor moves when some gradient of it is not 0, which counts as 1, above the threshold; the power is 1."""

    def __init__(self, parameters, lr=0.2, epsilon=1e-5):
        super().__init__(parameters, dict(lr=lr, epsilon=epsilon))

    @torch.no_grad()
    def step(self, threshold, decay):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                total = self.state[p].setdefault("sum", torch.zeros_like(p))
                if float((p.grad != 0).any()) > threshold:
                    total.add_(p.grad.abs())
                    p.sub_(group["lr"] * (p.grad / (total + group["epsilon"]) if decay else p.grad))


def load(name, part):
    def content(kind, head):
        with gzip.open(f"{given.data}/{name}/{part}-{kind}-ubyte.gz") as file:
            return torch.frombuffer(bytearray(file.read()[head:]), dtype=torch.uint8)
    images = content("images-idx3", 16).view(-1, 1, 28, 28)
    most = given.limit or len(images)
    return images[:most], content("labels-idx1", 8)[:most].long()


def batches(data, size):
    for x, y in zip(data[0].split(size), data[1].split(size)):
        yield (x.float() / 255 - 0.1307) / 0.3081, y


def train(data, epochs, **now):
    model.train()
    for _ in range(epochs):
        for x, y in batches(data, BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step(**(now if given.optimizer == "classp" else {}))


@torch.no_grad()
def accuracy(data, dropout=False):
    model.train(dropout)
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in batches(data, 100))
    return round(100 * right / len(data[1]), 4)


parser = argparse.ArgumentParser(usage=__doc__[__doc__.index("usage: ") + 7:__doc__.index("Reads")])
for name, kind, usual in (("seed", int, 1), ("optimizer", str, "classp"), ("data", str, os.environ.get("ENGRAM_DATA", "data")),
                          ("limit", int, 0), ("threads", int, 1)):
    parser.add_argument("--" + name, type=kind, default=usual, choices=("classp", "sgd") if name == "optimizer" else None)
given = parser.parse_args()
torch.set_num_threads(given.threads)
torch.manual_seed(given.seed)
model = nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.25), nn.Flatten(),
                      nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
optimizer = CLASSP(model.parameters()) if given.optimizer == "classp" else torch.optim.SGD(model.parameters(), lr=0.2)

for name in ("mnist", "fashion-mnist"):
    if not os.path.isdir(f"{given.data}/{name}"):
        parser.error(f"there is no folder {given.data}/{name}: give --data or ENGRAM_DATA the folder that holds it (engram data fetch {name})")

digits, garments = load("mnist", "train"), load("fashion-mnist", "train")
digits_test, garments_test = load("mnist", "t10k"), load("fashion-mnist", "t10k")
train(digits, 4, threshold=0.5, decay=False)
found = dict(optimizer=given.optimizer, seed=given.seed, learned=accuracy(digits_test))
train(garments, 1, threshold=0.0, decay=True)
found.update(kept=accuracy(digits_test), new=accuracy(garments_test))
found.update({"published-kept": accuracy(digits, True), "published-new": accuracy(garments, True)})
print(json.dumps(found), flush=True)
