"""finerank's own Qwen3: config.py what it accepts, network.py the layers, attention.py and linear.py their two kernels,
segments.py how a batch is laid out for them, runner.py prompts through the network with what they share computed once;
around it reranker.py, the yes/no model, and embedder.py, the one of vectors.
"""
