"""What the book shows as *recorded*: comparisons with peers, timings and many seeds.

``evidence/<chapter>/<lesson>.py`` defines ``measure()``, which returns what is to be recorded and raises where
an agreement fails.  ``python -m evidence <chapter>/<lesson>`` runs it and writes ``<lesson>.json`` beside it.
"""
