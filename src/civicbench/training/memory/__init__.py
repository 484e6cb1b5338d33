"""What training needs of memory, counted before it runs."""
