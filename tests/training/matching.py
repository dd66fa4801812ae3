"""A small task of matching, and a tokenizer for it: does a reranker learn to compare query and document?

An entity has a name of two words and a value for each of several properties. A query asks for one property of one
entity; a document tells one property of one entity. The right document tells the property that was asked for, of the
entity that was named; the others tell another property of it, or the same one of entities that share a word of its name
or none. Every word of a held-out entity occurs in training, its name does not. A document alone says nothing: each
is right for one query and wrong for others.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from finerank.prompt import README_FORM
from finerank.training.examples import Candidate, Example

from ..conftest import _PIECES, CONTROL_TOKENS, PLAIN_ADDED_TOKENS

FIRST = "amber birch cedar delta ember fjord grove haven".split()
SECOND = "acre bay cliff dune edge ford gate hill".split()
VALUES = {
    "colour": "red blue green white".split(),
    "metal": "iron gold zinc lead".split(),
    "animal": "fox owl crab moth".split(),
}


@dataclass(frozen=True)
class Fact:
    name: tuple[str, str]
    about: str
    value: str

    @property
    def query(self) -> str:
        return f"{self.about} of {' '.join(self.name)}"

    @property
    def document(self) -> str:
        return f"{' '.join(self.name)} has {self.about} {self.value}"


class Matching:
    """Facts of entities for training, and of others held out."""

    def __init__(self, *, held_out: int = 16, seed: int = 0) -> None:
        chance = random.Random(seed)
        names = list(product(FIRST, SECOND))
        chance.shuffle(names)
        values = {(name, about): chance.choice(VALUES[about]) for name in names for about in VALUES}
        facts = [[Fact(name, about, values[name, about]) for about in VALUES] for name in names]
        self.held_out = [fact for of in facts[:held_out] for fact in of]
        self.training = [fact for of in facts[held_out:] for fact in of]

    def examples(self, count: int, *, wrong: int = 5, seed: int = 0) -> list[Example]:
        return [self._example(self.training, wrong, random.Random(f"{seed} {number}")) for number in range(count)]

    def questions(self, count: int, *, wrong: int = 19, seed: int = 1) -> list[Example]:
        """About held-out entities, with documents of held-out entities only."""
        return [self._example(self.held_out, wrong, random.Random(f"{seed} {number}")) for number in range(count)]

    def _example(self, facts: Sequence[Fact], wrong: int, chance: random.Random) -> Example:
        fact = chance.choice(facts)
        others = [each for each in facts if each != fact]
        near = [each for each in others if _is_near(each, fact)]
        drawn = chance.sample(near, min(len(near), (wrong + 1) // 2))
        far = [each for each in others if each not in drawn]
        drawn += chance.sample(far, wrong - len(drawn))
        candidates = [Candidate(fact.document, 1.0), *(Candidate(each.document, 0.0) for each in drawn)]
        chance.shuffle(candidates)
        return Example(fact.query, tuple(candidates), place=fact.query)


def _is_near(one: Fact, other: Fact) -> bool:
    """Of its entity, or the same property of one whose name shares a word."""
    if one.name == other.name:
        return True
    return one.about == other.about and any(a == b for a, b in zip(one.name, other.name, strict=True))


def save_tokenizer(folder: Path) -> int:
    """One token for each word of prompt and task. Returns the size of its vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    form = README_FORM
    prompt = form.system + form.instruction.format(form.default_instruction) + form.query + form.document + form.suffix
    words = [*FIRST, *SECOND, *VALUES, *(value for values in VALUES.values() for value in values), "of", "has"]
    texts = [prompt, "yes", "no", *words, *(f" {word}" for word in words)]
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text for text in texts for _ in range(5)], trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in CONTROL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in PLAIN_ADDED_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    return int(tokenizer.get_vocab_size())
