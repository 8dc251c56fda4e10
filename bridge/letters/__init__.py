"""First passwords on paper: a class list of strips to cut out, as a PDF.

The document is the only place where the passwords are: it is written with mode 0600, and nothing of it is logged.
"""

from bridge.letters.document import Letter, document

__all__ = ["Letter", "document"]
