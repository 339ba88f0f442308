"""Environments by what made them, so that a fresh interpreter can build the same one."""

from __future__ import annotations

from gymnasium.envs.registration import EnvSpec, load_env_creator

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError


def buildable(env: Environment) -> EnvSpec:
    """The id and the options that made `env`. Raises ConfigError where a fresh interpreter could not make it again."""
    if env.spec is None or not isinstance(env.spec.entry_point, str):
        raise ConfigError(
            "an audit judges in fresh interpreters, which build the environment by its name: register it, and "
            "make it with rlvr_gym.make(...)"
        )
    if env.spec.entry_point.startswith("__main__:"):
        raise ConfigError(
            f"an audit judges in fresh interpreters, which cannot import '{env.spec.entry_point}': move it to a "
            "module that can be imported"
        )
    return env.spec


def rebuilt(spec: EnvSpec) -> Environment:
    """The environment that `spec` describes, whether or not its id is registered in this interpreter."""
    assert isinstance(spec.entry_point, str)
    env = load_env_creator(spec.entry_point)(**spec.kwargs)
    if not isinstance(env, Environment):
        raise ConfigError(f"'{spec.id}' built a {type(env).__name__}, not an rlvr_gym Environment")
    env.spec = spec
    return env
