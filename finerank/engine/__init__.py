"""One engine for one caller and for a thousand: planner.py what runs next, loop.py the thread that runs it,
job.py the state of one call, prefix_cache.py what is kept between batches. Knows no tensor and no HTTP.
"""
