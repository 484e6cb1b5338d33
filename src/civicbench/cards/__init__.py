"""Renderings of the evidence: model card in Markdown and HTML."""
