"""A second, independent reader of the offline protocol DTO/1, made from its notes and vectors alone."""

from .cases import check_case
from .evidence import judge_evidence
from .refusal import Refusal

__all__ = ["Refusal", "check_case", "judge_evidence"]
