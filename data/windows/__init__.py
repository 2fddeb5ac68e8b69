"""Images that are read and written window by window, because they may not fit into memory.

``protocols`` has the interfaces of a source and a sink of windows, and ``arrays`` those in memory.
``opening`` gives the source of a file: ``tiff`` decodes strips and tiles, and ``pictures`` converts
8-bit pictures as Pillow does.
"""
