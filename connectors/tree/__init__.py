"""A tree of folders and files as one side of a mirror, wherever it lies: what ``folder`` and ``smb`` have in common.

1. ``sight`` brings the ``index`` up to date: ``scan`` asks a ``Lister`` for folders, ``differences`` compares them
2. ``observing`` tells the index as pages; ``contents`` reads files as they were observed, or not at all
3. ``writing`` lets contents stream side by side and commits them one after the other through ``Hands``
4. what is overwritten or deleted goes to the ``trash``; ``restoring`` brings it back

What differs is a ``Storage`` (``storage``, ``hands``). A connector gives one to ``TreeConnector``; this package is none
by itself: it has no ``Options``, so no school can name it.
"""
