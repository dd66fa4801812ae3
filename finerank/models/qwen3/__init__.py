"""finerank's own Qwen3: config.py what it accepts, weights.py where tensors come from, network.py the layers,
attention.py and linear.py their two kernels, reranker.py the yes/no model around them.
"""
