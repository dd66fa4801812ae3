"""Names of the task sets that `finerank mteb` knows; MTEB itself is not needed to list them."""

from typing import Final

GROUPS: Final = {
    "MTEB-R": "the 10 retrieval tasks of MTEB(eng, v2)",
    "CMTEB-R": "the 8 of MTEB(cmn, v1)",
    "MMTEB-R": "the 18 of MTEB(Multilingual, v2)",
    "MLDR": "MultiLongDocRetrieval",
    "MTEB-Code": "the 12 of MTEB(Code, v1)",
    "FollowIR": "Core17, News21 and Robust04 with an instruction a query, measured by p-MRR",
}
"""The sets behind the Qwen3-Reranker model card's table."""
