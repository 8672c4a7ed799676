"""What the scripts share that time a forward pass against another program, taking turns."""

import argparse
import os
import subprocess
import sys
import time

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def positive(text):
    """A number of rounds or threads."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}; expected 1 or more")
    return number


def last_line(command, environment):
    """The last line that a command prints, run at the root of the project."""
    finished = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    lines = finished.stdout.strip().splitlines()
    if finished.returncode != 0 or not lines:
        sys.exit(f"`{' '.join(command)}` ended with status {finished.returncode} and printed {len(lines)} lines")
    return lines[-1]


def sgemm_rate(shape, products):
    """The best of some f32 products of these rows, inner dimension and columns, in GFLOP/s."""
    rows, inner, columns = shape
    left, right, out = torch.ones(rows, inner), torch.ones(inner, columns), torch.empty(rows, columns)
    best = 0.0
    for _ in range(products):
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        best = max(best, 2e-9 * rows * inner * columns / (time.perf_counter() - start))
    return best
