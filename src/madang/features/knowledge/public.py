"""Knowledge for other features: search documents, and know when they say nothing."""

from madang.features.knowledge.contracts import GOOD_ENOUGH, Passage
from madang.features.knowledge.service.documents import has_documents, require_documents
from madang.features.knowledge.service.search import find, search

__all__ = ["GOOD_ENOUGH", "Passage", "find", "has_documents", "require_documents", "search"]
