"""Texts that come with finerank."""
