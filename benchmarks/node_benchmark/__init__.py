"""Parts of ``benchmarks/node.py``: processes, the two ends of the topics, one measurement, the search, the report."""
