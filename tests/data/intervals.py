"""Makes intervals.json: intervals that scipy's exact tests accept, to check bench/stats against.

    pip install scipy==1.17.1
    python3 tests/data/intervals.py > tests/data/intervals.json

An interval is found by asking the test itself, not by critical values: its lower end is the least
candidate just above which the test does not reject, and its upper end mirrors that. No two values tie,
for scipy's exact distributions hold only then.
"""

import json
import random

import numpy
import scipy
from scipy.stats import mannwhitneyu, wilcoxon


def accepted(candidates, p_value, alpha):
    """The ends of the interval of shifts that a test does not reject."""
    candidates = sorted(candidates)
    between = [(a + b) / 2 for a, b in zip(candidates, candidates[1:])]
    inside = [n for n, shift in enumerate(between) if p_value(shift) > alpha]
    return candidates[inside[0]], candidates[inside[-1] + 1]


def signed_rank(x, alpha):
    walsh = [(a + b) / 2 for n, a in enumerate(x) for b in x[n:]]
    test = lambda shift: wilcoxon([v - shift for v in x], method="exact").pvalue
    return float(numpy.median(walsh)), *accepted(walsh, test, alpha)


def rank_sum(x, y, alpha):
    differences = [a - b for a in x for b in y]
    test = lambda shift: mannwhitneyu([v - shift for v in x], y, method="exact").pvalue
    return float(numpy.median(differences)), *accepted(differences, test, alpha)


def main():
    random.seed(20261124)
    sample = lambda n, middle: [random.gauss(middle, 0.05) for _ in range(n)]
    cases = []
    for alpha in (0.05, 0.05 / 3, 0.01):
        for n in (8, 9, 10, 12, 15, 20, 30):
            x = sample(n, 0.03)
            point, lower, upper = signed_rank(x, alpha)
            cases.append(dict(test="signed_rank", alpha=alpha, x=x, y=[], point=point, lower=lower, upper=upper))
        for a, b in ((5, 5), (5, 9), (8, 8), (10, 10), (6, 20), (15, 12), (20, 20)):
            x, y = sample(a, 0.03), sample(b, 0.0)
            point, lower, upper = rank_sum(x, y, alpha)
            cases.append(dict(test="rank_sum", alpha=alpha, x=x, y=y, point=point, lower=lower, upper=upper))
    print(json.dumps(dict(scipy=scipy.__version__, cases=cases), indent=1))


main()
