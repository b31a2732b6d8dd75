"""The filter language of ListOperations and WatchOperations."""

from services.operations.filters.evaluation import Predicate, matches, predicate_of
from services.operations.filters.expression import EVERYTHING, Expression
from services.operations.filters.parser import FilterSyntaxError, parse_filter

__all__ = ["EVERYTHING", "Expression", "FilterSyntaxError", "Predicate", "matches", "parse_filter", "predicate_of"]
