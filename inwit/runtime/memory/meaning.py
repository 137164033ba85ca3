"""Finding by meaning: texts become vectors, and vectors are compared by their angle."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib import import_module
from math import sqrt
from typing import Any, NamedTuple, Protocol, cast

from inwit.errors import EmbeddingError
from inwit.runtime.memory.items import IndexConfig, PutOp
from inwit.runtime.memory.matching import get_text_at_path

Vector = Sequence[float]


class Embeddings(Protocol):
    """What turns texts into vectors; langchain-core's `Embeddings` are of this shape."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]: ...

    def embed_query(self, text: str) -> list[float]: ...

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]: ...

    async def aembed_query(self, text: str) -> list[float]: ...


class FunctionEmbeddings:
    """A function from texts to vectors as `Embeddings`; an async one serves the async methods only."""

    def __init__(self, function: Callable[[list[str]], Any]) -> None:
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(type(function), "__call__", None)  # noqa: B004 - its kind is asked, not whether
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Turn texts into vectors, in their order."""
        if self.is_async:
            raise EmbeddingError(
                "The store's embed function is async.", hint="Use aput and asearch with it."
            )
        return cast("list[list[float]]", self.function(texts))

    def embed_query(self, text: str) -> list[float]:
        """Turn one text into a vector."""
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Turn texts into vectors; a sync function runs in a thread."""
        if self.is_async:
            return await cast("Awaitable[list[list[float]]]", self.function(texts))
        import asyncio

        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        """Turn one text into a vector."""
        return (await self.aembed_documents([text]))[0]


def ensure_embeddings(embed: Any) -> Embeddings:
    """Make `Embeddings` of a function, of an object that is some, or of langchain's name for one.

    Raises:
        EmbeddingError: It is none of these, or langchain is not installed.
    """
    if isinstance(embed, str):
        try:
            made: Embeddings = import_module("langchain.embeddings").init_embeddings(embed)
        except ImportError as exc:
            raise EmbeddingError(
                f"{embed!r} names a model of langchain, which is not installed.",
                hint="pip install langchain, or give a function from texts to vectors.",
            ) from exc
        return made
    if hasattr(embed, "embed_documents"):
        return cast("Embeddings", embed)
    if callable(embed):
        return FunctionEmbeddings(embed)
    raise EmbeddingError(
        f"{embed!r} cannot turn texts into vectors.", hint="Give a function from texts to vectors."
    )


class Place(NamedTuple):
    """Where a text of an item is."""

    namespace: tuple[str, ...]
    key: str
    path: str


class Meaning:
    """The index of a store as it was asked for."""

    def __init__(self, config: IndexConfig) -> None:
        self.embeddings = ensure_embeddings(config.get("embed"))
        self.dims = config.get("dims")
        self.fields = list(config.get("fields") or ["$"])

    def texts_of(self, puts: Iterable[PutOp]) -> list[tuple[str, Place]]:
        """The texts that values are found by, and where each is."""
        found: list[tuple[str, Place]] = []
        for op in puts:
            if op.value is None or op.index is False:
                continue
            for path in self.fields if op.index is None else op.index:
                texts = get_text_at_path(op.value, path)
                for number, text in enumerate(texts):
                    name = f"{path}.{number}" if len(texts) > 1 else path
                    found.append((text, Place(op.namespace, op.key, name)))
        return found

    def placed(
        self, texts: Sequence[tuple[str, Place]], distinct: Sequence[str], vectors: Sequence[Vector]
    ) -> dict[Place, Vector]:
        """Bring the vectors of distinct texts to where the texts are.

        Raises:
            EmbeddingError: There are not as many vectors as texts, or they are of another size.
        """
        if len(distinct) != len(vectors):
            raise EmbeddingError(
                f"The embed function gave {len(vectors)} vectors for {len(distinct)} texts.",
                hint="It gives one for each, in their order.",
            )
        for vector in vectors:
            self.check(vector)
        by_text = dict(zip(distinct, vectors, strict=True))
        return {place: by_text[text] for text, place in texts}

    def check(self, vector: Vector) -> None:
        """Refuse a vector of another size than the index has."""
        if self.dims is not None and len(vector) != self.dims:
            raise EmbeddingError(
                f"The embed function gave {len(vector)} numbers, the index has {self.dims}.",
                hint="Set dims to what the function gives.",
            )

    def embed(self, texts: list[tuple[str, Place]]) -> dict[Place, Vector]:
        """Turn the texts of items into vectors."""
        distinct = list(dict.fromkeys(text for text, _ in texts))
        vectors = self.embeddings.embed_documents(distinct) if distinct else []
        return self.placed(texts, distinct, vectors)

    async def aembed(self, texts: list[tuple[str, Place]]) -> dict[Place, Vector]:
        """Turn the texts of items into vectors."""
        distinct = list(dict.fromkeys(text for text, _ in texts))
        vectors = await self.embeddings.aembed_documents(distinct) if distinct else []
        return self.placed(texts, distinct, vectors)


def likeness(query: Vector, vectors: Sequence[Vector]) -> list[float]:
    """The cosines of the angles between a query and each vector; 0 where one has no length."""
    if not vectors:
        return []
    try:
        import numpy as np
    except ImportError:
        return [_cosine(query, vector) for vector in vectors]
    one, many = np.asarray(query, dtype=float), np.asarray(vectors, dtype=float)
    lengths = np.linalg.norm(many, axis=1) * np.linalg.norm(one)
    products = many @ one
    given = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return cast("list[float]", given.tolist())


def _cosine(one: Vector, other: Vector) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    length = sqrt(sum(a * a for a in one)) * sqrt(sum(b * b for b in other))
    return product / length if length > 0 else 0.0
