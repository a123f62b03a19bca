"""An amount in English words, for the screen: the same words as on paper."""

from core.documents.amount_words import in_words

__all__ = ["in_words"]
