"""Results as JSON has them: one function for every result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def to_json(result: object) -> Any:
    """Return a result of this package, or anything that is made of such, as JSON has it.

    Parameters
    ----------
    result : a dataclass becomes an object of its fields, a tuple or an array a list, NaN in an
        array null. A mapping whose keys are tuples, for example of two meters, becomes a list of
        lists, each with the parts of the key and the value.

    Returns
    -------
    Any : dictionaries, lists, texts, numbers, booleans and None only; no NaN.

    Raises
    ------
    TypeError : it holds something else.

    Notes
    -----
    JSON has neither NaN nor infinity (RFC 8259, section 6).
    """
    if is_dataclass(result) and not isinstance(result, type):
        return {field.name: to_json(getattr(result, field.name)) for field in fields(result)}
    if isinstance(result, Mapping):
        if any(isinstance(key, tuple) for key in result):
            return [[*map(to_json, key), to_json(value)] for key, value in result.items()]
        return {str(key): to_json(value) for key, value in result.items()}
    if isinstance(result, np.ndarray):
        return to_json(result.tolist())
    if isinstance(result, list | tuple):
        return [to_json(part) for part in result]
    if isinstance(result, np.generic):
        return to_json(result.item())
    if isinstance(result, float) and math.isnan(result):
        return None
    if result is None or isinstance(result, str | bool | int | float):
        return result
    raise TypeError(f"{type(result).__name__} has no form in JSON.")
