"""What cards and reports share: blocks, their renderings as HTML and Markdown, and words."""
