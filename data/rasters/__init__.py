"""Images that are more than 8-bit pictures: any depth, any number of bands, their values kept.

``header`` says what a file holds, ``reading`` gives its array, ``rules`` decides which range of
values becomes [-1, 1], and ``raster`` is what the transforms of ``--preprocess`` work on.
"""
