"""What is the same in all dialects: where they are, how they ask, and where the answer has what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

QUERY = "red planet mars"
DOCUMENTS = ["venus is hot", "mars is the red planet", "the red bus"]
ORDER = [1, 2, 0]
LOG_ODDS = [1.0, -1.0, -2.0]
SCORES = [0.7310586, 0.2689414, 0.1192029]


@dataclass(frozen=True)
class Spoken:
    """A dialect as its clients see it.

    body: from query and documents.   options: a place in the body for fields.   results: of an answer.
    score: name of the score in a result.   top: name of top_n, "" where there is none.
    message: of an error.   invalid: status of input that cannot be used.   errors: where failed documents are listed.
    """

    name: str
    paths: Sequence[str]
    results: Callable[[Any], list[dict[str, Any]]]
    documents: str = "documents"
    score: str = "relevance_score"
    top: str = "top_n"
    message: Callable[[Any], str] = lambda body: str(body["error"]["message"])
    invalid: int = 400
    empty: int = 400
    errors: Callable[[Any], list[Any]] | None = lambda body: list(body["errors"])
    is_nested: bool = False
    is_ordered: bool = True
    is_logit: bool = False

    def body(self, query: Any = QUERY, documents: Any = None, **fields: Any) -> dict[str, Any]:
        documents = DOCUMENTS if documents is None else documents
        if self.is_nested:
            return {"input": {"query": query, "documents": documents}, "parameters": fields}
        return {"query": query, self.documents: documents, **fields}

    @property
    def expected(self) -> list[float]:
        return LOG_ODDS if self.is_logit else SCORES


def _list(name: str) -> Callable[[Any], list[dict[str, Any]]]:
    return lambda body: list(body[name])


def _detail(body: Mapping[str, Any]) -> str:
    detail = body["detail"]
    return str(detail if isinstance(detail, str) else detail[0]["msg"])


def _siliconflow(body: Any) -> str:
    return body if isinstance(body, str) else str(body["message"])


RESULTS = _list("results")
DIALECTS = [
    Spoken("finerank", ["/v1/rerank", "/rerank", "/reranking"], RESULTS),
    Spoken(
        "cohere",
        ["/v2/rerank", "/cohere/v2/rerank", "/cohere/v1/rerank"],
        RESULTS,
        message=lambda body: str(body["message"]),
    ),
    Spoken("jina", ["/jina/v1/rerank"], RESULTS, message=_detail, invalid=422, empty=422),
    Spoken("voyage", ["/voyage/v1/rerank"], _list("data"), top="top_k", message=_detail),
    Spoken("siliconflow", ["/siliconflow/v1/rerank"], RESULTS, message=_siliconflow),
    Spoken(
        "tei",
        ["/tei/rerank", "/rerank"],
        list,
        documents="texts",
        score="score",
        message=lambda body: str(body["error"]),
        invalid=422,
        errors=None,
    ),
    Spoken("vllm", ["/vllm/rerank", "/vllm/v1/rerank", "/vllm/v2/rerank"], RESULTS),
    Spoken("infinity", ["/infinity/rerank"], RESULTS, message=_detail, invalid=422, empty=422),
    Spoken(
        "sglang",
        ["/sglang/v1/rerank"],
        list,
        score="score",
        message=lambda body: str(body["message"]),
        errors=None,
    ),
    Spoken("llamacpp", ["/llamacpp/rerank", "/llamacpp/v1/reranking"], RESULTS),
    Spoken("xinference", ["/xinference/v1/rerank"], RESULTS, message=_detail),
    Spoken("localai", ["/localai/v1/rerank"], RESULTS),
    Spoken(
        "dashscope",
        [
            "/api/v1/services/rerank/text-rerank/text-rerank",
            "/dashscope/api/v1/services/rerank/text-rerank/text-rerank",
        ],
        lambda body: list(body["output"]["results"]),
        message=lambda body: str(body["message"]),
        errors=lambda body: list(body["output"]["errors"]),
        is_nested=True,
    ),
    Spoken("dashscope-compatible", ["/compatible-api/v1/reranks", "/dashscope/compatible-api/v1/reranks"], RESULTS),
    Spoken(
        "mixedbread",
        ["/v1/reranking", "/mixedbread/v1/reranking"],
        _list("data"),
        documents="input",
        score="score",
        top="top_k",
        message=_detail,
    ),
    Spoken(
        "nim",
        ["/v1/ranking", "/nim/v1/ranking"],
        _list("rankings"),
        documents="passages",
        score="logit",
        message=lambda body: str(body["message"]),
        is_logit=True,
    ),
]
PATHS = [(spoken, path) for spoken in DIALECTS for path in spoken.paths]
IDS = [f"{spoken.name}-{path}" for spoken, path in PATHS]
