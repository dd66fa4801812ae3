"""finerank's own BERT: config.py what it accepts, rows.py how a batch is laid out, network.py the layers, tokens.py
texts to token ids, embedder.py the model of vectors around them. A cross-encoder reads the hidden states of first
tokens (`first_only`), of pairs with token types.
"""
