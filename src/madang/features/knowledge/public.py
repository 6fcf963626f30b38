"""Knowledge for other features: search documents, know when they say nothing, and what words a text is found by."""

from madang.features.knowledge.contracts import GOOD_ENOUGH, Passage
from madang.features.knowledge.service.documents import any_documents, has_documents, require_documents
from madang.features.knowledge.service.language import people, words
from madang.features.knowledge.service.search import find, search

__all__ = [
    "GOOD_ENOUGH",
    "Passage",
    "any_documents",
    "find",
    "has_documents",
    "people",
    "require_documents",
    "search",
    "words",
]
