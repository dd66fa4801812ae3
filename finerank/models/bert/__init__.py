"""finerank's own BERT: config.py what it accepts, rows.py how a batch is laid out, network.py the layers, tokens.py
texts to token ids; around them embedder.py the model of vectors, and cross_encoder.py the model of pairs with its
head.py, which read the hidden states of first tokens (`first_only`), of pairs with token types.
"""
