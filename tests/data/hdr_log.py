"""Makes hdr_log.json: what HdrHistogram's own Python package reads in a log that rb-bench exported.

    pip install hdrhistogram==0.10.8
    rb-bench export tests/data/measured.json --hlog > tests/data/measured.hlog
    python3 tests/data/hdr_log.py tests/data/measured.hlog > tests/data/hdr_log.json
"""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader


def intervals(path):
    """Each interval of a log: its tag, and every value in it with how often it occurs."""
    reader = HistogramLogReader(path, HdrHistogram(1, 3_600_000_000, 3))
    while (histogram := reader.get_next_interval_histogram()) is not None:
        values = histogram.get_recorded_iterator()
        yield {
            "tag": histogram.get_tag(),
            "values": [
                (value.value_iterated_to, value.count_added_in_this_iter_step)
                for value in values
            ],
        }


print(json.dumps(list(intervals(sys.argv[1]))))
