"""Every exception that finerank raises on purpose.

    FinerankError
    ├── InputError            the caller's query, documents or options cannot be used
    │   └── TooLongError      query and instruction leave no room for a document
    ├── ModelError            a checkpoint cannot be used
    │   ├── NotAModelError    the folder or id holds no checkpoint that finerank can rank with
    │   ├── UnsupportedError  the checkpoint needs something the network does not implement
    │   ├── DamagedError      a file of the checkpoint is broken, missing or not what was expected
    │   └── HubError          the hub cannot be reached, or has no such model
    ├── SelfTestError         `self_test="require"` and the model did not pass
    ├── SettingsError         an unknown or unusable setting
    ├── EngineError           the engine was closed, or failed outside any one document
    └── NotReadyError         a server's model is still being loaded, or could not be

Messages carry the value, the limit and the remedy. Trouble with one document never raises: it becomes that
document's `error`. Things that still work but deserve a look are `FinerankWarning`s.
"""


class FinerankError(Exception):
    """Base of everything below."""


class InputError(FinerankError, ValueError):
    """The query, the documents or an option of a call cannot be used."""


class TooLongError(InputError):
    """Query and instruction fill `max_length`, so that no token of a document would fit."""


class ModelError(FinerankError):
    """A checkpoint cannot be used."""


class NotAModelError(ModelError):
    """The folder or hub id holds nothing that finerank can rank with."""


class UnsupportedError(ModelError):
    """The checkpoint asks for something that the network does not implement."""


class DamagedError(ModelError):
    """A file of the checkpoint is broken, missing, or not what was expected."""


class HubError(ModelError):
    """The model hub cannot be reached, or has no such model or revision."""


class SelfTestError(FinerankError):
    """The loaded model failed the self-test and `self_test="require"` was asked for."""


class SettingsError(FinerankError, ValueError):
    """A setting is unknown, or its value cannot be used."""


class EngineError(FinerankError, RuntimeError):
    """The engine was closed, or failed outside any one document."""


class NotReadyError(FinerankError):
    """There is no model to answer with: it is still being loaded, or could not be."""


class FinerankWarning(UserWarning):
    """Something worked, but not as the caller may expect."""
