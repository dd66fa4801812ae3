"""Every exception that finerank raises on purpose.

    FinerankError
    ├── InputError            the caller's query, documents or options cannot be used
    │   ├── TooLongError      query and instruction leave no room for a document
    │   └── UnreadableError   a file holds nothing that can be read as a document
    ├── ModelError            a checkpoint cannot be used
    │   ├── NotAModelError    the folder or id holds no checkpoint that finerank can rank with
    │   ├── UnsupportedError  the checkpoint needs something the network does not implement
    │   ├── DamagedError      a file of the checkpoint is broken, missing or not what was expected
    │   └── HubError          the hub cannot be reached, or has no such model
    ├── TrainingError         training data or a run cannot be used, or its loss is no number
    ├── RetrievalError        an index cannot be used: locked, damaged, or made with another embedding model
    ├── SelfTestError         `self_test="require"` and the model did not pass
    ├── SettingsError         an unknown or unusable setting
    ├── EngineError           the engine was closed, or failed outside any one document
    ├── NotReadyError         a server's model is still being loaded, or could not be
    ├── UnknownModelError     a server does not serve the model that was asked for
    ├── OverloadedError       a server has as much work as it takes; try again later
    ├── DeadlineError         the call was not done in the time it was given
    └── ProviderError         a server behind `finerank.client` failed, or gave an answer that cannot be used
        ├── AuthenticationError   it refused the API key
        ├── RateLimitError        it refused for now, also after the last retry
        └── UnreachableError      it could not be reached, or did not answer in time

Messages carry the value, the limit and the remedy. Trouble with one document never raises: it becomes that
document's `error`. Things that still work but deserve a look are `FinerankWarning`s.
"""


class FinerankError(Exception):
    """Base of everything below."""


class InputError(FinerankError, ValueError):
    """The query, the documents or an option of a call cannot be used."""


class TooLongError(InputError):
    """Query and instruction fill `max_length`, so that no token of a document would fit."""


class UnreadableError(InputError):
    """A file holds nothing that can be read as a document: encrypted, broken, or of no known kind."""


class TrainingError(FinerankError):
    """Training data or a run cannot be used, or the loss of a run is no number any more."""


class RetrievalError(FinerankError):
    """An index cannot be used: it is locked, damaged, absent, or made with another embedding model."""


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


class UnknownModelError(FinerankError):
    """The server does not serve the model that was asked for."""


class OverloadedError(FinerankError):
    """The server has as much work as it takes.   retry_after_s: when to try again, in seconds."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineError(FinerankError, TimeoutError):
    """The call was not done in the time it was given."""


class ProviderError(FinerankError):
    """A rerank server failed, or its answer cannot be used.   status: of HTTP, None if there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class AuthenticationError(ProviderError):
    """The provider refused the API key, or there is none to send."""


class RateLimitError(ProviderError):
    """The provider refuses for now (429), also after the last retry."""


class UnreachableError(ProviderError):
    """The provider could not be reached, or did not answer in time."""


class FinerankWarning(UserWarning):
    """Something worked, but not as the caller may expect."""
