"""One file a dialect. Each has a `Dialect` (its name and the shape of its errors) and a router over `RerankService`."""

from collections.abc import Mapping

from fastapi import APIRouter

from ..dialect import FINERANK, Dialect
from ..search_service import SearchService
from ..service import RerankService
from .adapters import adapters_router
from .cohere import COHERE, cohere_router
from .dashscope import DASHSCOPE, DASHSCOPE_COMPATIBLE, dashscope_compatible_router, dashscope_router
from .docs import docs_router
from .embeddings import OPENAI, embeddings_router
from .health import health_router
from .infinity import INFINITY, infinity_router
from .jina import JINA, jina_router
from .llamacpp import LLAMACPP, llamacpp_router
from .localai import LOCALAI, localai_router
from .metrics import metrics_router
from .mixedbread import MIXEDBREAD, mixedbread_router
from .models import models_router
from .nim import NIM, nim_router
from .predict import predict_router
from .rerank import rerank_router, reranking_router
from .search import search_router
from .sglang import SGLANG, sglang_router
from .siliconflow import SILICONFLOW, siliconflow_router
from .tei import TEI, tei_router
from .tei_embed import tei_embed_router
from .vllm import VLLM, vllm_router
from .voyage import VOYAGE, voyage_router
from .weaviate import WEAVIATE, weaviate_router
from .xinference import XINFERENCE, xinference_router


def api_routers(service: RerankService, search: SearchService) -> list[tuple[Dialect, APIRouter]]:
    """Every router with the dialect of its errors, the busiest first: a request tries one after another."""
    return [
        (FINERANK, rerank_router(service)),
        (MIXEDBREAD, reranking_router(service)),
        (COHERE, cohere_router(service)),
        (VLLM, vllm_router(service)),
        (TEI, tei_router(service)),
        (OPENAI, embeddings_router(service)),
        (TEI, tei_embed_router(service)),
        (FINERANK, predict_router(service)),
        (FINERANK, search_router(search, service.settings)),
        (JINA, jina_router(service)),
        (VOYAGE, voyage_router(service)),
        (SILICONFLOW, siliconflow_router(service)),
        (DASHSCOPE, dashscope_router(service)),
        (DASHSCOPE_COMPATIBLE, dashscope_compatible_router(service)),
        (MIXEDBREAD, mixedbread_router(service)),
        (NIM, nim_router(service)),
        (INFINITY, infinity_router(service)),
        (SGLANG, sglang_router(service)),
        (LLAMACPP, llamacpp_router(service)),
        (XINFERENCE, xinference_router(service)),
        (LOCALAI, localai_router(service)),
        (WEAVIATE, weaviate_router(service)),
        (FINERANK, health_router(service)),
        (FINERANK, metrics_router()),
        (FINERANK, models_router(service)),
        (VLLM, adapters_router(service)),
        (FINERANK, docs_router()),
    ]


def prefixes() -> Mapping[str, Dialect]:
    """First parts of paths, such as `/cohere`, under which even a wrong path is answered in that dialect."""
    return {
        "/cohere": COHERE,
        "/dashscope": DASHSCOPE,
        "/dashscope/compatible-api": DASHSCOPE_COMPATIBLE,
        "/infinity": INFINITY,
        "/jina": JINA,
        "/llamacpp": LLAMACPP,
        "/localai": LOCALAI,
        "/mixedbread": MIXEDBREAD,
        "/nim": NIM,
        "/sglang": SGLANG,
        "/siliconflow": SILICONFLOW,
        "/tei": TEI,
        "/vllm": VLLM,
        "/voyage": VOYAGE,
        "/weaviate": WEAVIATE,
        "/xinference": XINFERENCE,
    }
