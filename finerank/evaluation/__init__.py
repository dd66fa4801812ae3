"""Does reranking help on these data, by how much, and at what cost?"""
