"""The names of what `rlvr help` explains. Imports nothing: every `rlvr --help` reads them."""

TOPICS = {
    "recipes": "what `rlvr train` starts from",
    "environments": "what a model is trained and evaluated on",
    "settings": "key.sub=value, and the options that are short for one",
    "models": "folders, hub ids, tiny ones, served ones",
    "files": "what a run's folder holds, and how to resume",
    "logs": "what goes where: --quiet, --verbose, --json",
    "exit-codes": "how a command ended",
}
"""Every topic, and what it is about in a few words."""
