"""A typed function as a tool: its schema from hints and docstring, its arguments checked, its result as text."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticSerializationError

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.files import Json, JsonObject
from rlvr_gym.tools.calls import ToolSpec

T = TypeVar("T")


class _OfTheEpisode:
    """Marks a parameter that no policy gives."""


State = Annotated[T, _OfTheEpisode]
"""The type of a parameter that takes the episode's state: `board: State[Board]`. No policy sees or gives it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", re.ASCII)


class Unspeakable(Exception):
    """A result that the policy cannot be told; the message says why, for the policy to read."""


class BadArguments(Exception):
    """Arguments are not those of the tool; the message says which, for the policy to read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """A function that a policy may call by name, with arguments that are checked before it runs.

    `timeout_seconds` is how long a call may take, and `max_characters` how long its result may be: a longer one is
    cut, and says so. `state` is the type of the parameter that takes the episode's state, None without one.
    The function is the environment author's own and trusted; it runs in a thread of this process. It must be
    deterministic, and may be `async`. Text of a policy that is a program belongs into the sandbox.
    """

    spec: ToolSpec
    function: Callable[..., Any]
    arguments: type[BaseModel]
    state_name: str | None = None
    state: Any = None
    timeout_seconds: float = 10.0
    max_characters: int = 8000

    @property
    def name(self) -> str:
        """The name that the policy calls it by."""
        return self.spec.name

    @property
    def schema(self) -> JsonObject:
        """The tool as chat templates and OpenAI's interface take it."""
        return self.spec.schema

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, unchecked."""
        return self.function(*args, **kwargs)

    def checked(self, arguments: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The arguments as the function takes them. Raises BadArguments, which names those that are wrong.

        Types are strict: "3" is no integer. What JSON cannot say (an enumeration, a date) is read from its text.
        """
        try:
            text = json.dumps(arguments, allow_nan=False)
            model = self.arguments.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise BadArguments(self._complaint(error)) from error
        except (ValueError, RecursionError) as error:
            raise BadArguments(f"the arguments of '{self.name}' are no JSON: {error}") from error
        given = type(model).model_fields.keys() & model.model_fields_set
        return {type(model).model_fields[name].alias or name: getattr(model, name) for name in given}

    def text_of(self, result: object) -> str:
        """The result as the policy reads it.

        Raises Unspeakable for a value that arguments have made so: too large or too deep for JSON, or of another type
        than the function says that it returns. Raises VerifierFault for a type that never is text or JSON: else a
        policy could leave itself unscored by what it asks for.
        """
        kind = type(result).__name__
        try:
            if isinstance(result, BaseModel):
                return result.model_dump_json()
            return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
        except (TypeError, PydanticSerializationError) as error:
            if self._promises_another(result):
                raise Unspeakable(f"the result is a {kind}") from error
            raise VerifierFault(
                f"the tool '{self.name}' returned a {kind}, which is neither text nor JSON: {error}"
            ) from error
        except (ValueError, RecursionError) as error:
            raise Unspeakable(f"the result, a {kind}, cannot be written down: {error}") from error

    def _promises_another(self, result: object) -> bool:
        """Return whether the function's hints say that it returns something else than this."""
        try:
            promised = get_type_hints(self.function).get("return", Any)
            TypeAdapter(promised).validate_python(result, strict=True)
        except ValidationError:
            return True
        except (TypeError, NameError, PydanticUserError):  # no hint that pydantic knows
            return False
        return False

    def _complaint(self, error: ValidationError) -> str:
        wrong = [self._wrong(dict(problem)) for problem in error.errors(include_url=False)[:3]]
        takes = ", ".join(self.spec.parameters.get("properties", {})) or "no arguments"
        return f"{'; '.join(dict.fromkeys(wrong))}. '{self.name}' takes: {takes}"

    def _wrong(self, problem: Mapping[str, Any]) -> str:
        argument = str(problem["loc"][0]) if problem["loc"] else ""
        match problem["type"]:
            case "missing" if len(problem["loc"]) == 1:
                return f"'{self.name}' needs the argument '{argument}'"
            case "extra_forbidden" if len(problem["loc"]) == 1:
                return f"'{self.name}' has no argument '{_shown(argument)}'"
            case _:
                said, found = str(problem["msg"]), _shown(json.dumps(problem["input"], default=str))
                return (
                    f"the argument '{argument}' of '{self.name}': {said[:1].lower()}{said[1:]}, not {found}"
                )


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *, name: str | None = None, timeout_seconds: float = 10.0, max_characters: int = 8000
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    timeout_seconds: float = 10.0,
    max_characters: int = 8000,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a typed function, plain or `async`.

    Its docstring is the tool's description: what it does, and under `Args:` a line for each argument. A parameter of
    type `State[...]` takes the episode's state. A result is text, JSON or a pydantic model. What the function raises is
    told to the policy, but for VerifierFault, which ends the episode unscored.

    Raises ConfigError for a function that cannot be a tool.

    Args:
        function: the function.
        name: what the policy calls it; None is the function's own name.
        timeout_seconds: how long a call may take before it is given up on.
        max_characters: how long a result may be; of a longer one the beginning is shown.
    """

    def made(function: Callable[..., Any]) -> Tool:
        called = function.__name__ if name is None else name
        if not _NAME.fullmatch(called):
            raise ConfigError(f"a tool's name has letters, digits, _ and - (at most 64), not '{called}'")
        if not timeout_seconds > 0 or max_characters < 100:
            raise ConfigError(
                f"tool '{called}': timeout_seconds must be positive and max_characters at least 100, not "
                f"{timeout_seconds} and {max_characters}"
            )
        hints, state_name, state = _hints(called, function)
        described, per_argument = _described(called, function, hints)
        arguments = _model(called, function, hints)
        return Tool(
            spec=ToolSpec(
                name=called, description=described, parameters=_parameters(called, arguments, per_argument)
            ),
            function=function,
            arguments=arguments,
            state_name=state_name,
            state=state,
            timeout_seconds=timeout_seconds,
            max_characters=max_characters,
        )

    return made if function is None else made(function)


def _hints(name: str, function: Callable[..., Any]) -> tuple[dict[str, Any], str | None, Any]:
    """The types of the arguments by name, the name of the parameter that takes the state, and that one's type."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"the types of the tool '{name}' cannot be read: {error}") from error
    states: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ConfigError(
                f"tool '{name}': '{parameter.name}' cannot be given by name, as policies give arguments"
            )
        if parameter.name not in hints:
            raise ConfigError(f"tool '{name}': the parameter '{parameter.name}' has no type")
        if get_origin(hints[parameter.name]) is Annotated and _OfTheEpisode in get_args(
            hints[parameter.name]
        ):
            states[parameter.name] = get_args(hints[parameter.name])[0]
    if len(states) > 1:
        raise ConfigError(f"tool '{name}' takes the state of the episode twice: {', '.join(states)}")
    types = {parameter: hints[parameter] for parameter in inspect.signature(function).parameters}
    state_name = next(iter(states), None)
    return {k: v for k, v in types.items() if k != state_name}, state_name, states.get(state_name or "")


def _model(name: str, function: Callable[..., Any], hints: Mapping[str, Any]) -> type[BaseModel]:
    """The arguments as a pydantic model. Fields have names of their own: a parameter may be called `schema` or `_x`."""
    parameters = inspect.signature(function).parameters
    fields: dict[str, Any] = {
        f"argument_{place}": (
            hint,
            Field(alias=argument)
            if parameters[argument].default is inspect.Parameter.empty
            else Field(default=parameters[argument].default, alias=argument),
        )
        for place, (argument, hint) in enumerate(hints.items())
    }
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    try:
        return create_model(f"{name} arguments", __config__=config, **fields)
    except Exception as error:
        raise ConfigError(f"tool '{name}': its types cannot be checked: {error}") from error


class _WithoutTitles(GenerateJsonSchema):
    """Schemas as chat templates show them: names are said once."""

    def get_title_from_name(self, name: str) -> str:
        """No title of a field."""
        return ""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave titles of fields out."""
        return False


def _parameters(name: str, arguments: type[BaseModel], described: Mapping[str, str]) -> JsonObject:
    try:
        schema = arguments.model_json_schema(schema_generator=_WithoutTitles)
    except Exception as error:
        raise ConfigError(f"tool '{name}': its types have no JSON schema: {error}") from error
    properties: JsonObject = _inlined(name, schema.get("properties", {}), schema.get("$defs", {}))
    for argument, about in described.items():
        properties[argument] = {**properties[argument], "description": about}
    found: JsonObject = {"type": "object", "properties": properties}
    return found | ({"required": schema["required"]} if "required" in schema else {})


def _inlined(name: str, schema: Json, definitions: JsonObject, within: tuple[str, ...] = ()) -> Json:
    """A schema without references, which few chat templates know how to show."""
    if isinstance(schema, list):
        return [_inlined(name, part, definitions, within) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) is not None:
        if reference in within:
            raise ConfigError(
                f"tool '{name}': a type that holds itself cannot be shown to a policy ({reference})"
            )
        own = {
            key: value
            for key, value in definitions[reference.removeprefix("#/$defs/")].items()
            if key != "title"
        }
        schema = own | {key: value for key, value in schema.items() if key != "$ref"}
        within = (*within, reference)
    return {key: _inlined(name, value, definitions, within) for key, value in schema.items()}


_SECTION = re.compile(r"^(Args|Arguments|Returns|Raises|Yields|Examples?|Notes?):\s*$", re.MULTILINE)
_ARGUMENT = re.compile(
    r"^[ \t]+(\w+)(?:[ \t]*\([^)]*\))?:[ \t]*(.*(?:\n(?:[ \t]{6,}.*|[ \t]*$))*)", re.MULTILINE
)


def _described(
    name: str, function: Callable[..., Any], hints: Mapping[str, Any]
) -> tuple[str, dict[str, str]]:
    """The description of a tool and of each argument that its docstring describes."""
    text = inspect.getdoc(function) or ""
    parts = _SECTION.split(text)
    description = " ".join(parts[0].split())
    if not description:
        raise ConfigError(f"tool '{name}' has no docstring, and the policy reads there what it does")
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    listed = sections.get("Args", sections.get("Arguments", ""))
    found = {said[1]: " ".join(said[2].split()) for said in _ARGUMENT.finditer(listed)}
    state = set(inspect.signature(function).parameters) - set(hints)
    if unknown := set(found) - set(hints) - state:
        raise ConfigError(
            f"tool '{name}': its docstring describes '{min(unknown)}', which is no parameter of it"
        )
    return description, {argument: about for argument, about in found.items() if argument in hints}


def _shown(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."
