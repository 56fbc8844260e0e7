"""The correct algorithms behind the lessons of *AI Safety and Alignment, Tested*.

``companion.<chapter>.<lesson>`` holds what the lesson of that name teaches. The modules beside the
chapters are the ground floor that several chapters share. See the README for how to copy a function out:
``python -m companion.snippet NAME``.
"""

__version__ = "0.1.0"
