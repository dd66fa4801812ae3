"""finerank inside the frameworks that people already use: one thin file each, imported only by who uses it.

langchain.py    FinerankCompressor, FinerankCrossEncoder   llama_index.py   FinerankPostprocessor
haystack.py     FinerankRanker                             lancedb.py       FinerankReranker
milvus.py       FinerankRerankFunction                     mteb.py          FinerankCrossEncoder

scoring.py      what all of them score texts with: a model's name, a `Reranker` or a client of a server
backends.py     a `Reranker` and a client, asked in the same way
mteb_encoder.py, mteb_tasks.py, mteb_run.py: what `finerank mteb` adds to mteb.py

A framework that is missing is named by the ModuleNotFoundError, with the command that installs it.
"""
