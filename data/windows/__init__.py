"""Images that are read and written window by window, because they may not fit into memory.

``protocols`` says what a source and a sink of windows offer, and ``arrays`` has those in memory.
"""
