"""What is ranked in a benchmark: texts of common words, fresh ones for every turn."""

import random
from dataclasses import dataclass

WORDS = (
    "the of and to in is that for it as was with be by on not he this are or his from at which but have an had they "
    "you were their one all we can her has there been if more when will would who so no what about into than them "
    "only other new some could time these two may then do first any my now such like our over man me even most made "
    "after also did many before must through back years where much your way well down should because each just those "
    "people how too little state good very make world still own see men work long get here between both life being "
    "under never day same another know while last might us great old year off come since against go came right used "
    "take three water pressure sensor alarm manual pump valve motor engine battery screen network query document "
    "answer question result score model weight court contract clause law statute party price product customer order"
).split()


@dataclass(frozen=True, slots=True)
class Workload:
    """A query against `num_documents` documents of `min_words` to `max_words` words."""

    name: str
    num_documents: int
    min_words: int
    max_words: int
    max_length: int = 8192

    def texts(self, turn: int) -> tuple[str, list[str]]:
        """(query, documents) of a turn; no two turns share a text."""
        chosen = random.Random(f"{self.name} {turn}")
        query = " ".join(chosen.choices(WORDS, k=12))
        sizes = [chosen.randint(self.min_words, self.max_words) for _ in range(self.num_documents)]
        return query, [" ".join(chosen.choices(WORDS, k=size)) for size in sizes]


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("1 x 32 documents of 40-160 words", 32, 40, 160),
        Workload("1 x 100 documents of 300 words", 100, 300, 300),
        Workload("1 x 1 document of 8K tokens", 1, 8080, 8080),
        Workload("1 x 1 document of 32K tokens", 1, 32_600, 32_600, max_length=32_768),
    )
}
