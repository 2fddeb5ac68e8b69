"""Translating images in tiles, with the result of the whole image.

``layers`` computes a part of the features of each kind of layer. ``lowering`` finds the layers of
a network's modules, and ``graph`` how they are connected. ``plan`` divides an image into tiles,
``statistics`` holds what norms need of the whole image, and ``engine`` runs all of this.
"""
