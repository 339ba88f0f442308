"""The Hugging Face hub, which may be out of reach, and what is stored of it here."""

from rlvr_gym.hub.reaching import is_of_connection, stored_if_unreached, unreached

__all__ = ["is_of_connection", "stored_if_unreached", "unreached"]
