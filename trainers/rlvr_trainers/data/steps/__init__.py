"""Answers whose steps are labelled: read from files, made by completing them, as token ids, and held out."""
