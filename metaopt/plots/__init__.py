"""The figures of a study, drawn by matplotlib; what they show is worked out in ``metaopt.figures``."""

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "regret": "the trials' values in the order in which they ended, and the best so far",
    "curves": "what the scripts have reported, step by step",
    "importance": "which parameters matter",
    "parallel": "parallel coordinates: all parameters of each trial, and what it came to",
    "slices": "what the trials came to over each parameter",
    "pareto": "two objectives at a time, and the Pareto set",
    "timeline": "who ran what, and when: a bar for each attempt at a trial, a row for each worker",
    "utilisation": "how many workers were there, and how many were busy",
}
