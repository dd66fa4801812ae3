"""HTTP over a `Reranker`: routes, one file per dialect, over one internal request (service.py).

Start reading at app.py; `serve.py` runs it. Nothing here knows what is inside a model.
"""
