"""Datasets: built in, generated, published, or uploaded."""
