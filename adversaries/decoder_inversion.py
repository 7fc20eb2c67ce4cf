"""A small convolutional network from opened inputs to the final latent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .digested import Digested
from .linear_reading import features, pointwise
from .own_executions import Executions, executions
from .own_order import in_own_order
from .own_views import Opened, informative
from .share_inputs import at_step, seen_steps
from .share_latent import read_ends
from .share_model import ShareModel
from .share_views import LAYERS, Floats

WIDTH = 32
"""Channels of the network's hidden layers."""

HELD = 4
"""One example of so many says how far to trust the network."""

BATCH = 32


@dataclass(frozen=True, kw_only=True)
class DecoderInversion:
    """Learn g(view) -> latent on own executions, seen as the coalition sees those of the client.

    Each own execution is opened as far as the coalition can open others, under masks of the same
    size. Its features are the linear guess of `LinearReading` without it, and the inputs of the
    last step seen, carried to the latent's grid by public linear maps. A network of three
    convolutions learns what a pointwise linear map of these leaves of the final latent, and is
    shrunk to what it explains of examples that it was not trained on.

    Where nothing was opened it shows the prior picture.

    Queries: one execution in the clear for each example.

    Attributes:
        examples: Own executions.
        rounds: Passes over them.
        rate: Of Adam.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS
    examples: int = 64
    rounds: int = 20
    rate: float = 3e-3

    def __post_init__(self) -> None:
        if self.examples < 2:
            raise ValueError(f"examples={self.examples} must be >= 2")
        if self.rounds < 1:
            raise ValueError(f"rounds={self.rounds} must be >= 1")
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate={self.rate:g} must be > 0 and <= 1")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("DecoderInversion needs the fact candidates")
        model = ShareModel.open(aux, views)
        opened = read_ends(model, views)
        seen = informative({step: at_step(opened, step) for step in seen_steps(opened)})
        pictures = model.nothing(len(views))
        if seen:
            prompts = [text for row in aux.candidates for text in row]
            own = executions(model, prompts, self.examples)
            pictures = model.pictures(self.final_latents(model, own, seen, rng))
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures)

    def final_latents(
        self, model: ShareModel, own: Executions, opened: Opened, rng: np.random.Generator
    ) -> Floats:
        """Guesses of final latents, shape (games, channels, height, width)."""
        final, (taught, asked) = own.final.double().numpy(), features(model, own, opened, rng)
        rest = final - pointwise(taught, final, taught)
        digest = sha256(taught.tobytes() + rest.tobytes()).hexdigest()
        net = learned(Digested(value=(taught, rest), digest=digest), self.rounds, self.rate)
        return pointwise(taught, final, asked) + net(asked)


@lru_cache(maxsize=16)
def learned(lesson: Digested[tuple[Floats, Floats]], rounds: int, rate: float) -> Net:
    """A network for most of the examples, shrunk as far as the others say.

    Coalitions that see all of an input learn the same in every mode.

    Args:
        lesson: Features and outputs of examples, both of shape (n, channels, height, width).
        rounds: Passes over them.
        rate: Of Adam.
    """
    examples, outputs = lesson.value
    held = np.arange(len(examples)) % HELD == 0
    net = Net.untrained(examples, outputs)
    net.train(examples[~held], outputs[~held], rounds=rounds, rate=rate)
    guess = net(examples[held])
    gain = float((guess * outputs[held]).sum() / max(np.square(guess).sum(), 1e-30))
    return replace(net, scale=net.scale * min(max(gain, 0.0), 1.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Net:
    """Three convolutions, between standardized features and outputs of one scale.

    Attributes:
        layers: The network; 0 everywhere before training.
        center: Mean of every feature, shape (1, features, 1, 1).
        spread: Its standard deviation, same shape.
        scale: Of the outputs.
    """

    layers: nn.Sequential
    center: Floats
    spread: Floats
    scale: float

    @classmethod
    def untrained(cls, examples: Floats, outputs: Floats) -> Net:
        """For features and outputs of shape (n, channels, height, width)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = _network(examples.shape[1], outputs.shape[1])
        return cls(
            layers=layers,
            center=examples.mean(axis=(0, 2, 3), keepdims=True),
            spread=examples.std(axis=(0, 2, 3), keepdims=True) + 1e-12,
            scale=float(outputs.std()) + 1e-12,
        )

    @torch.no_grad()
    def __call__(self, features: Floats) -> Floats:
        """Outputs, shape (n, channels, height, width)."""
        return np.asarray(self.layers(self._input(features)).double().numpy() * self.scale)

    def train(self, examples: Floats, outputs: Floats, *, rounds: int, rate: float) -> None:
        """Adam on the mean squared error."""
        own, wanted = self._input(examples), torch.from_numpy(outputs / self.scale).float()
        optimizer = torch.optim.Adam(self.layers.parameters(), lr=rate, weight_decay=1e-3)
        for _ in range(rounds):
            for rows in torch.arange(len(own)).split(BATCH):
                optimizer.zero_grad()
                (self.layers(own[rows]) - wanted[rows]).square().mean().backward()
                optimizer.step()

    def _input(self, features: Floats) -> Tensor:
        return torch.from_numpy((features - self.center) / self.spread).float()


def _network(inputs: int, outputs: int) -> nn.Sequential:
    last = nn.Conv2d(WIDTH, outputs, 3, padding=1)
    net = nn.Sequential(
        nn.Conv2d(inputs, WIDTH, 1),
        nn.SiLU(),
        nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
        nn.SiLU(),
        last,
    )
    for parameter in last.parameters():
        nn.init.zeros_(parameter)
    return net
